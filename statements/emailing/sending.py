"""Mails statements: one message a PI, claimed before it is sent, so that nobody ever gets it twice."""

import hashlib
import os
import socket
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import groupby
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from periods import audit
from periods.errors import Refused, WrongState
from periods.lifecycle import require_permission, require_reason
from periods.models import BillingPeriod
from periods.progress import Progress
from statements.emailing.message import compose_message
from statements.emailing.outcomes import Outcome, outcome_of
from statements.issuing import stale_payers
from statements.models import EmailDelivery, Statement

MOST_ATTEMPTS = 5
LOST_AFTER = timedelta(minutes=10)  # no mail server keeps a sender waiting that long
Status = EmailDelivery.Status
Contents = dict[int, str]  # by PI: the hash of all PDFs that are theirs now


@dataclass(frozen=True, slots=True)
class Emailed:
    """What a run did, and in `problems`, for a person, every message that is not where it should be, and why."""

    sent: int = 0
    skipped: int = 0  # sent before
    waiting: int = 0
    failed: int = 0
    unclear: int = 0
    problems: list[str] = field(default_factory=list)
    preview: list[str] = field(default_factory=list)  # of a dry run: who would get what


def email_statements(
    period: BillingPeriod,
    *,
    by: Any = None,
    dry_run: bool = False,
    limit: int | None = None,
    progress: Progress | None = None,
) -> Emailed:
    """Send what was not sent yet. Running it again, or twice at once, sends nothing twice."""
    require_permission(by, "statements.email_statement", "e-mail statements")
    contents = _contents(period)
    stale = _without_stale(period, contents)
    if dry_run:
        return Emailed(problems=stale, preview=_preview(period, contents)[:limit])
    _give_up_on_lost(period, by=by)
    _queue(period, contents, by=by)
    queued = [delivery.pk for delivery in _deliveries(period, contents) if delivery.status == Status.QUEUED][:limit]
    sent = 0
    for done, pk in enumerate(queued, start=1):
        sent += _send(EmailDelivery.objects.select_related("period", "pi").get(pk=pk), by=by)
        if progress:
            progress(done, len(queued))
    summary = _summary(_deliveries(period, contents), sent)
    return replace(summary, problems=[*stale, *summary.problems])


@transaction.atomic
def retry(delivery: EmailDelivery, *, reason: str, by: Any) -> EmailDelivery:
    """Queue again what failed, or what a person found was never delivered. The next run sends it."""
    require_permission(by, "statements.retry_emaildelivery", "queue a delivery again")
    locked = EmailDelivery.objects.select_for_update().select_related("pi", "period").get(pk=delivery.pk)
    if locked.status not in {Status.FAILED, Status.UNCLEAR}:
        raise WrongState(
            f"The message to {locked} is {locked.get_status_display().lower()}: there is nothing to retry."
        )
    before = {"status": locked.status, "error": locked.error}
    locked.status, locked.error, locked.attempts, locked.recipient = Status.QUEUED, "", 0, locked.pi.email
    locked.save()
    audit.record(
        by=by, action="retry", subject=locked, period=locked.period, before=before, reason=require_reason(reason)
    )
    return locked


# What there is to send


def _contents(period: BillingPeriod) -> Contents:
    if period.state == BillingPeriod.State.OPEN:
        raise Refused(f"{period} is open: close it and issue its statements before they are mailed.")
    current = Statement.objects.filter(period=period).current()
    unrendered = current.filter(document=None).count()
    if unrendered:
        what = "1 statement" if unrendered == 1 else f"{unrendered} statements"
        has = "has" if unrendered == 1 else "have"
        raise Refused(f"{what} of {period} {has} no PDF: run render_statements {period.month} first.")
    if not Statement.objects.filter(period=period).exists():
        raise Refused(f"No statement of {period} is issued: run issue_statements {period.month} first.")
    hashes = current.values_list("pi_id", "document__sha256").order_by("pi_id")
    return {pi: _key(sha256 for _, sha256 in own) for pi, own in groupby(hashes, key=lambda row: row[0])}


def _key(hashes: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(hashes)).encode()).hexdigest()


def _without_stale(period: BillingPeriod, contents: Contents) -> list[str]:
    """Take out the PIs whose statements no longer say what the month says, and tell whose those are."""
    stale = stale_payers(period)
    for pi, _ in stale:
        contents.pop(pi, None)
    return [
        f"{whose} (not sent): the statement is missing or out of date: issue statements first." for _, whose in stale
    ]


def _deliveries(period: BillingPeriod, contents: Mapping[int, str]) -> list[EmailDelivery]:
    """Of what is current now, in the order in which it was queued."""
    deliveries = EmailDelivery.objects.filter(period=period).order_by("pk")
    return [delivery for delivery in deliveries if contents.get(delivery.pi_id) == delivery.content_key]


def _statements(period: BillingPeriod, pi: int) -> list[Statement]:
    current = Statement.objects.filter(period=period, pi=pi).current()
    return list(current.select_related("document", "period", "pi").order_by("number"))


def _preview(period: BillingPeriod, contents: Contents) -> list[str]:
    """Who would get what, one line a message."""
    settled = {delivery.pi_id for delivery in _deliveries(period, contents) if delivery.status != Status.QUEUED}
    current = Statement.objects.filter(period=period, pi__in=contents.keys() - settled).current()
    ordered = current.select_related("pi").order_by("pi__email", "number")
    return [
        f"{email}: {', '.join(statement.printed_number for statement in own)}"
        for email, own in groupby(ordered, key=lambda statement: statement.pi.email)
    ]


@transaction.atomic
def _queue(period: BillingPeriod, contents: Contents, *, by: Any) -> None:
    """A delivery for every PI and content that has none. The lock makes a second run wait and find them."""
    locked = BillingPeriod.objects.select_for_update().get(pk=period.pk)
    waiting = EmailDelivery.objects.filter(period=locked, status=Status.QUEUED)
    outdated = [delivery.pk for delivery in waiting if contents.get(delivery.pi_id) != delivery.content_key]
    if outdated:
        EmailDelivery.objects.filter(pk__in=outdated, status=Status.QUEUED).delete()
        audit.record(
            by=by, action="drop", subject="messages whose statements were revised", period=locked, rows=len(outdated)
        )
    known = {delivery.pi_id for delivery in _deliveries(locked, contents)}
    for pi in sorted(contents.keys() - known):
        statements = _statements(locked, pi)
        delivery = EmailDelivery.objects.create(
            period=locked, pi_id=pi, recipient=statements[0].pi.email, content_key=contents[pi]
        )
        delivery.statements.set(statements)


# Sending


def _send(delivery: EmailDelivery, *, by: Any) -> bool:
    """Claim, send, record. What goes wrong before the claim leaves the message queued for the next run."""
    statements = _statements(delivery.period, delivery.pi_id)
    if _key(found.document.sha256 for found in statements if hasattr(found, "document")) != delivery.content_key:
        return False  # revised or voided since it was queued: the next run queues what is current then
    try:
        message = compose_message(delivery, statements)
    except Refused as refusal:
        EmailDelivery.objects.filter(pk=delivery.pk).update(error=str(refusal))
        return False
    connection = _connect()
    try:
        if not _claim(delivery):
            return False
        return _record(delivery, message, _hand_over(connection, message), by=by)
    finally:
        with suppress(Exception):  # the server has answered: how it says goodbye changes nothing
            connection.close()


def _connect() -> BaseEmailBackend:
    """A connection a message: one that the server closed meanwhile would make the next message unclear."""
    try:
        connection = get_connection()
        connection.open()
    except (OSError, ImproperlyConfigured) as error:
        raise Refused(
            f"The mail server cannot be used ({error}). What is not sent stays queued: run it again."
        ) from error
    return connection


@transaction.atomic(durable=True)
def _claim(delivery: EmailDelivery) -> bool:
    """Committed before a byte leaves: whoever dies after this leaves a trace, and no other run takes it."""
    waiting = EmailDelivery.objects.filter(pk=delivery.pk, status=Status.QUEUED)
    return (
        waiting.update(
            status=Status.SENDING, claimed_at=timezone.now(), claimed_by=_this_process(), attempts=F("attempts") + 1
        )
        == 1
    )


def _hand_over(connection: BaseEmailBackend, message: EmailMessage) -> Outcome:
    try:
        count = connection.send_messages([message])
    except Exception as error:  # noqa: BLE001 - after the claim every end is an outcome to record
        return outcome_of(error)
    return Outcome(Status.SENT) if count else Outcome(Status.FAILED, "The mail backend took no message.")


@transaction.atomic
def _record(delivery: EmailDelivery, message: EmailMessage, outcome: Outcome, *, by: Any) -> bool:
    delivery = EmailDelivery.objects.select_related("period").get(pk=delivery.pk)
    is_last = outcome.status == Status.QUEUED and delivery.attempts >= MOST_ATTEMPTS
    delivery.status, delivery.error = Status.FAILED if is_last else outcome.status, outcome.error
    delivery.message_id = _message_id(message)
    if outcome.status == Status.SENT:
        delivery.sent_at = timezone.now()
    delivery.save()
    after = {"status": delivery.status, "error": delivery.error}
    audit.record(by=by, action="email", subject=delivery, period=delivery.period, after=after)
    return outcome.status == Status.SENT


def _message_id(message: EmailMessage) -> str:
    """The provider's, where it gives one; else ours."""
    given = getattr(getattr(message, "anymail_status", None), "message_id", None)
    return str(message.extra_headers["Message-ID"] if given is None else given)[:200]


# What a dead run left behind


@transaction.atomic
def _give_up_on_lost(period: BillingPeriod, *, by: Any) -> None:
    for delivery in EmailDelivery.objects.select_for_update().filter(period=period, status=Status.SENDING):
        if _is_lost(delivery):
            delivery.status = Status.UNCLEAR
            delivery.error = (
                "The run that was sending it ended. Ask whether it arrived, then queue it again or leave it."
            )
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


def _summary(deliveries: list[EmailDelivery], sent: int) -> Emailed:
    count = Counter(delivery.status for delivery in deliveries)
    return Emailed(
        sent=sent,
        skipped=count[Status.SENT] - sent,
        waiting=count[Status.QUEUED],
        failed=count[Status.FAILED],
        unclear=count[Status.UNCLEAR],
        problems=[_problem(delivery) for delivery in deliveries if delivery.error],
    )


def _problem(delivery: EmailDelivery) -> str:
    return f"{delivery.recipient} ({delivery.get_status_display().lower()}): {delivery.error}"
