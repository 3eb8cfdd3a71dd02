"""What rules, splits and exchange rates said when they decided about a month: they stay editable, this record does not."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import groupby, pairwise
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Field, Min, Model

from charges.ledger import Ledger
from charges.models import (
    AttributionRule,
    Charge,
    ExchangeRate,
    FocusImport,
    FundingSplit,
    ReviewRule,
    ReviewSettings,
)
from periods.models import BillingPeriod
from statements.models import RuleInForce

REMOVED = "-"  # as simple_history marks the end of a row
BATCH = 500


def record_rules(period: BillingPeriod, *, at: datetime) -> None:
    """Rules by every version since the first delivery, for they judge each row as it comes; the rest as they are now."""
    deliveries = FocusImport.objects.filter(scopes__period=period)
    first = deliveries.aggregate(first=Min("created_at"))["first"] or at
    charges = Charge.objects.filter(period=period).order_by()
    rules = charges.exclude(rule=None).values_list("rule", flat=True).distinct()
    rates = charges.exclude(exchange_rate=None).values_list("exchange_rate", flat=True).distinct()
    found = [
        *_versions(AttributionRule, rules, since=first),
        *_versions(ReviewRule, _all(ReviewRule), since=first),
        *_versions(ReviewSettings, _all(ReviewSettings), since=first),
        *_versions(FundingSplit, _splits(period, charges), since=at),
        *_versions(ExchangeRate, rates, since=at),
    ]
    for rule in found:
        rule.period = period
    RuleInForce.objects.bulk_create(found, batch_size=BATCH)


def _all(model: Any) -> Iterable[int]:
    """Those that were removed, too: they may have held a charge before."""
    return model.history.order_by().values_list("id", flat=True).distinct()


def _splits(period: BillingPeriod, charges: Any) -> list[int]:
    ledger = Ledger(period.month)
    divided = charges.filter(fund_step=Charge.FundStep.SPLIT)
    keys = divided.values_list("project", "service_name", "late_month").distinct()
    return sorted({split.pk for key in keys if (split := ledger.split(*key))})


def _versions(model: Any, keys: Iterable[int], *, since: datetime) -> Iterator[RuleInForce]:
    """Of each row that which held at `since`, and all that came after it."""
    history = model.history.filter(id__in=list(keys)).order_by("id", "history_date", "history_id")
    for _, group in groupby(history, key=lambda version: version.id):
        for version, after in pairwise([*group, None]):
            is_over = after is not None and after.history_date <= since
            if not is_over and version.history_type != REMOVED:
                yield _record(model, version)


def _record(model: type[Model], version: Any) -> RuleInForce:
    said = {field.name: _word(version, field) for field in model._meta.concrete_fields if not field.primary_key}
    if model is FundingSplit:
        parts = FundingSplit.objects.get(pk=version.id).parts()
        said["shares"] = "; ".join(f"{fund}: {percent.normalize():f} %" for fund, percent in parts)
    return RuleInForce(
        kind=str(model._meta.verbose_name),
        rule_id=version.id,
        version=version.history_id,
        since=version.history_date,
        says={name: word for name, word in said.items() if word},
    )


def _word(version: Any, field: "Field[Any, Any]") -> str:
    """Payers by the name they had at the seal; nothing where nothing is said."""
    value = getattr(version, field.attname)
    if value is None or not field.is_relation:
        return "" if value is None else str(value)
    try:
        return f"{getattr(version, field.name)} ({value})"
    except ObjectDoesNotExist:
        return str(value)
