"""What a statement says of earlier months, of the grant's end, and of quantities."""

from datetime import date
from decimal import Decimal

import pytest

from charges.models import PrincipalInvestigator
from statements.issuing import compute
from statements.rendering.composing import compose
from tests.make import make_charge, make_fund, make_period, make_pi, make_project, make_rate, make_statement

pytestmark = pytest.mark.django_db


def composed():
    (found,) = compute(make_period())
    return compose(found.statement, found.lines)


def earlier(month, list_amount, due_amount=0, **kwargs):
    return make_statement(period=make_period(month), list_amount=list_amount, due_amount=due_amount, **kwargs)


def test_the_first_statement_has_no_history():
    make_charge()

    history = composed().history

    assert (history.trend, history.previous, history.fiscal_year) == ([], None, None)


def test_twelve_months_end_with_this_one_and_leave_out_what_is_older():
    make_charge(list_amount="100", due_amount="25")
    earlier("2024-01", 999)
    earlier("2024-02", 200, 50)
    earlier("2024-12", 50)

    history = composed().history

    assert [column.initial for column in history.trend] == list("FMAMJJASONDJ")
    shown = [
        (c.month, c.list_amount, c.due_amount, c.list_height, c.due_height) for c in history.trend if c.list_height
    ]
    assert shown == [("2024-02", 200, 50, 1000, 250), ("2024-12", 50, 0, 250, 0), ("2025-01", 100, 25, 500, 125)]
    assert (history.previous.month, history.previous.list_amount) == ("2024-12", 50)


@pytest.mark.parametrize(
    ("start", "first", "list_amount"), [(7, "2024-07", 160), (12, "2024-12", 150), (2, "2024-02", 360)]
)
def test_the_fiscal_year_begins_when_the_institution_says(settings, start, first, list_amount):
    settings.FISCAL_YEAR_START = start
    make_charge(list_amount="100")
    for month, amount in (("2024-02", 200), ("2024-07", 10), ("2024-12", 50)):
        earlier(month, amount)

    year = composed().history.fiscal_year

    assert (year.first_month, year.list_amount) == (first, list_amount)


def test_a_fiscal_year_that_begins_now_has_nothing_to_compare(settings):
    settings.FISCAL_YEAR_START = 1
    make_charge()
    earlier("2024-12", 50)

    assert composed().history.fiscal_year is None


def test_only_current_statements_of_the_same_payer_and_currency_count():
    make_charge()
    earlier("2024-12", 50, state="superseded")
    earlier("2024-11", 50, currency="EUR")
    earlier("2024-10", 50, pi=make_pi("grace@example.edu"))
    earlier("2024-09", 50, project=make_project("other"))

    assert composed().history.trend == []


def test_statements_under_a_name_that_was_merged_count():
    make_charge()
    old = make_pi("old@example.edu")
    earlier("2024-12", 50, pi=old)
    PrincipalInvestigator.objects.filter(pk=old.pk).update(merged_into=make_pi())

    assert composed().history.previous.list_amount == 50


# The end of a grant


@pytest.mark.parametrize(
    ("today", "days", "warning"),
    [
        ("2024-12-31", 181, None),
        ("2025-01-01", 180, 180),
        ("2025-04-01", 90, 90),
        ("2025-05-31", 30, 30),
        ("2025-06-30", 0, 30),
        ("2025-07-01", -1, 0),
    ],
)
def test_the_end_is_told_in_time(time_machine, today, days, warning):
    time_machine.move_to(f"{today}T12:00:00Z")
    make_project(end_date=date(2025, 6, 30))
    make_charge(due_amount="5")

    (ending,) = composed().endings

    assert (ending.what, ending.days, ending.warning) == ("Project engine", days, warning)


def test_a_fund_that_ends_in_the_far_future_is_not_told_of(time_machine):
    time_machine.move_to("2024-12-31T12:00:00Z")
    make_fund(valid_until=date(2025, 6, 30))
    make_charge(due_amount="5")

    assert composed().endings == []


def test_funds_end_too_and_the_nearest_is_first(time_machine):
    time_machine.move_to("2025-02-01T12:00:00Z")
    make_project(end_date=date(2025, 3, 30))
    make_fund(valid_until=date(2025, 2, 10))
    make_charge(due_amount="5")

    assert [(ending.what, ending.days) for ending in composed().endings] == [("Fund NSF-1", 9), ("Project engine", 57)]


# Quantities


def usage(**kwargs):
    make_charge(**{"list_amount": "96", "due_amount": "50", "pricing_unit": "Hours", **kwargs})


def line_usage():
    (line,) = composed().lines
    return line.usage and (line.usage.quantity, line.usage.unit_price)


def test_quantity_times_list_rate_is_the_list_price():
    usage(pricing_quantity="24", list_unit_price="4")
    usage(pricing_quantity="1000.5", list_unit_price="4.0", list_amount="4002")

    assert line_usage() == ("1,024.5 Hours", Decimal(4))


def test_a_provider_credit_takes_no_quantity_away():
    usage(pricing_quantity="24", list_unit_price="4")
    usage(list_amount="0", due_amount="-50", pricing_unit="", charge_category="Credit")

    assert line_usage() == ("24 Hours", Decimal(4))


@pytest.mark.parametrize("other", [{"list_unit_price": "5"}, {"list_amount": "97"}, {"list_unit_price": ""}])
def test_a_rate_that_does_not_make_the_list_price_is_not_printed(other):
    usage(pricing_quantity="24", list_unit_price="4")
    usage(**{"pricing_quantity": "24", "list_unit_price": "4", **other})

    assert line_usage() == ("48 Hours", None)


@pytest.mark.parametrize("other", [{"pricing_unit": "Days"}, {"pricing_quantity": ""}, {"pricing_quantity": "NaN"}])
def test_quantities_that_cannot_be_added_are_not_printed(other):
    usage(pricing_quantity="24", list_unit_price="4")
    usage(**{"pricing_quantity": "24", "list_unit_price": "4", **other})

    assert line_usage() is None


def test_the_rate_of_a_converted_charge_is_in_another_currency_and_not_printed():
    usage(
        pricing_quantity="24", list_unit_price="4", billing_currency="EUR", exchange_rate=make_rate("1", currency="EUR")
    )

    assert line_usage() == ("24 Hours", None)
