"""Corrections of charges of finalized months."""

from datetime import UTC, datetime

import pytest
import time_machine

from charges.correcting.grounds import Grounds
from charges.correcting.rebilling import Right, correct
from charges.models import Charge, Correction
from periods.errors import Refused
from tests.make import make_charge, make_finalized, make_period, make_project

GROUNDS = Grounds(
    cause="payer",
    explanation="The nodes were tagged with the project of the group next door.",
    certifier="Ada Lovelace",
)


@pytest.fixture
def in_february():
    with time_machine.travel("2025-02-20T12:00Z", tick=False):
        yield


def finalized(**columns) -> Charge:
    """Of January, 100 list and 10 due, with February open."""
    charge = make_charge(**{
        "due_amount": "10", "pricing_quantity": "3", "account_code": "54000", "billing_account_id": "123",
        "charge_period_start": datetime(2025, 1, 5, tzinfo=UTC), "charge_period_end": datetime(2025, 1, 9, tzinfo=UTC),
        **columns,
    })  # fmt: skip
    make_finalized(charge.period)
    make_period("2025-02")
    return Charge.objects.get(pk=charge.pk)


def corrected(charge: Charge, **given) -> Correction:
    right = given.pop("right", None) or Right(project=make_project("other"))
    (correction,) = correct([charge.pk], **{"grounds": GROUNDS, "right": right, **given})
    return Correction.objects.select_related("original", "reversal", "rebill", "period").get(pk=correction.pk)


def refusal_of(charge: Charge, **given) -> str:
    before = Charge.objects.count()
    with pytest.raises(Refused) as refusal:
        corrected(charge, **given)
    assert (Charge.objects.count(), Correction.objects.count()) == (before, 0)
    return str(refusal.value)
