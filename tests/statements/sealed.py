"""Months on their way to the seal, through the real stages."""

from typing import Any

from charges.models import Charge
from periods import storage
from periods.models import BillingPeriod
from statements.archiving import finalize_period
from statements.issuing import issue_statements
from statements.journaling import acknowledge_journal, export_journal
from statements.lines import lines_by_payer
from statements.models import ArchivedDocument, Seal, Statement
from tests.make import make_charge, make_closed, make_period


def make_ready(month: str = "2025-01", **charge: Any) -> BillingPeriod:
    """A month with one charge, and nothing in the way of finalizing it. What its PDF shows has other tests."""
    period = make_period(month)
    make_charge(**{"period": period, "due_amount": "12.50", **charge})
    period = make_closed(period)
    issue_statements(period)
    for statement in Statement.objects.filter(period=period):
        kept = storage.keep([f"%PDF {statement}".encode()], folder="statements", suffix=".pdf")
        ArchivedDocument.objects.create(
            period=period, kind="statement", statement=statement, template="statement.html",
            path=kept.path, sha256=kept.sha256, size=kept.size,
        )  # fmt: skip
    if export_journal(period).journal:
        acknowledge_journal(period, reference="GL-4711")
    return period


def make_current(statement: Statement) -> Statement:
    """As issuing leaves it: the month is closed, and its charges are those of the statement."""
    whose = {"period": statement.period, "pi": statement.pi, "project": statement.project}
    if not Charge.objects.filter(**whose).exists():
        make_charge(**whose, list_amount=statement.list_amount, due_amount=statement.due_amount)
    make_closed(statement.period)
    (now,) = lines_by_payer(statement.period, pi=statement.pi_id, project=statement.project_id)
    Statement.objects.filter(pk=statement.pk).update(lines_sha256=now.sha256)
    return statement


def make_sealed(month: str = "2025-01", **charge: Any) -> Seal:
    return finalize_period(make_ready(month, **charge))
