"""The steps of a reconciliation, and what they are of."""

from decimal import Decimal

from charges.adjusting import adjust
from charges.models import ImportIssue, ReceivedFile
from statements.issuing import issue_statements
from statements.reconciling import reconcile
from tests.make import make_charge, make_closed, make_fund, make_import, make_period, make_pi, make_project, make_source

BILL, DECIDED, STATEMENTS, JOURNALS = (
    "From the bill to the basis",
    "What became of it",
    "On statements",
    "In journals",
)


def step_of(title, *, period=None, source="cluster", currency="USD"):
    (found,) = (
        step
        for part in reconcile(period or make_period()).parts
        for step in part.steps
        if (part.source, part.currency, step.title) == (source, currency, title)
    )
    return found


def told(title, **whose):
    """Each line of the step, then its result, then whether they agree."""
    step = step_of(title, **whose)
    lines = [(line.sign, line.label, str(line.amount.normalize()), line.rows) for line in (*step.lines, step.result)]
    return lines, str(step.verdict)


def difference(title, **whose):
    step = step_of(title, **whose)
    return str(step.verdict), step.difference


def make_costs(billed, effective, **kwargs):
    costs = {"billed_cost": Decimal(billed), "effective_cost": Decimal(effective)}
    return make_charge(**{"due_amount": effective, "list_amount": effective, **costs, **kwargs})


def make_issue(status="open", currency="USD", **kwargs):
    loaded = make_import(make_period(), make_source(), totals={currency: {}} if currency else {})
    file = ReceivedFile.objects.create(focus_import=loaded, name="bill.csv", sha256="", size=1)
    counted = {currency: {"BilledCost": "0"}} if currency else {}
    row = {"focus_import": loaded, "period": make_period(), "file": file, "line_number": 2, "sentence": "No number."}
    return ImportIssue.objects.create(**{**row, "status": status, "counted": counted, **kwargs})


def make_adjustment(due, **kwargs):
    whose = {"pi": make_pi(), "project": make_project(), "funding_account": make_fund(), "source": make_source()}
    words = {"description": "Agreed", "reason": "agreed by mail"}
    return adjust(**{"period": make_period(), "kind": "credit", "due_amount": Decimal(due), **whose, **words, **kwargs})


def issue(period=None):
    period = make_closed(period or make_period())
    issue_statements(period)
    return period
