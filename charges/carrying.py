"""Carries deferred charges out of a month that is being finalized, into the earliest later one that is open."""

from collections import Counter
from datetime import date
from typing import Any

from django.db import transaction
from django.utils import timezone

from charges.flags import Aging
from charges.models import Charge, FocusImport, ImportScope, ReviewSettings
from charges.sharing import is_shareable
from periods import audit, calendar
from periods.calendar import institution_day
from periods.models import BillingPeriod

Status = Charge.ReviewStatus


@transaction.atomic
def carry_deferred(period: BillingPeriod, *, by: Any = None) -> list[FocusImport]:
    """Load a linked charge for every deferred one, an import for each source; the originals stay as they are."""
    deferred: dict[int, list[Charge]] = {}
    for charge in Charge.objects.current().filter(period=period, review_status=Status.DEFERRED).order_by("pk"):
        deferred.setdefault(charge.source_id, []).append(charge)
    if not deferred:
        return []
    target = _lock_target(period)
    return [_load(charges, period=period, target=target, by=by) for charges in deferred.values()]


def _lock_target(period: BillingPeriod) -> BillingPeriod:
    later = BillingPeriod.objects.filter(month__gt=period.month).order_by("month")
    target = later.filter(state=BillingPeriod.State.OPEN).first()
    if target is None:
        last = later.last() or period
        target = BillingPeriod.objects.create(month=calendar.next_month(last.month), currency=period.currency)
    return BillingPeriod.objects.lock_open(target.pk)


def _load(charges: list[Charge], *, period: BillingPeriod, target: BillingPeriod, by: Any) -> FocusImport:
    carried = FocusImport.objects.create(
        source_id=charges[0].source_id,
        kind=FocusImport.Kind.CARRIED,
        state=FocusImport.State.LOADED,
        created_by=by,
        loaded_at=timezone.now(),
    )
    accounts = Counter(charge.billing_account_id for charge in charges)
    for account, rows in accounts.items():
        ImportScope.objects.create(focus_import=carried, period=target, billing_account_id=account, rows=rows)
    oldest = ReviewSettings.in_force().oldest_day(target.month)
    copies = [_copy(charge, carried, period, target, oldest) for charge in charges]
    Charge.objects.bulk_create(copies, batch_size=500)
    carried.rows = carried.loaded = carried.added = len(copies)
    carried.flagged = sum(copy.review_status == Status.HELD for copy in copies)
    carried.save()
    audit.record(
        by=by,
        action="carry_over",
        subject=carried,
        period=target,
        rows=len(copies),
        before={"period": period.month},
        after={"period": target.month},
    )
    return carried


def _copy(
    charge: Charge, carried: FocusImport, period: BillingPeriod, target: BillingPeriod, oldest: date | None
) -> Charge:
    """The same figures and payer, linked to the original; held where a person still has to look at it."""
    copy = Charge(**{field.attname: getattr(charge, field.attname) for field in Charge._meta.fields})
    copy.pk, copy.origin_id, copy.kind = None, charge.pk, Charge.Kind.CARRIED
    copy.period, copy.loaded_by, copy.replaces_id = target, carried, None
    copy.decided_by_id = copy.decided_at = copy.payer_before = None
    copy.decision_reason = ""
    copy.flags = dict(charge.flags)  # to defer is no answer to them
    copy.flags |= _aging(charge, period, oldest)
    is_shared = is_shareable(charge)
    is_clear = not (copy.flags or copy.is_unconverted or (charge.missing and not is_shared))
    copy.review_status = Status.HELD if not is_clear else Status.SHARED if is_shared else Status.CLEAR
    return copy


def _aging(charge: Charge, period: BillingPeriod, oldest: date | None) -> dict[str, str]:
    if charge.kind == Charge.Kind.CARRIED:
        return Aging.because(f"Deferred again in {period}.")
    day = charge.charge_period_start and institution_day(charge.charge_period_start)
    return Aging.because(f"It is of {day}, and was deferred in {period}.") if day and oldest and day < oldest else {}
