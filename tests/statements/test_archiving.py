import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO
from threading import Event

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone

from charges.models import Charge, FocusImport
from periods import storage
from periods.errors import BUSY, NotPermitted, Refused, WrongState
from periods.lifecycle import Blocked
from periods.models import AuditEntry, BillingPeriod
from statements import canonical, guards
from statements.archiving import finalize_period, verify_ledger
from statements.models import ArchivedDocument, Seal, Statement
from tests.make import make_charge, make_closed, make_period
from tests.statements.sealed import make_ready, make_sealed

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_finalize_seals_the_month(billing_admin):
    period = make_ready()

    seal = finalize_period(period, by=billing_admin)

    period.refresh_from_db()
    assert (period.state, period.finalized_by) == ("finalized", billing_admin)
    assert (seal.number, seal.previous, seal.algorithm, seal.sealed_by) == (1, None, 4, billing_admin)
    assert seal.totals == {"list": "100.00", "discount": "-87.50", "due": "12.50"}
    assert seal.counts == {
        "periods.BillingPeriod": 1,
        "charges.FocusImport": 1,
        "charges.ImportScope": 1,
        "charges.Charge": 1,
        "statements.Statement": 1,
        "statements.StatementLine": 1,
        "statements.ArchivedDocument": 2,
        "statements.Journal": 1,
        "statements.JournalLine": 2,
    }


def test_month_is_finalized_at_the_moment_that_its_seal_names():
    seal = make_sealed()

    assert seal.period.finalized_at == seal.sealed_at


@pytest.mark.parametrize("kind", ["statement", "journal"])
def test_changed_documents_are_not_sealed(kind):
    period = make_ready()
    document = ArchivedDocument.objects.get(kind=kind)
    storage.locate(document.path).write_bytes(b"forged")

    with pytest.raises(Refused) as refusal:
        finalize_period(period)

    name = f"{document.get_kind_display()} {document.path}"
    assert str(refusal.value) == (
        f"January 2025 cannot be sealed with these files:\n- {name} was changed: its hash is not the recorded one."
    )
    assert Seal.objects.count() == 0


def test_sealed_file_holds_the_lines_under_their_hash():
    seal = make_sealed()

    content = storage.locate(canonical.path_of(seal)).read_bytes()

    assert hashlib.sha256(content).hexdigest() == seal.lines_sha256
    assert content == b"".join(line for _, line in canonical.lines(seal.period))


def test_seals_are_chained():
    first, second = make_sealed("2025-01"), make_sealed("2025-02")

    assert (second.number, second.previous) == (2, first)
    assert len({first.head, second.head}) == 2
    second.previous.head = "another"
    assert canonical.head_of(second) != second.head


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("number", 7),
        ("algorithm", 7),
        ("lines_sha256", "0" * 64),
        ("counts", {}),
        ("totals", {}),
        ("sealed_at", timezone.now()),
        ("sealed_by_id", 7),
        ("period_id", 7),
    ],
)
def test_head_depends_on_everything_the_seal_says(field, value):
    seal = make_sealed()
    BillingPeriod.objects.create(pk=7, month="2031-01")

    setattr(seal, field, value)

    assert canonical.head_of(seal) != seal.head


def test_statements_print_the_head_that_stood_when_they_were_issued():
    head = make_sealed("2025-01").head

    make_ready("2025-02")

    assert Statement.objects.get(period__month="2025-02").seal_head == head


def test_month_with_nothing_to_post_records_that_no_journal_is_needed():
    free = make_ready("2025-01", due_amount="0")
    charged = make_ready("2025-02")

    finalize_period(free)
    finalize_period(charged)

    assert [entry.period for entry in AuditEntry.objects.filter(action="no_journal_needed")] == [free]


def test_finalize_is_recorded_with_actor_and_states(billing_admin):
    finalize_period(make_ready(), by=billing_admin)

    entry = AuditEntry.objects.get(action="finalize")
    assert (entry.by, entry.before, entry.after) == (billing_admin, {"state": "closed"}, {"state": "finalized"})


def test_deferred_charges_are_carried_into_the_next_month():
    period = make_ready()
    BillingPeriod.objects.filter(pk=period.pk).update(state="open")
    make_charge(review_status="deferred", due_amount="3", resource_id="node-2")
    make_closed(period)

    finalize_period(period)

    (copy,) = Charge.objects.filter(period__month="2025-02")
    assert (copy.kind, copy.due_amount, copy.origin.period) == ("carried", 3, period)


def test_failure_while_the_lines_are_written_leaves_nothing(home):
    period = make_ready()
    make_charge(period=period, review_status="deferred", resource_id="node-2")
    (home / "seals").write_text("a file where a folder should be")
    before = AuditEntry.objects.count()

    with pytest.raises(Refused, match="could not be kept"):
        finalize_period(period)

    period.refresh_from_db()
    assert period.state == "closed"
    assert (Seal.objects.count(), AuditEntry.objects.count()) == (0, before)
    assert not BillingPeriod.objects.filter(month="2025-02").exists()
    assert not FocusImport.objects.filter(kind="carried").exists()
    (home / "seals").unlink()
    assert finalize_period(period).number == 1


@pytest.mark.django_db(transaction=True)
def test_months_finalized_at_once_make_one_chain():
    """SQLite seals one after the other; on PostgreSQL the second month finds its number taken and says so."""
    first, second = make_ready("2025-01"), make_ready("2025-02")

    def finalize_second() -> str:
        try:
            return str(finalize_period(second).number)
        except Refused as refusal:
            return str(refusal)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            finalize_period(first)
            late = pool.submit(finalize_second)
            with pytest.raises(TimeoutError):
                late.result(timeout=1)
        said = late.result(timeout=20)

    refused = "Another month was sealed at the same moment: finalize this one again."
    assert said == {"sqlite": "2", "postgresql": refused}[connection.vendor]
    if said == refused:
        finalize_period(second)
    assert [seal.number for seal in Seal.objects.order_by("number")] == [1, 2]
    assert verify_ledger() == []


@pytest.mark.parametrize("role", ["reviewer", "finance", "auditor", "outsider"])
def test_finalize_needs_its_permission(role, request):
    period = make_ready()

    with pytest.raises(NotPermitted):
        finalize_period(period, by=request.getfixturevalue(role))

    assert Seal.objects.count() == 0


def test_open_month_is_not_finalized():
    with pytest.raises(WrongState):
        finalize_period(make_period())


def test_blocked_month_is_not_finalized():
    period = make_ready()
    make_charge(period=period, review_status="held", resource_id="node-2")

    with pytest.raises(Blocked):
        finalize_period(period)

    assert Seal.objects.count() == 0


def test_missing_guard_stops_finalizing():
    period = make_ready()
    guards.lift()

    with pytest.raises(Refused, match="guards of finalized months are missing or altered"):
        finalize_period(period)


def test_dispute_date_is_overridden_with_permission_and_reason(settings, billing_admin, finance):
    settings.DISPUTE_DAYS = 14
    period = make_ready()
    assert Statement.objects.get().dispute_until == timezone.localdate() + timedelta(days=14)

    with pytest.raises(Blocked):
        finalize_period(period)
    with pytest.raises(Refused, match="at least 10 characters"):
        finalize_period(period, override="because")
    with pytest.raises(NotPermitted):
        finalize_period(period, override="all PIs have agreed by mail", by=finance)
    finalize_period(period, override="all PIs have agreed by mail", by=billing_admin)

    assert AuditEntry.objects.get(action="finalize").reason == "all PIs have agreed by mail"


def test_override_does_not_pass_other_blockers(settings):
    settings.DISPUTE_DAYS = 14
    period = make_ready()
    make_charge(period=period, review_status="held", resource_id="node-2")

    with pytest.raises(Blocked):
        finalize_period(period, override="all PIs have agreed by mail")


def test_command_finalizes_and_is_safe_to_run_twice():
    make_ready()

    first = run("finalize_period", "2025-01")
    again = run("finalize_period", "2025-01")

    head = Seal.objects.get().head
    assert first.splitlines()[0] == f"January 2025 is finalized. Head of the seal chain: {head}"
    assert again == f"January 2025 is already finalized: {head}\n"


def test_command_says_what_stands_in_the_way():
    period = make_ready()
    make_charge(period=period, review_status="held", resource_id="node-2")

    with pytest.raises(CommandError) as refusal:
        run("finalize_period", "2025-01")

    assert refusal.value.returncode == 1
    assert str(refusal.value).startswith("January 2025 cannot be finalized yet:\n- ")


@pytest.mark.django_db(transaction=True)
def test_command_says_that_somebody_else_is_writing():
    """As while a large month is sealed: a sentence after the time-out, no lock error."""
    period, sealing, told = make_ready(), Event(), Event()

    def hold() -> None:
        with transaction.atomic():
            BillingPeriod.objects.lock_unsealed(period.pk)
            sealing.set()
            told.wait(timeout=20)
        connection.close()

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(hold)
        sealing.wait(timeout=20)
        with connection.cursor() as cursor:
            cursor.execute(
                {"sqlite": "PRAGMA busy_timeout = 50", "postgresql": "SET lock_timeout = 50"}[connection.vendor]
            )
        with pytest.raises(CommandError) as refusal:
            run("finalize_period", "2025-01")
        told.set()
        holding.result(timeout=20)
    connection.close()

    assert (refusal.value.returncode, str(refusal.value)) == (1, BUSY)
