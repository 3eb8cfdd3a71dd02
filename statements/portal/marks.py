"""What of a statement is in dispute, and what can be disputed: the marks beside its lines and charges."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from charges.models import Dispute
from periods.models import BillingPeriod
from statements.models import Statement, StatementLine
from statements.rendering import composing
from statements.rendering.context import Line

Key = tuple[int | None, str, int | None]


@dataclass(frozen=True, slots=True)
class MarkedLine:
    """A folded line; `pk` is of one that it folds, `may_dispute` whether a dispute can be about it."""

    line: Line
    pk: int
    may_dispute: bool
    dispute: int | None


class Marks:
    """The open disputes of a statement, read once."""

    def __init__(self, statement: Statement) -> None:
        self.may_dispute = statement.period.state != BillingPeriod.State.FINALIZED
        found = Dispute.objects.filter(**payer_now(statement), period=statement.period_id, state=Dispute.State.OPEN)
        names = ("pk", "charge", "source", "service_name", "funding_account")
        self.charges: dict[int, int] = {}
        self.lines: dict[Key, int] = {}
        for pk, charge, *key in found.values_list(*names):
            if charge:
                self.charges[charge] = pk
            else:
                self.lines[tuple(key)] = pk


def payer_now(statement: Statement) -> dict[str, Any]:
    """PI and project as charges and disputes of the month name them: until it is finalized, what they are merged into."""
    payer = {"pi": statement.pi, "project": statement.project}
    if statement.period.state == BillingPeriod.State.FINALIZED:
        return payer
    return {name: row.standing for name, row in payer.items()}


def key_now(line: StatementLine) -> dict[str, Any]:
    """What a dispute of the line names."""
    fund = line.funding_account and line.funding_account.standing
    return {"source": line.source, "service_name": line.service_name, "funding_account": fund}


def is_disputable(line: StatementLine) -> bool:
    """Corrections of earlier months are disputed charge by charge: their line has no key of its own."""
    return line.kind == StatementLine.Kind.CHARGES and line.source_id is not None and not line.description


def marked(usage: Sequence[StatementLine], marks: Marks) -> Iterator[MarkedLine]:
    by_place = {composing.place(line): line for line in usage}
    for line in composing.folded(usage):
        one: Any = by_place[line.source, line.service, line.fund]
        fund = one.funding_account and (one.funding_account.merged_into_id or one.funding_account_id)
        key = (one.source_id, one.service_name, fund)
        is_offered = marks.may_dispute and is_disputable(one)
        yield MarkedLine(line, one.pk, is_offered, None if one.description else marks.lines.get(key))
