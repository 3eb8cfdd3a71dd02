"""A dispute is upheld once what it takes off counts, and open again once that is refused or withdrawn."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User

from charges.adjusting import withdraw
from charges.adjusting.approving import approve_adjustment, refuse_adjustment
from charges.adjusting.crediting import make_campaign
from charges.disputing.at_stake import at_stake
from charges.disputing.objecting import answer, deny, open_dispute, uphold, withdraw_dispute
from charges.models import Adjustment, Charge, CreditCampaign, Dispute, FundingSplit
from periods.errors import Refused, WrongState
from periods.models import AuditEntry
from tests.make import make_charge, make_fund, make_import, make_project, make_source

pytestmark = pytest.mark.django_db
OBJECTION, YES, NO = "This is not our machine.", "Indeed, it is the other lab's.", "The log says that it is theirs."


@pytest.fixture
def charge() -> Charge:
    return make_charge(list_amount="100", due_amount="50")


@pytest.fixture
def split_charge() -> Charge:
    split = FundingSplit.objects.create(
        project=make_project(), first_month="2025-01", remainder_account=make_fund("REST")
    )
    split.shares.create(funding_account=make_fund("A"), percent=Decimal(60))
    return make_charge(list_amount="100", due_amount="50", funding_account=None, fund_step="split")


def disputed(charge: Charge, **given: Any) -> Dispute:
    whose = {"period": charge.period, "pi": charge.pi, "project": charge.project}
    return open_dispute(**{**whose, "charge": charge, "text": OBJECTION, **given})


def proposed(dispute: Dispute, settings: Any) -> list[Adjustment]:
    """Upheld by cron, above the limit."""
    settings.ADJUSTMENT_APPROVAL_ABOVE = Decimal(10)
    uphold(dispute, ground="usage", text=YES)
    return list(Adjustment.objects.order_by("pk"))


def now(dispute: Dispute) -> Dispute:
    return Dispute.objects.get(pk=dispute.pk)


def thread(dispute: Dispute) -> list[tuple[str, bool]]:
    return list(dispute.messages.filter(is_staff=True).values_list("text", "is_internal"))


@pytest.fixture
def posted(django_capture_on_commit_callbacks: Any, mailoutbox: Any) -> Callable[..., list[Any]]:
    """Whom a stage writes to, and the state that the mail tells of."""

    def run(stage: Callable[..., object], *args: Any, **kwargs: Any) -> list[Any]:
        mailoutbox.clear()
        with django_capture_on_commit_callbacks(execute=True):
            stage(*args, **kwargs)
        return [mail.to for mail in mailoutbox]

    return run


def test_the_pi_hears_of_it_once_somebody_else_approved_it(charge, settings, billing_admin: User, posted) -> None:
    dispute = disputed(charge)

    assert posted(proposed, dispute, settings) == []
    assert (now(dispute).state, thread(dispute)) == ("open", [(YES, True)])

    adjustment = Adjustment.objects.get()
    assert posted(approve_adjustment, adjustment, by=billing_admin) == [["ada@example.edu"]]
    assert (now(dispute).state, now(dispute).adjustment, now(dispute).granted_due) == ("upheld", adjustment, -50)
    assert thread(dispute) == [(YES, False)]


def test_refusing_opens_it_again_and_tells_staff_alone(charge, settings, billing_admin: User, posted) -> None:
    dispute = disputed(charge)
    (adjustment,) = proposed(dispute, settings)

    told = posted(refuse_adjustment, adjustment, reason=NO, by=billing_admin)

    assert told == [[settings.REPLY_TO_EMAIL or settings.DEFAULT_FROM_EMAIL]]
    found = now(dispute)
    assert (found.state, found.ground, found.granted_due, found.adjustment) == ("open", "", 0, None)
    assert thread(dispute) == [(YES, True), (f"It is open again, and nothing is taken off: {NO}", True)]
    assert at_stake(found) == (100, 50)


def test_a_second_proposal_is_the_one_that_is_published(charge, settings, billing_admin: User) -> None:
    dispute = disputed(charge)
    refuse_adjustment(*proposed(dispute, settings), reason=NO, by=billing_admin)
    uphold(now(dispute), ground="price", amount=Decimal(20), text="The price was half of it.")

    approve_adjustment(Adjustment.objects.latest("pk"), by=billing_admin)

    assert [text for text, is_internal in thread(dispute) if not is_internal] == ["The price was half of it."]
    assert (now(dispute).ground, now(dispute).granted_due) == ("price", -20)


def test_a_split_is_upheld_once_all_shares_are_approved(split_charge, settings, billing_admin: User) -> None:
    dispute = disputed(split_charge)
    first, second = proposed(dispute, settings)

    approve_adjustment(first, by=billing_admin)
    assert now(dispute).state == "open"
    approve_adjustment(second, by=billing_admin)
    assert (now(dispute).state, now(dispute).adjustment) == ("upheld", first)


def test_refusing_one_share_takes_all_of_them_back(split_charge, settings, billing_admin: User) -> None:
    dispute = disputed(split_charge)
    first, second = proposed(dispute, settings)
    approve_adjustment(first, by=billing_admin)

    refuse_adjustment(second, reason=NO, by=billing_admin)

    assert (now(dispute).state, Adjustment.objects.filter(withdrawn_at=None).count()) == ("open", 0)
    entries = AuditEntry.objects.filter(action__in=["refuse", "withdraw"]).order_by("pk")
    assert [(entry.action, entry.subject_id) for entry in entries] == [
        ("refuse", second.pk),
        ("withdraw", first.pk),
    ]


def test_withdrawing_what_was_upheld_opens_it_again_and_tells_the_pi(charge, posted) -> None:
    dispute = uphold(disputed(charge), ground="usage", text=YES)

    assert posted(withdraw, Adjustment.objects.get(), reason=NO) == [["ada@example.edu"]]

    found = now(dispute)
    assert (found.state, found.decided_at, found.adjustment, found.granted_list) == ("open", None, None, 0)
    assert thread(dispute)[-1] == (f"It is open again, and nothing is taken off: {NO}", False)


def test_what_was_upheld_stays_so_while_another_dispute_is_about_the_same(charge) -> None:
    uphold(disputed(charge), ground="usage", amount=Decimal(10), text=YES)
    again = disputed(charge)

    with pytest.raises(Refused, match=f"It is in dispute already: write to dispute {again.pk}"):
        withdraw(Adjustment.objects.get(), reason=NO)
    assert Adjustment.objects.in_force().count() == 1


def test_while_it_awaits_approval_nothing_else_decides(charge, settings) -> None:
    dispute = disputed(charge)
    proposed(dispute, settings)
    sentence = "awaits approval: approve, refuse or withdraw that first"

    for stage in (lambda: deny(dispute, text=NO), lambda: uphold(dispute, ground="usage", text=YES)):
        with pytest.raises(Refused, match=sentence):
            stage()
    answer(dispute, text="We look at it.")
    assert (now(dispute).state, Adjustment.objects.count()) == ("open", 1)


def test_who_withdraws_a_dispute_takes_the_proposal_along(charge, settings, outsider: User, billing_admin) -> None:
    dispute = disputed(charge, by=outsider)
    (adjustment,) = proposed(dispute, settings)

    withdraw_dispute(dispute, by=outsider)

    assert (now(dispute).state, now(dispute).granted_due) == ("withdrawn", 0)
    with pytest.raises(Refused, match="awaits no approval"):
        approve_adjustment(adjustment, by=billing_admin)
    with pytest.raises(WrongState):
        uphold(dispute, ground="usage", text=YES)


def test_every_share_of_a_replaced_split_charge_counts(split_charge) -> None:
    """A later delivery replaced it: the adjustments name the dispute, and no charge."""
    dispute = disputed(split_charge)
    superseding = make_import(split_charge.period, split_charge.source)
    Charge.objects.filter(pk=split_charge.pk).update(superseded_by=superseding)
    make_charge(list_amount="300", due_amount="150", funding_account=None, fund_step="split", loaded_by=superseding)
    uphold(Dispute.objects.get(pk=dispute.pk), ground="usage", text=YES)

    assert [made.due_amount for made in Adjustment.objects.order_by("pk")] == [-30, -20]
    with pytest.raises(Refused, match="Nothing of it is billed there any more"):
        disputed(Charge.objects.get(pk=split_charge.pk))


def test_a_campaign_credits_no_more_than_a_replaced_charge_left(charge) -> None:
    dispute = disputed(charge)
    superseding = make_import(charge.period, charge.source)
    Charge.objects.filter(pk=charge.pk).update(superseded_by=superseding)
    make_charge(list_amount="100", due_amount="50", loaded_by=superseding)
    uphold(Dispute.objects.get(pk=dispute.pk), ground="usage", amount=Decimal(40), text=YES)

    campaign = make_campaign(
        CreditCampaign(
            period=charge.period, code="OUTAGE", description="Outage", reason="The cluster was down.",
            source=make_source(), method="percent", percent=Decimal(100),
        )
    )  # fmt: skip

    assert campaign.due_amount == -10
