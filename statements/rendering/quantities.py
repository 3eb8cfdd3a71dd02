"""How much was used and at what list price: said only where quantity × list price makes the list amount printed."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from babel.numbers import format_decimal
from django.conf import settings

from charges.models import Charge
from charges.models.charge import ChargeQuerySet
from charges.models.rules import HUNDRED
from charges.money import EXACT, ZERO, round_to_currency
from statements.models import StatementLine
from statements.rendering.context import Usage
from statements.templating import MINUS

FIELDS = (
    "source_id", "service_name", "funding_account_id", "fund_step",
    "pricing_quantity", "pricing_unit", "list_unit_price", "list_amount", "due_amount", "exchange_rate_id",
)  # fmt: skip


class Key(NamedTuple):
    """The charges of one printed line, whatever their account codes and funders; no fund where a split divides them."""

    source: int | None
    service_name: str
    fund: int | None


@dataclass(slots=True)
class _Sum:
    quantity: Decimal | None = ZERO  # None: not known of every charge
    list_amount: Decimal = ZERO
    due_amount: Decimal = ZERO
    units: set[str] = field(default_factory=set)
    prices: set[Decimal | None] = field(default_factory=set)

    def add(self, row: Any) -> None:
        self.due_amount += row.due_amount
        if not row.pricing_quantity and not row.list_amount:
            return  # a provider's credit uses nothing and has no list price
        more = number(row.pricing_quantity)
        if self.quantity is not None:
            self.quantity = None if more is None else EXACT.add(self.quantity, more)
        self.list_amount += row.list_amount
        self.units.add(row.pricing_unit)
        self.prices.add(None if row.exchange_rate_id else number(row.list_unit_price))


class Quantities:
    """Of the charges of one statement, summed in one pass."""

    def __init__(self, charges: ChargeQuerySet, currency: str) -> None:
        self._currency = currency
        self._sums: dict[Key, _Sum] = defaultdict(_Sum)
        for row in charges.filter(late_month="").values_list(*FIELDS, named=True).iterator():
            is_split = row.fund_step == Charge.FundStep.SPLIT
            fund = None if is_split else row.funding_account_id
            self._sums[Key(row.source_id, row.service_name, fund)].add(row)

    def of(self, line: StatementLine) -> Usage | None:
        """What the line stands for; of a split line its share. Corrections and shares have no quantity of their own."""
        found = self._behind(line)
        if line.description or found is None or found.quantity is None or len(found.units) != 1:
            return None
        share = EXACT.divide(line.percent, HUNDRED)
        price = next(iter(found.prices)) if len(found.prices) == 1 else None
        (unit,) = found.units
        return usage(found.quantity, unit, price, found.list_amount, self._currency, share=share)

    def rounded_away(self, lines: Sequence[StatementLine]) -> Decimal:
        """What charges of less than a coin come to, where their lines say 0.00; else zero."""
        found = self._behind(lines[0])
        if found is None or any(line.list_amount or line.due_amount or line.description for line in lines):
            return ZERO
        return found.list_amount or found.due_amount

    def _behind(self, line: StatementLine) -> _Sum | None:
        fund = line.funding_account_id if line.percent == HUNDRED else None
        return self._sums.get(Key(line.source_id, line.service_name, fund))


def usage(
    quantity: Decimal, unit: str, price: Decimal | None, list_amount: Decimal, currency: str, *, share: Decimal
) -> Usage | None:
    """Amounts in currency units; `share` is 1 where nothing is divided."""
    if price is not None and not _makes(quantity, price, list_amount, currency):
        price = None
    return Usage(f"{printed(EXACT.multiply(quantity, share))} {unit}".strip(), price) if quantity else None


def number(text: str) -> Decimal | None:
    """The number that a delivered cell says; None where it says none."""
    try:
        found = Decimal(text)
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def printed(quantity: Decimal) -> str:
    return str(format_decimal(quantity, "#,##0.###", locale=settings.LOCALE)).replace("-", MINUS)


def _makes(quantity: Decimal, price: Decimal, amount: Decimal, currency: str) -> bool:
    return round_to_currency(EXACT.multiply(quantity, price), currency) == round_to_currency(amount, currency)
