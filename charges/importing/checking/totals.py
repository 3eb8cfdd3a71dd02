"""Control totals: per currency and cost column, file = loaded + quarantined, to the last digit of the text."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from typing import Any

from charges.importing.checking.rows import Rows, exactly
from charges.importing.reading.coded import Coded
from charges.money import EXACT, ZERO, from_billionths

PARTS = ("file", "loaded", "quarantined", "rounding")


@dataclass(slots=True)
class Total:
    """Exact sums of one cost column. `rounding` is what loading to nine decimals took off the loaded part.

    `corrected` is what corrections of rows put in place of what the file says: in `loaded`, not in `file`. `late`
    are rows of closed months that were kept and not loaded.
    """

    loaded: Decimal = ZERO
    quarantined: Decimal = ZERO
    rounding: Decimal = ZERO
    corrected: Decimal = ZERO
    late: Decimal = ZERO

    @property
    def file(self) -> Decimal:
        with localcontext(EXACT):
            return self.loaded + self.quarantined + self.late - self.corrected

    @property
    def stored(self) -> Decimal:
        """What the database must hold."""
        return EXACT.subtract(self.loaded, self.rounding)

    def as_text(self) -> dict[str, str]:
        names = [*PARTS, *(name for name in ("corrected", "late") if getattr(self, name))]
        texts = {name: plain(getattr(self, name)) for name in names}
        return texts | {"rounding": short(self.rounding)}


Counted = Mapping[str, Mapping[str, str]]  # exact amounts by currency and cost column, as text


@dataclass(slots=True)
class ControlTotals:
    by_currency: defaultdict[str, defaultdict[str, Total]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(Total))
    )

    @classmethod
    def from_text(cls, text: Mapping[str, Any]) -> "ControlTotals":
        """As `as_text` gave them."""
        totals = cls()
        for currency, columns in text.items():
            for column, sums in columns.items():
                given = {name: Decimal(sums[name]) for name in (*PARTS, "corrected", "late") if name in sums}
                given.pop("file")
                totals.by_currency[currency][column] = Total(**given)
        return totals

    def add(self, currency: str, rows: Rows) -> None:
        """`rows` are all in this currency."""
        sums: dict[int, tuple[Decimal, Decimal]] = {}
        for column, written in rows.written.items():
            amounts = rows.amounts[column]  # one for columns that say the same
            exact, stored = sums.get(id(amounts)) or sums.setdefault(id(amounts), _sums(written, amounts))
            total = self.by_currency[currency][column]
            with localcontext(EXACT):
                total.loaded += exact
                total.rounding += exact - stored

    def keep_late(self, rows: "ControlTotals") -> None:
        """These were counted as loaded, and are of a closed month after all."""
        for currency, columns in rows.by_currency.items():
            for column, late in columns.items():
                total = self.by_currency[currency][column]
                with localcontext(EXACT):
                    total.late += late.loaded
                    total.loaded -= late.loaded
                    total.rounding -= late.rounding

    def correct(self, row: Rows, before: Counted) -> None:
        """One row is loaded in place of what the file says; `before` is what the file's own counted for."""
        for column, written in row.written.items():
            total = self.by_currency[row.currencies[0]][column]
            with localcontext(EXACT):
                total.corrected += sum(exactly(written), ZERO)
        for total, amount in self._of(before):
            total.corrected = EXACT.subtract(total.corrected, amount)

    def add_quarantined(self, rows: Counted) -> None:
        for total, amount in self._of(rows):
            total.quarantined = EXACT.add(total.quarantined, amount)

    def end_quarantine(self, rows: Counted) -> None:
        for total, amount in self._of(rows):
            total.quarantined = EXACT.subtract(total.quarantined, amount)

    def add_late(self, rows: Counted) -> None:
        for total, amount in self._of(rows):
            total.late = EXACT.add(total.late, amount)

    def _of(self, rows: Counted) -> Iterator[tuple[Total, Decimal]]:
        for currency, columns in rows.items():
            for column, amount in columns.items():
                yield self.by_currency[currency][column], Decimal(amount)

    def as_text(self) -> dict[str, Any]:
        return {
            currency: {column: total.as_text() for column, total in columns.items()}
            for currency, columns in self.by_currency.items()
        }


def _sums(written: Coded[str], amounts: Coded[int | None]) -> tuple[Decimal, Decimal]:
    """Of the text, and of what of it the database holds."""
    with localcontext(EXACT):
        return sum(exactly(written), ZERO), from_billionths(sum(filter(None, amounts)))


def counted(currency: str, amounts: Mapping[str, Decimal]) -> Counted:
    """What a bad row counts for: nothing where its amounts cannot be read, or are of no currency."""
    return {currency: {column: plain(amount) for column, amount in amounts.items()}} if currency and amounts else {}


def plain(amount: Decimal) -> str:
    """Digits without an exponent, as people and spreadsheets read them."""
    return f"{amount:f}"


def short(amount: Decimal) -> str:
    """The same without trailing zeros."""
    return f"{amount.normalize(EXACT):f}"
