"""Hands one claimed message to the mail server or provider, and records what came of it."""

from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction
from django.utils import timezone

from periods import audit
from periods.errors import Refused
from statements.emailing.claiming import claim
from statements.emailing.outcomes import Outcome, outcome_of
from statements.emailing.settling import settle
from statements.models import EmailDelivery, EmailEvent

BACK_OFF = [timedelta(minutes=minutes) for minutes in (5, 30, 120, 480)]  # after each temporary failure but the last
Status = EmailDelivery.Status


def post(delivery: EmailDelivery, message: EmailMessage, *, by: Any) -> bool:
    """Whether it was sent: another run may have been faster. Raises Refused, and claims nothing, without a server."""
    connection = connect()
    try:
        return claim(delivery) and _record(delivery, message, hand_over(connection, message), by=by)
    finally:
        with suppress(Exception):  # the server has answered: how it says goodbye changes nothing
            connection.close()


def connect() -> BaseEmailBackend:
    """A connection a message: one that the server closed meanwhile would make the next message unclear."""
    try:
        connection = get_connection()
        connection.open()
    except (OSError, ImproperlyConfigured) as error:
        raise Refused(
            f"The mail server cannot be used ({error}). What is not sent stays queued: run it again."
        ) from error
    return connection


def hand_over(connection: BaseEmailBackend, message: EmailMessage) -> Outcome:
    try:
        count = connection.send_messages([message])
    except Exception as error:  # noqa: BLE001 - after the claim every end is an outcome to record
        return outcome_of(error)
    return Outcome(Status.SENT) if count else Outcome(Status.FAILED, "The mail backend took no message.")


@transaction.atomic
def _record(delivery: EmailDelivery, message: EmailMessage, outcome: Outcome, *, by: Any) -> bool:
    delivery = EmailDelivery.objects.select_for_update(of=("self",)).select_related("period").get(pk=delivery.pk)
    delivery.status, delivery.error = outcome.status, outcome.error
    delivery.message_id = _message_id(message)
    if outcome.status == Status.SENT:
        delivery.sent_at = timezone.now()
    if outcome.status == Status.QUEUED:
        _put_off(delivery)
    _adopt(delivery)
    settle(delivery)
    delivery.save()
    after = {"status": delivery.status, "error": delivery.error}
    audit.record(by=by, action="email", subject=delivery, period=delivery.period, after=after)
    return outcome.status == Status.SENT


def _put_off(delivery: EmailDelivery) -> None:
    """Refused for now: later again, and longer each time, until it has failed."""
    if delivery.attempts > len(BACK_OFF):
        delivery.status = Status.FAILED
    else:
        delivery.next_attempt_at = timezone.now() + BACK_OFF[delivery.attempts - 1]


def _adopt(delivery: EmailDelivery) -> None:
    """Events that came before the id by which they know the message was stored."""
    early = EmailEvent.objects.filter(delivery=None, message_id=delivery.message_id)
    early.update(delivery=delivery, sending=delivery.sendings)


def _message_id(message: EmailMessage) -> str:
    """The provider's, where it gives one; else ours."""
    given = getattr(getattr(message, "anymail_status", None), "message_id", None)
    return str(message.extra_headers["Message-ID"] if given is None else given)[:200]
