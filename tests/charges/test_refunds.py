"""A refund goes to the fund that bore the charge, though it has ended since or the tags say something else by now."""

from datetime import UTC, date, datetime

import pytest

from charges.correcting.grounds import Grounds
from charges.correcting.rebilling import Right, correct
from charges.importing import import_files
from charges.merging import merge
from charges.models import Charge
from charges.review import reattribute
from tests.charges.focus_files import focus_row, write_focus
from tests.make import (
    make_charge,
    make_closed,
    make_finalized,
    make_fund,
    make_period,
    make_pi,
    make_project,
    make_source,
)

pytestmark = pytest.mark.django_db

GROUNDS = Grounds(
    cause="payer",
    explanation="The nodes were tagged with the project of the group next door.",
    certifier="Ada Lovelace",
    justification="The sponsor has agreed to the transfer in writing, in May.",
)
FEBRUARY = {"BillingPeriodStart": "2025-02-01", "BillingPeriodEnd": "2025-03-01"}
JANUARY = {"ChargePeriodStart": "2025-01-05", "ChargePeriodEnd": "2025-01-06"}
LATER = {"ChargePeriodStart": "2025-02-10", "ChargePeriodEnd": "2025-02-11"}


@pytest.fixture
def deliver(tmp_path):
    def run(*rows):
        return import_files([write_focus(tmp_path / "feb.csv", *rows)], source_name="aws")

    return run


def borne(**columns):
    """Of January, on OLD."""
    return make_charge(**{
        "source": make_source("aws"), "resource_id": "i-1", "due_amount": "80", "funding_account": make_fund("OLD"),
        "charge_period_start": datetime(2025, 1, 5, tzinfo=UTC), "charge_period_end": datetime(2025, 1, 6, tzinfo=UTC),
        **columns,
    })  # fmt: skip


def refund(**columns):
    costs = dict.fromkeys(("ListCost", "ContractedCost", "BilledCost", "EffectiveCost"), "-20.00")
    return focus_row(**{"tags": {"fund_org": "NEW"}, **FEBRUARY, **JANUARY, **costs, **columns})


def told():
    charge = Charge.objects.get(period__month="2025-02")
    return str(charge.funding_account), charge.fund_step, charge.review_status


def test_a_refund_of_an_earlier_month_goes_where_the_charge_went(deliver):
    borne()
    make_finalized(make_closed(make_period("2025-01")))

    deliver(refund())

    assert told() == ("OLD", "bearer", "clear")


def test_so_does_one_that_is_dated_after_the_end_of_the_fund(deliver):
    fund = make_fund("OLD", valid_until=date(2025, 1, 31))
    make_project(end_date=date(2025, 1, 31), fallback_fund=make_fund("OPS"))
    borne(funding_account=fund)

    deliver(refund(tags={"fund_org": "OLD"}, **LATER))

    assert told() == ("OLD", "bearer", "clear")


def test_a_refund_without_tags_has_a_payer_all_the_same(deliver):
    borne()

    deliver(refund(tags="{}", ChargeClass="Correction", **LATER))

    charge = Charge.objects.get(period__month="2025-02")
    assert (charge.pi, charge.project, charge.flags) == (make_pi(), make_project(), {})


def test_a_merged_fund_bears_it_by_its_new_name(deliver):
    borne()
    make_finalized(make_closed(make_period("2025-01")))
    merge(make_fund("OLD"), make_fund("SAME"), reason="renamed in July")

    deliver(refund())

    assert told()[0] == "SAME"


def test_of_a_charge_that_was_corrected_it_goes_where_the_rebill_went(deliver):
    wrong = borne()
    make_finalized(make_closed(make_period("2025-01")))
    make_period("2025-02")
    correct([wrong.pk], grounds=GROUNDS, right=Right(funding_account=make_fund("RIGHT")), month="2025-02")

    deliver(refund())

    assert [str(charge.funding_account) for charge in Charge.objects.filter(kind="delivered", due_amount=-20)] == [
        "RIGHT"
    ]


@pytest.mark.parametrize(
    ("fallback", "bearers"),
    [
        ("OPS", [("OLD", "clear", -30), ("OPS", "clear", -32)]),
        (None, [("OLD", "clear", -30), ("OLD", "held", -32)]),
    ],
)
def test_of_a_divided_charge_it_is_divided_at_the_same_day(tmp_path, deliver, fallback, bearers):
    make_project(end_date=date(2025, 1, 15), fallback_fund=fallback and make_fund(fallback))
    whole = {"ChargePeriodStart": "2025-01-01", "ChargePeriodEnd": "2025-02-01"}
    file = write_focus(tmp_path / "jan.csv", focus_row({"fund_org": "OLD"}, EffectiveCost="62.00"))
    import_files([file], source_name="aws")
    make_finalized(make_closed(make_period("2025-01")))

    done = deliver(refund(ListCost="-100.00", EffectiveCost="-62.00", **whole))

    parts = Charge.objects.filter(period__month="2025-02", kind="part").order_by("pk")
    assert [(str(part.funding_account), part.review_status, part.due_amount) for part in parts] == bearers
    assert done.flagged == parts.filter(review_status="held").count()


def test_the_days_that_a_reviewer_gave_to_another_fund_are_refunded_to_it(tmp_path, deliver):
    make_project(end_date=date(2025, 1, 15), fallback_fund=make_fund("OPS"))
    whole = {"ChargePeriodStart": "2025-01-01", "ChargePeriodEnd": "2025-02-01"}
    file = write_focus(tmp_path / "jan.csv", focus_row({"fund_org": "OLD"}, EffectiveCost="62.00"))
    import_files([file], source_name="aws")
    after = Charge.objects.filter(kind="part", due_amount=32)
    reattribute(after, pi=make_pi("grace@example.edu"), funding_account=make_fund("GIFT"), reason="the gift pays")
    make_finalized(make_closed(make_period("2025-01")))

    done = deliver(refund(ListCost="-100.00", EffectiveCost="-62.00", **whole))

    parts = Charge.objects.filter(period__month="2025-02", kind="part").order_by("pk")
    assert [(part.pi.email, str(part.funding_account), part.review_status, part.due_amount) for part in parts] == [
        ("ada@example.edu", "OLD", "clear", -30),
        ("grace@example.edu", "GIFT", "clear", -32),
    ]
    assert done.flagged == 0


@pytest.mark.parametrize(
    ("charge", "row"),
    [
        ({"resource_id": "i-2"}, {}),
        ({"source": "another"}, {}),
        ({"review_status": "excluded"}, {}),
        ({"due_amount": "-80"}, {}),
        ({"kind": "reversal"}, {}),
        ({"charge_period_start": datetime(2025, 1, 9, tzinfo=UTC)}, {}),
        ({"funding_account": None, "fund_step": "split"}, {}),
        ({}, {"ResourceId": ""}),
        ({}, {**LATER}),
    ],
)
def test_all_other_rows_go_by_their_tags(deliver, charge, row):
    if "source" in charge:
        charge = {"source": make_source("another")}
    borne(**charge)

    deliver(refund(**row))

    assert told() == ("NEW", "tag", "clear")


def test_what_is_charged_and_no_refund_goes_by_its_tags(deliver):
    borne()

    deliver(focus_row({"fund_org": "NEW"}, ChargeClass="Correction", **FEBRUARY, **JANUARY))

    assert told() == ("NEW", "tag", "clear")


def test_of_several_bearers_the_last_before_the_refund_counts(deliver):
    borne()
    borne(funding_account=make_fund("MIDDLE"), charge_period_start=datetime(2025, 1, 20, tzinfo=UTC))

    deliver(refund(ChargeClass="Correction", **LATER))

    assert told()[0] == "MIDDLE"


@pytest.mark.parametrize("number", [1, 3])
def test_a_block_of_refunds_is_one_question(deliver, django_assert_max_num_queries, number):
    borne()
    with django_assert_max_num_queries(90):
        deliver(*(refund(SkuId=f"sku-{at}") for at in range(number)))

    assert set(Charge.objects.filter(period__month="2025-02").values_list("fund_step", flat=True)) == {"bearer"}
