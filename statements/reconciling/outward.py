"""From what is billable to what statements and journals say; in the month's currency."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from charges.models import Charge
from charges.money import EXACT, ZERO, minor_unit, total
from periods.models import BillingPeriod
from statements.reconciling.inward import BILLABLE, ON_STATEMENTS, rounding
from statements.reconciling.result import Line, Step, Where
from statements.reconciling.tallies import Amount, BySource, Tally, adjusted, booked, issued, live

State, Kind = BillingPeriod.State, Charge.Kind
ADDED = {
    "part": "Parts of charges divided at an end date",
    "carried": "Deferred in",
    "late": "Late differences of closed months",
    "correction": "Corrections of finalized charges",
}


@dataclass(frozen=True, slots=True)
class Books:
    """What the month's adjustments, statements and journals hold, by source."""

    period: BillingPeriod
    adjusted: BySource
    live: BySource
    issued: BySource
    borne: BySource
    booked: BySource

    @property
    def sources(self) -> set[int | None]:
        return {*self.adjusted, *self.live, *self.issued, *self.booked}

    @property
    def rounded(self) -> BySource:
        """Lines as they are now; of a finalized month those that stand for ever."""
        return self.issued if self.period.state == State.FINALIZED else self.live

    @property
    def statements(self) -> BySource:
        return self.live if self.period.state == State.OPEN else self.issued


@dataclass(frozen=True, slots=True)
class Scope:
    """One source, or all of them."""

    books: Books
    source: int | None
    is_every: bool

    def of(self, amounts: BySource) -> Amount:
        if not self.is_every:
            return amounts.get(self.source, Amount())
        return Amount(total([amount for amount, _ in amounts.values()]), sum(rows for _, rows in amounts.values()))

    def where(self, name: str, **lookups: Any) -> Where:
        month: dict[str, Any] = {"period__id__exact": self.books.period.pk}
        return Where(name, {**month, **lookups})

    def where_of_source(self, name: str, **lookups: Any) -> Where:
        if self.is_every:
            return self.where(name, **lookups)
        own = {"source__isnull": "True"} if self.source is None else {"source__id__exact": self.source}
        return self.where(name, **own, **lookups)


def read_books(period: BillingPeriod) -> Books:
    statements, borne = issued(period)
    return Books(
        period=period,
        adjusted=adjusted(period),
        live={} if period.state == State.FINALIZED else live(period),
        issued=statements,
        borne=borne,
        booked=booked(period),
    )


def outward(rows: Sequence[Tally], books: Books, *, source: int | None = None, is_every: bool = False) -> list[Step]:
    """`rows` are those of the source."""
    scope = Scope(books, source, is_every)
    statements = _on_statements(rows, scope)
    return [statements, _in_journals(statements, scope)]


def _on_statements(rows: Sequence[Tally], scope: Scope) -> Step:
    period, adjustments = scope.books.period, scope.of(scope.books.adjusted)
    lines = [*_billable(rows, scope), *_shared(rows, scope), *_added(rows, scope)]
    if adjustments.rows:
        where = scope.where_of_source("charges_adjustment", standing="in_force")
        lines.append(Line("Adjustments", adjustments.amount, "+", adjustments.rows, where))
    rounded = scope.of(scope.books.rounded)
    exact = total([line.amount for line in lines])
    lines += rounding(exact, rounded.amount, minor_unit(period.currency), rounded.rows + adjustments.rows)
    return Step("On statements", lines, _statements(scope), period.currency, list(_held(rows, scope)), _missing(scope))


def _billable(rows: Sequence[Tally], scope: Scope) -> Iterable[Line]:
    """Of the month's own bill: as billed, and converted."""
    home = scope.books.period.currency
    own = [row for row in rows if row.origin == "delivered" and row.status in BILLABLE]
    for currency in sorted({row.currency for row in own} | {home}, key=lambda code: (code != home, code)):
        chosen = [row for row in own if row.currency == currency and (currency == home or row.rate)]
        if chosen or currency == home:
            label = "Billable" if currency == home else f"Billable, converted from {currency}"
            where = _charges(scope, "billable", kind__exact=Kind.DELIVERED.value, billing_currency__exact=currency)
            yield _line(label, chosen, where)


def _shared(rows: Sequence[Tally], scope: Scope) -> Iterable[Line]:
    """Of the month's own bill; what nobody could be found to bear is missing on the statements."""
    if chosen := [row for row in rows if row.origin == "delivered" and row.status == Charge.ReviewStatus.SHARED]:
        where = _charges(scope, Charge.ReviewStatus.SHARED, kind__exact=Kind.DELIVERED.value)
        yield _line("Shared among projects", chosen, where)


def _added(rows: Sequence[Tally], scope: Scope) -> Iterable[Line]:
    """Shared ones apart: no list has both."""
    for origin, label in ADDED.items():
        for word, statuses in (("billable", BILLABLE), (Charge.ReviewStatus.SHARED, [Charge.ReviewStatus.SHARED])):
            if chosen := [row for row in rows if row.origin == origin and row.status in statuses]:
                suffix = "" if word == "billable" else ", shared among projects"
                yield _line(f"{label}{suffix}", chosen, _charges(scope, word, **_came(chosen)))


def _held(rows: Sequence[Tally], scope: Scope) -> Iterable[Line]:
    """What came from other months and is on no statement: outside of the equation, and not forgotten."""
    others = [row for row in rows if row.origin in ADDED and row.status not in ON_STATEMENTS]
    for origin, status in sorted({(row.origin, row.status) for row in others}):
        chosen = [row for row in others if (row.origin, row.status) == (origin, status)]
        words = Charge.ReviewStatus(status).label.lower()
        yield _line(f"{ADDED[origin]}: {words}", chosen, _charges(scope, status, **_came(chosen)), sign="")


def _came(rows: Sequence[Tally]) -> dict[str, Any]:
    kinds, loads = sorted({row.kind for row in rows}), sorted({row.load for row in rows})
    return {"kind__in": ",".join(kinds), "loaded_by__in": ",".join(map(str, loads))}


def _charges(scope: Scope, word: str, **lookups: Any) -> Where:
    return scope.where_of_source("charges_charge", review_status__exact=word, **lookups)


def _line(label: str, rows: Sequence[Tally], where: Where, sign: str = "+") -> Line:
    return Line(label, total([row.due for row in rows]), sign, sum(row.rows for row in rows), where if rows else None)


def _statements(scope: Scope) -> Line:
    amount, lines = scope.of(scope.books.statements)
    if scope.books.period.state == State.OPEN:
        return Line("Statements so far", amount, "=")
    where = scope.where("statements_statement", state__exact="issued")
    return Line("Statements", amount, "=", None, where if lines else None)


def _missing(scope: Scope) -> str:
    is_closed = scope.books.period.state == State.CLOSED
    return "Statements are not issued yet." if is_closed and scope.books.live and not scope.books.issued else ""


def _in_journals(statements: Step, scope: Scope) -> Step:
    """Journals credit the sources; what another fund bears is credited to one fund and debited to the other."""
    books = scope.books
    lines = [replace(statements.result, sign="+")]
    borne = scope.of(books.borne if books.period.state != State.OPEN else {})
    if borne.rows:
        lines.append(Line("Written off, borne by other funds", borne.amount, "−", borne.rows))
    net = scope.of(books.booked)
    where = scope.where("statements_journal", state__in="exported,acknowledged") if net.rows else None
    result = Line("Journals", net.amount, "=", None, where)
    expected = total([line.signed for line in lines])
    differs = EXACT.subtract(expected, net.amount) != ZERO
    is_waiting = bool(statements.waits) or (differs and (books.period.state == State.OPEN or not books.booked))
    return Step("In journals", lines, result, books.period.currency, waits=_why(books.period) if is_waiting else "")


def _why(period: BillingPeriod) -> str:
    is_open = period.state == State.OPEN
    return "Journals come once the month is closed." if is_open else "No journal is exported yet."
