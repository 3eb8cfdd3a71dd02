"""A row that runs past the last day of its fund is divided by days; after that day the fallback fund bears it."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.urls import reverse as url
from hypothesis import given
from hypothesis import strategies as st

from charges.correcting.grounds import Grounds
from charges.correcting.rebilling import Right, correct
from charges.dividing import parts_of
from charges.flags import Reviewer
from charges.importing import correct_row, reverse
from charges.importing.judging.unusual import hold
from charges.models import Charge, ImportIssue, Source
from charges.review import approve, exclude, reattribute
from periods.calendar import last_day_before
from statements.lines import lines_by_payer
from tests.charges.end_dates import adds_up, deliver, ending, parts, whole
from tests.charges.focus_files import focus_row
from tests.make import make_charge, make_closed, make_finalized, make_fund, make_period, make_rate, make_source

__all__ = ["deliver"]

pytestmark = pytest.mark.django_db


AMOUNTS = ("list_amount", "contracted_amount", "due_amount", "billed_cost", "effective_cost", "list_cost")


def test_the_days_until_the_end_stay_on_the_fund_and_the_others_fall_back(deliver):
    ending()

    costs = {"EffectiveCost": "62.00", "BilledCost": "62.00", "ListCost": "93.00", "ContractedCost": "93.00"}
    done = deliver(focus_row(**costs, PricingQuantity="744"))

    assert parts() == [
        ("01-01", "01-16", "NSF-1", "tag", "3E+1", "clear"),
        ("01-16", "02-01", "OPS-1", "fallback", "32", "clear"),
    ]
    assert (whole().review_status, done.loaded, done.flagged) == ("divided", 1, 0)
    assert [part.pricing_quantity for part in Charge.objects.filter(kind="part").order_by("pk")] == ["360", "384"]
    assert adds_up(make_period()) == {"adds up"}


def test_statement_lines_carry_the_parts_and_not_the_row(deliver):
    ending()
    deliver(focus_row(EffectiveCost="62.00"))

    lines = [line for payer in lines_by_payer(make_period()) for line in payer.lines]

    assert [(line.funding_account.code, str(line.due_amount)) for line in lines] == [
        ("NSF-1", "30.00"),
        ("OPS-1", "32.00"),
    ]


@pytest.mark.parametrize("fallback", [{"fallback": None}, {"valid_until": date(2025, 1, 10)}])
def test_without_a_fallback_that_is_valid_the_later_days_are_held(deliver, fallback):
    ending(**fallback)

    done = deliver(focus_row(EffectiveCost="62.00"))

    assert [row[2:] for row in parts()] == [
        ("NSF-1", "tag", "3E+1", "clear"),
        ("NSF-1", "tag", "32", "held"),
    ]
    assert Charge.objects.held().get().flags == {"expired": "NSF-1 could be charged until 2025-01-15."}
    assert done.flagged == 1


def test_the_last_day_of_the_fund_counts_like_that_of_the_project(deliver):
    make_fund("NSF-1", valid_until=date(2025, 1, 10))
    ending("2025-01-20")

    deliver(focus_row(EffectiveCost="31.00"))

    assert [row[4] for row in parts()] == ["1E+1", "21"]


@pytest.mark.parametrize(
    ("first", "end", "zone", "divided"),
    [
        ("2025-01-01", "2025-01-16", "UTC", False),
        ("2025-01-15", "2025-01-17", "UTC", True),
        ("2025-01-16", "2025-02-01", "UTC", False),
        ("2025-01-15T10:00:00Z", "2025-01-15T11:00:00Z", "UTC", False),
        ("2025-01-16T05:30:00Z", "2025-01-16T06:30:00Z", "America/Chicago", True),
        ("2025-01-15T14:30:00Z", "2025-01-15T15:30:00Z", "Asia/Tokyo", True),
        ("2025-01-15T23:30:00Z", "2025-01-16T00:30:00Z", "Asia/Tokyo", False),
        ("2025-01-15T00:00:00Z", "2025-01-16T00:00:00Z", "America/Chicago", False),
    ],
)
def test_days_are_those_of_the_institution(deliver, settings, first, end, zone, divided):  # noqa: PLR0917
    settings.TIME_ZONE = zone
    ending()

    deliver(focus_row(ChargePeriodStart=first, ChargePeriodEnd=end, EffectiveCost="10.00"))

    assert [row[4] for row in parts()] == (["5", "5"] if divided else [])


def test_flags_of_the_row_hold_both_parts(deliver):
    ending()
    make_rate("2", source=make_source("aws"))
    deliver(focus_row(EffectiveCost="62.00", BilledCost="62.00", BillingCurrency="EUR"))
    assert [row[5] for row in parts()] == ["held", "held"]

    approve(Charge.objects.filter(kind="part"))

    assert [row[4:] for row in parts()] == [("6E+1", "approved"), ("64", "approved")]
    assert adds_up(make_period()) == {"adds up"}


def test_a_split_divides_whole_months_and_has_no_end(deliver):
    project = ending()
    project.splits.create(first_month="2024-01", remainder_account=make_fund("REST"))

    deliver(focus_row())

    assert (whole().review_status, parts()) == ("clear", [])


def test_the_next_delivery_replaces_the_parts_and_keeps_what_was_decided(deliver):
    ending(fallback=None)
    make_source("aws")
    Source.objects.update(approval_threshold=10)
    deliver(focus_row(EffectiveCost="62.00"))
    reattribute(Charge.objects.held(), funding_account=make_fund("GIFT"), reason="the gift fund takes over")

    deliver(focus_row(EffectiveCost="93.00"))

    assert [row[2:] for row in parts()] == [
        ("NSF-1", "tag", "45", "clear"),
        ("GIFT", "decision", "48", "clear"),
    ]
    assert Charge.objects.current().count() == 3


def test_an_exclusion_of_the_row_holds_for_its_parts(deliver):
    deliver(focus_row(EffectiveCost="62.00"))
    exclude(Charge.objects.all(), reason="billed elsewhere")
    ending()

    deliver(focus_row(EffectiveCost="93.00"))

    assert [row[5] for row in parts()] == ["excluded", "excluded"]


def test_a_delivery_that_is_taken_back_takes_its_parts_along(deliver):
    ending()
    deliver(focus_row(EffectiveCost="62.00"))
    second = deliver(focus_row(EffectiveCost="93.00"))

    reverse(second.focus_import, reason="sent by mistake")

    assert [row[4] for row in parts()] == ["3E+1", "32"]


def test_a_late_file_takes_back_the_parts_and_not_the_row(deliver):
    ending()
    deliver(focus_row(EffectiveCost="62.00"), focus_row(ResourceId="other"))
    make_finalized(make_closed(make_period()))
    make_period("2025-02")

    deliver(focus_row(EffectiveCost="31.00"), focus_row(ResourceId="other"), late_to="2025-02")

    february = Charge.objects.filter(period__month="2025-02").order_by("pk")
    assert sorted((c.kind, c.review_status, str(c.due_amount.normalize())) for c in february) == [
        ("late", "divided", "31"),
        ("part", "held", "15"),
        ("part", "held", "16"),
        ("reversal", "divided", "-62"),
        ("reversal", "held", "-32"),
        ("reversal", "held", "-3E+1"),
    ]
    approve(february.filter(review_status="held"))
    assert adds_up(make_period("2025-02")) == {"adds up"}


def test_a_part_that_was_corrected_is_taken_back_once(deliver):
    ending()
    deliver(focus_row(EffectiveCost="62.00"), focus_row(ResourceId="other"))
    make_finalized(make_closed(make_period()))
    make_period("2025-02")
    part = Charge.objects.get(kind="part", due_amount=32)
    grounds = Grounds(
        cause="fund", certifier="Ada Lovelace", justification="The sponsor's audit of January named the wrong fund only in November.",
        explanation="The days after the grant belong to the gift fund of the lab.",
    )  # fmt: skip
    correct(
        [part.pk],
        grounds=grounds,
        right=Right(funding_account=make_fund("GIFT"), is_fund_certified=True),
        month="2025-02",
    )

    deliver(focus_row(ResourceId="other"), late_to="2025-02")

    february = Charge.objects.filter(period__month="2025-02", review_status__in=["held", "approved"])
    by_fund = {}
    for charge in february:
        by_fund[str(charge.funding_account)] = by_fund.get(str(charge.funding_account), 0) + charge.due_amount
    assert by_fund == {"NSF-1": -30, "OPS-1": -32, "GIFT": 0}


def test_a_corrected_row_of_quarantine_is_divided_too(deliver):
    ending()
    deliver(focus_row(ResourceId="other"), focus_row(EffectiveCost="62,00"))

    charge = correct_row(ImportIssue.objects.get(), correction={"EffectiveCost": "62.00"}, reason="a comma for a point")

    assert charge.review_status == "divided"
    assert [row[4] for row in parts(origin=charge)] == ["3E+1", "32"]


def test_an_append_source_takes_its_next_file_with_parts_there(deliver):
    ending()
    Source.objects.filter(pk=make_source("aws").pk).update(delivery="append", reference_column="x_Id")

    deliver(focus_row(x_Id="1", EffectiveCost="62.00"))
    done = deliver(focus_row(x_Id="1", EffectiveCost="62.00"), focus_row(x_Id="2", EffectiveCost="31.00"))

    assert (done.added, done.unchanged, len(parts())) == (1, 1, 4)


def test_the_page_of_the_row_says_why(deliver, client, auditor):
    ending()
    deliver(focus_row(EffectiveCost="62.00"))
    client.force_login(auditor)

    page = client.get(url("admin:charges_charge_change", args=[whole().pk])).content.decode()

    assert [word in page for word in ("Divided at an end date", "2025-01-01 to 2025-01-15", "OPS-1", "$32.00")] == [
        True
    ] * 4


def test_what_is_unusually_dear_holds_no_row_beside_its_parts():
    charge = make_charge(review_status="divided")

    hold(charge.loaded_by, charge.period, {("engine", "HPC Cluster"): {"unusual_change": "far more than usual"}})

    charge.refresh_from_db()
    assert charge.review_status == "divided"


@pytest.mark.parametrize("number", [1, 3])
def test_dividing_costs_the_same_queries_for_any_number_of_rows(deliver, django_assert_max_num_queries, number):
    ending()
    make_fund()
    rows = [focus_row(ResourceId=f"i-{at}", EffectiveCost="62.00") for at in range(number)]

    with django_assert_max_num_queries(120):
        deliver(*rows)

    assert len(parts()) == 2 * number


@given(st.integers(-(10**17), 10**17), st.integers(1, 30), st.integers(2, 40))
def test_parts_add_up_to_the_billionth(billionths, until, length):
    last = date(2025, 1, min(until, length - 1))
    amount = Decimal(billionths).scaleb(-9)
    charge = Charge(
        charge_period_start="2025-01-01", funding_account=None, period_id=1, **dict.fromkeys(AMOUNTS, amount)
    )
    charge.charge_period_start = datetime(2025, 1, 1, tzinfo=UTC)
    charge.charge_period_end = charge.charge_period_start + timedelta(days=length)

    found = list(parts_of(charge, last, Reviewer.__new__(Reviewer)))

    assert [sum(getattr(part, name) for part in found) for name in AMOUNTS] == [amount] * len(AMOUNTS)
    assert all(part.due_amount * amount >= 0 for part in found)
    assert found[0].charge_period_end == found[1].charge_period_start
    assert last_day_before(found[0].charge_period_end) == last
