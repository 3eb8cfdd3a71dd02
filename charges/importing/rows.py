"""One row of a file, checked and typed. What cannot be used raises BadRow with column, raw value and sentence."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from charges.focus import COSTS, NULLS, TEXTS, Header
from charges.importing.reading import RawRow
from charges.money import EXACT, ZERO, from_billionths, parse_amount, to_billionths
from charges.pricing import Costs, amount_due
from periods.calendar import institution_day, month_of

INSTANT = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?")
EARLIEST, LATEST = 1970, 2999
LONGEST_ACCOUNT = 500  # characters: it is part of a key
CURRENCY = re.compile(r"[A-Z]{3}")
Amounts = dict[str, Decimal | None]


class BadRow(Exception):
    """A row for quarantine. `amounts` is empty where an amount is what cannot be read."""

    def __init__(self, column: str, value: str, sentence: str, amounts: Amounts | None = None) -> None:
        super().__init__(sentence)
        self.column, self.value, self.sentence, self.amounts = column, value, sentence, amounts or {}


class Row(NamedTuple):
    line: int
    month: str
    currency: str
    amounts: Amounts
    rounding: dict[str, Decimal]
    costs: Costs
    due: Decimal
    texts: dict[str, str]
    tags: str
    starts_at: datetime | None
    ends_at: datetime | None
    day: date | None
    identity: int
    content: int

    @property
    def category(self) -> str:
        return self.texts.get("charge_category", "")


class RowReader:
    """Types the rows of one file. The same texts come again and again, so readings are remembered."""

    def __init__(self, header: Header, *, basis: str, currency: str) -> None:
        self.header, self.basis, self.currency = header, basis, currency
        at = header.positions
        self.costs = [(name, at[name]) for name in COSTS if name in at]
        self.texts = [(field, at[name]) for name, field in TEXTS.items() if name in at]
        self.amount = lru_cache(maxsize=1000)(_amount)
        self.day = lru_cache(maxsize=10_000)(institution_day)

    def cell(self, row: RawRow, name: str) -> str:
        """The text of a column; empty where it is absent or null."""
        index = self.header.positions.get(name)
        text = "" if index is None else row.cells[index]
        return "" if text in NULLS else text

    def read(self, row: RawRow) -> Row:
        """Raises BadRow."""
        self._check_shape(row)
        amounts, rounding = self._amounts(row)
        try:
            return self._read(row, amounts, rounding)
        except BadRow as bad:
            bad.amounts = amounts
            raise

    def _amounts(self, row: RawRow) -> tuple[Amounts, dict[str, Decimal]]:
        """The cost columns exactly as written, None where null; and what rounding to billionths takes off."""
        found: Amounts = {}
        rounding = {}
        for name, index in self.costs:
            try:
                found[name], difference = self.amount(row.cells[index].strip())
            except ValueError as error:
                raise BadRow(name, row.cells[index], f"{name} is {error}.") from error
            if difference:
                rounding[name] = difference
        return found, rounding

    def _read(self, row: RawRow, amounts: Amounts, rounding: dict[str, Decimal]) -> Row:
        starts_at, ends_at = self._instant(row, "ChargePeriodStart"), self._instant(row, "ChargePeriodEnd")
        texts = {field: "" if (text := row.cells[index]) in NULLS else text for field, index in self.texts}
        costs = Costs(
            billed=amounts.get("BilledCost"),
            effective=amounts.get("EffectiveCost"),
            list=amounts.get("ListCost"),
            contracted=amounts.get("ContractedCost"),
        )
        return Row(
            line=row.line,
            month=self.month(row),
            currency=self._currency(texts),
            amounts=amounts,
            rounding=rounding,
            costs=costs,
            due=self._due(costs, texts),
            texts=texts,
            tags=self.cell(row, "Tags"),
            starts_at=starts_at,
            ends_at=ends_at,
            day=self.day(starts_at) if starts_at else None,
            identity=_digest([row.cells[index] for index in self.header.identity]),
            content=_digest(row.cells),
        )

    def month(self, row: RawRow) -> str:
        """The month of BillingPeriodStart."""
        starts_at = self._instant(row, "BillingPeriodStart")
        if starts_at is None:
            raise BadRow("BillingPeriodStart", "", "BillingPeriodStart is empty: the month is unknown.")
        return month_of(starts_at)

    def _due(self, costs: Costs, texts: dict[str, str]) -> Decimal:
        is_commitment_purchase = texts.get("charge_category") == "Purchase" and bool(
            texts.get("commitment_discount_id")
        )
        due = amount_due(costs, basis=self.basis, is_commitment_purchase=is_commitment_purchase)
        if due is None:
            column = "BilledCost" if self.basis == "billed_cost" else "EffectiveCost"
            raise BadRow(column, "", "There is no amount due: the cost columns are empty.")
        return due

    def _currency(self, texts: dict[str, str]) -> str:
        currency = texts.get("billing_currency", "").strip().upper() or self.currency
        if not CURRENCY.fullmatch(currency):
            raise BadRow("BillingCurrency", currency, "BillingCurrency is no ISO 4217 code.")
        return currency

    def _instant(self, row: RawRow, name: str) -> datetime | None:
        text = self.cell(row, name).strip()
        try:
            return _instant(text) if text else None
        except ValueError as error:
            raise BadRow(name, text, f"{name} is no date: write it as 2025-01-31 or 2025-01-31T00:00:00Z.") from error

    def _check_shape(self, row: RawRow) -> None:
        if len(row.cells) != len(self.header.names):
            raise BadRow("", "", f"The row has {len(row.cells)} cells, the header {len(self.header.names)}.")
        if "\x00" in "".join(row.cells):
            raise BadRow("", "", "The row holds a NUL character.")
        if len(self.cell(row, "BillingAccountId")) > LONGEST_ACCOUNT:
            raise BadRow("BillingAccountId", "", f"BillingAccountId is longer than {LONGEST_ACCOUNT} characters.")


def _amount(text: str) -> tuple[Decimal | None, Decimal]:
    if text in NULLS:
        return None, ZERO
    amount = parse_amount(text)
    return amount, EXACT.subtract(amount, from_billionths(to_billionths(amount)))


@lru_cache(maxsize=10_000)
def _instant(text: str) -> datetime:
    """An instant in UTC; without a zone, UTC is meant (FOCUS §DateTimeFormat). Raises ValueError."""
    if not INSTANT.fullmatch(text):
        raise ValueError(text)
    moment = datetime.fromisoformat(text)
    if not EARLIEST <= moment.year <= LATEST:
        raise ValueError(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _digest(cells: list[str]) -> int:
    text = "\x1f".join(cells).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big", signed=True)
