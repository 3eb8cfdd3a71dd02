"""Writes the audit trail, in the same transaction as the change that it records."""

from typing import Any

from django.db.models import Model

from periods.models import AuditEntry, BillingPeriod


def record(
    *,
    by: Any,
    action: str,
    subject: Model | str,
    period: BillingPeriod | None = None,
    rows: int = 1,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    reason: str = "",
) -> AuditEntry:
    """One entry. `subject` is the row acted on, or a phrase where one action changed many; amounts go in as text."""
    row = subject if isinstance(subject, Model) else None
    return AuditEntry.objects.create(
        by=by,
        action=action,
        subject=str(subject)[:200],
        subject_model=row._meta.label_lower if row else "",
        subject_id=row.pk if row else None,
        period=period,
        rows=rows,
        before=before or {},
        after=after or {},
        reason=reason,
    )
