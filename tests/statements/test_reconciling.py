"""A month reconciles step by step; what does not add up is named with its difference, and never plugged."""

from decimal import Decimal

import pytest

from charges.models import Charge
from periods.models import BillingPeriod
from statements.journaling import export_journal
from statements.reconciling import reconcile
from statements.reconciling.result import Verdict
from tests.make import make_import, make_period, make_pi, make_rate, make_source
from tests.statements.reconciled import (
    BILL,
    DECIDED,
    JOURNALS,
    STATEMENTS,
    difference,
    issue,
    make_adjustment,
    make_costs,
    make_issue,
    step_of,
    told,
)

pytestmark = pytest.mark.django_db


def test_bill_less_prepaid_with_what_is_amortised_is_the_basis():
    make_costs("1000", "0", charge_category="Purchase", commitment_discount_id="plan", review_status="not_billable")
    make_costs("0", "7.5", commitment_discount_id="plan")
    make_costs("0", "2", charge_category="Usage")
    make_costs("3", "3")
    make_costs("0", "4", billed_cost=None)

    assert told(BILL) == (
        [
            ("+", "Billed", "1003", 5),
            ("−", "Prepaid", "1E+3", 1),
            ("+", "Amortised", "9.5", 2),
            ("+", "Without a billed cost", "4", 1),
            ("=", "Basis amount", "16.5", 5),
        ],
        "adds up",
    )


def test_refund_of_a_purchase_is_prepaid_with_the_other_sign():
    make_costs("-1000", "0", charge_category="Purchase", review_status="not_billable")

    assert told(BILL)[0][1] == ("−", "Prepaid", "-1E+3", 1)


def test_an_unknown_effective_cost_of_a_commitments_purchase_is_none():
    make_costs("1000", "0", effective_cost=None, charge_category="Purchase", commitment_discount_id="plan")

    assert told(BILL) == (
        [("+", "Billed", "1E+3", 1), ("−", "Prepaid", "1E+3", 1), ("=", "Basis amount", "0", 1)],
        "adds up",
    )


def test_costs_that_differ_without_a_commitment_do_not_add_up():
    make_costs("5", "3.25")

    step = step_of(BILL)

    assert (step.verdict, step.difference) == (Verdict.WRONG, Decimal("-1.75"))
    assert [(line.label, line.amount, line.rows) for line in step.notes] == [
        ("Effective and billed cost differ, unexplained", Decimal("-1.75"), 1)
    ]


def test_a_source_that_charges_what_is_billed_amortises_nothing():
    make_source(basis="billed_cost")
    make_costs("0", "7.5", due_amount="0", commitment_discount_id="plan", review_status="not_billable")
    make_costs("3", "2", due_amount="3")

    assert told(BILL) == ([("+", "Billed", "3", 2), ("=", "Basis amount", "3", 2)], "adds up")
    assert told(DECIDED)[1] == "adds up"


def test_the_basis_is_that_of_the_delivery_not_todays():
    source = make_source(basis="billed_cost")
    loaded = make_import(make_period(), source, read_as={"basis": "effective_cost"})
    make_costs("0", "7.5", commitment_discount_id="plan", loaded_by=loaded)

    assert told(BILL)[0][-1] == ("=", "Basis amount", "7.5", 1)


def test_every_row_is_somewhere():
    for number, status in enumerate(Charge.ReviewStatus.values, start=1):
        make_costs(number, number, review_status=status)
    make_issue(billed_cost=Decimal(10), effective_cost=Decimal(10))
    make_issue(status="discarded", billed_cost=Decimal(20), effective_cost=None)

    assert told(DECIDED) == (
        [
            ("+", "Billable", "4", 2),
            ("+", "Shared among projects", "7", 1),
            ("+", "Divided at an end date", "8", 1),
            ("+", "Held for review", "2", 1),
            ("+", "Excluded", "4", 1),
            ("+", "Deferred out", "5", 1),
            ("+", "Not billable", "6", 1),
            ("+", "Quarantined, undecided", "1E+1", 1),
            ("+", "Quarantined, discarded", "2E+1", 1),
            ("=", "Basis amount", "66", 10),
        ],
        "adds up",
    )
    assert difference(BILL) == ("adds up", 0)


def test_an_amount_that_is_not_the_delivered_cost_is_found():
    make_costs("5", "5", due_amount="4")

    assert difference(DECIDED) == ("does not add up", 1)


@pytest.mark.parametrize(
    "known",
    [
        {"status": "corrected"},
        {"status": "replaced"},
        {"late_month": "2024-12"},
    ],
)
def test_rows_that_count_elsewhere_are_not_in_quarantine(known):
    make_costs("1", "1")
    make_issue(billed_cost=Decimal(10), effective_cost=Decimal(10), **known)

    assert told(DECIDED)[0] == [("+", "Billable", "1", 1), ("=", "Basis amount", "1", 1)]


def test_a_quarantined_row_whose_amount_is_not_readable_is_counted():
    make_issue(currency="")

    assert [(line.label, line.rows) for line in step_of(BILL).notes] == [("Quarantined, amount not readable", 1)]


def test_a_superseded_row_counts_no_more():
    charge = make_costs("1", "1")
    make_costs("5", "5")
    Charge.objects.filter(pk=charge.pk).update(superseded_by=charge.loaded_by)

    assert told(BILL)[0][0] == ("+", "Billed", "5", 1)


def test_a_foreign_bill_is_converted_at_the_rate_of_the_month():
    rate = make_rate("1.1")
    foreign = {"billing_currency": "EUR", "exchange_rate": rate}
    make_costs("0.000000001", "0.000000001", due_amount="0.000000001", **foreign)
    make_costs("10", "10", due_amount="11", **foreign)
    make_costs("10", "10", due_amount="10", billing_currency="EUR", review_status="held")
    make_costs("2", "2")

    assert told(DECIDED, currency="EUR") == (
        [
            ("+", "Billable", "10.000000001", 2),
            ("+", "Held for review", "1E+1", 1),
            ("=", "Basis amount", "20.000000001", 3),
        ],
        "adds up",
    )
    assert told("Converted to USD", currency="EUR") == (
        [
            ("+", "Billable EUR × 1.1", "11.0000000011", None),
            ("±", "Rounding", "-1E-10", None),
            ("=", "In USD", "11.000000001", 2),
        ],
        "adds up",
    )
    assert told(STATEMENTS)[0] == [
        ("+", "Billable", "2", 1),
        ("+", "Billable, converted from EUR", "11.000000001", 2),
        ("±", "Rounding", "-1E-9", None),
        ("=", "Statements so far", "13", None),
    ]


def test_a_conversion_at_another_rate_is_found():
    make_costs("10", "10", due_amount="12", billing_currency="EUR", exchange_rate=make_rate("1.1"))

    assert difference("Converted to USD", currency="EUR") == ("does not add up", 1)


def test_what_came_from_other_months_is_billed_beside_the_bill():
    make_costs("1", "1")
    make_costs("2", "2", kind="carried")
    make_costs("9", "9", kind="carried", review_status="held")
    make_costs("8", "8", kind="late", late_month="2024-12")
    make_costs("-4", "-4", kind="reversal", late_month="2024-12")
    loaded = make_import(make_period(), make_source(), kind="correction")
    make_costs("0.5", "0.5", kind="late", late_month="2024-11", loaded_by=loaded)
    make_adjustment("-0.25")

    assert told(BILL)[0][0] == ("+", "Billed", "1", 1)
    assert told(STATEMENTS) == (
        [
            ("+", "Billable", "1", 1),
            ("+", "Deferred in", "2", 1),
            ("+", "Late differences of closed months", "4", 2),
            ("+", "Corrections of finalized charges", "0.5", 1),
            ("+", "Adjustments", "-0.25", 1),
            ("=", "Statements so far", "7.25", None),
        ],
        "adds up",
    )
    assert [(line.label, line.amount, line.rows) for line in step_of(STATEMENTS).notes] == [
        ("Deferred in: held for review", 9, 1)
    ]


def test_all_sources_are_added_up_at_the_end():
    make_costs("5", "5")
    make_costs("6", "6", source=make_source("cloud"))
    make_adjustment("-1", source=None)
    export_journal(issue())

    found = reconcile(make_period())

    assert [part.source for part in found.parts] == ["cloud", "cluster", "Without a source", "All sources"]
    assert told(JOURNALS, source="All sources") == (
        [("+", "Statements", "1E+1", None), ("=", "Journals", "1E+1", None)],
        "adds up",
    )
    assert found.verdict == Verdict.RIGHT


def test_what_is_left_of_a_commitment_goes_on_from_month_to_month():
    plan = {"commitment_discount_id": "plan", "charge_category": "Usage"}
    december, february = make_period("2024-12"), make_period("2025-02")
    make_costs("1000", "0", period=december, **{**plan, "charge_category": "Purchase"}, review_status="not_billable")
    make_costs("0", "30", period=december, review_status="deferred", **plan)
    make_costs("0", "30", kind="carried", **plan)
    make_costs("50", "0", **{**plan, "charge_category": "Purchase"}, review_status="not_billable")
    make_costs("0", "40.5", **plan)
    make_costs("0", "100", period=february, **plan)
    make_costs("0", "0", commitment_discount_id="nothing")

    (found,) = reconcile(make_period()).prepaid

    assert (found.source, found.commitment.name) == ("cluster", "plan")
    assert (*found.commitment[3:], found.commitment.balance) == (970, 50, Decimal("40.5"), Decimal("979.5"))


def test_an_empty_month_has_nothing_to_reconcile():
    found = reconcile(BillingPeriod.objects.create(month="2031-01"))

    assert (found.parts, found.prepaid, found.verdict) == ([], [], Verdict.WAITING)


@pytest.mark.parametrize("count", [1, 3])
def test_reconciling_costs_the_same_queries_for_any_number_of_rows(count, django_assert_num_queries):
    for number in range(count):
        pi = make_pi(f"pi{number}@example.edu")
        make_costs("5", "5", pi=pi)
        make_costs("5", "5", review_status="held", pi=pi)
        make_issue(billed_cost=Decimal(1))

    with django_assert_num_queries(19):
        reconcile(make_period())
