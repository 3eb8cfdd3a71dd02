"""What became of a message, by all that its provider has reported of it."""

from anymail.signals import EventType

from statements.models import EmailDelivery

Status = EmailDelivery.Status
# The strongest counts, whenever it came: mail that was delivered may bounce or be called spam later, never the other way
MEANINGS = {
    EventType.SENT: Status.SENT,
    EventType.DELIVERED: Status.DELIVERED,
    EventType.FAILED: Status.FAILED,
    EventType.REJECTED: Status.FAILED,
    EventType.BOUNCED: Status.BOUNCED,
    EventType.COMPLAINED: Status.COMPLAINED,
}
STRENGTH = list(MEANINGS)


def settle(delivery: EmailDelivery) -> bool:
    """Set the status by the events of the latest attempt; the caller saves. Whether there was any that says something."""
    events = delivery.events.filter(sending=delivery.sendings, event_type__in=STRENGTH)
    strongest = max(events, key=lambda event: STRENGTH.index(event.event_type), default=None)
    if strongest is None:
        return False
    delivery.status = MEANINGS[strongest.event_type]
    has_arrived = delivery.status in {Status.SENT, Status.DELIVERED}
    delivery.error = "" if has_arrived else strongest.words or f"{strongest.provider} reports: {strongest.event_type}."
    delivery.sent_at = delivery.sent_at or strongest.occurred_at
    delivery.next_attempt_at = None
    return True
