"""Control totals: per currency and cost column, file = loaded + quarantined, to the last digit of the text."""

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from charges.importing.rows import Amounts
from charges.money import EXACT, ZERO


@dataclass(slots=True)
class Total:
    """Exact sums of one cost column. `rounding` is what loading to nine decimals took off the loaded part."""

    loaded: Decimal = ZERO
    quarantined: Decimal = ZERO
    rounding: Decimal = ZERO

    @property
    def file(self) -> Decimal:
        return EXACT.add(self.loaded, self.quarantined)

    @property
    def stored(self) -> Decimal:
        """What the database must hold."""
        return EXACT.subtract(self.loaded, self.rounding)

    def as_text(self) -> dict[str, str]:
        return {name: plain(getattr(self, name)) for name in ("file", "loaded", "quarantined", "rounding")}


@dataclass(slots=True)
class ControlTotals:
    by_currency: defaultdict[str, defaultdict[str, Total]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(Total))
    )

    def add_loaded(self, currency: str, amounts: Amounts, rounding: dict[str, Decimal]) -> None:
        totals = self.by_currency[currency]
        for column, amount in amounts.items():
            if amount is not None:
                total = totals[column]
                total.loaded = EXACT.add(total.loaded, amount)
        for column, difference in rounding.items():
            totals[column].rounding = EXACT.add(totals[column].rounding, difference)

    def add_quarantined(self, currency: str, amounts: Amounts) -> None:
        for column, amount in amounts.items():
            if amount is not None:
                total = self.by_currency[currency][column]
                total.quarantined = EXACT.add(total.quarantined, amount)

    def as_text(self) -> dict[str, Any]:
        return {
            currency: {column: total.as_text() for column, total in columns.items()}
            for currency, columns in self.by_currency.items()
        }


def plain(amount: Decimal) -> str:
    """Digits without an exponent, as people and spreadsheets read them."""
    return f"{amount:f}"


def short(amount: Decimal) -> str:
    """The same without trailing zeros."""
    return f"{amount.normalize(EXACT):f}"
