"""Rows that could not be used: somebody corrects the source and delivers again, or discards them with a reason."""

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from charges.models import ImportIssue
from periods import audit
from periods.lifecycle import require_permission, require_reason
from periods.models import BillingPeriod


@transaction.atomic
def discard_issues(issues: QuerySet[ImportIssue], *, reason: str, by: Any = None) -> int:
    """Decide that undecided rows are billed to nobody. They and the reason stay on record."""
    require_permission(by, "charges.discard_importissue", "discard quarantined rows")
    reason = require_reason(reason)
    undecided = issues.filter(status=ImportIssue.Status.OPEN)
    for pk in sorted(set(undecided.values_list("period", flat=True))):
        period = BillingPeriod.objects.lock_unsealed(pk)
        rows = list(undecided.filter(period=period).values_list("pk", flat=True))
        audit.record(
            by=by,
            action="discard rows",
            subject=f"{len(rows)} quarantined rows",
            period=period,
            rows=len(rows),
            before={"open": rows},
            reason=reason,
        )
    return undecided.update(
        status=ImportIssue.Status.DISCARDED, decided_by=by, decided_at=timezone.now(), reason=reason
    )
