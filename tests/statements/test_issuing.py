from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import override_settings

from charges.models import Charge
from charges.review import exclude
from periods.errors import NotPermitted, PeriodLocked, Refused
from periods.lifecycle import close_period, reopen_period
from periods.models import AuditEntry, BillingPeriod
from statements.issuing import Figures, Issued, compute, figures, issue_statements, stale_statements
from statements.models import Statement
from tests.make import make_charge, make_closed, make_finalized, make_fund, make_period, make_pi, make_project

pytestmark = pytest.mark.django_db


def closed_period(month="2025-01"):
    return make_closed(make_period(month))


def numbers():
    return list(Statement.objects.order_by("number", "revision").values_list("number", "revision", "state"))


def test_issue_refused_while_the_month_is_open():
    make_charge()

    with pytest.raises(Refused, match=r"^January 2025 is open: close it before its statements are issued\.$"):
        issue_statements(make_period())

    assert numbers() == []


def test_issue_refused_once_the_month_is_finalized():
    period = make_finalized(make_period())

    with pytest.raises(PeriodLocked):
        issue_statements(period)


def test_issue_refused_without_permission(outsider):
    make_charge()

    with pytest.raises(NotPermitted):
        issue_statements(closed_period(), by=outsider)

    assert numbers() == []


def test_issue_by_a_user_with_the_permission(outsider):
    outsider.user_permissions.add(Permission.objects.get(codename="issue_statement"))
    make_charge()

    issue_statements(closed_period(), by=outsider)

    assert AuditEntry.objects.get(action="issue").by == outsider


def test_statement_is_a_frozen_snapshot():
    pi = make_pi("ada@example.edu", name="Ada Lovelace", department="Mathematics")
    project = make_project("engine", name="Analytical Engine")
    make_charge(pi=pi, project=project, list_amount="10", contracted_amount="8", due_amount="3")
    make_charge(pi=pi, project=project, list_amount="100", due_amount="0", service_name="Storage")

    issue_statements(closed_period())

    statement = Statement.objects.get()
    assert (statement.pi_name, statement.pi_email, statement.department) == (
        "Ada Lovelace",
        "ada@example.edu",
        "Mathematics",
    )
    assert (statement.project_code, statement.project_name) == ("engine", "Analytical Engine")
    assert (statement.list_amount, statement.provider_discount, statement.subsidy) == (110, -2, -105)
    assert (statement.adjustments, statement.due_amount, statement.currency) == (0, 3, "USD")
    assert (statement.number, statement.revision, statement.state) == (1, 1, "issued")
    assert statement.issued_at is not None
    assert list(statement.lines.values_list("service_name", "due_amount")) == [
        ("HPC Cluster", Decimal(3)),
        ("Storage", Decimal(0)),
    ]


def test_statement_for_each_pi_and_project():
    make_charge()
    make_charge(project=make_project("other"))
    make_charge(pi=make_pi("bob@example.edu"))

    result = issue_statements(closed_period())

    assert result == Issued(issued=3, revised=0, unchanged=0, void=0)
    assert numbers() == [(1, 1, "issued"), (2, 1, "issued"), (3, 1, "issued")]


def test_issuing_again_changes_nothing():
    make_charge()
    period = closed_period()
    issue_statements(period)
    before = list(Statement.objects.values()), AuditEntry.objects.count()

    result = issue_statements(period)

    assert result == Issued(issued=0, revised=0, unchanged=1, void=0)
    assert (list(Statement.objects.values()), AuditEntry.objects.count()) == before


def test_changed_statement_is_superseded_by_a_revision_with_its_number():
    make_charge(due_amount="1")
    untouched = make_charge(pi=make_pi("bob@example.edu"), due_amount="7")
    period = closed_period()
    issue_statements(period)

    make_charge(due_amount="2")
    result = issue_statements(period)

    assert result == Issued(issued=0, revised=1, unchanged=1, void=0)
    assert numbers() == [(1, 1, "superseded"), (1, 2, "issued"), (2, 1, "issued")]
    assert list(Statement.objects.current().order_by("number").values_list("due_amount", flat=True)) == [3, 7]
    assert untouched.pi.name == Statement.objects.get(number=2).pi_name


def test_other_charges_with_the_same_sums_make_a_revision():
    first = make_charge(due_amount="5")
    period = closed_period()
    issue_statements(period)

    make_charge(due_amount="5")
    exclude(type(first).objects.filter(pk=first.pk), reason="counted twice by mistake", by=None)

    assert issue_statements(period).revised == 1


def test_emptied_statement_is_void_and_its_number_returns_with_its_charges():
    charge = make_charge()
    period = closed_period()
    issue_statements(period)

    type(charge).objects.update(review_status="excluded")
    result = issue_statements(period)
    assert (result, numbers()) == (Issued(0, 0, 0, 1), [(1, 1, "void")])

    assert issue_statements(period) == Issued(0, 0, 0, 0)

    type(charge).objects.update(review_status="clear")
    assert issue_statements(period) == Issued(0, 1, 0, 0)
    assert numbers() == [(1, 1, "void"), (1, 2, "issued")]


def test_the_number_of_a_void_statement_is_given_to_nobody_else():
    emptied = make_charge()
    period = closed_period()
    issue_statements(period)
    type(emptied).objects.update(review_status="excluded")

    make_charge(pi=make_pi("bob@example.edu"))

    assert issue_statements(period) == Issued(1, 0, 0, 1)
    assert numbers() == [(1, 1, "void"), (2, 1, "issued")]


def test_numbers_go_on_in_the_next_month():
    for month in ("2025-01", "2025-02"):
        make_charge(period=make_period(month))
        issue_statements(closed_period(month))

    assert numbers() == [(1, 1, "issued"), (2, 1, "issued")]


def test_refused_issue_leaves_no_gap_in_the_numbers():
    make_charge(pi=make_pi("ada@example.edu"))
    unfunded = make_charge(pi=make_pi("bob@example.edu"), due_amount="5", funding_account=None, fund_step="split")
    period = closed_period()

    with pytest.raises(Refused, match=r"^bob, engine: the funding split of the project does not cover this month\."):
        issue_statements(period)
    assert numbers() == []

    type(unfunded).objects.filter(pk=unfunded.pk).update(funding_account=make_fund(), fund_step="decision")
    issue_statements(period)
    assert numbers() == [(1, 1, "issued"), (2, 1, "issued")]


@pytest.mark.parametrize(("days", "expected"), [(0, None), (30, date(2025, 3, 3))])
def test_dispute_date_is_printed_once_its_length_is_set(days, expected, time_machine):
    time_machine.move_to("2025-02-01T12:00:00Z")
    make_charge()

    with override_settings(DISPUTE_DAYS=days):
        issue_statements(closed_period())

    assert Statement.objects.get().dispute_until == expected


@pytest.mark.parametrize(("due", "expected"), [("5", date(2025, 2, 20)), ("0", date(2025, 2, 11))])
def test_reissue_restarts_the_dispute_window_only_where_the_due_changed(due, expected, time_machine, settings):
    settings.DISPUTE_DAYS = 10
    make_charge()
    period = closed_period()
    time_machine.move_to("2025-02-01T12:00:00Z")
    issue_statements(period)

    time_machine.move_to("2025-02-10T12:00:00Z")
    make_charge(due_amount=due)
    issue_statements(period)

    assert Statement.objects.current().get().dispute_until == expected


def test_stale_names_what_is_missing_changed_and_emptied():
    gone = make_charge(pi=make_pi("gone@example.edu"))
    make_charge(pi=make_pi("changed@example.edu"))
    make_charge(pi=make_pi("same@example.edu"))
    period = closed_period()
    issue_statements(period)
    assert stale_statements(period) == []

    type(gone).objects.filter(pk=gone.pk).update(review_status="excluded")
    make_charge(pi=make_pi("changed@example.edu"))
    make_charge(pi=make_pi("missing@example.edu"))

    assert sorted(stale_statements(period)) == ["changed, engine", "gone, engine", "missing, engine"]


def test_stale_after_other_charges_took_the_place_of_the_same_sum():
    for pk in (1, 2, 3, 4):
        make_charge(pk=pk, review_status="excluded")
    outer, inner = (Charge.objects.filter(pk__in=pair) for pair in ((1, 4), (2, 3)))
    outer.update(review_status="clear")
    period = closed_period()
    issue_statements(period)
    assert stale_statements(period) == []

    outer.update(review_status="excluded")
    inner.update(review_status="clear")

    assert stale_statements(period) == ["ada, engine"]


def test_stale_after_a_fund_was_renamed():
    make_charge(due_amount="5")
    period = closed_period()
    issue_statements(period)

    fund = make_fund()
    fund.code = "NSF-1-B"
    fund.save()

    assert stale_statements(period) == ["ada, engine"]


def test_statements_of_a_reopened_month_stay():
    make_charge()
    period = close_period(make_period())
    issue_statements(period)

    reopen_period(period, reason="a file was forgotten")

    assert numbers() == [(1, 1, "issued")]


def test_figures_are_those_of_the_statements_also_while_open():
    make_charge(list_amount="2400", due_amount="0")
    make_charge(list_amount="10.005", due_amount="10.005", pi=make_pi("bob@example.edu"))
    make_charge(review_status="held", list_amount="99", due_amount="99")
    expected = Figures(list=Decimal("2410.01"), discount=Decimal(-2400), due=Decimal("10.01"))

    assert figures(make_period()) == expected

    period = closed_period()
    issue_statements(period)
    assert figures(period) == expected
    assert sum(statement.due_amount for statement in Statement.objects.current()) == expected.due


def test_figures_of_a_finalized_month_are_its_statements(settings):
    for code in ("", "7000"):
        make_charge(account_code=code, list_amount="0.004", due_amount="0.004")
    period = closed_period()
    issue_statements(period)

    settings.DEFAULT_ACCOUNT_CODE = "7000"
    assert figures(period).due == Decimal("0.01")
    finalized = make_finalized(period)

    assert (figures(finalized), stale_statements(finalized)) == (Figures(*[Decimal(0)] * 3), [])


def test_figures_of_an_empty_month_are_zero():
    assert figures(make_period()) == Figures(Decimal(0), Decimal(0), Decimal(0))


@pytest.mark.parametrize("count", [1, 3])
def test_compute_costs_the_same_queries_for_any_number_of_statements(count, django_assert_num_queries):
    for number in range(count):
        make_charge(pi=make_pi(f"pi{number}@example.edu"))
    period = make_period()

    with django_assert_num_queries(10):
        drafts = list(compute(period))

    assert len(drafts) == count


def issue_month(pk):
    try:
        return issue_statements(BillingPeriod.objects.get(pk=pk)).issued
    finally:
        connection.close()


@pytest.mark.skipif(connection.vendor == "sqlite", reason="threads share SQLite's one test connection")
@pytest.mark.django_db(transaction=True)
def test_parallel_issues_number_without_gap_or_double():
    months = [f"{year}-{month:02d}" for year in range(2010, 2020) for month in range(1, 11)]
    for month in months:
        for name in ("ada", "bob"):
            make_charge(period=make_period(month), pi=make_pi(f"{name}@example.edu"))
    periods = [closed_period(month).pk for month in months]

    with ThreadPoolExecutor(40) as pool:
        assert list(pool.map(issue_month, periods)) == [2] * 100

    assert sorted(Statement.objects.values_list("number", flat=True)) == list(range(1, 201))
