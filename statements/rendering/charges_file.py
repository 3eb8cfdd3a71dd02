"""The file inside the PDF: every charge with its exact amounts, and what rounding made of each statement line.

Its amounts add up to the statement's. A charge that a split divides has a row for each fund, with that fund's percent.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from charges.models.charge import ChargeQuerySet
from charges.models.rules import HUNDRED
from charges.money import EXACT, ZERO
from periods.spreadsheets import as_csv
from statements.lines import Books, Payer
from statements.models import Statement, StatementLine

Amounts = tuple[Decimal, ...]
AMOUNTS = ("list_amount", "provider_discount", "subsidy", "adjustments", "due_amount")
NOTHING: Amounts = (ZERO,) * len(AMOUNTS)
TEXTS = (
    "resource_id", "resource_name", "charge_description", "charge_period_start", "charge_period_end",
    "pricing_quantity", "pricing_unit", "list_unit_price",
)  # fmt: skip
PLACE = ("fund", "percent", "account_code", "funder", "source", "service_name", "description")
HEADER = ("row", "charge", *PLACE, *TEXTS, "currency", *AMOUNTS)
FIELDS = (
    "pk", "source_id", "service_name", "account_code", "funder", "funding_account_id", "fund_step", "late_month",
    *TEXTS, "list_amount", "contracted_amount", "due_amount",
)  # fmt: skip


class Place(NamedTuple):
    """What tells one statement line from another, as it is printed."""

    fund: str
    percent: str
    account_code: str
    funder: str
    source: str
    service_name: str
    description: str


def charges_file(statement: Statement, lines: Sequence[StatementLine], charges: ChargeQuerySet, books: Books) -> bytes:
    """CSV in UTF-8: a row for each of `charges`, which the statement sums, and each line; `books` of its month."""
    rows = _rows(statement, lines, charges, books)
    return as_csv(
        HEADER, ([*map(str, row), statement.currency, *map(_text, amounts)] for row, amounts in rows)
    ).encode()


def _rows(
    statement: Statement, lines: Sequence[StatementLine], charges: ChargeQuerySet, books: Books
) -> Iterator[tuple[tuple[Any, ...], Amounts]]:
    payer, blank = Payer(statement.pi_id, statement.project_id), ("",) * len(TEXTS)
    rounding: dict[Place, Amounts] = defaultdict(lambda: NOTHING)
    for line in lines:
        if _sums_charges(line):
            rounding[_place(line)] = _plus(rounding[_place(line)], _amounts(line))
    for charge in charges.order_by("pk").values_list(*FIELDS, named=True).iterator():
        texts = tuple(getattr(charge, name) or "" for name in TEXTS)
        for place, amounts in _shares(charge, payer, books):
            yield ("charge", charge.pk, *place, *texts), amounts
            rounding[place] = _plus(rounding[place], _times(amounts, -1))
    yield from ((("rounding", "", *place, *blank), amounts) for place, amounts in rounding.items())
    for line in lines:
        if not _sums_charges(line):
            row = "adjustment" if line.kind == StatementLine.Kind.ADJUSTMENT else "share"
            yield ((row, "", *_place(line), *blank), _amounts(line))


def _shares(charge: Any, payer: Payer, books: Books) -> Iterator[tuple[Place, Amounts]]:
    """Where the charge stands on the statement, and what of it."""
    key, source = books.key(charge), books.sources[charge.source_id]
    description = books.corrected(payer, key.late_month) if key.late_month else ""
    listed, contracted, due = charge.list_amount, charge.contracted_amount, charge.due_amount
    whole = (listed, contracted - listed, due - contracted, ZERO, due)
    for fund, percent in books.parts(payer.project, key):
        code = books.account_code(key.account_code, fund, source)
        place = Place(str(fund or ""), _text(percent), code, key.funder, str(source), key.service_name, description)
        if percent:
            yield place, _times(whole, EXACT.divide(percent, HUNDRED))


def _sums_charges(line: StatementLine) -> bool:
    """Not a share of costs that several payers bear, and no adjustment."""
    return line.kind == StatementLine.Kind.CHARGES and line.shared_amount is None


def _place(line: StatementLine) -> Place:
    fund, source = str(line.funding_account or ""), str(line.source or "")
    return Place(fund, _text(line.percent), line.account_code, line.funder, source, line.service_name, line.description)


def _amounts(line: StatementLine) -> Amounts:
    return tuple(getattr(line, name) for name in AMOUNTS)


def _plus(amounts: Amounts, more: Amounts) -> Amounts:
    return tuple(EXACT.add(one, other) for one, other in zip(amounts, more, strict=True))


def _times(amounts: Amounts, factor: Decimal | int) -> Amounts:
    return tuple(EXACT.multiply(amount, factor) for amount in amounts)


def _text(amount: Decimal) -> str:
    return f"{amount.normalize(EXACT):f}"
