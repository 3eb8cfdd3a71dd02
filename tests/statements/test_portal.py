"""What a PI or delegate reads in the portal, and what nobody reads who may not."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from html import unescape
from io import BytesIO

import pikepdf
import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.test import Client

from charges.models import Adjustment, Charge, PIAddress, ProjectDelegate
from periods import storage
from periods.models import BillingPeriod
from statements.issuing import issue_statements
from statements.models import ArchivedDocument, Statement
from statements.portal.project_summaries import summarize
from statements.rendering.documents import render_statements
from tests.make import (
    make_charge,
    make_closed,
    make_fund,
    make_line,
    make_period,
    make_pi,
    make_project,
    make_rate,
    make_source,
    make_statement,
)
from tests.statements.sealed import make_current

pytestmark = pytest.mark.django_db

State = Statement.State
CODE = "statements.portal.sign_in.MailedCodeBackend"
PDF = b"%PDF-1.7 archived bytes"


def reader(email: str, **kwargs: object) -> User:
    return User.objects.get_or_create(username=f"user of {email}", defaults={"email": email, **kwargs})[0]


def browser(email: str, **kwargs: object) -> Client:
    client = Client()
    client.force_login(reader(email, **kwargs), backend=CODE)
    return client


def status(client: Client, url: str) -> int:
    response = client.get(url)
    b"".join(response)  # reading a file to its end closes it
    return response.status_code


def words(page) -> str:
    """What the page shows, without its markup."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page.content.decode())).split())


def archive(statement: Statement, content: bytes = PDF) -> ArchivedDocument:
    kept = storage.keep([content], folder="statements", suffix=".pdf")
    return ArchivedDocument.objects.create(
        period=statement.period, kind="statement", statement=statement, template="t", **kept_fields(kept)
    )


def kept_fields(kept: storage.Kept) -> dict[str, object]:
    return {"path": kept.path, "sha256": kept.sha256, "size": kept.size}


# Whose eyes see what: every row below could leak into a page of somebody else


@dataclass
class University:
    """Ada has two projects, dora reads one of them along; grace has one; staff have none."""

    engine: Statement
    earlier: Statement
    loom: Statement
    compiler: Statement
    void: Statement


@pytest.fixture
def university() -> University:
    january, december = make_period("2025-01"), make_period("2024-12")
    ada = make_pi("ada@example.edu", name="Ada Lovelace")
    grace = make_pi("grace@example.edu", name="Grace Hopper")
    PIAddress.objects.create(pi=ada, email="ada@alumni.example.org")
    engine, loom, compiler = (
        make_project(code, name=name)
        for code, name in (("engine", "Analytical Engine"), ("loom", "Jacquard Loom"), ("compiler", "A-0 Compiler"))
    )
    ProjectDelegate.objects.create(project=engine, email="dora@example.edu")
    ProjectDelegate.objects.create(project=compiler, email="carl@example.edu")

    def issue(number, amount, *, state=State.ISSUED, revision=1, **whose) -> Statement:
        statement = make_statement(number=number, list_amount=amount, state=state, revision=revision, **whose)
        make_line(statement, list_amount=amount, funding_account=make_fund(f"FUND-{statement.project_code}"))
        if state == State.ISSUED:
            make_charge(list_amount=amount, resource_name=f"node-{amount}", **whose)
            make_current(statement)
        return statement

    issue(1, "1111", period=january, pi=ada, project=engine, state=State.SUPERSEDED)
    university = University(
        engine=issue(1, "1222", period=january, pi=ada, project=engine, revision=2),
        earlier=issue(2, "2333", period=december, pi=ada, project=engine),
        loom=issue(3, "3444", period=january, pi=ada, project=loom),
        compiler=issue(4, "4555", period=january, pi=grace, project=compiler),
        void=issue(5, "5666", period=december, pi=grace, project=compiler, state=State.VOID),
    )
    issue(6, "6777", period=december, pi=ada, project=loom, state=State.DRAFT)
    archive(university.engine)
    archive(university.compiler)
    return university


URLS = {
    "home": "/",
    "projects": "/projects/",
    "engine": "/statements/1/",
    "earlier": "/statements/2/",
    "loom": "/statements/3/",
    "compiler": "/statements/4/",
    "void": "/statements/5/",
    "draft": "/statements/6/",
    "nothing": "/statements/7/",
    "engine pdf": "/statements/1/pdf/",
    "loom pdf, not rendered": "/statements/3/pdf/",
    "compiler pdf": "/statements/4/pdf/",
    "void pdf": "/statements/5/pdf/",
}
ALL_OF_ADA = {"home", "projects", "engine", "earlier", "loom", "engine pdf"}
READERS = {
    "ada@example.edu": ALL_OF_ADA,
    "Ada@Alumni.Example.ORG": ALL_OF_ADA,
    "dora@example.edu": {"home", "projects", "engine", "earlier", "engine pdf"},
    "grace@example.edu": {"home", "projects", "compiler", "compiler pdf"},
    "carl@example.edu": {"home", "projects", "compiler", "compiler pdf"},
    "staff@example.edu": {"home", "projects"},
}
SHOWN = {  # by which words a page gives away whose it is
    "engine": {"Analytical Engine", "$1,222.00", "FUND-engine", "node-1222"},
    "earlier": {"$2,333.00", "node-2333"},
    "loom": {"Jacquard Loom", "$3,444.00", "FUND-loom", "node-3444"},
    "compiler": {"Grace Hopper", "A-0 Compiler", "$4,555.00", "FUND-compiler", "node-4555", "carl@example.edu"},
    "superseded, void and draft": {"$1,111.00", "$5,666.00", "$6,777.00"},
}


@pytest.mark.parametrize("email", READERS)
def test_reader_opens_own_pages_and_no_others(university, email):
    client = browser(email, is_staff=email.startswith("staff"))
    answers = {name: status(client, url) for name, url in URLS.items()}
    assert answers == {name: 200 if name in READERS[email] else 404 for name in URLS}


def test_anonymous_reader_is_led_to_the_code_page(university):
    answers = {name: Client().get(url) for name, url in URLS.items()}
    assert {(answer.status_code, answer.url) for answer in answers.values()} == {
        (302, f"/sign-in/?next={url}") for url in URLS.values()
    }


@pytest.mark.parametrize("email", READERS)
def test_pages_show_nothing_of_anybody_else(university, email):
    client = browser(email, is_staff=email.startswith("staff"))
    pages = " ".join(words(client.get(URLS[name])) for name in READERS[email] if not name.endswith("pdf"))
    seen = {name for name, tells in SHOWN.items() if any(tell in pages for tell in tells)}
    assert seen == READERS[email] & set(SHOWN)


@pytest.mark.parametrize("email", READERS)
def test_pages_show_all_of_ones_own(university, email):
    client = browser(email, is_staff=email.startswith("staff"))
    pages = " ".join(words(client.get(URLS[name])) for name in READERS[email] if not name.endswith("pdf"))
    own = set().union(*(SHOWN[name] for name in READERS[email] & set(SHOWN)))
    assert {tell for tell in own if tell not in pages} == set()


def test_charges_of_others_and_of_undecided_rows_are_on_no_page(university):
    january, engine = university.engine.period, university.engine.project
    make_charge(period=january, project=engine, pi=make_pi("grace@example.edu"), resource_name="grace-node")
    make_charge(period=january, project=engine, review_status="held", resource_name="held-node")
    make_charge(period=january, project=engine, review_status="excluded", resource_name="excluded-node")
    make_charge(period=make_period("2025-02"), project=engine, resource_name="later-node")
    page = browser("ada@example.edu").get("/statements/1/")
    assert [charge.resource_name for charge in page.context["page"]] == ["node-1222"]


def test_charges_are_hidden_while_they_are_not_what_the_statement_sums(university):
    make_charge(
        period=university.engine.period,
        pi=university.engine.pi,
        project=university.engine.project,
        resource_name="late",
    )
    page = browser("ada@example.edu").get("/statements/1/")
    assert list(page.context["page"]) == []
    assert "This statement is being revised." in words(page)
    others = browser("ada@example.edu").get("/statements/3/")
    assert "This statement is being revised." not in words(others)


def test_earlier_pi_of_a_project_keeps_own_part_only(university):
    grace = make_pi("grace@example.edu")
    later = make_statement(
        period=make_period("2025-02"), pi=grace, project=university.engine.project, list_amount="7888"
    )
    make_line(later, list_amount="7888", funding_account=make_fund("FUND-later"))
    summaries = summarize([university.engine.project], Statement.objects.visible_to(reader("ada@example.edu")))
    assert [(summary.pis, summary.funds) for summary in summaries] == [(["Ada Lovelace"], ["FUND-engine"])]
    assert [(row["list"], row["due"], row["count"]) for row in summaries[0].sums] == [(3555, 0, 2)]


# The access rule by itself


@pytest.mark.parametrize("email", ["ada@example.edu", "ADA@EXAMPLE.EDU"])
def test_visible_to_a_pi_whatever_the_case(email):
    statement = make_statement(pi=make_pi("Ada@Example.edu"))
    assert list(Statement.objects.visible_to(reader(email))) == [statement]


def test_visible_once_to_a_pi_who_is_delegate_too():
    statement = make_statement()
    ProjectDelegate.objects.create(project=statement.project, email="ada@example.edu")
    PIAddress.objects.create(pi=statement.pi, email="ada@alumni.example.org")
    assert list(Statement.objects.visible_to(reader("ada@example.edu"))) == [statement]


@pytest.mark.parametrize(
    ("email", "is_active"), [("", True), ("ada@example.edu", False), ("da@example.edu", True), ("%", True)]
)
def test_invisible_to_those_without_the_address(email, is_active):
    ProjectDelegate.objects.create(project=make_statement().project, email="")
    assert list(Statement.objects.visible_to(reader(email, is_active=is_active))) == []


def test_invisible_to_anonymous():
    make_statement()
    assert list(Statement.objects.visible_to(AnonymousUser())) == []


def test_invisible_once_the_delegate_is_removed():
    statement = make_statement()
    delegate = ProjectDelegate.objects.create(project=statement.project, email="dora@example.edu")
    delegate.delete()
    assert list(Statement.objects.visible_to(reader("dora@example.edu"))) == []


# What the pages say


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


# PDFs and headers


def test_pdf_is_the_archived_bytes():
    statement = make_statement(number=12, revision=2)
    archive(statement)
    response = browser("ada@example.edu").get("/statements/12/pdf/")
    assert response.content == PDF
    assert response.headers["Content-Type"] == "application/pdf"
    assert response.headers["Content-Length"] == str(len(PDF))
    assert response.headers["Content-Disposition"] == 'inline; filename="statement-S-000012-rev-2.pdf"'
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_pdf_whose_file_is_gone_is_not_found(home):
    statement = make_statement()
    (home / archive(statement).path).unlink()
    assert browser("ada@example.edu").get(f"/statements/{statement.number}/pdf/").status_code == 404


def test_pdf_that_is_not_what_was_archived_is_not_shown(home, caplog):
    statement = make_statement()
    (home / archive(statement).path).write_bytes(b"%PDF forged")
    assert browser("ada@example.edu").get(f"/statements/{statement.number}/pdf/").status_code == 404
    assert caplog.messages[0] == f"Statement {statement} was asked for and cannot be shown."


def test_charges_are_the_file_that_the_pdf_carries():
    make_charge(list_amount="0.125", due_amount="0.004", resource_id="i-1")
    make_charge(due_amount="7", resource_id="i-2")
    closed = make_closed(make_period())
    issue_statements(closed)
    render_statements(closed, workers=1)
    client, [statement] = browser("ada@example.edu"), Statement.objects.all()

    response = client.get("/statements/1/charges/")

    with pikepdf.open(BytesIO(statement.document.read())) as pdf:
        assert response.content == pdf.attachments["charges-2025-01.csv"].get_file().read_bytes()
    assert response.headers["Content-Disposition"] == 'attachment; filename="charges-2025-01.csv"'
    assert 'href="/statements/1/charges/"' in client.get("/statements/1/").content.decode()


def test_charges_that_changed_since_are_passed_off_as_no_statements():
    make_charge()
    issue_statements(make_closed(make_period()))
    make_charge(due_amount="1")
    client = browser("ada@example.edu")

    assert client.get("/statements/1/charges/").status_code == 404
    assert "/statements/1/charges/" not in client.get("/statements/1/").content.decode()


@pytest.mark.parametrize(
    "url", ["/", "/projects/", "/statements/1/", "/statements/1/pdf/", "/sign-in/", "/sign-in/out/"]
)
def test_pages_are_kept_by_no_cache_and_load_nothing_foreign(university, url):
    client = Client() if url == "/sign-in/" else browser("ada@example.edu")
    response = client.get(url)
    b"".join(response)
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store, private"
    assert response.headers["Content-Security-Policy"].partition(";")[0] == "default-src 'self'"


# A page of any length asks the database the same number of questions


def make_months(count: int) -> list[BillingPeriod]:
    return [make_period(f"2025-{month:02d}") for month in range(1, count + 1)]


@pytest.mark.parametrize("rows", [1, 3])
def test_home_asks_five_questions(django_assert_num_queries, rows):
    for period in make_months(rows):
        archive(make_statement(period=period), period.month.encode())
    client = browser("ada@example.edu")
    with django_assert_num_queries(5):  # session, user, count, statements
        assert len(client.get("/").context["page"]) == rows


@pytest.mark.parametrize("rows", [1, 3])
def test_projects_page_asks_eight_questions(django_assert_num_queries, rows):
    for number in range(rows):
        project = make_project(f"project-{number}")
        ProjectDelegate.objects.create(project=project, email="dora@example.edu")
        make_line(make_statement(project=project))
    client = browser("ada@example.edu")
    with django_assert_num_queries(8):  # session, user, count, projects, delegates, PIs, funds, sums
        assert len(client.get("/projects/").context["summaries"]) == rows


@pytest.mark.parametrize("rows", [1, 3])
def test_statement_asks_fifteen_questions(django_assert_num_queries, rows):
    statement = make_statement()
    for number in range(rows):
        make_line(statement, funding_account=make_fund(f"F-{number}"), source=make_source(f"source-{number}"))
        make_charge()
    make_current(statement)
    client = browser("ada@example.edu")
    # session, user, statement, lines, six to see if it is current, disputes, count, charges
    with django_assert_num_queries(15):
        page = client.get(f"/statements/{statement.number}/")
    assert (len(page.context["lines"]), len(page.context["page"]), Charge.objects.count()) == (rows, rows, rows)
