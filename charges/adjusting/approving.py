"""A second person looks at a large adjustment before it counts."""

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from charges.correcting.reversing import require_unreversed
from charges.disputing.outcome import reconsider, settle
from charges.models import Adjustment
from charges.models.approval import Approvable
from periods import audit
from periods.duties import ADJUSTING
from periods.errors import NotPermitted, Refused
from periods.lifecycle import require_permission, require_reason
from periods.models import BillingPeriod


def needs_approval(due_amount: Decimal) -> bool:
    """Whether an amount due, of whatever sign, is above what one person may enter alone: without a limit, any is."""
    limit = settings.ADJUSTMENT_APPROVAL_ABOVE
    return ADJUSTING.are_separate if limit is None else abs(due_amount) > limit


def require_another(row: Approvable, by: Any) -> None:
    """What is left to approve, and somebody else than who entered it. Cron is nobody."""
    if by is None:
        raise NotPermitted("A person approves, by name: cron cannot.")
    if not row.is_pending:
        raise Refused(f"{row} awaits no approval.")
    if row.created_by_id == by.pk:
        raise NotPermitted(f"{by} entered {row}: somebody else has to approve it.")


@transaction.atomic
def approve_adjustment(adjustment: Adjustment, *, by: Any) -> Adjustment:
    """From here on it counts; the statements show it once reissued."""
    locked = _lock(adjustment, by)
    require_another(locked, by)
    require_unreversed([locked.charge_id] if locked.charge_id else [])
    locked.approved_at, locked.approved_by = timezone.now(), by
    locked.save(update_fields=["approved_at", "approved_by"])
    after = {"due": str(locked.due_amount)}
    audit.record(by=by, action="approve", subject=locked, period=locked.period, after=after)
    if locked.dispute:
        settle(locked.dispute, by=by)
    return locked


@transaction.atomic
def refuse_adjustment(adjustment: Adjustment, *, reason: str, by: Any) -> Adjustment:
    """Withdrawn by who was to approve it; the row stays, and never counted. A dispute is open again."""
    locked = _lock(adjustment, by)
    require_another(locked, by)
    locked.withdrawn_at = timezone.now()
    locked.save(update_fields=["withdrawn_at"])
    audit.record(by=by, action="refuse", subject=locked, period=locked.period, reason=require_reason(reason))
    if locked.dispute:
        reconsider(locked.dispute, reason=reason, by=by)
    return locked


def _lock(adjustment: Adjustment, by: Any) -> Adjustment:
    require_permission(by, "charges.approve_adjustment", "approve or refuse an adjustment")
    BillingPeriod.objects.lock_unsealed(adjustment.period_id)
    locked = Adjustment.objects.select_for_update().get(pk=adjustment.pk)
    if locked.campaign_id:
        raise Refused(f"{locked} belongs to {locked.campaign}, which is approved or refused as a whole.")
    return locked
