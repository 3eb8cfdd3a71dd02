"""One of everything that has an address, and everybody who may knock: made once for a whole module of the matrix."""

from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.test import Client

from charges import review
from charges.adjusting import attach_files
from charges.disputing.objecting import open_dispute
from charges.importing import import_files
from charges.models import Adjustment, Charge, DisputeAttachment, FocusImport, ImportIssue, Project, ProjectDelegate
from periods import storage
from periods.models import BillingPeriod
from statements.issuing import issue_statements
from statements.journaling import export_journal
from statements.models import ArchivedDocument, Statement
from tests.admin_rows import make_row
from tests.charges.focus_files import focus_row, write_focus
from tests.conftest import person
from tests.make import make_charge, make_closed, make_finalized, make_fund, make_period, make_pi, make_project
from tests.statements.sealed import make_ready

PASSWORD = "django.contrib.auth.backends.ModelBackend"
CODE = "statements.portal.sign_in.MailedCodeBackend"
RENDERED = ("S", "A", "anonymous")  # for whom pages are drawn as well: it takes most of the time, and is the same
GROUPS = {"B": "Billing administrators", "R": "Reviewers", "F": "Finance", "A": "Auditors"}
TEXT = "These nodes are not ours at all."


class World:
    """`keys` fill the addresses of the tables. Everybody shares one browser: whose it is say its cookies."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.staff = _staff()
        self.readers = {
            name: User.objects.create_user(name, f"{name}@example.edu") for name in ("ada", "dora", "grace", "eve")
        }
        self.keys = {**_rows(), **_documents(home), **_portal(self.readers["ada"], self.readers["grace"])}
        self.browser = Client(raise_request_exception=False)
        self.cookies = {"anonymous": SimpleCookie()}
        self.cookies |= {who: self._signed_in(user, PASSWORD) for who, user in self.staff.items()}
        self.cookies |= {f"{who}-by-code": self._signed_in(user, CODE) for who, user in self.staff.items()}
        self.cookies |= {who: self._signed_in(user, CODE) for who, user in self.readers.items()}

    def ask(self, who: str, address: str, answers: dict[str, Any] | None = None, method: str = "") -> Any:
        """The response, with `wrote`: the tables and files that were written for it, all of which is taken back."""
        writes, before = Writes(), transaction.savepoint()
        files = self._files() if answers is not None else set()
        self.browser.cookies = SimpleCookie(self.cookies[who].output(header="", sep=";"))
        for file in (value for value in (answers or {}).values() if hasattr(value, "seek")):
            file.seek(0)
        with connection.execute_wrapper(writes):
            send = getattr(self.browser, method or ("get" if answers is None else "post"))
            response = send(address, answers or {}, headers={} if who in RENDERED else {"X-Unrendered": "yes"})
            b"".join(response)  # reading a file to its end closes it
        transaction.savepoint_rollback(before)
        response.wrote = writes.tables + sorted(self._files() - files if answers is not None else ())
        return response

    def _signed_in(self, user: User, backend: str) -> SimpleCookie:
        self.browser.cookies = SimpleCookie()
        self.browser.force_login(user, backend=backend)
        return self.browser.cookies

    def _files(self) -> set[str]:
        return {str(file) for file in self.home.rglob("*") if file.is_file()}


class Unrendered:
    """Middleware that has a page asked for, and not drawn."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        return self.get_response(request)

    def process_template_response(self, request: Any, response: Any) -> Any:
        if "X-Unrendered" in request.headers:
            response.content = b""
        return response


class Writes:
    """The tables written to, the session apart."""

    def __init__(self) -> None:
        self.tables: list[str] = []

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        words = sql.split(maxsplit=3)
        if words[0] in {"INSERT", "UPDATE", "DELETE"} and "django_session" not in sql:
            self.tables.append(" ".join(words[:3]))
        return execute(sql, params, many, context)


def _staff() -> dict[str, User]:
    made = {letter: person(f"staff-{letter}", group, is_staff=True) for letter, group in GROUPS.items()}
    return {
        "S": User.objects.create_superuser("root", "root@example.edu"),
        **made,
        "N": person("staff-N", is_staff=True),
    }


def _rows() -> dict[str, Any]:
    """A row of each model that the admin shows, `a_charge`, and the first version of those with a history."""
    made = {f"a_{model._meta.model_name}": make_row(model) for model in admin.site._registry}
    versions = {f"{name}_version": row.history.last().pk for name, row in made.items() if hasattr(row, "history")}
    return {name: row.pk for name, row in made.items()} | versions


def _documents(home: Path) -> dict[str, Any]:
    """Each in the state in which something may be done with it."""
    pending, held, decided = (make_row(model) for model in (Adjustment, Charge, Charge))
    Adjustment.objects.filter(pk=pending.pk).update(needs_approval=True)
    letter = attach_files(pending, files=[SimpleUploadedFile("letter.txt", b"Agreed.")]).attachments.get()
    review.approve(Charge.objects.filter(pk=decided.pk))
    finalized = make_charge(period=make_period("2023-12"))
    make_finalized(finalized.period)
    staged = make_row(FocusImport)
    FocusImport.objects.filter(pk=staged.pk).update(state="staged")
    return {
        "pending": pending.pk, "letter": letter.pk, "held": held.pk, "decided": decided.pk, "finalized": finalized.pk,
        "finalized_month": finalized.period_id,
        "staged": staged.pk, **_delivery(home), **_months(),
    }  # fmt: skip


def _delivery(home: Path) -> dict[str, Any]:
    file = write_focus(home / "aws.csv", focus_row(), focus_row(BilledCost="x"))
    loaded = import_files([file], source_name="aws").focus_import
    charge, issue = Charge.objects.get(loaded_by=loaded), ImportIssue.objects.get(focus_import=loaded)
    return {"delivery": loaded.pk, "delivered": charge.pk, "issue": issue.pk}


def _months() -> dict[str, Any]:
    """One month for each step of its end."""
    closed, issued, exported = (make_period(f"2024-0{number}") for number in (1, 2, 3))
    for period in (closed, issued, exported):
        make_charge(period=period, due_amount="12.50")
        make_closed(period)
    for period in (issued, exported):
        issue_statements(period)
    journal, ready = export_journal(exported).journal, make_ready("2024-04")
    unrendered, unsent = (Statement.objects.get(period=period).pk for period in (issued, ready))
    return {
        "unrendered": unrendered, "unsent": unsent,
        "open": make_period("2031-01").pk, "closed": closed.pk, "issued": issued.pk, "exported": exported.pk,
        "ready": ready.pk, "journal": journal.pk, "sheet": journal.documents.get().pk,
    }  # fmt: skip


def _portal(ada: User, grace: User) -> dict[str, Any]:
    """Ada's statement, which dora reads along, and grace's, whose keys begin with `her`; each with an open dispute."""
    engine, other_account = make_project(), make_fund("NSF-2")
    ProjectDelegate.objects.create(project=engine, email="dora@example.edu")
    Project.objects.filter(pk=engine.pk).update(default_fund=other_account)
    period = make_period("2024-05")
    for email, code in ((ada.email, "engine"), (grace.email, "compiler")):
        for service in ("HPC Cluster", "Storage"):
            make_charge(
                period=period, pi=make_pi(email), project=make_project(code), service_name=service, due_amount="40"
            )
    issue_statements(make_closed(period))
    mine, hers = (_of_reader(user, period) for user in (ada, grace))
    return {"account": other_account.pk, **mine, **{f"her_{name}": key for name, key in hers.items()}}


def _of_reader(user: User, period: BillingPeriod) -> dict[str, Any]:
    statement = Statement.objects.get(pi=make_pi(user.email), period=period)
    whose = {"period": period, "pi": statement.pi, "project": statement.project}
    charge, other = Charge.objects.filter(**whose).order_by("pk")
    dispute = open_dispute(**whose, charge=charge, text=TEXT, by=user, files=[SimpleUploadedFile("log.txt", b"node-2")])
    note = dispute.messages.create(text="Staff only", is_internal=True, is_staff=True)
    kept = storage.keep([b"secret"], folder="disputes", suffix=".txt")
    secret = note.attachments.create(
        name="note.txt", content_type="text/plain", path=kept.path, sha256=kept.sha256, size=kept.size
    )
    pdf = storage.keep([f"%PDF {statement}".encode()], folder="statements", suffix=".pdf")
    ArchivedDocument.objects.create(
        period=period,
        kind="statement",
        statement=statement,
        template="t",
        path=pdf.path,
        sha256=pdf.sha256,
        size=pdf.size,
    )
    file = DisputeAttachment.objects.get(message__dispute=dispute, message__is_internal=False)
    return {
        "statement": statement.pk, "number": statement.number, "line": statement.lines.get(service_name="Storage").pk,
        "charge": charge.pk, "undisputed": other.pk, "dispute": dispute.pk, "file": file.pk, "secret": secret.pk,
    }  # fmt: skip
