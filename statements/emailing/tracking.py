"""Takes what mail providers report about messages, through the webhooks of django-anymail.

`receive` is a receiver of anymail's own signal, which is the only way in that the library offers: no signal of a model,
none of ours.
"""

import hashlib
from typing import Any

from anymail.signals import AnymailTrackingEvent, EventType, RejectReason
from django.db import transaction
from django.utils import timezone

from statements.emailing.settling import settle
from statements.emailing.suppressing import suppress
from statements.models import EmailDelivery, EmailEvent

METADATA = "delivery"  # the name under which a message carries its reference through the provider
# Whether somebody opened the mail is not asked, and not kept where a provider tells unasked
ABOUT_DELIVERY = {
    EventType.QUEUED, EventType.SENT, EventType.DEFERRED, EventType.DELIVERED, EventType.FAILED, EventType.REJECTED,
    EventType.BOUNCED, EventType.COMPLAINED, EventType.UNSUBSCRIBED,
}  # fmt: skip
DEAD = {RejectReason.INVALID, RejectReason.BOUNCED, RejectReason.SPAM, RejectReason.UNSUBSCRIBED}
Status = EmailDelivery.Status


def reference(delivery: EmailDelivery) -> dict[str, str]:
    """Metadata of the attempt that comes next. The content key keeps two installations at one provider apart."""
    return {METADATA: f"{delivery.pk}.{delivery.sendings + 1}.{delivery.content_key[:16]}"}


@transaction.atomic
def receive(sender: object, event: AnymailTrackingEvent, esp_name: str, **_: Any) -> None:
    """Keep the event and let the delivery follow it. A provider that gets an error tries again, so none is raised for
    messages that are not ours, nor for what was told before.
    """
    if event.event_type not in ABOUT_DELIVERY:
        return
    delivery, sending = _addressed(event)
    # An unknown one may be of a message that is just being sent, whose id is not stored yet
    if delivery is None and not EmailDelivery.objects.filter(status=Status.SENDING).exists():
        return
    kept, is_new = EmailEvent.objects.get_or_create(
        fingerprint=_fingerprint(event, esp_name), defaults=_fields(event, esp_name, delivery, sending)
    )
    if delivery and is_new:
        _follow(delivery, kept, event)


def _addressed(event: AnymailTrackingEvent) -> tuple[EmailDelivery | None, int]:
    """The delivery, locked, and which of its attempts: by our reference, else by the provider's id of the message."""
    deliveries = EmailDelivery.objects.select_for_update(of=("self",)).select_related("period")
    pk, _, rest = str((event.metadata or {}).get(METADATA, "")).partition(".")
    sending, _, content = rest.partition(".")
    if pk.isdecimal() and sending.isdecimal() and content:
        return deliveries.filter(pk=int(pk), content_key__startswith=content).first(), int(sending)
    known = deliveries.filter(message_id=event.message_id).first() if event.message_id else None
    return known, known.sendings if known else 0


def _follow(delivery: EmailDelivery, kept: EmailEvent, event: AnymailTrackingEvent) -> None:
    if event.event_type in {EventType.BOUNCED, EventType.COMPLAINED} or event.reject_reason in DEAD:
        suppress(delivery, kept.recipient or delivery.recipient, kept.words or f"{kept.provider}: {kept.event_type}")
    # While it is being sent, its sender stores the outcome, and looks for events then
    if delivery.status != Status.SENDING and settle(delivery):
        delivery.save()


def _fields(event: AnymailTrackingEvent, provider: str, delivery: EmailDelivery | None, sending: int) -> dict[str, Any]:
    said = dict.fromkeys(text for text in (event.description, event.mta_response) if text)
    return {
        "delivery": delivery,
        "sending": sending,
        "provider": provider,
        "event_type": event.event_type,
        "recipient": (event.recipient or "")[:254],
        "message_id": (event.message_id or "")[:200],
        "words": " · ".join(said),
        "occurred_at": event.timestamp or timezone.now(),
    }


def _fingerprint(event: AnymailTrackingEvent, provider: str) -> str:
    """Of what the event is about: a provider that reports it again may do so under another id."""
    parts = (provider, event.event_type, event.message_id, event.recipient, event.timestamp)
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()
