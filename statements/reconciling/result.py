"""A reconciliation as it is read, and as CSV and JSON: nothing here computes more than a sum and its difference."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from charges.money import EXACT, round_to_currency, total
from periods.models import BillingPeriod
from periods.spreadsheets import as_csv
from statements.reconciling.tallies import Commitment

COLUMNS = ("period", "source", "currency", "step", "sign", "line", "amount", "rows", "verdict", "difference")
SIGNS = {"+": "plus", "−": "less", "±": "rounding", "=": "equals", "": "aside"}


class Verdict(StrEnum):
    RIGHT = "adds up"
    WAITING = "not yet"
    WRONG = "does not add up"


@dataclass(frozen=True, slots=True)
class Where:
    """Which rows a line is the sum of: a list of the admin, and how it is filtered."""

    list: str
    lookups: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    label: str
    amount: Decimal
    sign: str = "+"
    rows: int | None = None
    where: Where | None = None

    @property
    def signed(self) -> Decimal:
        return EXACT.minus(self.amount) if self.sign == "−" else self.amount


@dataclass(frozen=True, slots=True)
class Step:
    """An equation: the lines, summed, against a result that was found in another way."""

    title: str
    lines: Sequence[Line]
    result: Line
    currency: str
    notes: Sequence[Line] = ()  # on none of the two sides
    waits: str = ""  # why the result is not there yet

    @property
    def difference(self) -> Decimal:
        return EXACT.subtract(self.result.amount, total([line.signed for line in self.lines]))

    @property
    def verdict(self) -> Verdict:
        if self.waits:
            return Verdict.WAITING
        return Verdict.WRONG if self.difference else Verdict.RIGHT


@dataclass(frozen=True, slots=True)
class Part:
    """One source in one currency."""

    source: str
    currency: str
    steps: list[Step]


@dataclass(frozen=True, slots=True)
class Prepaid:
    """One commitment of a source."""

    source: str
    commitment: Commitment
    where: Where


@dataclass(frozen=True, slots=True)
class Reconciliation:
    period: BillingPeriod
    parts: list[Part]
    prepaid: list[Prepaid] = field(default_factory=list)

    @property
    def wrong(self) -> int:
        return self._with(Verdict.WRONG)

    @property
    def waiting(self) -> int:
        return self._with(Verdict.WAITING)

    @property
    def verdict(self) -> Verdict:
        is_open = self.period.state == BillingPeriod.State.OPEN  # whose figures are not the last ones
        return Verdict.WRONG if self.wrong else Verdict.WAITING if self.waiting or is_open else Verdict.RIGHT

    def _with(self, verdict: Verdict) -> int:
        return sum(step.verdict == verdict for part in self.parts for step in part.steps)

    def as_json(self) -> dict[str, Any]:
        rows = [dict(zip(COLUMNS[1:], row[1:], strict=True)) for row in _rows(self)]
        return {"period": self.period.month, "verdict": self.verdict.value, "lines": rows}

    def as_csv(self) -> str:
        return as_csv(COLUMNS, _rows(self))


def exact(amount: Decimal, currency: str) -> str:
    """All the digits that the amount has, coins at least."""
    coins = round_to_currency(amount, currency)
    return f"{coins if coins == amount else amount.normalize(EXACT):f}"


def _rows(found: Reconciliation) -> Iterator[list[str]]:
    for part in found.parts:
        for step in part.steps:
            head = [found.period.month, part.source, step.currency, step.title]
            for line in step.lines:
                yield [*head, *_cells(line, step.currency), "", ""]
            verdict = [step.verdict.value, "" if step.waits else exact(step.difference, step.currency)]
            yield [*head, *_cells(step.result, step.currency), *verdict]
            for line in step.notes:
                yield [*head, *_cells(line, step.currency), "", ""]
    for prepaid in found.prepaid:
        head = [found.period.month, prepaid.source, prepaid.commitment.currency, f"Prepaid: {prepaid.commitment.name}"]
        for line in roll_forward(prepaid.commitment):
            yield [*head, *_cells(line, prepaid.commitment.currency), "", ""]


def roll_forward(commitment: Commitment) -> list[Line]:
    return [
        Line("Before this month", commitment.before),
        Line("Billed", commitment.billed),
        Line("Used", commitment.used, "−"),
        Line("Balance", commitment.balance, "="),
    ]


def _cells(line: Line, currency: str) -> list[str]:
    rows = "" if line.rows is None else str(line.rows)
    return [SIGNS[line.sign], line.label, exact(line.amount, currency), rows]
