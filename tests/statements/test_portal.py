"""What a PI or delegate reads in the portal, and what nobody reads who may not."""

from io import BytesIO

import pikepdf
import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import Client

from charges.models import Charge, PIAddress, ProjectDelegate
from periods.models import BillingPeriod
from statements.issuing import issue_statements
from statements.models import Statement
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
    make_source,
    make_statement,
)
from tests.statements.portal_readers import PDF, archive, browser, reader, university, words
from tests.statements.sealed import make_current

__all__ = ["university"]

pytestmark = pytest.mark.django_db


def status(client: Client, url: str) -> int:
    response = client.get(url)
    b"".join(response)  # reading a file to its end closes it
    return response.status_code


# Whose eyes see what: every row below could leak into a page of somebody else


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


def make_months(count: int) -> list[BillingPeriod]:
    return [make_period(f"2025-{month:02d}") for month in range(1, count + 1)]


# A page of any length asks the database the same number of questions


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
