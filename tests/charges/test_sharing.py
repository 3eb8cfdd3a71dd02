"""Tax, support and unused commitments that nobody is named for: held, paid centrally, or divided by amount due."""

from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from charges.importing import import_files
from charges.merging import merge
from charges.models import Charge, FundingShare, FundingSplit, Source
from charges.review import approve, defer, exclude, reattribute, undo
from charges.sharing import Sharing
from periods.errors import Refused
from tests.charges.focus_files import focus_row, write_focus
from tests.charges.shared_costs import make_shared, owed
from tests.make import (
    make_finalized,
    make_fund,
    make_period,
    make_pi,
    make_project,
    make_rate,
    make_source,
)

pytestmark = pytest.mark.django_db

NOBODY = "{}"


@pytest.fixture
def deliver(tmp_path):
    def run(*rows, **settings):
        if settings:
            Source.objects.filter(pk=make_source("aws").pk).update(**settings)
        return import_files([write_focus(tmp_path / "bill.csv", *rows)], source_name="aws")

    return run


def tax(amount="10.00", **columns):
    costs = dict.fromkeys(("ListCost", "ContractedCost", "BilledCost", "EffectiveCost"), amount)
    return focus_row(
        **{"tags": NOBODY, "ChargeCategory": "Tax", "ServiceName": "Tax", "ResourceId": "", **costs, **columns}
    )


def usage(due, code, **columns):
    tags = {"project_id": code, "fund_org": f"FUND-{code}"}
    return focus_row(tags, **{"ChargeCategory": "Usage", "EffectiveCost": due, "ResourceId": code, **columns})


def central(name="aws"):
    payer = {"central_pi": make_pi("it@example.edu"), "central_project": make_project("it")}
    return {"shared_costs": "central", **payer, "central_fund": make_fund("IT-1")}


def status(**which):
    return [(charge.review_status, sorted(charge.flags)) for charge in Charge.objects.current().filter(**which)]


def shares(period=None):
    """Fund → due, of all shares."""
    funds = {fund.pk: fund.code for fund in make_fund().__class__.objects.all()}
    found = {}
    for share in Sharing(period or make_period()).shares():
        code = funds[share.bearer.fund]
        found[code] = found.get(code, Decimal(0)) + share.amounts[2]
    return {code: str(due) for code, due in sorted(found.items())}


def test_by_default_a_cost_of_nobody_is_held(deliver):
    deliver(usage("80.00", "a"), tax())

    assert status(charge_category="Tax") == [("held", ["missing_fund", "missing_pi", "missing_project"])]


def test_a_central_project_pays(deliver):
    deliver(usage("80.00", "a"), tax(), **central())

    charge = Charge.objects.get(charge_category="Tax")
    assert (charge.pi.email, charge.project.code, charge.funding_account.code) == ("it@example.edu", "it", "IT-1")
    assert (charge.review_status, charge.get_fund_step_display()) == ("clear", "Central project of the source")


def test_pro_rata_it_is_shared_and_lacks_nobody(deliver):
    deliver(usage("80.00", "a"), tax(), shared_costs="pro_rata")

    assert status(charge_category="Tax") == [("shared", [])]


@pytest.mark.parametrize(
    "columns",
    [
        {"ChargeCategory": "Usage"},
        {"tags": {"pi_email": "ada@example.edu", "project_id": "", "fund_org": ""}},
        {"tags": {"pi_email": "no address@", "project_id": "", "fund_org": ""}},
        {"tags": {"pi_email": "", "project_id": "engine", "fund_org": ""}},
        {"tags": {"pi_email": "", "project_id": "", "fund_org": "NSF-1"}},
    ],
)
@pytest.mark.parametrize("policy", ["central", "pro_rata"])
def test_a_row_that_names_somebody_badly_is_held_all_the_same(deliver, columns, policy):
    deliver(tax(**columns), **{**central(), "shared_costs": policy})

    (found,) = Charge.objects.all()
    assert found.review_status == "held"


@pytest.mark.parametrize("category", ["Tax", "Purchase", "Credit", "Adjustment"])
def test_these_categories_are_shared(deliver, category):
    deliver(usage("80.00", "a"), tax("-3.00", ChargeCategory=category), shared_costs="pro_rata")

    assert status(charge_category=category) == [("shared", [])]


def test_what_a_commitment_left_unused_is_shared_and_its_purchase_is_prepaid(deliver):
    deliver(
        usage("80.00", "a"),
        tax(ChargeCategory="Usage", CommitmentDiscountId="sp-1", CommitmentDiscountStatus="Unused", BilledCost="0"),
        tax("500.00", ChargeCategory="Purchase", CommitmentDiscountId="sp-1", EffectiveCost="0"),
        shared_costs="pro_rata",
    )

    assert status(commitment_discount_status="Unused") == [("shared", [])]
    assert status(charge_category="Purchase") == [("not_billable", [])]
    assert shares() == {"FUND-a": "10.00"}


def test_another_flag_holds_it_until_it_is_approved(deliver):
    deliver(usage("80.00", "a"), tax(BillingCurrency="EUR"), shared_costs="pro_rata")
    charge = Charge.objects.filter(charge_category="Tax")
    assert status(charge_category="Tax") == [("held", ["foreign_currency"])]
    make_rate("1.1", source=make_source("aws"))

    approve(charge.all())

    assert status(charge_category="Tax") == [("shared", ["foreign_currency"])]
    assert shares() == {"FUND-a": "11.00"}
    undo(charge.all())
    assert status(charge_category="Tax") == [("held", ["foreign_currency"])]


def test_what_was_held_before_the_setting_is_shared_once_it_is_approved(deliver):
    deliver(usage("80.00", "a"), tax())
    charge = Charge.objects.filter(charge_category="Tax")
    with pytest.raises(Refused, match="has no PI"):
        approve(charge.all())

    make_source("aws")
    Source.objects.update(shared_costs="pro_rata")
    approve(charge.all())

    assert charge.get().review_status == "shared"


def test_a_reviewer_may_still_say_who_pays_exclude_or_defer_it():
    charge = make_shared()
    one = Charge.objects.filter(pk=charge.pk)

    exclude(one, reason="billed elsewhere")
    assert one.get().review_status == "excluded"
    undo(one)
    assert one.get().review_status == "shared"
    defer(one, reason="ask the provider")
    assert one.get().review_status == "deferred"
    undo(one)
    reattribute(one, pi=make_pi(), reason="theirs alone")
    assert status() == [("held", ["missing_fund", "missing_project"])]
    reattribute(one, project=make_project(), funding_account=make_fund(), reason="theirs alone")
    assert status() == [("clear", [])]


def test_an_approval_goes_along_with_the_next_delivery(deliver):
    deliver(usage("80.00", "a"), tax("10.00", BillingCurrency="EUR"), shared_costs="pro_rata", approval_threshold=5)
    make_rate("1", source=make_source("aws"))
    approve(Charge.objects.filter(charge_category="Tax"))

    deliver(usage("80.00", "a"), tax("11.00", BillingCurrency="EUR"))

    assert status(charge_category="Tax") == [("shared", ["foreign_currency"])]
    assert shares() == {"FUND-a": "11.00"}


def test_shares_go_by_what_is_due_and_the_largest_takes_the_remainder():
    make_shared("10")
    for due, code in (("1", "A"), ("1", "B"), ("1", "B"), ("0.5", "C")):
        owed(due, code)

    assert shares() == {"A": "2.85", "B": "5.73", "C": "1.42"}


def test_only_what_is_billed_is_a_base():
    make_shared("10")
    owed("80", "A")
    owed("80", "B", review_status="held")
    owed("0", "C")
    owed("-5", "D")
    owed("80", "E", review_status="not_billable", charge_category="Purchase")
    owed("80", "F", kind="carried")
    owed("80", "G", source=make_source("other"))
    owed("80", "H", billing_account_id="another")

    assert shares() == {"A": "10.00"}


def test_the_sub_account_goes_before_the_billing_account():
    make_shared("10", billing_account_id="1", sub_account_id="1-1")
    make_shared("6", billing_account_id="1", sub_account_id="1-9")
    make_shared("8", billing_account_id="1")
    for due, code, sub_account in (("80", "A", "1-1"), ("80", "B", "1-2")):
        owed(due, code, billing_account_id="1", sub_account_id=sub_account)
    owed("80", "C", billing_account_id="2", sub_account_id="1-1")

    assert shares() == {"A": "17.00", "B": "7.00"}


def test_a_split_of_the_base_divides_its_share():
    project = make_project("A")
    split = FundingSplit.objects.create(
        project=project, service_name="HPC Cluster", first_month="2024-01", remainder_account=make_fund("REST")
    )
    FundingShare.objects.create(split=split, funding_account=make_fund("X"), percent=Decimal(60))
    owed("100", "A", funding_account=None, fund_step="split")
    owed("100", "B")
    make_shared("10")

    assert shares() == {"B": "5.00", "REST": "2.00", "X": "3.00"}


def test_without_a_base_there_is_no_share_but_a_blocker():
    make_shared("10", billing_account_id="1")
    make_shared("0", billing_account_id="2")

    assert shares() == {}
    assert [(cost.name, cost.account) for cost in Sharing(make_period()).unshared()] == [("tax", "1")]


def test_a_cost_of_a_closed_month_is_divided_as_that_month_was():
    owed("80", "A", period=make_period("2024-12"))
    owed("80", "B")
    make_shared("-10", late_month="2024-12", kind="reversal")

    assert shares() == {"A": "-10.00"}


def test_of_a_closed_month_it_goes_to_whom_the_payers_were_merged_into():
    owed("80", "A", period=make_period("2024-12"))
    make_finalized(make_period("2024-12"))
    merge(make_pi("A@example.edu"), make_pi("new@example.edu"), reason="another address")
    merge(make_project("A"), make_project("new"), reason="another code")
    make_shared("-10", late_month="2024-12", kind="reversal")

    (share,) = Sharing(make_period()).shares()

    bearer = share.bearer
    assert bearer == (make_pi("new@example.edu").pk, make_project("new").pk, make_fund("A").pk)


def test_a_central_payer_is_whole_and_follows_a_merge():
    source = make_source("aws", **central())
    source.central_fund = None
    with pytest.raises(ValidationError, match="Name the central PI, project and fund"):
        source.full_clean()

    merge(make_fund("IT-1"), make_fund("IT-2"), reason="renamed in July")

    source.refresh_from_db()
    assert source.central_fund == make_fund("IT-2")


class SharesAddUp(TestCase):
    @settings(max_examples=40, deadline=None)
    @given(
        costs=st.lists(st.integers(-(10**13), 10**13), min_size=1, max_size=4),
        dues=st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=6),
    )
    def test_to_the_coin_whatever_the_signs(self, costs, dues):
        for billionths in costs:
            make_shared(Decimal(billionths).scaleb(-9))
        for at, billionths in enumerate(dues):
            owed(Decimal(billionths).scaleb(-9), f"F{at}")

        sharing = Sharing(make_period())
        (cost,) = sharing.costs
        found = list(sharing.shares())

        sums = [sum((share.amounts[at] for share in found), Decimal(0)) for at in range(3)]
        assert sums == list(cost.amounts) if any(due > 0 for due in dues) else found == []
        assert all(share.amounts[2] * cost.amounts[2] >= 0 for share in found)
