"""The rows of a file, checked and typed, column by column. What cannot be used is told apart row by row.

Of each column, each value once.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import Enum
from functools import partial
from itertools import repeat
from operator import attrgetter
from typing import Any, cast

from charges.focus import COSTS, NULLABLE, NULLS, TEXTS, Header, canonical
from charges.focus.values import ALLOWED, account
from charges.importing.checking.billionths import whole_billionths
from charges.importing.checking.digests import Columns, Digests, unless_usual, without_nulls
from charges.importing.checking.errors import BadRow
from charges.importing.checking.memo import Memo
from charges.importing.checking.moments import Moment, inclusive_end, moment
from charges.importing.checking.sifting import all_but, bad_rows
from charges.importing.reading.chunk import Chunk
from charges.importing.reading.coded import Coded, Selection, together
from charges.models import Source
from charges.money import parse_amount, to_billionths
from charges.pricing import Costs, amount_due

LONGEST_ACCOUNT = 500  # characters: it is part of a key
ROUNDED = re.compile(r"\s*\d([.,]\d+)?[eE]\+\d+\s*")  # as Excel shows a number of more than eleven digits
CURRENCY = re.compile(r"[A-Z]{3}")


class Division(Enum):
    """Whether rows were divided into others of the delivery, which then count in place of them (FOCUS 1.3)."""

    NONE = 0
    ORIGIN = 1
    UNCLEAR = 2  # others seem to be parts of them, and do not add up


@dataclass(slots=True)
class Rows:
    """Good rows by columns: every list has one entry a row, in the order of the file."""

    lines: Sequence[int]
    places: Sequence[int]  # in the chunk that they were read from
    months: Coded[str]
    currencies: Coded[str]
    due: Coded[int]  # billionths
    days: Coded[date | None]
    last_days: Coded[date | None]
    starts: Coded[Any]
    ends: Coded[Any]
    tags: Coded[str]
    allocated_tags: Coded[str]
    allocated_by: Coded[str]  # the method by which a charge was divided into this and others
    identities: Sequence[int]
    contents: Sequence[int]
    written: Mapping[str, Coded[str]]  # the cost columns as the file writes them
    amounts: dict[str, Coded[int | None]]  # the same in billionths
    texts: dict[str, Coded[str]]  # by field of the charge
    chunk: Chunk
    basis: str  # the cost column that is due
    division: Division = Division.NONE

    def __len__(self) -> int:
        return len(self.lines)

    def text(self, field: str) -> Coded[str]:
        """Empty texts where the file has no such column."""
        return self.texts.get(field) or Coded.same("", len(self))

    def amount(self, column: str) -> Coded[int | None]:
        """Billionths; null where the file has no such column."""
        return self.amounts.get(column) or Coded.same(None, len(self))

    @property
    def costs(self) -> Coded[Costs]:
        return _costs(self.amounts, len(self))

    def cells(self, at: int) -> list[str]:
        """As the file has them."""
        return self.chunk.row(self.places[at])

    def where(self, wanted: Sequence[Any]) -> "Rows":
        """The rows at which `wanted` is true."""
        some = Selection(wanted)
        columns = (field.name for field in fields(self) if field.name not in ("chunk", "basis", "division"))
        return replace(self, **{name: some.of(getattr(self, name)) for name in columns})

    def by(self, keys: Coded[str]) -> Iterator[tuple[str, "Rows"]]:
        """The rows of each key; nearly always there is but one."""
        distinct = dict.fromkeys(keys.values)
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
        self.blank = 0  # rows without a word
        self.spelt = {field: Memo(partial(canonical, field)) for field in ALLOWED}
        self.spelt["billing_account_id"] = Memo(account)
        self.others: dict[bytes, RowReader] = {}

    def sift(self, chunk: Chunk, quarantine: Callable[[BadRow, int, list[str]], None]) -> Iterator[Rows]:
        """The good rows of a chunk together; then each bad one goes to `quarantine` with line and cells.

        One that says nothing in any cell, as spreadsheets leave them below a table, is no row.
        """
        try:
            yield self.read(chunk)
        except BadRow:
            if blank := chunk.blank():
                self.blank += len(blank)
                if len(blank) < len(chunk):
                    yield from self.sift(chunk.where(all_but(blank, len(chunk))), quarantine)
                return
            bad = dict(sorted(bad_rows(chunk, range(len(chunk)), self._typed)))
            # Good rows are read once more, as one block: what follows costs by the block.
            if len(bad) < len(chunk):
                yield self.read(chunk.where(all_but(bad, len(chunk))))
            for at, why in bad.items():
                quarantine(why, chunk.lines[at], chunk.row(at))

    def read(self, chunk: Chunk) -> Rows:
        """Raises BadRow for the first fault that is found."""
        rows, columns = self._typed(chunk), chunk.columns
        for name, index in self.header.never_null.items():
            if not NULLS.isdisjoint(columns[index].values):
                self.nulls[name] += sum(map(columns[index].count, NULLS))
        return rows

    def _typed(self, chunk: Chunk) -> Rows:
        self._check_shape(chunk)
        written = {name: chunk.columns[index] for name, index in self.costs}
        amounts = self._by_cost(written)
        try:
            self._check_accounts(chunk)
            return self._read(chunk, written, amounts)
        except BadRow as bad:
            bad.amounts = counting(written, 0)
            raise

    def under(self, source: Source) -> "RowReader":
        """The reader of the same file under other settings of the source."""
        key = unless_usual(source)
        if key not in self.others:
            self.others[key] = RowReader(self.header, source, currency=self.currency)
        return self.others[key]

    def month(self, cells: Sequence[str]) -> str:
        """The month of BillingPeriodStart in one row. Raises BadRow."""
        return self._months(Coded.of([cells[self.header.positions["BillingPeriodStart"]]]))[0]

    def cell(self, cells: Sequence[str], name: str) -> str:
        """The text of a column of one row; empty where it is absent."""
        index = self.header.positions.get(name)
        return "" if index is None else cells[index]

    def _read(self, chunk: Chunk, written: Mapping[str, Coded[str]], amounts: dict[str, Coded[int | None]]) -> Rows:
        columns, rows = chunk.columns, len(chunk)
        begins = self._optional_moments("ChargePeriodStart", columns)
        ends = self._optional_moments("ChargePeriodEnd", columns)
        texts = self._by_field(columns)
        self._check_references(texts)
        identities, contents = self.digests.of(columns)
        return Rows(
            lines=chunk.lines,
            places=range(rows),
            months=self._months(columns[self.header.positions["BillingPeriodStart"]]),
            currencies=self._currencies(texts, rows),
            due=self._due(amounts, texts, rows),
            days=begins.map(attrgetter("day")),
            last_days=ends.map(attrgetter("last_day")),
            starts=begins.map(attrgetter("stored")),
            ends=ends.map(attrgetter("stored")),
            tags=self._texts("Tags", columns),
            allocated_tags=self._texts("AllocatedTags", columns),
            allocated_by=self._texts("AllocatedMethodId", columns),
            identities=identities,
            contents=contents,
            written=written,
            amounts=amounts,
            texts=texts,
            chunk=chunk,
            basis=self.source.basis,
        )

    def _by_field(self, columns: Columns) -> dict[str, Coded[str]]:
        """Of two columns for one field, the later one where it says something."""
        texts: dict[str, Coded[str]] = {}
        for field, index in self.texts:
            column = columns[index].map(str.strip) if field == "reference" else self._text(field, columns[index])
            if field in texts:
                column = together(column, texts[field]).map(lambda said: said[0] or said[1])
            texts[field] = column
        return texts

    def _months(self, column: Coded[str]) -> Coded[str]:
        months = self._moments("BillingPeriodStart", column).map(attrgetter("month"))
        if "" in months:
            sentence = "BillingPeriodStart is empty: the month is unknown."
            raise BadRow("BillingPeriodStart", "", sentence, months.places("".__eq__))
        return months

    def _check_references(self, texts: dict[str, Coded[str]]) -> None:
        references = texts.get("reference")
        if references and "" in references:
            sentence = f"{self.source.reference_column} is empty: the row cannot be told from others."
            raise BadRow(self.source.reference_column, "", sentence, references.places("".__eq__))

    def _texts(self, name: str, columns: Columns) -> Coded[str]:
        index = self.header.positions.get(name)
        return Coded.same("", len(columns[0])) if index is None else without_nulls(columns[index])

    def _by_cost(self, written: Mapping[str, Coded[str]]) -> dict[str, Coded[int | None]]:
        """Cost columns are often the same, text for text: those are read once, into one column."""
        amounts: dict[str, Coded[int | None]] = {}
        for name, column in written.items():
            twin = next((other for other in amounts if written[other].says_the_same(column)), None)
            amounts[name] = amounts[twin] if twin else self._amounts(name, column)
        return amounts

    def _amounts(self, name: str, column: Coded[str]) -> Coded[int | None]:
        if whole := whole_billionths(column.values):
            return Coded(whole, column.codes)
        try:
            return column.map(self.amount.__getitem__)
        except ValueError as error:
            raise BadRow(name, column[0], f"{name} is {error}.", _failing(column, self.amount)) from error

    def _text(self, field: str, column: Coded[str]) -> Coded[str]:
        """Null tokens are null only where FOCUS allows it: elsewhere they are somebody's name."""
        if field in NULLABLE:
            column = without_nulls(column)
        spelt = self.spelt.get(field)
        return column if spelt is None else column.map(spelt.__getitem__)

    def _optional_moments(self, name: str, columns: Columns) -> Coded[Moment]:
        index = self.header.positions.get(name)
        return Coded.same(Moment(None), len(columns[0])) if index is None else self._moments(name, columns[index])

    def _moments(self, name: str, column: Coded[str]) -> Coded[Moment]:
        moment = self.end if name == "ChargePeriodEnd" else self.moment
        try:
            return column.map(moment.__getitem__)
        except ValueError as error:
            sentence = f"{name} is no date: write it as 2025-01-31 or 2025-01-31T00:00:00Z."
            raise BadRow(name, column[0], sentence, _failing(column, moment)) from error

    def _currencies(self, texts: dict[str, Coded[str]], rows: int) -> Coded[str]:
        if "billing_currency" not in texts:
            return Coded.same(self.currency, rows)
        column = texts["billing_currency"]
        try:
            return column.map(self.code.__getitem__)
        except ValueError as error:
            sentence = "BillingCurrency is no ISO 4217 code."
            raise BadRow("BillingCurrency", str(error), sentence, _failing(column, self.code)) from error

    def _currency(self, text: str) -> str:
        currency = text.strip().upper() or self.currency
        if not CURRENCY.fullmatch(currency):
            raise ValueError(text)
        return currency

    def _due(self, amounts: dict[str, Coded[int | None]], texts: dict[str, Coded[str]], rows: int) -> Coded[int]:
        basis = self.source.basis
        column = "BilledCost" if basis == "billed_cost" else "EffectiveCost"
        if column in amounts and None not in amounts[column]:
            return cast(Coded[int], Coded.each(amounts[column]))
        categories = texts.get("charge_category") or repeat("")
        commitments = texts.get("commitment_discount_id") or repeat("")
        due = Coded.each(
            amount_due(cost, basis=basis, is_commitment_purchase=category == "Purchase" and bool(commitment))
            for cost, category, commitment in zip(_costs(amounts, rows), categories, commitments)  # noqa: B905 - some have no end
        )
        if None in due:
            sentence = "There is no amount due: the cost columns are empty."
            raise BadRow(column, "", sentence, due.places(lambda amount: amount is None))
        return cast(Coded[int], due)

    def _check_shape(self, chunk: Chunk) -> None:
        width = len(self.header.names)
        if chunk.widths != {width}:
            others = [at for at, cells in enumerate(chunk.rows) if len(cells) != width]
            raise BadRow("", "", f"The row has {len(chunk.row(others[0]))} cells, the header {width}.", others)

    def _check_accounts(self, chunk: Chunk) -> None:
        at = self.header.positions.get("BillingAccountId")
        if at is None:
            return
        accounts = chunk.columns[at]
        if longer := accounts.places(lambda text: len(text) > LONGEST_ACCOUNT):
            sentence = f"BillingAccountId is longer than {LONGEST_ACCOUNT} characters."
            raise BadRow("BillingAccountId", "", sentence, longer)
        if rounded := accounts.places(lambda text: bool(ROUNDED.fullmatch(text))):
            sentence = "BillingAccountId is a number of which a spreadsheet left a few digits: export the file anew."
            raise BadRow("BillingAccountId", accounts[rounded[0]], sentence, rounded)


def _failing(column: Coded[str], read: Mapping[str, Any]) -> list[int]:
    """The rows whose text raises ValueError."""

    def fails(text: str) -> bool:
        try:
            read[text]
        except ValueError:
            return True
        return False

    return column.places(fails)


def exactly(written: Coded[str]) -> Iterable[Decimal]:
    """The amounts of a cost column that was read without an objection; nulls are left out."""
    try:
        return written.map(Decimal)
    except InvalidOperation:
        return [Decimal(text) for text in written if text.strip() not in NULLS]


def counting(written: Mapping[str, Coded[str]], at: int) -> dict[str, Decimal]:
    """What one row says in the cost columns."""
    return {name: amount for name, column in written.items() for amount in exactly(column[at : at + 1])}


def _costs(amounts: dict[str, Coded[int | None]], rows: int) -> Coded[Costs]:
    absent: Coded[int | None] = Coded.same(None, rows)
    columns = [amounts.get(name, absent) for name in ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")]
    return Coded.each(map(Costs, *columns))


def _billionths(text: str) -> int | None:
    text = text.strip()
    return None if text in NULLS else to_billionths(parse_amount(text))
