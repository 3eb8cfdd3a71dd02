"""Readers of the portal, and what they see of a page."""

import re
from dataclasses import dataclass
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.test import Client

from charges.models import PIAddress, ProjectDelegate
from periods import storage
from statements.models import ArchivedDocument, Statement
from tests.make import make_charge, make_fund, make_line, make_period, make_pi, make_project, make_statement
from tests.statements.sealed import make_current

State = Statement.State


CODE = "statements.portal.sign_in.MailedCodeBackend"


PDF = b"%PDF-1.7 archived bytes"


def reader(email: str, **kwargs: object) -> User:
    return User.objects.get_or_create(username=f"user of {email}", defaults={"email": email, **kwargs})[0]


def browser(email: str, **kwargs: object) -> Client:
    client = Client()
    client.force_login(reader(email, **kwargs), backend=CODE)
    return client


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
