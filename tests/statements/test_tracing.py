"""From a charge forward to what was issued and posted for it, in the admin and for those who see the statement."""

import re
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from charges import review
from charges.adjusting import adjust
from charges.models import Charge, FundingSplit, ProjectDelegate
from periods.models import BillingPeriod
from statements.issuing import issue_statements
from statements.journaling import acknowledge_journal, export_journal
from statements.models import Statement, StatementLine
from statements.tracing import charges_of, postings, trace
from tests.make import make_charge, make_closed, make_fund, make_period, make_pi, make_project
from tests.statements.sealed import make_sealed

pytestmark = pytest.mark.django_db
CODE = "statements.portal.sign_in.MailedCodeBackend"


def issued(*, is_posted: bool = True) -> BillingPeriod:
    period = make_closed(make_period())
    issue_statements(period)
    if is_posted:
        export_journal(period)
        acknowledge_journal(period, reference="GL-4711")
    return period


def told(charge: Charge) -> list[tuple[Any, ...]]:
    """Per line: its fund, amount and percent; the journal's number, line, code, debit, credit and reference."""
    return [
        (
            str(found.line.funding_account), found.line.due_amount, found.line.percent,
            [(str(entry.journal), entry.number, entry.account_code, entry.debit, entry.credit, entry.journal.reference)
             for entry in found.entries],
        )
        for found in trace(charge).postings
    ]  # fmt: skip


def test_a_charge_leads_to_its_line_and_the_journal_that_holds_it():
    charge, other = make_charge(due_amount="12.50"), make_charge(due_amount="2.50", service_name="Storage")
    make_charge(due_amount="7", funding_account=make_fund("NSF-0"), account_code="6000")
    issued()

    assert trace(charge).statement == Statement.objects.get()
    netted = [("J-2025-01-1", 2, "UNASSIGNED", 15, 0, "GL-4711")]
    assert told(charge) == [("NSF-1", Decimal("12.50"), 100, netted)]
    assert told(other) == [("NSF-1", Decimal("2.50"), 100, netted)]


def test_a_refund_is_on_the_credit_side():
    charge = make_charge(list_amount="-5", due_amount="-5")
    issued()

    assert told(charge) == [("NSF-1", -5, 100, [("J-2025-01-1", 1, "UNASSIGNED", 0, 5, "GL-4711")])]


def test_a_split_charge_leads_to_the_lines_of_all_its_funds():
    split = FundingSplit.objects.create(
        project=make_project(), first_month="2025-01", remainder_account=make_fund("NSF-2")
    )
    split.shares.create(funding_account=make_fund("NSF-1"), percent="60")
    charge = make_charge(due_amount="10", funding_account=None, fund_step="split")
    whole = make_charge(due_amount="3", funding_account=make_fund("NSF-1"))
    issued(is_posted=False)

    assert [found[:3] for found in told(charge)] == [("NSF-1", 6, 60), ("NSF-2", 4, 40)]
    assert [found[:3] for found in told(whole)] == [("NSF-1", 3, 100)]


def test_lines_lead_back_to_their_charges_and_to_no_others():
    split = FundingSplit.objects.create(
        project=make_project(), service_name="Shared", first_month="2025-01", remainder_account=make_fund("NSF-2")
    )
    split.shares.create(funding_account=make_fund("NSF-1"), percent="60")
    charges = [
        make_charge(due_amount="1"),
        make_charge(due_amount="2", account_code="6000"),
        make_charge(due_amount="3", funding_account=make_fund("NSF-3")),
        make_charge(due_amount="4", service_name="Storage"),
        make_charge(due_amount="5", funder="Provost"),
        make_charge(due_amount="6", late_month="2024-12", kind="late"),
        make_charge(due_amount="0", funding_account=None, fund_step=""),
        make_charge(due_amount="10", service_name="Shared", funding_account=None, fund_step="split"),
    ]
    make_charge(due_amount="8", review_status="held", flags={"pattern": "x"})
    issued(is_posted=False)

    for charge in charges:
        for posting in trace(charge).postings:
            assert list(charges_of([posting.line])) == [charge]
    assert sum(len(trace(charge).postings) for charge in charges) == StatementLine.objects.count() == 9


def test_a_sealed_month_is_traced_though_account_codes_are_others_now():
    period = make_sealed().period
    charge = Charge.objects.get()
    make_fund("NSF-1").account_code = "7000"
    type(make_fund("NSF-1")).objects.update(account_code="7000")

    assert period.state == "finalized"
    assert [found[0] for found in told(charge)] == ["NSF-1"]
    assert told(charge)[0][3][0][2] == "UNASSIGNED"


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        ("exclude", "It is on no statement: it was excluded."),
        ("defer", "It is on no statement of this month: it was deferred."),
    ],
)
def test_what_is_on_no_statement_says_why(stage, words):
    charge = make_charge(due_amount="5")
    getattr(review, stage)(Charge.objects.all(), reason="It was a test run.")
    charge.refresh_from_db()

    assert (trace(charge).statement, trace(charge).postings, trace(charge).note) == (None, [], words)


def test_before_the_issue_and_after_a_change_nothing_is_claimed():
    charge = make_charge(due_amount="5")
    assert trace(charge).note == "Its statement is not issued yet."
    issued(is_posted=False)
    make_charge(due_amount="6")

    found = trace(charge)

    assert (found.statement, found.postings) == (Statement.objects.get(), [])
    assert found.note == "The statement is out of date: its next revision will say where the charge stands."


def test_a_superseded_charge_counts_no_more():
    charge = make_charge(due_amount="5")
    charge.superseded_by = charge.loaded_by

    assert trace(charge).note == "It counts no more: a later delivery replaced or reversed it."


@pytest.mark.parametrize("rows", [1, 3])
def test_postings_of_many_lines_take_one_query(django_assert_num_queries, rows):
    for number in range(rows):
        make_charge(due_amount="5", service_name=f"Service {number}", funding_account=make_fund(f"NSF-{number}"))
    issued()
    lines = list(StatementLine.objects.select_related("statement", "funding_account"))

    with django_assert_num_queries(1):
        assert [len(found.entries) for found in postings(lines)] == [1] * rows


# Pages


def browser(email: str = "ada@example.edu") -> Client:
    client = Client()
    user, _ = User.objects.get_or_create(username=f"user of {email}", defaults={"email": email})
    client.force_login(user, backend=CODE)
    return client


def words(page: Any) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page.content.decode())).split())


@pytest.fixture
def charge() -> Charge:
    """Ada's, which dora reads along; grace has one of her own."""
    ProjectDelegate.objects.create(project=make_project(), email="dora@example.edu")
    make_charge(due_amount="9", pi=make_pi("grace@example.edu"), project=make_project("compiler"))
    made = make_charge(due_amount="12.50")
    issued()
    return made


def portal_pages(charge: Charge) -> list[str]:
    statement = Statement.objects.get(pi=charge.pi)
    return [
        f"/statements/{statement.number}/charge/{charge.pk}/",
        f"/statements/{statement.number}/line/{statement.lines.get().pk}/",
    ]


@pytest.mark.parametrize(
    ("email", "status"),
    [("ada@example.edu", 200), ("dora@example.edu", 200), ("grace@example.edu", 404), ("staff@example.edu", 404)],
)
def test_only_who_sees_the_statement_sees_why(charge, email, status):
    assert [browser(email).get(url).status_code for url in portal_pages(charge)] == [status, status]


def test_strangers_are_asked_to_sign_in(charge):
    assert [Client().get(url).status_code for url in portal_pages(charge)] == [302, 302]


def test_charges_and_lines_of_others_are_not_found_on_ones_own_statement(charge):
    mine = Statement.objects.get(pi=charge.pi).number
    grace = Charge.objects.exclude(pk=charge.pk).get()
    theirs = StatementLine.objects.get(statement__pi=grace.pi)

    for url in (f"/statements/{mine}/charge/{grace.pk}/", f"/statements/{mine}/line/{theirs.pk}/"):
        assert browser().get(url).status_code == 404


def test_the_pi_reads_where_it_went_without_the_sums_of_others(charge):
    page = words(browser().get(portal_pages(charge)[0]))

    assert "Fund NSF-1 $12.50 in journal J-2025-01-1, line 1, code UNASSIGNED: posted by finance as GL-4711" in page
    assert "$21.50" not in page  # what the journal line comes to, with grace's charge
    assert "$21.50" not in words(browser().get(portal_pages(charge)[1]))


def test_the_pi_reads_how_much_was_used():
    used = make_charge(due_amount="12.50", pricing_quantity="24", pricing_unit="Hours")
    issued()

    assert [words(browser().get(url)).count("24 Hours") for url in portal_pages(used)] == [1, 1]


def test_the_statement_links_each_line_and_charge(charge):
    adjust(
        period=charge.period, pi=charge.pi, project=charge.project, kind="credit", charge=charge, description="Outage",
        reason="The node was down.", due_amount=Decimal(-5),
    )  # fmt: skip
    issue_statements(charge.period)
    statement = Statement.objects.current().get(pi=charge.pi)

    page = browser().get(f"/statements/{statement.number}/").content.decode()

    links = set(re.findall(rf'href="/statements/{statement.number}/((?:line|charge)/[0-9]+)/"', page))
    assert links == {f"charge/{charge.pk}", *(f"line/{line.pk}" for line in statement.lines.all())}
    for link in links:
        assert browser().get(f"/statements/{statement.number}/{link}/").status_code == 200


def test_while_the_statement_is_revised_its_charges_lead_back_to_it(charge):
    make_charge(due_amount="6")

    for_charge, for_line = (browser().get(url) for url in portal_pages(charge))

    assert for_charge.headers["Location"] == f"/statements/{Statement.objects.get(pi=charge.pi).number}/"
    assert "This statement is being revised." in words(for_line)
    assert not list(for_line.context["page"])


@pytest.mark.parametrize("rows", [1, 3])
def test_portal_pages_ask_the_same_number_of_times(charge, django_assert_num_queries, rows):
    for number in range(rows - 1):
        make_charge(due_amount="12.50", resource_name=f"node-{number + 2}")
    issue_statements(charge.period)
    of_charge, of_line = portal_pages(Charge.objects.get(pk=charge.pk)) if rows == 1 else revised(charge)
    client = browser()

    with django_assert_num_queries(24):
        client.get(of_charge)
    with django_assert_num_queries(16):
        client.get(of_line)


def revised(charge: Charge) -> list[str]:
    statement = Statement.objects.current().get(pi=charge.pi)
    return [
        f"/statements/{statement.number}/charge/{charge.pk}/",
        f"/statements/{statement.number}/line/{statement.lines.get().pk}/",
    ]


def admin_pages(charge: Charge) -> list[str]:
    line = StatementLine.objects.get(statement__pi=charge.pi, statement__state="issued")
    return [f"/admin/statements/statement/charge/{charge.pk}/", f"/admin/statements/statement/line/{line.pk}/"]


def test_charge_and_statement_lead_to_the_pages_of_why(charge, auditor):
    client = Client()
    client.force_login(auditor)
    why, line = admin_pages(charge)
    statement = Statement.objects.get(pi=charge.pi)

    assert f'href="{why}"' in client.get(f"/admin/charges/charge/{charge.pk}/change/").content.decode()
    assert f'href="{line}"' in client.get(f"/admin/statements/statement/{statement.pk}/change/").content.decode()
    assert f'href="{why}"' in client.get(line).content.decode()


@pytest.mark.parametrize("rows", [1, 3])
def test_admin_pages_ask_the_same_number_of_times(charge, auditor, django_assert_num_queries, rows):
    for number in range(rows - 1):
        make_charge(due_amount="12.50", resource_name=f"node-{number + 2}")
    issue_statements(charge.period)
    client = Client()
    client.force_login(auditor)
    why, line = admin_pages(charge)

    with django_assert_num_queries(24):
        client.get(why)
    with django_assert_num_queries(16):
        client.get(line)
