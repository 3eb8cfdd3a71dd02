"""Queues again what a person decided on: what failed, bounced, or may never have left."""

from typing import Any

from django.db import transaction

from periods import audit
from periods.errors import WrongState
from periods.lifecycle import require_permission, require_reason
from statements.emailing.suppressing import require_unsuppressed
from statements.models import EmailDelivery

Kind, Status = EmailDelivery.Kind, EmailDelivery.Status
RETRIED = {Status.FAILED, Status.UNCLEAR, Status.BOUNCED, Status.COMPLAINED}


@transaction.atomic
def retry(delivery: EmailDelivery, *, reason: str, by: Any) -> EmailDelivery:
    """The next run sends it, to the PI's address of now. Refused while that address is suppressed."""
    require_permission(by, "statements.retry_emaildelivery", "queue a delivery again")
    locked = EmailDelivery.objects.select_for_update().select_related("pi", "period").get(pk=delivery.pk)
    if locked.status not in RETRIED:
        raise WrongState(
            f"The message to {locked} is {locked.get_status_display().lower()}: there is nothing to retry."
        )
    before = {"status": locked.status, "error": locked.error, "recipient": locked.recipient}
    if locked.kind == Kind.STATEMENTS:
        locked.recipient = locked.pi.email
    require_unsuppressed(locked.recipient)
    locked.status, locked.error, locked.attempts, locked.next_attempt_at = Status.QUEUED, "", 0, None
    locked.save()
    audit.record(
        by=by, action="retry", subject=locked, period=locked.period, before=before, reason=require_reason(reason)
    )
    return locked
