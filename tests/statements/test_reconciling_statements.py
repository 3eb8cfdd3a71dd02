"""From the basis of a month to its statements and its journal."""

from decimal import Decimal

import pytest

from charges.models import FundingShare, FundingSplit
from statements.issuing import issue_statements
from statements.journaling import acknowledge_journal, export_journal, reject_journal
from statements.models import JournalLine, StatementLine
from statements.reconciling import reconcile
from statements.reconciling.result import Verdict
from tests.make import make_closed, make_fund, make_period, make_project
from tests.statements.reconciled import (
    JOURNALS,
    STATEMENTS,
    difference,
    issue,
    make_adjustment,
    make_costs,
    step_of,
    told,
)
from tests.statements.sealed import make_sealed

pytestmark = pytest.mark.django_db


def test_rounding_stands_on_its_own_line():
    make_costs("0.333", "0.333")
    make_costs("0.333", "0.333", service_name="Storage")
    make_adjustment("-0.004")

    assert told(STATEMENTS)[0][-2:] == [
        ("±", "Rounding", "-0.002", None),
        ("=", "Statements so far", "0.66", None),
    ]


def test_shares_of_a_split_add_up_to_the_line():
    split = FundingSplit.objects.create(project=make_project(), first_month="2025-01", remainder_account=make_fund("B"))
    FundingShare.objects.create(split=split, funding_account=make_fund("A"), percent=Decimal("33.33"))
    make_costs("0.03", "0.03", fund_step="split", funding_account=None)
    export_journal(issue())

    found = reconcile(make_period())

    assert (found.verdict, told(STATEMENTS)[0][-1]) == (Verdict.RIGHT, ("=", "Statements", "0.03", None))


def test_an_open_month_waits_for_its_journals():
    make_costs("5", "5")

    assert reconcile(make_period()).verdict == Verdict.WAITING
    assert step_of(JOURNALS).waits == "Journals come once the month is closed."


def test_a_month_without_statements_waits_for_them():
    make_costs("5", "5")
    make_closed(make_period())

    assert step_of(STATEMENTS).waits == "Statements are not issued yet."


def test_a_closed_month_adds_up_once_its_journal_is_exported():
    make_costs("5", "5")
    period = issue()
    waits = step_of(JOURNALS).waits
    journal = export_journal(period).journal

    assert waits == "No journal is exported yet."
    assert told(JOURNALS) == ([("+", "Statements", "5", None), ("=", "Journals", "5", None)], "adds up")
    assert reconcile(period).verdict == Verdict.RIGHT
    reject_journal(journal, reason="a typing error", by=None)
    assert step_of(JOURNALS).waits == "No journal is exported yet."


def test_a_write_off_moves_between_funds():
    make_costs("50", "50")
    make_adjustment("-20", kind="write_off", borne_by=make_fund("CENTRAL"))
    export_journal(issue())

    assert told(STATEMENTS)[1] == "adds up"
    assert told(JOURNALS) == (
        [
            ("+", "Statements", "3E+1", None),
            ("−", "Written off, borne by other funds", "-2E+1", 1),
            ("=", "Journals", "5E+1", None),
        ],
        "adds up",
    )


def test_statements_that_are_out_of_date_do_not_add_up():
    make_costs("5", "5")
    issue()
    make_costs("0.5", "0.5")

    assert difference(STATEMENTS) == ("does not add up", Decimal("-0.5"))


def test_a_journal_that_holds_less_than_the_statements_is_found():
    make_costs("5", "5")
    period = issue()
    export_journal(period)
    acknowledge_journal(period, reference="GL-1")
    make_costs("3", "3")
    issue_statements(period)

    assert difference(JOURNALS) == ("does not add up", -3)
    export_journal(period)
    assert reconcile(period).verdict == Verdict.RIGHT


def test_a_difference_that_no_rounding_makes_is_not_called_rounding():
    make_costs("5", "5")
    period = issue()
    StatementLine.objects.update(due_amount=Decimal("5.01"), list_amount=Decimal("5.01"))

    assert difference(STATEMENTS, period=period) == ("does not add up", Decimal("0.01"))


def test_a_finalized_month_is_read_from_its_documents():
    period = make_sealed(due_amount="12.504", list_amount="12.504", billed_cost=Decimal("12.504")).period

    assert reconcile(period).verdict == Verdict.RIGHT
    assert told(STATEMENTS, period=period)[0] == [
        ("+", "Billable", "12.504", 1),
        ("±", "Rounding", "-0.004", None),
        ("=", "Statements", "12.5", None),
    ]


def test_no_journal_line_is_counted_twice():
    make_costs("5", "5", account_code="4711")
    make_costs("-2", "-2", service_name="Refund", account_code="4712")
    export_journal(issue())

    assert JournalLine.objects.filter(funding_account=None).count() == 2
    assert told(JOURNALS) == ([("+", "Statements", "3", None), ("=", "Journals", "3", None)], "adds up")
