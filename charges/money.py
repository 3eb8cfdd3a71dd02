"""Exact money: `Decimal` in Python, integer billionths of the currency unit in the database.

Django's DecimalField is a float of fifteen digits on SQLite, and its sums are wrong. Integers are exact on
every database, and SQL sums of them are exact too. Sums reach 9.2 thousand million units on SQLite.
"""

import re
from collections.abc import Sequence
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal, InvalidOperation, localcontext
from typing import Any

from babel.numbers import format_currency, get_currency_precision
from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models

AMOUNT = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")
BILLIONTH = Decimal("0.000000001")
BILLION = 10**9
LARGEST = 2**63 - 1
ZERO, HUNDRED = Decimal(0), Decimal(100)
OUTERMOST_DIGIT = 30  # tens exponent
LONGEST_AMOUNT = 60
EXACT = Context(prec=160)  # holds any sum of such amounts to the last digit


def parse_amount(text: str) -> Decimal:
    """The amount that FOCUS NumericFormat writes. Raises ValueError for `$5`, `1,000`, `1_000`, `NaN`, ` 5`."""
    if not AMOUNT.fullmatch(text):
        raise ValueError("no number: only digits, a minus, a decimal point and an exponent may stand here")
    if len(text) > LONGEST_AMOUNT:
        raise ValueError(f"longer than {LONGEST_AMOUNT} characters")
    try:
        amount = Decimal(text)
    except InvalidOperation as error:  # its exponent has more digits than any number needs
        raise ValueError("a number beyond all bounds") from error
    if amount and not -LONGEST_AMOUNT <= amount.adjusted() <= OUTERMOST_DIGIT:
        raise ValueError("a number beyond all bounds")
    return amount


def to_billionths(amount: Decimal) -> int:
    """Whole billionths, half to even. Raises ValueError for what a 64-bit integer cannot hold."""
    exact = amount.scaleb(9, EXACT)
    scaled = int(exact)
    if scaled != exact:
        scaled = int(exact.to_integral_value(ROUND_HALF_EVEN, EXACT))
    if not -LARGEST <= scaled <= LARGEST:
        raise ValueError("an amount beyond 9.2 thousand million")
    return scaled


def exact_billionths(amount: Decimal) -> int:
    """Whole billionths of an amount that has no finer part. Raises ValueError."""
    if not amount.is_finite() or amount.adjusted() > OUTERMOST_DIGIT:
        raise ValueError("a number beyond all bounds")
    scaled = to_billionths(amount)
    if from_billionths(scaled) != amount:
        raise ValueError("an amount of more than nine decimals")
    return scaled


def validate_amount(amount: Decimal) -> None:
    """Of what people enter: an amount that the database can hold as it is."""
    try:
        exact_billionths(amount)
    except ValueError as error:
        raise ValidationError(f"{amount} is {error}.") from error


def from_billionths(value: int | Decimal) -> Decimal:
    return Decimal(int(value)).scaleb(-9, EXACT)


def minor_unit(currency: str) -> Decimal:
    """The smallest coin that is printed: 0.01 for USD, 1 for JPY, 0.001 for KWD (ISO 4217)."""
    return Decimal(1).scaleb(-get_currency_precision(currency))


def round_to_currency(amount: Decimal, currency: str) -> Decimal:
    """Half away from zero, once, on a line."""
    return amount.quantize(minor_unit(currency), ROUND_HALF_UP, EXACT)


def divide(
    amount: Decimal, parts: Sequence[Decimal], remainder: int, currency: str, *, whole: Decimal = HUNDRED
) -> list[Decimal]:
    """Shares of a rounded amount, truncated toward zero; the share at index `remainder` takes what is left.

    60/40 of 0.03 with the first as remainder: 0.02 and 0.01. The shares always sum to `amount`. `parts` are percents,
    or of another `whole`.
    """
    return _shares(amount, parts, remainder, unit=minor_unit(currency), whole=whole)


def divide_exactly(amount: Decimal, parts: Sequence[Decimal], remainder: int, *, whole: Decimal) -> list[Decimal]:
    """The same of an amount that is not rounded: shares of whole billionths."""
    return _shares(amount, parts, remainder, unit=BILLIONTH, whole=whole)


def _shares(
    amount: Decimal, parts: Sequence[Decimal], remainder: int, *, unit: Decimal, whole: Decimal
) -> list[Decimal]:
    with localcontext(EXACT):
        shares = [(amount * part / whole).quantize(unit, ROUND_DOWN) for part in parts]
        shares[remainder] = amount - sum(shares[:remainder], ZERO) - sum(shares[remainder + 1 :], ZERO)
    return shares


def printed(amount: Decimal, currency: str) -> str:
    """As people read it, `$1,234.50`; an amount finer than a coin keeps all of its digits."""
    return format_currency(amount.normalize(EXACT), currency, locale=settings.LOCALE, decimal_quantization=False)


def total(amounts: Sequence[Decimal]) -> Decimal:
    with localcontext(EXACT):
        return sum(amounts, ZERO)


class AmountField(forms.DecimalField):
    """Shows `12.5`, where the exact Decimal would be written 12.500000000 or 0E-9."""

    default_validators = [validate_amount]  # noqa: RUF012 - as Django declares it

    def prepare_value(self, value: Any) -> Any:
        return f"{value.normalize(EXACT):f}" if isinstance(value, Decimal) else value


class MoneyField(models.Field):
    """An amount with nine exact decimals. Reads and writes Decimal; `Sum` over it is exact and gives Decimal."""

    description = "An exact amount of money"
    default_validators = [validate_amount]  # noqa: RUF012 - as Django declares it

    def get_internal_type(self) -> str:
        return "BigIntegerField"

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Decimal | None:
        return None if value is None else from_billionths(value)

    def to_python(self, value: Any) -> Decimal | None:
        if value is None or isinstance(value, Decimal):
            return value
        try:
            return parse_amount(str(value))
        except ValueError as error:
            raise ValidationError(f"{value!r} is {error}.") from error

    def get_prep_value(self, value: Any) -> int | None:
        value = self.to_python(super().get_prep_value(value))
        return None if value is None else exact_billionths(value)

    def value_to_string(self, obj: models.Model) -> str:
        value = self.value_from_object(obj)
        return "" if value is None else str(value)

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"form_class": AmountField, **kwargs})
