from io import StringIO

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command

from charges.attaching import attach
from charges.models import Adjustment, Charge, Dispute, DisputeAttachment, FundingAccount
from periods import storage
from periods.errors import Refused
from periods.models import BillingPeriod
from statements import canonical, guards
from statements.archiving import finalize_period, verify_ledger
from statements.models import ArchivedDocument, JournalLine, Seal, Statement, StatementLine
from tests.make import make_charge, make_period
from tests.statements.sealed import make_ready, make_sealed

pytestmark = pytest.mark.django_db


@pytest.fixture
def seal() -> Seal:
    """January, sealed, with its guards taken away: now anything can be forged."""
    seal = make_sealed()
    guards.lift()
    return seal


def findings(period: BillingPeriod | None = None) -> list[str]:
    """What is wrong besides the guards that the fixture took away."""
    return [sentence for sentence in verify_ledger(period) if not sentence.startswith("The guard ")]


def run(*arguments: str) -> tuple[int, str, str]:
    out, err = StringIO(), StringIO()
    try:
        call_command("verify_ledger", *arguments, stdout=out, stderr=err)
    except CommandError as error:
        return error.returncode, out.getvalue(), err.getvalue() + str(error)
    return 0, out.getvalue(), err.getvalue()


def sealed_file(seal: Seal):
    return storage.locate(canonical.path_of(seal))


# The month is as it was sealed


def test_nothing_is_found_where_nothing_was_changed():
    make_sealed("2025-01")
    make_sealed("2025-02", due_amount="0")

    assert verify_ledger() == []


def test_names_of_payers_may_change_after_the_seal():
    make_sealed()
    FundingAccount.objects.update(code="NSF-1 (renamed)")

    assert verify_ledger() == []


def test_later_months_may_go_on():
    make_sealed("2025-01")
    make_ready("2025-02")

    assert verify_ledger() == []


# Rows


def test_changed_charge_is_named_with_what_changed(seal):
    charge = Charge.objects.get()
    Charge.objects.update(due_amount="13.5", resource_name="node-9")

    assert findings() == [
        f"charge {charge.pk} of January 2025 was changed: due_amount 12.50 → 13.50, resource_name node-1 → node-9."
    ]


def test_missing_row_is_named(seal):
    line = JournalLine.objects.order_by("pk")[0]
    JournalLine.objects.filter(pk=line.pk)._raw_delete("default")

    assert findings()[0] == f"journal line {line.pk} of January 2025 is missing."


def test_added_rows_are_named(seal):
    first = make_charge(period=seal.period, resource_id="node-2")
    second = make_charge(period=seal.period, resource_id="node-3")

    assert findings() == [f"charge {charge.pk} of January 2025 was added." for charge in (first, second)]


def test_row_moved_to_another_month_is_missing(seal):
    charge = Charge.objects.get()
    Charge.objects.update(period=make_period("2025-02"))

    assert findings() == [f"charge {charge.pk} of January 2025 is missing."]


def test_every_difference_is_named(seal):
    charge, line = Charge.objects.get(), StatementLine.objects.get()
    Charge.objects.update(review_status="approved")
    StatementLine.objects.update(service_name="")
    BillingPeriod.objects.filter(pk=seal.period_id).update(currency="EUR")

    assert findings() == [
        f"billing period {seal.period_id} of January 2025 was changed: currency USD → EUR.",
        f"charge {charge.pk} of January 2025 was changed: review_status clear → approved.",
        f'statement line {line.pk} of January 2025 was changed: service_name HPC Cluster → "".',
    ]


def test_one_month_is_verified_alone(seal):
    february = make_ready("2025-02")
    guards.install()
    finalize_period(february)
    guards.lift()
    charge = Charge.objects.get(period=february)
    Charge.objects.filter(period=february).update(account_code="1")

    assert findings(seal.period) == []
    february.refresh_from_db()
    assert findings(february) == [f'charge {charge.pk} of February 2025 was changed: account_code "" → 1.']


def test_open_month_cannot_be_verified():
    with pytest.raises(Refused, match="January 2025 is open: only a finalized month can be verified"):
        verify_ledger(make_period())


# Files


def test_missing_sealed_file_is_found_and_the_database_still_proved(seal):
    sealed_file(seal).unlink()

    assert findings() == ["The sealed file of January 2025 cannot be read: No such file or directory."]
    Charge.objects.update(due_amount="13")
    assert findings()[1] == "January 2025 is not in the database as it was sealed."


def test_sealed_file_forged_together_with_the_database_is_found(seal):
    Charge.objects.update(resource_name="node-9")
    sealed_file(seal).write_bytes(b"".join(line for _, line in canonical.lines(seal.period)))

    assert findings() == [
        "The sealed file of January 2025 was changed: its hash is not the seal's.",
        "January 2025 is not in the database as it was sealed.",
    ]


def test_unreadable_line_of_the_sealed_file_is_found(seal):
    content = sealed_file(seal).read_bytes()
    sealed_file(seal).write_bytes(b"no line of a seal\n" + content)

    assert findings() == ["The sealed file of January 2025 was changed: its hash is not the seal's."]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"no line\n", "Expecting value: line 1 column 1 (char 0)"),
        (b'"no row"\n', "string indices must be integers, not 'str'"),
        (b'{"table": "charges.Nothing", "id": 1}\n', "'charges.Nothing' is not in list"),
    ],
)
def test_unreadable_line_under_a_forged_seal_is_found(seal, line, error):
    kept = storage.keep([line], folder=canonical.FOLDER, suffix=canonical.SUFFIX)
    Seal.objects.update(lines_sha256=kept.sha256)

    assert findings()[1:] == [
        f"January 2025, or its sealed file, holds a line that cannot be read: {error}.",
        "January 2025 is not in the database as it was sealed.",
    ]


def test_deeply_nested_line_under_a_forged_seal_is_found(seal):
    kept = storage.keep([b"[" * 100_000], folder=canonical.FOLDER, suffix=canonical.SUFFIX)
    Seal.objects.update(lines_sha256=kept.sha256)

    assert findings()[2] == "January 2025 is not in the database as it was sealed."


@pytest.mark.parametrize("change", [{"finalized_by": 7}, {"finalized_at": "2025-02-01T00:00Z"}])
def test_changed_finalizer_is_found(seal, django_user_model, change):
    django_user_model.objects.create(pk=7, username="another")
    BillingPeriod.objects.update(**change)

    assert findings() == ["January 2025 says that it was finalized at another time, or by another, than its seal says."]


def test_forged_month_is_named_as_it_stands(seal):
    BillingPeriod.objects.update(month="2025-1x")

    assert findings()[1] == f"billing period {seal.period_id} of 2025-1x was changed: month 2025-01 → 2025-1x."


@pytest.mark.parametrize("kind", ["statement", "journal"])
def test_changed_document_is_found(seal, kind):
    document = ArchivedDocument.objects.get(kind=kind)
    storage.locate(document.path).write_bytes(b"forged")

    name = f"{document.get_kind_display()} {document.path}"
    assert findings() == [f"{name} was changed: its hash is not the recorded one."]
    storage.locate(document.path).unlink()
    assert findings() == [f"{name} cannot be read: No such file or directory."]


def test_changed_attachment_of_a_dispute_is_found(home):
    period = make_ready()
    charge = Charge.objects.get()
    dispute = Dispute.objects.create(
        period=period, pi=charge.pi, project=charge.project, charge=charge, state="denied"
    )  # fmt: skip
    message = dispute.messages.create(text="See there")
    attach(message.attachments, [SimpleUploadedFile("log.txt", b"node-2")], folder="disputes")
    finalize_period(period)
    assert verify_ledger() == []

    kept = DisputeAttachment.objects.get()
    (home / kept.path).write_bytes(b"forged")

    assert verify_ledger() == [
        f"Attachment {kept.pk} of a dispute, log.txt, was changed: its hash is not the recorded one."
    ]


def test_changed_attachment_of_an_adjustment_is_found(home):
    period = make_ready()
    charge = Charge.objects.get()
    free = {"period": period, "pi": charge.pi, "project": charge.project, "kind": "credit", "due_amount": 0}
    made = Adjustment.objects.create(**free, description="Agreed", reason="agreed by mail")
    attach(made.attachments, [SimpleUploadedFile("letter.txt", b"agreed")], folder="adjustments")
    finalize_period(period)
    assert verify_ledger() == []

    kept = made.attachments.get()
    (home / kept.path).unlink()

    assert verify_ledger() == [
        f"Attachment {kept.pk} of an adjustment, letter.txt, cannot be read: No such file or directory."
    ]


def test_changed_received_file_is_found(seal, home):
    kept = storage.keep([b"BilledCost\n1\n"], folder="received", suffix="")
    period = make_ready("2025-02")
    Charge.objects.get(period=period).loaded_by.files.create(name="bill.csv", sha256=kept.sha256, size=kept.size)
    guards.install()
    finalize_period(period)
    guards.lift()
    assert findings() == []

    (home / kept.path).write_bytes(b"BilledCost\n2\n")

    assert findings() == ["Received file bill.csv was changed: its hash is not the recorded one."]


# Seals and their chain


def test_changed_seal_is_found(seal):
    Seal.objects.update(totals={"list": "1.00", "discount": "0.00", "due": "1.00"})

    assert findings() == ["Seal 1, of January 2025, was changed: its head does not follow from what it says."]


def test_removed_seal_breaks_the_chain(seal):
    february = make_ready("2025-02")
    guards.install()
    finalize_period(february)
    guards.lift()
    Seal.objects.filter(number=2).update(previous=None)
    Seal.objects.filter(number=1)._raw_delete("default")

    assert findings() == [
        "The chain of seals is broken before seal 2, of February 2025.",
        "Seal 2, of February 2025, was changed: its head does not follow from what it says.",
        "January 2025 is finalized and has no seal.",
        f"Statement {Statement.objects.get(period=february)} prints a head of the seal chain that no seal has.",
    ]


def test_reopened_month_is_found(seal):
    BillingPeriod.objects.filter(pk=seal.period_id).update(state="open")

    assert findings() == ["January 2025 is sealed and no longer finalized."]


def test_missing_guards_are_found(seal):
    absent = verify_ledger()

    assert len(absent) == len(guards.missing()) > 50
    assert absent[0] == f"The guard {guards.missing()[0]} is missing or altered: run manage.py migrate."


# Sums


def test_statement_that_differs_from_its_lines_is_found(seal):
    statement = Statement.objects.get()
    StatementLine.objects.update(list_amount="90", subsidy="-77.5")

    assert findings()[1:] == [
        f"Statement {statement} says list_amount 100.00, its lines add up to 90.00.",
        f"Statement {statement} says subsidy -87.50, its lines add up to -77.50.",
    ]


def test_journal_that_differs_from_statements_is_found(seal):
    JournalLine.objects.filter(debit__gt=0).update(debit="11.50")

    assert findings()[1:] == [
        "Statements and acknowledged journals of January 2025 differ by 1.00 on NSF-1.",
        "Acknowledged journals of January 2025 do not balance: 11.50 and 12.50.",
    ]


def test_statement_that_differs_from_the_journal_is_found_on_both_sides(seal):
    StatementLine.objects.update(list_amount="101", due_amount="13.50")

    assert findings()[3:] == [
        "Statements and acknowledged journals of January 2025 differ by 1.00 on NSF-1.",
        "Statements and acknowledged journals of January 2025 differ by -1.00 on cluster.",
    ]


# The command


def test_command_says_what_it_verified():
    head = make_sealed().head

    assert run() == (0, f"Verified 1 finalized month. Head of the seal chain: {head}\n", "")
    assert run("2025-01") == (0, f"Verified January 2025. Head of the seal chain: {head}\n", "")


def test_command_has_nothing_to_verify_in_a_new_installation():
    assert run() == (0, "No month is finalized yet.\n", "")


def test_command_fails_with_every_finding_on_stderr(seal):
    charge = Charge.objects.get()
    Charge.objects.update(due_amount="13")
    guards.install()

    sentence = f"charge {charge.pk} of January 2025 was changed: due_amount 12.50 → 13.00."
    assert run() == (1, "", f"{sentence}\nThe ledger does not hold: 1 finding.")
