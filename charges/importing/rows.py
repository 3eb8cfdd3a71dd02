"""The rows of a file, checked and typed, column by column. What cannot be used is told apart row by row.

A column at a time costs a fifth of a row at a time. A block with a bad row is halved until the row stands alone.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import Enum
from functools import partial
from itertools import compress, repeat
from typing import Any

from charges.focus import COSTS, NULLABLE, NULLS, TEXTS, Header, canonical
from charges.focus.values import ALLOWED, account
from charges.importing.digests import Columns, Digests, unless_usual, without_nulls
from charges.importing.errors import BadRow
from charges.importing.memo import Memo
from charges.importing.moments import Moment, inclusive_end, moment
from charges.importing.reading import Chunk
from charges.models import Source
from charges.money import parse_amount, to_billionths
from charges.pricing import Costs, amount_due

LONGEST_ACCOUNT = 500  # characters: it is part of a key
CURRENCY = re.compile(r"[A-Z]{3}")
PLAIN = re.compile(r"(?:-?[0-9]{1,9}+(?:\.[0-9]{1,9}+)?+\n)*+")  # whole billionths, as nearly all amounts are
BILLION = Decimal(1_000_000_000)


class Division(Enum):
    """Whether rows were divided into others of the delivery, which then count in place of them (FOCUS 1.3)."""

    NONE = 0
    ORIGIN = 1
    UNCLEAR = 2  # others seem to be parts of them, and do not add up


@dataclass(slots=True)
class Rows:
    """Good rows by columns: every list has one entry a row, in the order of the file."""

    lines: Sequence[int]
    months: Sequence[str]
    currencies: Sequence[str]
    costs: Sequence[Costs]
    due: Sequence[int]  # billionths
    days: Sequence[date | None]
    last_days: Sequence[date | None]
    starts: Sequence[Any]
    ends: Sequence[Any]
    tags: Sequence[str]
    allocated_tags: Sequence[str]
    allocated_by: Sequence[str]  # the method by which a charge was divided into this and others
    identities: Sequence[int]
    contents: Sequence[int]
    written: Mapping[str, Sequence[str]]  # the cost columns as the file writes them
    amounts: dict[str, Sequence[int | None]]  # the same in billionths
    texts: dict[str, Sequence[str]]  # by field of the charge
    cells: Sequence[list[str]]
    basis: str  # the cost column that is due
    division: Division = Division.NONE

    def __len__(self) -> int:
        return len(self.lines)

    def text(self, field: str) -> Sequence[str]:
        """Empty texts where the file has no such column."""
        return self.texts.get(field) or [""] * len(self)

    def where(self, wanted: Sequence[Any]) -> "Rows":
        """The rows at which `wanted` is true."""
        columns = (field.name for field in fields(self) if field.name not in ("basis", "division"))
        return replace(self, **{name: _where(getattr(self, name), wanted) for name in columns})

    def by(self, keys: Sequence[str]) -> Iterator[tuple[str, "Rows"]]:
        """The rows of each key; nearly always there is but one."""
        distinct = dict.fromkeys(keys)
        for key in distinct:
            yield key, self if len(distinct) == 1 else self.where([other == key for other in keys])


class RowReader:
    """Types the rows of one file."""

    def __init__(self, header: Header, source: Source, *, currency: str) -> None:
        self.header, self.source, self.currency = header, source, currency
        at = header.positions
        self.costs = [(name, at[name]) for name in COSTS if name in at]
        self.texts = [(field, at[name]) for name, field in TEXTS.items() if name in at]
        if source.delivery == Source.Delivery.APPEND:
            self.texts.append(("reference", header.index(source.reference_column)))
        self.digests = Digests(header, source)
        self.amount, self.moment, self.code = Memo(_billionths), Memo(moment), Memo(self._currency)
        self.end = Memo(inclusive_end) if source.has_inclusive_ends else self.moment
        self.nulls: Counter[str] = Counter()  # of columns that should have none
        self.spelt = {field: Memo(partial(canonical, field)) for field in ALLOWED}
        self.spelt["billing_account_id"] = Memo(account)
        self.others: dict[bytes, RowReader] = {}

    def sift(self, chunk: Chunk, quarantine: Callable[[BadRow, int, list[str]], None]) -> Iterator[Rows]:
        """The good rows of a chunk in one or more blocks; each bad one goes to `quarantine` with line and cells."""
        try:
            yield self.read(chunk)
        except BadRow as bad:
            if len(chunk.rows) == 1:
                quarantine(bad, chunk.lines[0], chunk.rows[0])
                return
            half = len(chunk.rows) // 2
            for part in (slice(None, half), slice(half, None)):
                yield from self.sift(Chunk(chunk.lines[part], chunk.rows[part]), quarantine)

    def read(self, chunk: Chunk) -> Rows:
        """Raises BadRow, which tells of a row only where the chunk has but one."""
        self._check_shape(chunk.rows)
        columns = list(zip(*chunk.rows, strict=True))
        written = {name: columns[index] for name, index in self.costs}
        amounts = self._by_cost(written)
        try:
            return self._read(chunk, columns, written, amounts)
        except BadRow as bad:
            bad.amounts = {name: exact for name, column in written.items() for exact in exactly(column[:1])}
            raise

    def under(self, source: Source) -> "RowReader":
        """The reader of the same file under other settings of the source."""
        key = unless_usual(source)
        if key not in self.others:
            self.others[key] = RowReader(self.header, source, currency=self.currency)
        return self.others[key]

    def month(self, cells: Sequence[str]) -> str:
        """The month of BillingPeriodStart in one row. Raises BadRow."""
        return self._months([cells[self.header.positions["BillingPeriodStart"]]])[0]

    def cell(self, cells: Sequence[str], name: str) -> str:
        """The text of a column of one row; empty where it is absent."""
        index = self.header.positions.get(name)
        return "" if index is None else cells[index]

    def _read(
        self,
        chunk: Chunk,
        columns: Columns,
        written: Mapping[str, Sequence[str]],
        amounts: dict[str, Sequence[int | None]],
    ) -> Rows:
        begins, ends = (
            self._optional_moments("ChargePeriodStart", columns),
            self._optional_moments("ChargePeriodEnd", columns),
        )
        texts = self._by_field(columns)
        self._check_references(texts)
        nulls = {name: sum(map(columns[index].count, ("", "NULL"))) for name, index in self.header.never_null.items()}
        costs = _costs(amounts, len(chunk.rows))
        identities, contents = self.digests.of(columns)
        rows = Rows(
            lines=chunk.lines,
            months=self._months(columns[self.header.positions["BillingPeriodStart"]]),
            currencies=self._currencies(texts, len(chunk.rows)),
            costs=costs,
            due=self._due(amounts, costs, texts),
            days=[moment.day for moment in begins],
            last_days=[moment.last_day for moment in ends],
            starts=[moment.stored for moment in begins],
            ends=[moment.stored for moment in ends],
            tags=self._texts("Tags", columns),
            allocated_tags=self._texts("AllocatedTags", columns),
            allocated_by=self._texts("AllocatedMethodId", columns),
            identities=identities,
            contents=contents,
            written=written,
            amounts=amounts,
            texts=texts,
            cells=chunk.rows,
            basis=self.source.basis,
        )
        self.nulls.update(nulls)  # only now: the rows are good
        return rows

    def _by_field(self, columns: Columns) -> dict[str, Sequence[str]]:
        """Of two columns for one field, the later one where it says something."""
        texts: dict[str, Sequence[str]] = {}
        for field, index in self.texts:
            column = [*map(str.strip, columns[index])] if field == "reference" else self._text(field, columns[index])
            if field in texts:
                column = [later or earlier for later, earlier in zip(column, texts[field], strict=True)]
            texts[field] = column
        return texts

    def _months(self, column: Sequence[str]) -> list[str]:
        months = [moment.month for moment in self._moments("BillingPeriodStart", column)]
        if "" in months:
            raise BadRow("BillingPeriodStart", "", "BillingPeriodStart is empty: the month is unknown.")
        return months

    def _check_references(self, texts: dict[str, Sequence[str]]) -> None:
        if "" in texts.get("reference", ()):
            column = self.source.reference_column
            raise BadRow(column, "", f"{column} is empty: the row cannot be told from others.")

    def _texts(self, name: str, columns: Columns) -> Sequence[str]:
        index = self.header.positions.get(name)
        return [""] * len(columns[0]) if index is None else without_nulls(columns[index])

    def _by_cost(self, written: Mapping[str, Sequence[str]]) -> dict[str, Sequence[int | None]]:
        """Cost columns are often the same, text for text: those are read once, into one list."""
        amounts: dict[str, Sequence[int | None]] = {}
        for name, column in written.items():
            twin = next((other for other in amounts if written[other] == column), None)
            amounts[name] = amounts[twin] if twin else self._amounts(name, column)
        return amounts

    def _amounts(self, name: str, column: Sequence[str]) -> Sequence[int | None]:
        text = "\n".join(column) + "\n"
        if text.count("\n") == len(column) and PLAIN.fullmatch(text):  # a cell may hold line ends itself
            return list(map(int, map(BILLION.__mul__, map(Decimal, column))))
        amount = self.amount
        try:
            return [amount[text] for text in column]
        except ValueError as error:
            raise BadRow(name, column[0], f"{name} is {error}.") from error

    def _text(self, field: str, column: Sequence[str]) -> Sequence[str]:
        """Null tokens are null only where FOCUS allows it: elsewhere they are somebody's name."""
        if field in NULLABLE:
            column = without_nulls(column)
        spelt = self.spelt.get(field)
        return column if spelt is None else [spelt[text] for text in column]

    def _optional_moments(self, name: str, columns: Columns) -> Sequence[Moment]:
        index = self.header.positions.get(name)
        return [Moment(None)] * len(columns[0]) if index is None else self._moments(name, columns[index])

    def _moments(self, name: str, column: Sequence[str]) -> list[Moment]:
        moment = self.end if name == "ChargePeriodEnd" else self.moment
        try:
            return [moment[text] for text in column]
        except ValueError as error:
            sentence = f"{name} is no date: write it as 2025-01-31 or 2025-01-31T00:00:00Z."
            raise BadRow(name, column[0], sentence) from error

    def _currencies(self, texts: dict[str, Sequence[str]], rows: int) -> Sequence[str]:
        if "billing_currency" not in texts:
            return [self.currency] * rows
        code = self.code
        return [code[text] for text in texts["billing_currency"]]

    def _currency(self, text: str) -> str:
        currency = text.strip().upper() or self.currency
        if not CURRENCY.fullmatch(currency):
            raise BadRow("BillingCurrency", currency, "BillingCurrency is no ISO 4217 code.")
        return currency

    def _due(
        self, amounts: dict[str, Sequence[int | None]], costs: Sequence[Costs], texts: dict[str, Sequence[str]]
    ) -> Sequence[int]:
        categories = texts.get("charge_category") or repeat("")
        commitments = texts.get("commitment_discount_id") or repeat("")
        basis = self.source.basis
        of_basis = amounts.get("BilledCost" if basis == "billed_cost" else "EffectiveCost")
        if of_basis and None not in of_basis:
            return of_basis  # type: ignore[return-value]
        due = [
            amount_due(cost, basis=basis, is_commitment_purchase=category == "Purchase" and bool(commitment))
            for cost, category, commitment in zip(costs, categories, commitments)  # noqa: B905 - some have no end
        ]
        if None in due:
            column = "BilledCost" if basis == "billed_cost" else "EffectiveCost"
            raise BadRow(column, "", "There is no amount due: the cost columns are empty.")
        return due  # type: ignore[return-value]

    def _check_shape(self, rows: Sequence[list[str]]) -> None:
        width = len(self.header.names)
        if {*map(len, rows)} != {width}:
            raise BadRow("", "", f"The row has {len(rows[0])} cells, the header {width}.")
        of_account = self.header.positions.get("BillingAccountId")
        if of_account is not None and max(len(row[of_account]) for row in rows) > LONGEST_ACCOUNT:
            raise BadRow("BillingAccountId", "", f"BillingAccountId is longer than {LONGEST_ACCOUNT} characters.")


def exactly(written: Sequence[str]) -> Iterable[Decimal]:
    """The amounts of a cost column that was read without an objection; nulls are left out."""
    try:
        return list(map(Decimal, written))
    except InvalidOperation:
        return [Decimal(text) for text in written if text.strip() not in NULLS]


def _costs(amounts: dict[str, Sequence[int | None]], rows: int) -> list[Costs]:
    absent = [None] * rows
    columns = (amounts.get(name, absent) for name in ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"))
    return list(map(Costs, *columns))


def _billionths(text: str) -> int | None:
    text = text.strip()
    return None if text in NULLS else to_billionths(parse_amount(text))


def _where(values: Any, wanted: Sequence[Any]) -> Any:
    if isinstance(values, dict):
        return {name: _where(column, wanted) for name, column in values.items()}
    return list(compress(values, wanted))
