"""Two people at once, on real connections: one wins, the other is told, and nothing is half."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.db import connection

from charges import review
from charges.adjusting import adjust
from charges.models import Adjustment, Charge
from charges.rechecking import recheck, would_change
from periods.errors import Refused
from periods.lifecycle import close_period
from periods.models import AuditEntry, BillingPeriod
from statements.archiving import finalize_period
from statements.choosing import choose_account
from statements.issuing import issue_statements
from statements.models import Seal, StatementLine
from tests.charges.focus_files import focus_row, write_focus
from tests.charges.processes import start_import
from tests.make import make_charge, make_closed, make_fund, make_period, make_pi, make_project

pytestmark = pytest.mark.django_db(transaction=True)
REASON = "Agreed with the department"
ROWS = 400
ROUNDS = range(4)


def at_once(*acts: Callable[[], Any]) -> list[str]:
    """Each act in a thread with a connection of its own, begun together; its refusal, or nothing."""
    start = Barrier(len(acts))

    def run(act: Callable[[], Any]) -> str:
        start.wait(timeout=20)
        try:
            act()
        except Refused as refusal:
            return str(refusal)
        finally:
            connection.close()
        return ""

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


@pytest.fixture
def two() -> tuple[User, User]:
    return tuple(User.objects.create_superuser(name, f"{name}@example.edu", "secret") for name in ("ada", "bob"))  # type: ignore[return-value]


@pytest.fixture
def held() -> None:
    for number in range(ROWS):
        make_charge(review_status="held", flags={"pattern": "It matches."}, resource_id=f"i-{number}")


@pytest.mark.parametrize("_round", ROUNDS)
def test_of_two_reviewers_on_the_same_charges_one_wins_and_the_other_is_told(held, two, _round):
    seen = review.seen_of(Charge.objects.all())
    ada, bob = two

    told = at_once(
        lambda: review.approve(Charge.objects.all(), by=ada, seen=seen),
        lambda: review.exclude(Charge.objects.all(), by=bob, reason=REASON, seen=seen),
    )

    [winner] = [at for at, sentence in enumerate(told) if not sentence]
    [loser] = [sentence for sentence in told if sentence]
    assert loser.startswith(f"{two[winner].username} decided on node-1 (charge ")
    assert set(Charge.objects.values_list("review_status", "decided_by")) == {
        (("approved", "excluded")[winner], two[winner].pk)
    }
    assert [(entry.by, entry.rows) for entry in AuditEntry.objects.all()] == [(two[winner], ROWS)]


def test_of_two_who_overlap_the_loser_changes_none_of_the_charges(held, two):
    first, second = Charge.objects.filter(pk__lte=_middle(3)), Charge.objects.filter(pk__gte=_middle(1))
    seen = [review.seen_of(first), review.seen_of(second)]

    told = at_once(
        lambda: review.exclude(first, by=two[0], reason=REASON, seen=seen[0]),
        lambda: review.defer(second, by=two[1], reason=REASON, seen=seen[1]),
    )

    [winner] = [at for at, sentence in enumerate(told) if not sentence]
    mine, status = ((first, "excluded"), (second, "deferred"))[winner]
    assert set(mine.values_list("review_status", flat=True)) == {status}
    assert set(Charge.objects.exclude(pk__in=mine.values("pk")).values_list("review_status", flat=True)) == {"held"}


def _middle(quarter: int) -> int:
    return Charge.objects.order_by("pk").values_list("pk", flat=True)[ROWS * quarter // 4]


@pytest.mark.parametrize("_round", ROUNDS)
def test_of_two_who_check_again_one_does_and_the_other_is_told(held, two, _round):
    seen = str(would_change())

    told = at_once(*(lambda by=by: recheck(seen=seen, by=by) for by in two))

    assert sorted(told) == ["", "What would change is something else by now. Look again."]
    assert set(Charge.objects.values_list("review_status", flat=True)) == {"clear"}
    assert [(entry.by, entry.rows) for entry in AuditEntry.objects.all()] == [(two[told.index("")], ROWS)]


@pytest.mark.parametrize("_round", ROUNDS)
def test_of_two_who_choose_an_account_one_does_and_the_other_waits_for_the_revision(settings, two, _round):
    settings.PAYERS_CHOOSE_ACCOUNT = True
    make_project(default_fund=make_fund("NSF-2"), fallback_fund=make_fund("DEPT"))
    make_charge()
    issue_statements(make_closed(make_period()))
    lines = list(StatementLine.objects.select_related("statement__project", "source", "funding_account"))
    funds = [make_fund("NSF-2"), make_fund("DEPT")]

    told = at_once(
        lambda: choose_account(lines, fund=funds[0], reason=REASON, by=two[0]),
        lambda: choose_account(lines, fund=funds[1], reason=REASON, by=two[1]),
    )

    assert sorted(told) == ["", "The statement is being revised: wait for its next revision."]
    winner = told.index("")
    assert Charge.objects.values_list("funding_account", "decided_by").get() == (funds[winner].pk, two[winner].pk)


@pytest.mark.parametrize("_round", ROUNDS)
def test_of_two_who_close_one_does_and_the_other_is_told(two, _round):
    make_charge()
    period = make_period()

    told = at_once(*(lambda by=by: close_period(period, by=by) for by in two))

    assert sorted(bool(sentence) for sentence in told) == [False, True]
    assert "January 2025" in "".join(told)
    assert AuditEntry.objects.filter(action="close").count() == 1
    assert BillingPeriod.objects.get().state == "closed"


@pytest.mark.parametrize("_round", ROUNDS)
def test_an_adjustment_is_in_the_seal_or_refused(two, _round):
    period = make_closed(make_period())
    source = make_charge(review_status="excluded").source

    told = at_once(
        lambda: finalize_period(period, by=two[0]),
        lambda: adjust(
            period=period, kind="manual", source=source, pi=make_pi(), project=make_project(), list_amount=40,
            due_amount=0, description="An old SSD from the shelf", reason=REASON, by=two[1],
        ),
    )  # fmt: skip

    finalized, adjusted = (not sentence for sentence in told)
    assert finalized or adjusted
    if finalized:
        assert Seal.objects.get().counts.get("charges.Adjustment", 0) == Adjustment.objects.count() == int(adjusted)
    else:
        assert (Seal.objects.count(), Adjustment.objects.count()) == (0, 1)


@pytest.mark.parametrize("_round", ROUNDS)
def test_an_import_is_loaded_before_the_close_or_not_at_all(tmp_path: Path, settings: LazySettings, two, _round):
    make_charge()
    period = make_period()
    file = write_focus(tmp_path / "a.csv", *(focus_row(ResourceId=f"i-{n}") for n in range(ROWS)))

    process = start_import(file, settings)
    closed = ""
    while process.poll() is None:
        [closed] = at_once(lambda: close_period(period, by=two[0]))
        if not closed:
            break
    complained = process.communicate(timeout=60)[1].decode()

    loaded = Charge.objects.current().filter(source__name="aws").count()
    if process.returncode == 0:
        assert (complained, loaded) == ("", ROWS)
    else:
        assert (loaded, closed) == (0, "")
        assert complained.startswith("CommandError: January 2025 is closed")
    assert not Charge.objects.filter(source__name="aws", loaded_by__state="staged").exists()
