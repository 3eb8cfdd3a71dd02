"""What was credited on a finalized charge is taken back when it is corrected: nobody is credited twice for it."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import time_machine

from charges.adjusting import adjust, withdraw
from charges.adjusting.crediting import make_campaign, withdraw_campaign
from charges.correcting.grounds import Grounds
from charges.correcting.rebilling import Right, correct, plan
from charges.disputing.objecting import open_dispute, uphold
from charges.models import Adjustment, Charge, Correction, CreditCampaign, FundingSplit
from periods.errors import Refused
from periods.models import BillingPeriod
from statements.lines import lines_by_payer
from statements.reconciling import reconcile
from statements.reconciling.result import Verdict
from tests.make import make_charge, make_finalized, make_fund, make_period, make_project, make_source

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_february")]
GROUNDS = Grounds(
    cause="payer",
    explanation="The nodes were tagged with the project of the group next door.",
    certifier="Ada Lovelace",
)
NOBODY = Right(is_billed=False)
YES = "Indeed, it is the other lab's."


@pytest.fixture
def in_february() -> Any:
    with time_machine.travel("2025-02-20T12:00Z", tick=False):
        yield


def charge(**given: Any) -> Charge:
    days = {
        "charge_period_start": datetime(2025, 1, 5, tzinfo=UTC),
        "charge_period_end": datetime(2025, 1, 9, tzinfo=UTC),
    }
    return make_charge(**{"list_amount": "200", "due_amount": "100", **days, **given})


def credit(about: Charge, due: str, **given: Any) -> Adjustment:
    return adjust(
        period=about.period, kind=given.pop("kind", "credit"), pi=about.pi, project=about.project, charge=about,
        description="Outage", reason="The node was down", due_amount=Decimal(due), **given,
    )  # fmt: skip


def of_line(about: Charge, due: str) -> None:
    """An upheld dispute of the whole line."""
    dispute = open_dispute(
        period=about.period, pi=about.pi, project=about.project, source=about.source,
        service_name=about.service_name, funding_account=about.funding_account, text="Not all of it is ours.",
    )  # fmt: skip
    uphold(dispute, ground="price", amount=Decimal(due), text=YES)


def campaign(percent: str, month: str = "2025-01") -> None:
    make_campaign(
        CreditCampaign(
            period=make_period(month), code="OUTAGE", description="Outage", reason="The cluster was down.",
            source=make_source(), method="percent", percent=Decimal(percent),
        )
    )  # fmt: skip


def finalize(month: str = "2025-01", then: str = "2025-02") -> None:
    make_finalized(make_period(month))
    make_period(then)


def corrected(about: Charge, right: Right, month: str = "2025-02") -> Correction:
    about = Charge.objects.get(pk=about.pk)
    (made,) = correct([about.pk], grounds=GROUNDS, right=right, month=month)
    return Correction.objects.get(pk=made.pk)


def refusal(about: Charge, right: Right) -> str:
    with pytest.raises(Refused) as refused:
        plan([about.pk], grounds=GROUNDS, right=right)
    return str(refused.value)


def billed(month: str) -> dict[str, Decimal]:
    """What statements say is due, by project."""
    return {
        payer.lines[0].funding_account.code + " " + str(project): sum(line.due_amount for line in payer.lines)
        for payer in lines_by_payer(make_period(month))
        for project in [make_project_code(payer.payer.project)]
    }


def make_project_code(pk: int) -> str:
    return type(make_project()).objects.get(pk=pk).code


def both_months(project: str = "engine") -> Decimal:
    """What one project is charged in January and February together."""
    found = (billed(month) for month in ("2025-01", "2025-02"))
    return sum((due for month in found for name, due in month.items() if name.endswith(project)), Decimal(0))


@pytest.mark.parametrize("way", ["by hand", "campaign", "dispute"])
def test_what_nobody_pays_leaves_nothing_on_either_side(way: str) -> None:
    wrong = charge()
    if way == "by hand":
        credit(wrong, "-30")
    elif way == "campaign":
        campaign("30")
    else:
        dispute = open_dispute(
            period=wrong.period, pi=wrong.pi, project=wrong.project, charge=wrong, text="It was down for days."
        )
        uphold(dispute, ground="usage", amount=Decimal(30), text=YES)
    finalize()

    corrected(wrong, NOBODY)

    assert both_months() == 0
    taken = Adjustment.objects.get(period__month="2025-02")
    assert (taken.due_amount, taken.reverses) == (30, Adjustment.objects.get(period__month="2025-01"))


def test_the_right_payer_is_credited_where_a_person_says_so() -> None:
    wrong = charge()
    credit(wrong, "-30")
    finalize()
    other = make_project("other")

    made = corrected(wrong, Right(project=other, is_granted_again=True))

    assert (both_months(), both_months("other")) == (0, 70)
    found = Adjustment.objects.filter(period__month="2025-02").order_by("pk")
    assert [(one.charge, one.description, one.due_amount, one.project.code) for one in found] == [
        (made.reversal, "Taken back: Outage", 30, "engine"),
        (made.rebill, "Outage", -30, "other"),
    ]


def test_or_is_not() -> None:
    wrong = charge()
    credit(wrong, "-30")
    finalize()

    corrected(wrong, Right(project=make_project("other"), is_granted_again=False))

    assert (both_months(), both_months("other")) == (0, 100)


def test_a_person_has_to_say() -> None:
    wrong = charge()
    credit(wrong, "-30")
    finalize()

    assert refusal(wrong, Right(project=make_project("other"))) == (
        f"$30.00 was credited on {wrong}: say whether the rebill is credited it as well."
    )


def test_no_more_is_granted_again_than_the_rebill_bills() -> None:
    wrong = charge()
    credit(wrong, "-30")
    finalize()

    assert refusal(wrong, Right(due_amount=Decimal(20), is_granted_again=True)) == (
        "More was credited than the rebill bills: do not grant it again, and adjust the rebill instead."
    )
    corrected(wrong, Right(due_amount=Decimal(30), is_granted_again=True))
    assert both_months() == 0


def test_of_what_was_taken_off_a_line_a_person_says_whose_it_is() -> None:
    wrong, _other = charge(), charge(due_amount="50")
    of_line(wrong, "60")
    finalize()

    assert refusal(wrong, NOBODY) == (
        f"An upheld dispute took $40.00 off the line of {wrong}, by its share: say whether it was about this charge."
    )
    (with_it,) = plan([wrong.pk], grounds=GROUNDS, right=Right(is_billed=False, has_line_share=True)).pairs
    (without,) = plan([wrong.pk], grounds=GROUNDS, right=Right(is_billed=False, has_line_share=False)).pairs
    assert [[one.due_amount for one in pair.adjustments] for pair in (with_it, without)] == [[40], []]


def test_all_shares_of_a_line_together_are_what_was_taken_off_it() -> None:
    charges = [charge(due_amount=due) for due in ("33.33", "33.33", "33.34")]
    of_line(charges[0], "100")
    finalize()

    for one in charges:
        corrected(one, Right(is_billed=False, has_line_share=True))

    assert both_months() == 0


def test_a_rebill_that_is_corrected_again_gives_back_what_it_was_granted() -> None:
    wrong = charge()
    credit(wrong, "-30")
    finalize()
    first = corrected(wrong, Right(project=make_project("other"), is_granted_again=True))
    finalize("2025-02", "2025-03")

    corrected(first.rebill, Right(project=make_project("third"), is_granted_again=True), "2025-03")

    due = {code: Decimal(0) for code in ("engine", "other", "third")}
    for month in ("2025-01", "2025-02", "2025-03"):
        for payer in lines_by_payer(make_period(month)):
            due[make_project_code(payer.payer.project)] += sum(line.due_amount for line in payer.lines)
    assert due == {"engine": 0, "other": 0, "third": 70}


def test_credits_of_less_than_a_coin_are_taken_back_together() -> None:
    """As the campaign was printed: ten times 0.004 are four cents."""
    charges = [charge(due_amount="0.02", list_amount="0.02") for _ in range(10)]
    campaign("20")
    finalize()

    correct([one.pk for one in charges], grounds=GROUNDS, right=NOBODY)

    assert both_months() == 0


def test_a_write_off_is_taken_back_from_the_account_that_bore_it() -> None:
    wrong = charge()
    credit(wrong, "-30", kind="write_off", borne_by=make_fund("DEPT"))
    finalize()

    corrected(wrong, NOBODY)

    lines = [line for payer in lines_by_payer(make_period("2025-02")) for line in payer.lines if line.credit_fund]
    assert [(line.due_amount, line.credit_fund.code) for line in lines] == [(30, "DEPT")]


def test_a_split_charge_takes_back_by_its_shares() -> None:
    split = FundingSplit.objects.create(project=make_project(), first_month="2025-01", remainder_account=make_fund("B"))
    split.shares.create(funding_account=make_fund("A"), percent=Decimal(60))
    wrong = charge(funding_account=None, fund_step="split")
    credit(wrong, "-30")
    finalize()

    corrected(wrong, NOBODY)

    due = dict.fromkeys("AB", Decimal(0))
    for month in ("2025-01", "2025-02"):
        for payer in lines_by_payer(make_period(month)):
            for line in payer.lines:
                due[line.funding_account.code] += line.due_amount
    assert due == {"A": 0, "B": 0}


def test_what_is_taken_back_is_not_withdrawn() -> None:
    wrong = charge()
    credit(wrong, "-30")
    finalize()
    corrected(wrong, NOBODY)

    with pytest.raises(Refused, match="belongs to the correction"):
        withdraw(Adjustment.objects.get(period__month="2025-02"), reason="It was a mistake")


def test_the_month_that_takes_it_adds_up() -> None:
    wrong = charge()
    credit(wrong, "-30")
    finalize()
    corrected(wrong, Right(project=make_project("other"), is_granted_again=True))

    found = reconcile(BillingPeriod.objects.get(month="2025-02"))

    assert (found.wrong, found.verdict) == (0, Verdict.WAITING)


def test_a_campaign_credits_nothing_of_other_months() -> None:
    own = charge()
    for kind in ("late", "reversal", "rebill"):
        charge(kind=kind, late_month="2024-12")

    campaign("10")

    assert [one.charge for one in Adjustment.objects.all()] == [own]


def test_a_code_is_free_again_once_its_campaign_is_withdrawn() -> None:
    charge()
    campaign("10")
    withdraw_campaign(CreditCampaign.objects.get(), reason="The wrong percent")

    campaign("20")

    assert [one.due_amount for one in Adjustment.objects.in_force()] == [-20]


def test_a_charge_that_was_carried_over_is_corrected_as_such() -> None:
    carried = charge(kind="carried", commitment_discount_id="savings-1", billed_cost=Decimal(0))
    carried.loaded_by.kind = "carried"
    carried.loaded_by.save()
    finalize()
    before = reconcile(BillingPeriod.objects.get(month="2025-02")).prepaid

    corrected(carried, Right(project=make_project("other")))

    found = reconcile(BillingPeriod.objects.get(month="2025-02"))
    lines = [line for step in found.parts[0].steps for line in step.lines if line.rows]
    assert [(line.label, line.rows) for line in lines][:1] == [("Corrections of finalized charges", 2)]
    assert (found.prepaid, before) == ([], [])
