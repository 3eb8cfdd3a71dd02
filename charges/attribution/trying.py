"""What an attribution rule would do: counted over the charges of open months, and nothing is changed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import Case, CharField, Count, F, Q, QuerySet, Sum, Value, When
from django.db.models.functions import Left

from charges.models import AttributionRule, Charge
from charges.models.payers import WHO_PAYS
from charges.money import ZERO, total
from periods.calendar import institution_day
from periods.errors import Refused
from periods.models import BillingPeriod

CURRENCY = Case(  # as `Charge.currency` tells of one
    When(exchange_rate=None, then=F("billing_currency")), default=F("period__currency"), output_field=CharField()
)


@dataclass(frozen=True, slots=True)
class Effect:
    """In one currency. `changed` charges get another PI, project or fund than they have."""

    currency: str
    charges: int
    due: Decimal
    changed: int
    changed_due: Decimal


def effects(rule: AttributionRule) -> list[Effect]:
    """Of a saved or unsaved rule. Raises Refused where it goes by a tag: charges do not keep the tags of their rows."""
    if rule.tag:
        raise Refused("It goes by a tag, which is read from the file: what it matches shows with the next delivery.")
    matched = _matched(rule)
    sums = _dated(matched, rule) if rule.valid_from or rule.valid_until else _summed(matched, _changed(rule))
    return [Effect(currency, *figures) for currency, figures in sorted(sums.items())]


def _matched(rule: AttributionRule) -> QuerySet[Charge]:
    charges: QuerySet[Charge] = Charge.objects.current().filter(period__state=BillingPeriod.State.OPEN)
    named = {"source": rule.source, "sub_account_id": rule.sub_account_id, "service_name": rule.service_name}
    charges = charges.filter(**{name: value for name, value in named.items() if value})
    if prefix := rule.resource_prefix:  # not `startswith`, which takes no heed of case on SQLite
        charges = charges.annotate(
            by_id=Left("resource_id", len(prefix)), by_name=Left("resource_name", len(prefix))
        ).filter(Q(by_id=Value(prefix)) | Q(by_name=Value(prefix)))
    copied = (Charge.Kind.REVERSAL, Charge.Kind.REBILL)  # who paid for their original pays
    return charges.exclude(review_status=Charge.ReviewStatus.NOT_BILLABLE).exclude(kind__in=copied)


def _changed(rule: AttributionRule) -> Q:
    """Which of the matched have something else; a filling rule changes only what is missing."""
    found = Q(pk=None)
    for name in WHO_PAYS:
        value = getattr(rule, f"{name}_id")
        if value and rule.mode == AttributionRule.Mode.OVERRIDE:
            found |= Q(**{f"{name}__isnull": True}) | ~Q(**{name: value})
        elif value:
            is_missing = Q(**{f"{name}__isnull": True})
            found |= is_missing & ~Q(fund_step=Charge.FundStep.SPLIT) if name == "funding_account" else is_missing
    return found & ~Q(fund_step=Charge.FundStep.DECISION)


def _summed(charges: QuerySet[Charge], changed: Q) -> dict[str, tuple[int, Decimal, int, Decimal]]:
    rows = charges.order_by().values(currency=CURRENCY).annotate(
        n=Count("pk"), due=Sum("due_amount"), m=Count("pk", filter=changed), changed=Sum("due_amount", filter=changed)
    )  # fmt: skip
    return {row["currency"]: (row["n"], row["due"], row["m"], row["changed"] or ZERO) for row in rows}


def _dated(charges: QuerySet[Charge], rule: AttributionRule) -> dict[str, tuple[int, Decimal, int, Decimal]]:
    """By the institution's clock, which no database knows."""
    changed = set(charges.filter(_changed(rule)).values_list("pk", flat=True))
    found: dict[str, list[tuple[Decimal, bool]]] = {}
    for pk, currency, due in _in_days(charges, rule.valid_from or date.min, rule.valid_until or date.max):
        found.setdefault(currency, []).append((due, pk in changed))
    return {
        currency: (
            len(rows),
            total([due for due, _ in rows]),
            sum(is_changed for _, is_changed in rows),
            total([due for due, is_changed in rows if is_changed]),
        )
        for currency, rows in found.items()
    }


def _in_days(charges: QuerySet[Charge], first: date, last: date) -> Iterator[tuple[int, str, Decimal]]:
    rows: Any = charges.values_list("pk", CURRENCY, "due_amount", "charge_period_start")
    for pk, currency, due, start in rows.iterator(chunk_size=5000):
        if start is None or first <= institution_day(start) <= last:
            yield pk, currency, due
