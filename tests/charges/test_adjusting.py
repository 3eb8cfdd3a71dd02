"""An adjustment is added beside the facts: signed, with a reason and an author."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User

from charges.adjusting import adjust, withdraw
from charges.models import Adjustment
from periods.errors import NotPermitted, PeriodLocked, Refused
from periods.models import AuditEntry
from tests.make import (
    make_charge,
    make_closed,
    make_finalized,
    make_fund,
    make_import,
    make_period,
    make_pi,
    make_project,
    make_source,
)

pytestmark = pytest.mark.django_db
REASON = "The cluster was down for two days"


def adjusted(**changes: Any) -> Adjustment:
    given = {
        "period": make_period(),
        "kind": "credit",
        "pi": make_pi(),
        "project": make_project(),
        "description": "Outage credit",
        "reason": REASON,
        "due_amount": Decimal(-20),
        "funding_account": make_fund(),
    }
    return adjust(**given | changes)


def test_an_old_disk_is_a_manual_charge_with_list_and_nothing_due(billing_admin: User) -> None:
    made = adjusted(
        kind="manual", source=make_source("shelf"), list_amount=Decimal(40), due_amount=Decimal(0),
        description="Hand-me-down SSD", by=billing_admin, funding_account=None,
    )  # fmt: skip

    assert (made.list_amount, made.due_amount, made.created_by) == (40, 0, billing_admin)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.by, entry.reason) == ("adjust", billing_admin, REASON)
    assert entry.after == {"kind": "manual", "list": "40", "due": "0", "pi": "ada@example.edu", "project": "engine"}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"reason": "oops"}, "at least 10 characters"),
        ({"due_amount": Decimal(20)}, "give a negative amount"),
        ({"list_amount": Decimal(5)}, "A credit or write-off has no list price"),
        ({"kind": "manual", "due_amount": Decimal(5)}, "A manual charge needs a source"),
        ({"kind": "write_off"}, "names the account that bears it"),
        ({"funding_account": None}, "needs a funding account"),
        ({"kind": "gift"}, "not a valid choice"),
        ({"description": ""}, "cannot be blank"),
        ({"due_amount": Decimal(-9300000000)}, "-9300000000 is an amount beyond 9.2 thousand million"),
        ({"due_amount": Decimal("-1e999999")}, "-1E[+]999999 is a number beyond all bounds"),
        ({"due_amount": Decimal("NaN")}, "NaN is a number beyond all bounds"),
        ({"due_amount": Decimal("-0.0000000001")}, "is an amount of more than nine decimals"),
        ({"kind": "correction", "list_amount": Decimal("0.0000000001")}, "is an amount of more than nine decimals"),
    ],
)
def test_an_adjustment_that_breaks_a_rule_is_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        adjusted(**changes)

    assert not Adjustment.objects.exists()


@pytest.mark.parametrize(
    "another",
    [
        {"period": lambda: make_period("2025-02")},
        {"pi": lambda: make_pi("grace@example.edu")},
        {"project": lambda: make_project("cobol")},
        {"superseded_by": lambda: make_import(make_period(), make_source())},
        {"loaded_by": lambda: make_import(make_period(), make_source(), state="reversed")},
    ],
    ids=lambda another: next(iter(another)),
)
def test_only_a_current_charge_of_the_same_month_and_payer_is_adjusted(another: dict[str, Any]) -> None:
    charge = make_charge(**{name: make() for name, make in another.items()})

    with pytest.raises(Refused, match=f"charge {charge.pk} is no current charge of ada and engine in January 2025"):
        adjusted(charge=charge)

    assert not Adjustment.objects.exists()


def test_an_adjustment_of_a_charge_takes_its_source_and_fund() -> None:
    charge = make_charge()

    made = adjusted(charge=charge, funding_account=None)

    assert (made.charge, made.source, made.funding_account) == (charge, charge.source, charge.funding_account)


def test_a_closed_month_takes_adjustments_and_a_finalized_one_does_not() -> None:
    period = make_closed(make_period())
    adjusted(period=period)

    make_finalized(period)
    with pytest.raises(PeriodLocked):
        adjusted(period=period)


def test_a_withdrawn_adjustment_stays_and_is_withdrawn_once() -> None:
    made = adjusted()

    withdraw(made, reason="Entered for the wrong lab")

    made.refresh_from_db()
    assert made.withdrawn_at is not None
    with pytest.raises(Refused, match="is withdrawn already"):
        withdraw(made, reason="Entered for the wrong lab")


@pytest.mark.parametrize("name", ["auditor", "finance", "outsider"])
def test_only_those_permitted_adjust(name: str, request: pytest.FixtureRequest) -> None:
    with pytest.raises(NotPermitted):
        adjusted(by=request.getfixturevalue(name))
