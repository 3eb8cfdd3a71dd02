"""Above a set amount a second person approves an adjustment, before it counts."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from charges.adjusting import adjust, withdraw
from charges.adjusting.approving import approve_adjustment, refuse_adjustment
from charges.models import Adjustment
from periods.blockers import checklist
from periods.errors import NotPermitted, PeriodLocked, Refused
from periods.models import AuditEntry
from statements.lines import lines_by_payer
from tests.make import make_charge, make_finalized, make_fund, make_period, make_pi, make_project

pytestmark = pytest.mark.django_db
REASON = "The cluster was down for two days"


@pytest.fixture(autouse=True)
def _limit(settings: Any) -> None:
    settings.ADJUSTMENT_APPROVAL_ABOVE = Decimal(100)


def credit(due: str, **changes: Any) -> Adjustment:
    given = {
        "period": make_period(),
        "kind": "credit",
        "pi": make_pi(),
        "project": make_project(),
        "description": "Outage credit",
        "reason": REASON,
        "due_amount": Decimal(due),
        "funding_account": make_fund(),
    }
    return adjust(**given | changes)


def printed() -> list[Decimal]:
    return [line.due_amount for payer in lines_by_payer(make_period()) for line in payer.lines]


@pytest.mark.parametrize(
    ("kind", "due", "waits"),
    [
        ("credit", "-100", False),
        ("credit", "-100.000000001", True),
        ("correction", "100", False),
        ("correction", "101", True),
    ],
)
def test_what_is_above_the_limit_waits_whatever_its_sign(kind: str, due: str, waits: bool) -> None:
    made = credit(due, kind=kind)

    assert (made.needs_approval, made.standing) == (waits, "Awaits approval" if waits else "In force")


@pytest.mark.parametrize(("limit", "waits"), [(None, False), (Decimal(0), True)])
def test_the_limit_is_the_institutions_and_may_be_none(settings: Any, limit: Decimal | None, waits: bool) -> None:
    settings.ADJUSTMENT_APPROVAL_ABOVE = limit

    assert credit("-0.01").is_pending is waits


def test_a_pending_adjustment_is_on_no_statement_until_approved(reviewer: User, finance: User) -> None:
    made = credit("-150", by=reviewer)
    assert printed() == []

    approve_adjustment(made, by=finance)

    made.refresh_from_db()
    assert printed() == [Decimal(-150)]
    assert (made.approved_by, made.standing) == (finance, "In force")
    entry = AuditEntry.objects.get(action="approve")
    assert (entry.by, entry.subject_id, entry.after) == (finance, made.pk, {"due": "-150.000000000"})


def test_the_author_does_not_approve_not_even_a_superuser(superuser: User) -> None:
    made = credit("-150", by=superuser)

    with pytest.raises(NotPermitted, match=f"root entered adjustment {made.pk}: Outage credit: somebody else"):
        approve_adjustment(made, by=superuser)
    with pytest.raises(IntegrityError), transaction.atomic():
        Adjustment.objects.update(approved_by=superuser, approved_at=made.created_at)


def test_cron_enters_and_a_person_approves(finance: User) -> None:
    made = credit("-150", by=None)

    with pytest.raises(NotPermitted, match="A person approves, by name"):
        approve_adjustment(made, by=None)

    assert approve_adjustment(made, by=finance).approved_by == finance


@pytest.mark.parametrize("name", ["reviewer", "auditor", "outsider"])
def test_only_those_permitted_approve_or_refuse(name: str, request: pytest.FixtureRequest) -> None:
    made, by = credit("-150"), request.getfixturevalue(name)

    with pytest.raises(NotPermitted):
        approve_adjustment(made, by=by)
    with pytest.raises(NotPermitted):
        refuse_adjustment(made, reason=REASON, by=by)


def test_a_refused_adjustment_is_withdrawn_with_the_reason(finance: User) -> None:
    made = credit("-150")

    with pytest.raises(Refused, match="at least 10 characters"):
        refuse_adjustment(made, reason="no", by=finance)
    refuse_adjustment(made, reason="Not agreed with the provost", by=finance)

    made.refresh_from_db()
    assert (made.standing, printed()) == ("Withdrawn", [])
    assert AuditEntry.objects.get(action="refuse").reason == "Not agreed with the provost"
    with pytest.raises(Refused, match="awaits no approval"):
        approve_adjustment(made, by=finance)


def test_what_was_approved_is_withdrawn_as_ever(finance: User) -> None:
    made = approve_adjustment(credit("-150"), by=finance)

    withdraw(made, reason="Entered for the wrong lab")

    assert printed() == []


def test_pending_adjustments_block_finalize_and_warn_at_close() -> None:
    period = credit("-150").period

    (blocker,) = [found for found in checklist(period, "finalize") if "approval" in found.sentence]
    (warning,) = checklist(period, "close")

    assert (blocker.sentence, blocker.is_warning) == ("1 adjustment awaits approval", False)
    assert blocker.link == f"/admin/charges/adjustment/?period__id__exact={period.pk}&standing=pending"
    assert (warning.sentence, warning.is_warning) == ("1 adjustment awaits approval", True)


def test_nothing_is_approved_in_a_finalized_month(finance: User) -> None:
    made = credit("-150")
    make_finalized(made.period)

    with pytest.raises(PeriodLocked):
        approve_adjustment(made, by=finance)


def test_an_adjustment_of_a_split_charge_needs_no_fund_and_another_does() -> None:
    split = make_charge(funding_account=None, fund_step="split", due_amount="50")
    unfunded = make_charge(funding_account=None, fund_step="", due_amount="0")

    assert credit("-5", charge=split, funding_account=None).funding_account is None
    with pytest.raises(Refused, match="An adjustment with an amount due needs a funding account"):
        credit("-5", charge=unfunded, funding_account=None)
