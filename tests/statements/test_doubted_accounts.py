"""At close: lines on accounts that were not valid on the days charged, or that nobody knows."""

from datetime import UTC, date, datetime

import pytest
from django.urls import reverse

from charges.attribution.doubting import doubts
from charges.models import AllowedFund, ReviewRule
from periods.blockers import checklist
from tests.make import make_charge, make_fund, make_period, make_project

pytestmark = pytest.mark.django_db

TENTH = datetime(2025, 1, 10, tzinfo=UTC)


def billed(due="10", start=TENTH, **kwargs):
    return make_charge(due_amount=due, charge_period_start=start, **kwargs)


def told():
    return [(doubt.fund.code, doubt.why, doubt.charges, str(doubt.due.normalize())) for doubt in doubts(make_period())]


@pytest.mark.parametrize(
    ("dates", "why"),
    [
        ({"valid_until": date(2025, 1, 9)}, "expired on 2025-01-09"),
        ({"valid_until": date(2025, 1, 10)}, None),
        ({"valid_from": date(2025, 1, 11)}, "not valid before 2025-01-11"),
        ({"valid_from": date(2025, 1, 10)}, None),
    ],
)
def test_the_day_of_the_charge_decides(dates, why):
    make_fund(**dates)
    billed()

    assert told() == ([("NSF-1", why, 1, "1E+1")] if why else [])


def test_a_project_that_has_ended_is_borne_by_its_fallback_alone():
    make_project(end_date=date(2025, 1, 9), fallback_fund=make_fund("OPS"))
    billed(funding_account=make_fund("OPS"), fund_step="fallback")
    assert told() == []

    billed()
    assert told() == [("NSF-1", "project ended on 2025-01-09", 1, "1E+1")]


def test_days_of_one_line_are_one_entry():
    make_fund(valid_until=date(2025, 1, 9))
    billed()
    billed(start=datetime(2025, 1, 11, tzinfo=UTC))
    billed(start=datetime(2025, 1, 2, tzinfo=UTC))

    assert told() == [("NSF-1", "expired on 2025-01-09", 2, "2E+1")]


def test_what_is_held_free_or_given_back_is_in_no_doubt():
    make_fund(valid_until=date(2025, 1, 9))
    billed(review_status="held")
    billed("0")
    billed("-5", fund_step="bearer")
    billed("-5", kind="reversal")

    assert told() == []


def test_where_nobody_keeps_track_of_accounts_none_is_unknown():
    billed()

    assert told() == []


def test_an_account_that_only_tags_have_named_is_unknown():
    make_fund("GIFT", is_confirmed=True)
    billed()
    billed(funding_account=make_fund("GIFT"))

    assert told() == [("NSF-1", "unknown", 1, "1E+1")]


def test_formats_and_the_allow_list_make_accounts_known():
    ReviewRule.objects.create(kind="fund_format", pattern="^NSF-")
    AllowedFund.objects.create(code="GIFT")
    for code in ("NSF-1", "GIFT", "TYPO"):
        billed(funding_account=make_fund(code))

    assert [row[0] for row in told()] == ["TYPO"]


def test_closing_warns_and_leads_to_the_list():
    make_fund(valid_until=date(2025, 1, 9))
    billed()
    period = make_period()

    (found,) = [blocker for blocker in checklist(period, "close") if "accounts" in blocker.sentence]

    assert (found.sentence, found.is_warning, found.link) == (
        "1 line, $10.00 due, on accounts that are expired, not valid yet, or unknown.",
        True,
        reverse("admin:periods_billingperiod_accounts", args=[period.pk]),
    )
    assert [blocker.sentence for blocker in checklist(period, "finalize") if "expired" in blocker.sentence] == []


def test_the_list_as_page_and_as_csv(client, auditor):
    make_fund(valid_until=date(2025, 1, 9))
    billed()
    client.force_login(auditor)
    where = [make_period().pk]

    page = client.get(reverse("admin:periods_billingperiod_accounts", args=where))
    csv = client.get(reverse("admin:periods_billingperiod_accounts_csv", args=where))

    (row,) = page.context["rows"]
    assert (row["due"], client.get(row["charges_url"]).status_code) == ("$10.00", 200)
    assert csv.content.decode().splitlines() == [
        "fund,why,pi,project,source,service,charges,due,currency",
        "NSF-1,expired on 2025-01-09,ada@example.edu,engine,cluster,HPC Cluster,1,10,USD",
    ]


@pytest.mark.parametrize("name", ["accounts", "accounts_csv"])
def test_the_list_is_for_those_who_may_view_months(client, name):
    page = client.get(reverse(f"admin:periods_billingperiod_{name}", args=[make_period().pk]))

    assert page.status_code == 302


@pytest.mark.parametrize("number", [1, 3])
def test_doubts_cost_the_same_queries_for_any_number_of_lines(django_assert_num_queries, number):
    make_fund("GIFT", is_confirmed=True)
    period = make_period()
    for at in range(number):
        billed(funding_account=make_fund(f"F{at}", valid_until=date(2025, 1, 9)))

    with django_assert_num_queries(11):
        assert len(doubts(period)) == 2 * number


def test_an_account_that_ended_within_the_days_of_a_charge_is_listed_once_somebody_named_it():
    old = make_fund("OLD", valid_until=date(2025, 1, 10))
    month = {"charge_period_start": datetime(2025, 1, 1, tzinfo=UTC), "fund_step": "decision"}
    make_charge(due_amount=5, funding_account=old, charge_period_end=datetime(2025, 1, 11, tzinfo=UTC), **month)
    make_charge(due_amount=7, funding_account=old, charge_period_end=datetime(2025, 2, 1, tzinfo=UTC), **month)

    assert told() == [("OLD", "expired on 2025-01-10", 1, "7")]
