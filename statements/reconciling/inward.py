"""From the provider's bill to the amount that is charged, and what became of that; in the currency of the bill."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from charges.amortising import CostStep
from charges.models import Charge, ExchangeRate, ImportIssue
from charges.money import BILLIONTH, EXACT, total
from periods.models import BillingPeriod
from statements.reconciling.result import Line, Step, Where
from statements.reconciling.tallies import DISCARDED, QUARANTINED, Tally

Status = Charge.ReviewStatus
BILLABLE = (Status.CLEAR, Status.APPROVED)
ON_STATEMENTS = (*BILLABLE, Status.SHARED)
DECIDED: dict[str, tuple[str, Sequence[str]]] = {
    "Billable": ("billable", BILLABLE),
    "Shared among projects": (Status.SHARED, [Status.SHARED]),
    "Divided at an end date": (Status.DIVIDED, [Status.DIVIDED]),
    "Held for review": (Status.HELD, [Status.HELD]),
    "Excluded": (Status.EXCLUDED, [Status.EXCLUDED]),
    "Deferred out": (Status.DEFERRED, [Status.DEFERRED]),
    "Not billable": (Status.NOT_BILLABLE, [Status.NOT_BILLABLE]),
    "Quarantined, undecided": (ImportIssue.Status.OPEN, [QUARANTINED]),
    "Quarantined, discarded": (ImportIssue.Status.DISCARDED, [DISCARDED]),
}
BASIS = "Basis amount"


def inward(rows: Sequence[Tally], period: BillingPeriod, currency: str) -> list[Step]:
    if not rows:
        return []
    read = [row for row in rows if row.currency]
    where = None if any(row.is_issue for row in read) else _where(read, period)  # no list has both
    basis = Line(BASIS, total([row.basis for row in read]), "=", _count(read), where)
    return [
        Step(
            "From the bill to the basis", list(_costs(read, period)), basis, currency, list(_unexplained(rows, period))
        ),
        Step("What became of it", list(_decided(read, period)), basis, currency),
    ]


def converted(rows: Sequence[Tally], period: BillingPeriod, rate: ExchangeRate) -> Step:
    """What statements carry, at the month's rate: each charge is rounded to a billionth."""
    billable = [row for row in rows if row.status in ON_STATEMENTS]
    count = sum(row.rows for row in billable)
    at_rate = EXACT.multiply(total([row.basis for row in billable]), rate.rate)
    result = Line(
        f"In {period.currency}", total([row.due for row in billable]), "=", count, _charges(rows, period, "billable")
    )
    lines = [
        Line(f"Billable {rate.currency} × {rate.rate.normalize():f}", at_rate),
        *rounding(at_rate, result.amount, BILLIONTH, count),
    ]
    return Step(f"Converted to {period.currency}", lines, result, period.currency)


def rounding(before: Decimal, after: Decimal, unit: Decimal, rounded: int) -> list[Line]:
    """The difference, where rounding so many amounts to the unit can have made it; more than that is no rounding."""
    difference = EXACT.subtract(after, before)
    is_possible = abs(difference) * 2 <= unit * rounded
    return [Line("Rounding", difference, "±")] if difference and is_possible else []


def _costs(rows: Sequence[Tally], period: BillingPeriod) -> Iterable[Line]:
    """Of charges, and of rows in quarantine where there are any."""
    for is_issue, suffix in ((False, ""), (True, ", quarantined")):
        own = [row for row in rows if row.is_issue == is_issue]
        if own or not is_issue:
            yield Line(f"Billed{suffix}", total([row.billed for row in own]), "+", _count(own), _where(own, period))
        for step, sign in ((CostStep.PREPAID, "−"), (CostStep.AMORTISED, "+"), (CostStep.UNBILLED, "+")):
            if chosen := [row for row in own if row.step == step]:
                name = step.label.partition(":")[0]
                yield Line(f"{name}{suffix}", abs_of(step, chosen), sign, _count(chosen), _where(chosen, period, step))


def abs_of(step: CostStep, rows: Sequence[Tally]) -> Decimal:
    """What the step adds to the bill, or takes off it."""
    change = EXACT.subtract(total([row.basis for row in rows]), total([row.billed for row in rows]))
    return EXACT.minus(change) if step == CostStep.PREPAID else change


def _unexplained(rows: Sequence[Tally], period: BillingPeriod) -> Iterable[Line]:
    if other := [row for row in rows if row.step == CostStep.OTHER]:
        amount = abs_of(CostStep.OTHER, other)
        yield Line(CostStep.OTHER.label, amount, "", _count(other), _where(other, period, CostStep.OTHER))
    if unread := [row for row in rows if not row.currency]:
        yield Line("Quarantined, amount not readable", Decimal(0), "", _count(unread), _where(unread, period))


def _decided(rows: Sequence[Tally], period: BillingPeriod) -> Iterable[Line]:
    for label, (word, statuses) in DECIDED.items():
        chosen = [row for row in rows if row.status in statuses]
        if chosen or label == "Billable":
            yield Line(
                label, total([row.billed_due for row in chosen]), "+", _count(chosen), _where(chosen, period, word=word)
            )


def _count(rows: Sequence[Tally]) -> int:
    return sum(row.rows for row in rows)


def _where(rows: Sequence[Tally], period: BillingPeriod, step: str = "", word: str = "") -> Where | None:
    if not rows:
        return None
    return _issues(rows, period, word) if rows[0].is_issue else _charges(rows, period, word or "all", step)


def _charges(rows: Sequence[Tally], period: BillingPeriod, word: str, step: str = "") -> Where:
    lookups: dict[str, Any] = {
        "period__id__exact": period.pk,
        "source__id__exact": rows[0].source,
        "billing_currency__exact": rows[0].currency,
        "kind__exact": Charge.Kind.DELIVERED.value,
        "review_status__exact": word,
    }
    return Where("charges_charge", {**lookups, "cost": step} if step else lookups)


def _issues(rows: Sequence[Tally], period: BillingPeriod, word: str) -> Where:
    lookups = {
        "period__id__exact": period.pk,
        "focus_import__source__id__exact": rows[0].source,
        "status__exact": word or "all",
        "late_month__exact": "",
        "replaced_by__isnull": "True",
    }
    undecided = {} if word else {"status__in": "open,discarded"}
    readable = {"counted__has_key": rows[0].currency} if rows[0].currency else {"amount": "unreadable"}
    return Where("charges_importissue", {**lookups, **undecided, **readable})
