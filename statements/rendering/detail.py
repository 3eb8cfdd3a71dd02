"""The charges behind a statement: all of them where they can be read, folded by resource where they cannot."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from babel.dates import format_interval, format_skeleton
from babel.numbers import format_decimal
from django.conf import settings
from django.db.models import Count, F, Sum
from django.db.models.functions import Abs, TruncDate

from charges.models import Charge
from charges.models.charge import ChargeQuerySet
from charges.money import EXACT, total
from statements.rendering.context import ChargeRow, Detail, Reference, Rest, Usage, printed_discount
from statements.rendering.quantities import number, usage
from statements.templating import money

MOST_ROWS = 200  # a statement of thousands of rows is not read, and takes minutes to set
MOST_REFERENCES = 6
WHOLE = Decimal(1)
RESOURCE = ("source__name", "service_name", "resource_id", "resource_name")


def detail(charges: ChargeQuerySet, currency: str) -> Detail:
    """One row a charge; where they are too many, one a resource and day; or one a resource, the largest first."""
    count = charges.count()
    if count <= MOST_ROWS:
        found = charges.select_related("source", "exchange_rate")
        ordered = found.order_by("source__name", "service_name", "charge_period_start", "pk")
        return Detail([row(charge, currency) for charge in ordered], count, folded_by="", rest=None)
    by_day = _folded(charges.annotate(day=TruncDate("charge_period_start", tzinfo=UTC)), *RESOURCE, "day")
    days = list(by_day.order_by(*RESOURCE, "day")[: MOST_ROWS + 1])
    if len(days) <= MOST_ROWS:
        return Detail([_folded_row(found, currency) for found in days], count, folded_by="resource and day", rest=None)
    largest = _folded(charges, *RESOURCE).order_by(Abs(F("list_sum")).desc(), Abs(F("due_sum")).desc(), *RESOURCE)
    rows = [_folded_row(found, currency) for found in largest[:MOST_ROWS]]
    return Detail(rows, count, folded_by="resource", rest=_rest(charges, rows, count, currency))


def _folded(charges: ChargeQuerySet, *names: str) -> Any:
    sums = {"charges": Count("pk"), "list_sum": Sum("list_amount"), "due_sum": Sum("due_amount")}
    return charges.order_by().values(*names).annotate(**sums)


def row(charge: Charge, currency: str) -> ChargeRow:
    """A charge as it is printed, in the PDF and in the portal."""
    return ChargeRow(
        when=_when(charge.charge_period_start, charge.charge_period_end),
        resource=charge.resource_name or charge.resource_id,
        service=_named(charge.source.name, charge.service_name),
        description=charge.charge_description,
        usage=_usage(charge, currency),
        list_amount=charge.list_amount,
        discount=printed_discount(charge.list_amount, charge.due_amount, currency),
        due_amount=charge.due_amount,
        converted=_converted(charge),
    )


def _folded_row(found: Mapping[str, Any], currency: str) -> ChargeRow:
    day = found.get("day")
    return ChargeRow(
        when=str(format_skeleton("MMMd", day, locale=settings.LOCALE)) if day else "",
        resource=found["resource_name"] or found["resource_id"],
        service=_named(found["source__name"], found["service_name"]),
        description="",
        usage=None,
        list_amount=found["list_sum"],
        discount=printed_discount(found["list_sum"], found["due_sum"], currency),
        due_amount=found["due_sum"],
        charges=found["charges"],
    )


def _rest(charges: ChargeQuerySet, rows: Sequence[ChargeRow], count: int, currency: str) -> Rest | None:
    """What the printed rows leave out, so that the reader can add up."""
    left = count - sum(row.charges for row in rows)
    if not left:
        return None
    sums = charges.aggregate(list=Sum("list_amount"), due=Sum("due_amount"))
    list_amount = sums["list"] - total([row.list_amount for row in rows])
    due_amount = sums["due"] - total([row.due_amount for row in rows])
    return Rest(left, list_amount, printed_discount(list_amount, due_amount, currency), due_amount)


def held(charges: ChargeQuerySet, currency: str) -> Rest | None:
    """Amounts of the period's currency only: what has no exchange rate yet is counted, not added."""
    found = charges.sums()
    if not found["charges"]:
        return None
    list_amount, due_amount = found["list_amount"], found["due_amount"]
    discount = printed_discount(list_amount, due_amount, currency)
    return Rest(found["charges"], list_amount, discount, due_amount, found["unconverted"])


def references(charges: ChargeQuerySet) -> Iterator[Reference]:
    for tag, field in zip(settings.REFERENCE_TAGS, ("reference_1", "reference_2"), strict=False):
        found = charges.exclude(**{field: ""}).values_list(field, flat=True).distinct().order_by(field)
        values = list(found[: MOST_REFERENCES + 1])
        if values:
            more = ["…"] if len(values) > MOST_REFERENCES else []
            yield Reference(tag.replace("_", " ").capitalize(), values[:MOST_REFERENCES] + more)


def _when(start: datetime | None, end: datetime | None) -> str:
    """The days in UTC, as FOCUS has them: another clock would move the first of a month into the month before."""
    if start is None:
        return ""
    first = start.astimezone(UTC).date()
    last = (end - timedelta(microseconds=1)).astimezone(UTC).date() if end and end > start else first
    return str(format_interval(first, last, "MMMd", locale=settings.LOCALE))


def _usage(charge: Charge, currency: str) -> Usage | None:
    quantity = number(charge.pricing_quantity)
    if quantity is None:
        delivered = f"{charge.pricing_quantity} {charge.pricing_unit}".strip()
        return Usage(delivered, None) if delivered else None
    price = number(charge.list_unit_price) if charge.exchange_rate is None else None
    return usage(quantity, charge.pricing_unit, price, charge.list_amount, currency, share=WHOLE)


def _converted(charge: Charge) -> str:
    """`€18.30 × 1.1`: the list price, or what is due where there is none, as it was before the exchange."""
    if charge.exchange_rate is None:
        return ""
    rate = charge.exchange_rate.rate
    original = EXACT.divide(charge.list_amount or charge.due_amount, rate)
    factor = format_decimal(rate, "#,##0.######", locale=settings.LOCALE)
    return f"{money(original, charge.billing_currency)} × {factor}"


def _named(source: str, service: str) -> str:
    return f"{source} · {service}" if service else source
