"""Addresses that get no mail: they bounced or complained, and no person has said since that they work."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from periods import audit
from periods.errors import Refused, WrongState
from periods.lifecycle import require_permission, require_reason
from statements.models import EmailDelivery, Suppression


def require_unsuppressed(address: str) -> None:
    standing = Suppression.objects.filter(address=address.lower(), cleared_at=None).first()
    if standing:
        raise Refused(
            f"{address} gets no mail since {timezone.localdate(standing.since)}: {standing.cause.rstrip('.')}. "
            "Change the PI's address, or allow mail to this one again."
        )


def suppress(delivery: EmailDelivery, address: str, cause: str) -> None:
    """Once for an address that is not suppressed already."""
    _, is_new = Suppression.objects.get_or_create(address=address.lower(), cleared_at=None, defaults={"cause": cause})
    if is_new:
        audit.record(by=None, action="suppress", subject=delivery, period=delivery.period, after={"address": address})


@transaction.atomic
def clear(suppression: Suppression, *, reason: str, by: Any) -> Suppression:
    """Mail may go to the address again. What was not sent to it is not sent by this: queue that again."""
    require_permission(by, "statements.clear_suppression", "allow mail to an address again")
    locked = Suppression.objects.select_for_update().get(pk=suppression.pk)
    if locked.cleared_at:
        raise WrongState(f"{locked} is not suppressed.")
    locked.cleared_at = timezone.now()
    locked.save()
    audit.record(by=by, action="allow", subject=locked, reason=require_reason(reason), before={"cause": locked.cause})
    return locked
