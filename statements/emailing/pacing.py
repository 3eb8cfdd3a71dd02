"""No more messages a minute than the mail server or provider takes, whoever sends them."""

import time
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from statements.models import EmailDelivery

MINUTE = timedelta(minutes=1)


def wait_for_turn() -> None:
    """Returns when another message may leave. Claims are counted in the database, so two runs share the minute."""
    while (left := seconds_left()) > 0:
        time.sleep(left)


def seconds_left() -> float:
    """Until another message may leave."""
    most = settings.MAIL_PER_MINUTE
    if not most:
        return 0
    now = timezone.now()
    claims = EmailDelivery.objects.filter(claimed_at__gt=now - MINUTE).order_by("-claimed_at")
    oldest = claims.values_list("claimed_at", flat=True)[most - 1 : most].first()
    return (oldest + MINUTE - now).total_seconds() if oldest else 0
