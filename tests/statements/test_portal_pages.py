"""What the pages of the portal say of a statement."""

import re
from datetime import UTC, datetime

import pytest

from charges.models import Adjustment
from statements.models import Statement
from statements.portal.project_summaries import summarize
from tests.make import make_charge, make_fund, make_line, make_period, make_project, make_rate, make_statement
from tests.statements.portal_readers import browser, reader, university, words
from tests.statements.sealed import make_current

__all__ = ["university"]

pytestmark = pytest.mark.django_db


def test_home_lists_statements_by_month_newest_first(university):
    page = browser("ada@example.edu").get("/")
    assert [statement.number for statement in page.context["page"]] == [1, 3, 2]
    headings = re.findall(r"<h2[^>]*>([^<]*)</h2>", page.content.decode())
    assert headings == ["January 2025", "December 2024"]


def test_home_shows_the_three_figures():
    make_statement(list_amount="2400", due_amount="0")
    row = re.findall(r'data-label="([^"]*)"[^>]*>([^<]*)</td>', browser("ada@example.edu").get("/").content.decode())
    assert row[1:] == [("List price", "$2,400.00"), ("Discount", "−$2,400.00"), ("Amount due", "$0.00")]


def test_home_of_a_reader_without_statements_says_so():
    assert "There is no statement for new@example.edu yet." in words(browser("new@example.edu").get("/"))


def test_statement_says_what_was_received_when_nothing_is_due():
    statement = make_statement(list_amount="2400", due_amount="0")
    page = words(browser("ada@example.edu").get(f"/statements/{statement.number}/"))
    assert "You received $2,400.00 of research computing. Nothing is due." in page
    assert "No fund is charged. There is nothing for you to pay: this is no invoice." in page


def test_statement_with_negative_due_is_headed_credit():
    statement = make_statement(list_amount="0", due_amount="-5", subsidy=0, adjustments=-5)
    page = browser("ada@example.edu").get(f"/statements/{statement.number}/").content.decode()
    assert re.findall(r"<dt>([^<]*)</dt><dd>([^<]*)</dd></div>\s*</dl>", page)[0] == ("Credit to your fund", "−$5.00")


def test_discount_names_funder_and_calls_the_rest_a_discount():
    statement = make_statement(list_amount="100", due_amount="20", provider_discount=-10, subsidy=-65, adjustments=-5)
    make_line(statement, list_amount="60", due_amount="10", funder="Provost", provider_discount=-10, subsidy=-40)
    make_line(statement, list_amount="25", due_amount="5", funder="Provost")
    make_line(statement, list_amount="15", due_amount="10")
    make_line(statement, list_amount="0", due_amount="-5", subsidy=0, adjustments=-5, kind="adjustment")
    assert sums(browser("ada@example.edu").get(f"/statements/{statement.number}/"))[:4] == [
        ("Negotiated with the provider", "−$10.00"),
        ("Subsidy, paid by Provost", "−$60.00"),
        ("Discount", "−$5.00"),
        ("Adjustments", "−$5.00"),
    ]


def test_funds_are_charged_the_sum_of_their_lines():
    statement = make_statement(list_amount="100", due_amount="20")
    for due, fund in (("5", "NSF-1"), ("12.5", "NSF-1"), ("2.5", "GIFT-2"), ("0", "UNUSED")):
        make_line(statement, list_amount=due, due_amount=due, funding_account=make_fund(fund))
    page = browser("ada@example.edu").get(f"/statements/{statement.number}/")
    assert sums(page) == [("GIFT-2", "$2.50"), ("NSF-1", "$17.50")]


def sums(page) -> list[tuple[str, str]]:
    lists = re.findall(r'<dl class="sums">(.*?)</dl>', page.content.decode(), re.DOTALL)
    return re.findall(r"<dt[^>]*>([^<]*)</dt>\s*<dd>([^<]*)</dd>", "".join(lists))


def test_statement_shows_adjustments_with_their_reason():
    statement = make_statement(list_amount="0", due_amount="-5", subsidy=0, adjustments=-5)
    adjustment = Adjustment.objects.create(
        **{name: getattr(statement, name) for name in ("period", "pi", "project")},
        kind="credit",
        description="Outage credit",
        due_amount=-5,
        reason="Two days without service",
        funding_account=make_fund(),
    )
    make_line(
        statement, kind="adjustment", adjustment=adjustment, description="Outage credit",
        list_amount="0", due_amount="-5", subsidy=0, adjustments=-5,
    )  # fmt: skip
    page = words(browser("ada@example.edu").get(f"/statements/{statement.number}/"))
    assert "Outage credit Two days without service NSF-1 $0.00 −$5.00 −$5.00" in page


def test_charge_smaller_than_a_cent_does_not_read_as_nothing():
    statement = make_statement()
    make_charge(list_amount="0.004", due_amount="0.004")
    make_current(statement)
    page = browser("ada@example.edu").get(f"/statements/{statement.number}/").content.decode()
    assert re.findall(r'data-label="Amount due"[^>]*>([^<]*)<', page) == ["&lt; $0.01"]


def test_charge_reads_as_in_the_pdf():
    statement = make_statement(list_amount="24.19", due_amount="1.94")
    make_charge(
        list_amount="24.194",
        due_amount="1.935",
        pricing_quantity="39800",
        pricing_unit="GB",
        charge_period_start=datetime(2025, 1, 1, tzinfo=UTC),
        charge_period_end=datetime(2025, 1, 3, tzinfo=UTC),
    )
    make_current(statement)
    page = browser("ada@example.edu").get(f"/statements/{statement.number}/").content.decode()
    cells = re.findall(r'data-label="([^"]*)"[^>]*>([^<]*)</td>', page[page.index('id="charges"') :])
    assert [(label, " ".join(text.split())) for label, text in cells] == [
        ("Days (UTC)", "Jan 1 – 2"),
        ("Quantity", "39,800 GB"),
        ("List price", "$24.19"),
        ("Discount", "−$22.25"),
        ("Amount due", "$1.94"),
    ]


def test_converted_charge_says_from_what_and_by_which_rate():
    statement = make_statement(list_amount="20.13")
    make_charge(list_amount="20.13", billing_currency="EUR", exchange_rate=make_rate("1.1"))
    make_current(statement)
    assert "HPC Cluster Converted: €18.30 × 1.1" in words(
        browser("ada@example.edu").get(f"/statements/{statement.number}/")
    )


def test_names_are_escaped():
    statement = make_statement(project=make_project("x", name="<script>alert(1)</script>"))
    make_charge(project=statement.project, resource_name="<b>node</b>", service_name="<i>service</i>")
    client = browser("ada@example.edu")
    pages = [client.get(url).content.decode() for url in ("/", "/projects/", f"/statements/{statement.number}/")]
    assert [tag for tag in ("<script", "<b>", "<i>") if tag in "".join(pages)] == []


def test_charges_are_shown_by_fifty():
    statement = make_statement()
    for _ in range(51):
        make_charge()
    make_current(statement)
    client, url = browser("ada@example.edu"), f"/statements/{statement.number}/"
    assert [len(client.get(url, {"page": page}).context["page"]) for page in (1, 2)] == [50, 1]


def test_currencies_are_never_added_together():
    project = make_project()
    for month, currency in (("2025-01", "USD"), ("2025-02", "USD"), ("2025-03", "EUR")):
        make_statement(period=make_period(month, currency=currency), list_amount="100", due_amount="10")
    (summary,) = summarize([project], Statement.objects.visible_to(reader("ada@example.edu")))
    assert [(row["currency"], row["list"], row["discount"], row["due"]) for row in summary.sums] == [
        ("EUR", 100, -90, 10),
        ("USD", 200, -180, 20),
    ]
