"""Takes a message for this process alone, and finds those that dead processes had taken."""

import os
import socket
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from periods import audit
from periods.models import BillingPeriod
from statements.emailing.settling import settle
from statements.models import EmailDelivery

LOST_AFTER = timedelta(minutes=10)  # no mail server keeps a sender waiting that long
Status = EmailDelivery.Status


@transaction.atomic(durable=True)
def claim(delivery: EmailDelivery) -> bool:
    """Committed before a byte leaves: whoever dies after this leaves a trace, and no other run takes it."""
    waiting = EmailDelivery.objects.filter(pk=delivery.pk, status=Status.QUEUED, sendings=delivery.sendings)
    return (
        waiting.update(
            status=Status.SENDING,
            claimed_at=timezone.now(),
            claimed_by=_this_process(),
            attempts=F("attempts") + 1,
            sendings=F("sendings") + 1,
        )
        == 1
    )


@transaction.atomic
def give_up_on_lost(period: BillingPeriod, *, by: Any) -> None:
    for delivery in EmailDelivery.objects.select_for_update().filter(period=period, status=Status.SENDING):
        if _is_lost(delivery):
            delivery.status = Status.UNCLEAR
            delivery.error = (
                "The run that was sending it ended. Ask whether it arrived, then queue it again or leave it."
            )
            settle(delivery)
            delivery.save()
            audit.record(by=by, action="lose", subject=delivery, period=period, after={"status": delivery.status})


def _is_lost(delivery: EmailDelivery) -> bool:
    if delivery.claimed_at is None or delivery.claimed_at < timezone.now() - LOST_AFTER:
        return True
    machine, _, process = delivery.claimed_by.rpartition(":")
    return machine == socket.gethostname() and not _is_alive(int(process))


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's
    return True


def _this_process() -> str:
    return f"{socket.gethostname()[:80]}:{os.getpid()}"
