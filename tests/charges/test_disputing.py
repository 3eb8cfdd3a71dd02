"""A PI objects; staff decide; the amount stays due until then."""

from decimal import Decimal

import pytest
from django.contrib.auth.models import User

from charges.disputing import deny, open_dispute, uphold, withdraw_dispute
from charges.models import Adjustment, Charge, Dispute
from periods.errors import NotPermitted, PeriodLocked, Refused, WrongState
from tests.make import make_charge, make_finalized, make_import, make_pi

pytestmark = pytest.mark.django_db


@pytest.fixture
def dispute(outsider: User) -> Dispute:
    charge = make_charge(due_amount="50")
    return open_dispute(
        by=outsider,
        period=charge.period,
        pi=charge.pi,
        project=charge.project,
        charge=charge,
        text="This is not our machine.",
    )


def test_upholding_makes_the_adjustment_and_answers(dispute: Dispute, billing_admin: User) -> None:
    uphold(
        dispute,
        due_amount=Decimal(-50),
        list_amount=Decimal(-100),
        text="Indeed, it is the other lab's.",
        by=billing_admin,
    )

    made = Adjustment.objects.get()
    dispute.refresh_from_db()
    assert (dispute.state, dispute.adjustment) == ("upheld", made)
    assert (made.kind, made.due_amount, made.list_amount, made.charge) == ("correction", -50, -100, dispute.charge)
    assert [m.text for m in dispute.messages.all()] == ["This is not our machine.", "Indeed, it is the other lab's."]


def test_a_dispute_on_a_replaced_charge_is_upheld_beside_it(dispute: Dispute) -> None:
    charge = dispute.charge
    Charge.objects.filter(pk=charge.pk).update(superseded_by=make_import(charge.period, charge.source))

    uphold(dispute, due_amount=Decimal(-50), list_amount=Decimal(0), text="Indeed, it was too dear.")

    made = Adjustment.objects.get()
    assert (made.charge, made.source, made.funding_account) == (None, charge.source, charge.funding_account)


def test_a_dispute_on_a_charge_that_another_pays_by_now_is_not_upheld(dispute: Dispute) -> None:
    Charge.objects.filter(pk=dispute.charge.pk).update(pi=make_pi("grace@example.edu"))

    with pytest.raises(Refused, match="is no current charge of ada and engine in January 2025"):
        uphold(dispute, due_amount=Decimal(-50), list_amount=Decimal(0), text="Indeed, it was too dear.")


def test_denying_answers_and_changes_no_amount(dispute: Dispute) -> None:
    deny(dispute, text="Your group started it on the 3rd.")

    dispute.refresh_from_db()
    assert (dispute.state, Adjustment.objects.count()) == ("denied", 0)
    with pytest.raises(WrongState):
        deny(dispute, text="Your group started it on the 3rd.")


def test_only_the_one_who_opened_it_withdraws(dispute: Dispute, outsider: User, billing_admin: User) -> None:
    with pytest.raises(NotPermitted):
        withdraw_dispute(dispute, by=billing_admin)

    assert withdraw_dispute(dispute, by=outsider).state == "withdrawn"


def test_an_auditor_decides_nothing(dispute: Dispute, auditor: User) -> None:
    with pytest.raises(NotPermitted):
        deny(dispute, text="Your group started it on the 3rd.", by=auditor)


def test_a_dispute_names_a_charge_or_a_line(dispute: Dispute) -> None:
    with pytest.raises(Refused, match="Say what is disputed"):
        open_dispute(period=dispute.period, pi=dispute.pi, project=dispute.project, text="Everything is wrong here.")


def test_a_finalized_month_takes_no_dispute(dispute: Dispute) -> None:
    make_finalized(dispute.period)

    with pytest.raises(PeriodLocked):
        deny(dispute, text="Your group started it on the 3rd.")
