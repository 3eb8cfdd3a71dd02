"""Control totals: per currency and cost column, file = loaded + quarantined, to the last digit of the text."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from typing import Any

from charges.importing.rows import Amount
from charges.money import EXACT, ZERO

PARTS = ("file", "loaded", "quarantined", "rounding")


@dataclass(slots=True)
class Total:
    """Exact sums of one cost column. `rounding` is what loading to nine decimals took off the loaded part.

    `corrected` is what corrections of rows put in place of what the file says; it is in `loaded`, not in `file`.
    """

    loaded: Decimal = ZERO
    quarantined: Decimal = ZERO
    rounding: Decimal = ZERO
    corrected: Decimal = ZERO

    @property
    def file(self) -> Decimal:
        return EXACT.subtract(EXACT.add(self.loaded, self.quarantined), self.corrected)

    @property
    def stored(self) -> Decimal:
        """What the database must hold."""
        return EXACT.subtract(self.loaded, self.rounding)

    def as_text(self) -> dict[str, str]:
        names = (*PARTS, "corrected") if self.corrected else PARTS
        return {name: plain(getattr(self, name)) for name in names}


@dataclass(slots=True)
class ControlTotals:
    by_currency: defaultdict[str, defaultdict[str, Total]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(Total))
    )

    def add_loaded(self, currency: str, amounts: Mapping[str, Sequence[Amount]]) -> None:
        for column, found in amounts.items():
            total = self.by_currency[currency][column]
            total.loaded = _sum(total.loaded, (amount.exact for amount in found if amount.exact is not None))
            total.rounding = _sum(total.rounding, (amount.rounding for amount in found if amount.rounding))

    def add_quarantined(self, currency: str, amounts: Mapping[str, Amount]) -> None:
        for column, amount in amounts.items():
            if amount.exact is not None:
                total = self.by_currency[currency][column]
                total.quarantined = EXACT.add(total.quarantined, amount.exact)

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


def _sum(start: Decimal, amounts: Iterable[Decimal]) -> Decimal:
    with localcontext(EXACT):
        return sum(amounts, start)
