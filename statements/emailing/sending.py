"""Mails statements: one message a recipient, claimed before it is sent, so that nobody ever gets it twice."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from periods.errors import Refused
from periods.lifecycle import require_permission
from periods.models import BillingPeriod
from periods.progress import Progress
from statements.emailing.claiming import give_up_on_lost
from statements.emailing.letters import Letter, PIs, carried_now, content_key, of, require_sendable, wanted_letters
from statements.emailing.message import compose_message
from statements.emailing.pacing import seconds_left, wait_for_turn
from statements.emailing.posting import post
from statements.emailing.queueing import identity, keys, queue
from statements.emailing.reminding import due_reminders, queue_reminders
from statements.emailing.suppressing import require_unsuppressed
from statements.models import EmailDelivery, Statement

Kind, Status = EmailDelivery.Kind, EmailDelivery.Status


@dataclass(frozen=True, slots=True)
class Emailed:
    """What a run did, and in `problems`, for a person, every message that is not where it should be, and why."""

    sent: int = 0
    skipped: int = 0  # sent before
    waiting: int = 0
    failed: int = 0
    unclear: int = 0
    bounced: int = 0  # or marked as spam
    problems: list[str] = field(default_factory=list)
    preview: list[str] = field(default_factory=list)  # of a dry run: who would get what


def email_statements(
    period: BillingPeriod,
    *,
    by: Any = None,
    only: QuerySet[Statement] | None = None,
    dry_run: bool = False,
    limit: int | None = None,
    until: float | None = None,
    progress: Progress | None = None,
) -> Emailed:
    """Send what was not sent yet. Running it again, or twice at once, sends nothing twice.

    `only` these: to their PIs alone, who get all of their statements, and without reminders.
    `until`: by the monotonic clock, for whoever waits for an answer: none is begun after it, and where messages a minute
    are limited, the next minute is not waited for either. The rest stays queued.
    """
    require_permission(by, "statements.email_statement", "e-mail statements")
    pis = None if only is None else _pis(period, only)
    require_sendable(period, pis)
    letters, stale = wanted_letters(period, pis)
    if dry_run:
        return Emailed(problems=stale, preview=_preview(period, letters, pis)[:limit])
    give_up_on_lost(period, by=by)
    queue(period, letters, by=by, pis=pis)
    if pis is None:
        queue_reminders(period)
    sent = send_all(_due_now(period, pis)[:limit], by=by, until=until, progress=progress)
    wanted = {identity(*letter.key) for letter in letters}
    queued = EmailDelivery.objects.filter(of(pis), period=period).order_by("pk")
    return summary([row for row in queued if _counts(row, wanted)], sent, stale)


def send(delivery: EmailDelivery, *, by: Any) -> bool:
    """Compose, claim, hand over, record. What goes wrong before the claim leaves it queued, for the next run."""
    statements = carried_now(delivery)
    if content_key(statements) != delivery.content_key:
        return False  # revised or voided since it was queued: the next run queues what is current then
    try:
        require_unsuppressed(delivery.recipient)
        message = compose_message(delivery, statements)
    except Refused as refusal:
        EmailDelivery.objects.filter(pk=delivery.pk).update(error=str(refusal))
        return False
    return post(delivery, message, by=by)


def send_all(queued: Sequence[int], *, by: Any, until: float | None, progress: Progress | None = None) -> set[int]:
    """Which of them left; those that did not say why."""
    sent = set()
    for done, pk in enumerate(queued, start=1):
        if until is not None and (seconds_left() > 0 or monotonic() > until):
            break
        wait_for_turn()
        if send(EmailDelivery.objects.select_related("period", "pi").get(pk=pk), by=by):
            sent.add(pk)
        if progress:
            progress(done, len(queued))
    return sent


def _pis(period: BillingPeriod, statements: QuerySet[Statement]) -> set[int]:
    issued = statements.filter(period=period, state=Statement.State.ISSUED)
    return set(issued.values_list("pi", flat=True))


def _due_now(period: BillingPeriod, pis: PIs) -> list[int]:
    """In the order in which it was queued."""
    queued = EmailDelivery.objects.filter(of(pis), period=period, status=Status.QUEUED)
    due = queued.filter(Q(next_attempt_at=None) | Q(next_attempt_at__lte=timezone.now()))
    return list(due.order_by("pk").values_list("pk", flat=True))


def _preview(period: BillingPeriod, letters: Sequence[Letter], pis: PIs) -> list[str]:
    """Who would get what, one line a message."""
    settled = {identity(*key) for key in keys(period).exclude(status=Status.QUEUED)}
    waiting = [letter for letter in letters if identity(*letter.key) not in settled]
    reminders = due_reminders(period) if pis is None else []
    return [_line(letter) for letter in waiting] + [f"{_line(letter)} (reminder)" for letter in reminders]


def _line(letter: Letter) -> str:
    return f"{letter.recipient}: {', '.join(statement.printed_number for statement in letter.statements)}"


def summary(found: Sequence[EmailDelivery], sent: set[int], problems: Sequence[str]) -> Emailed:
    """What became of these, of which some were `sent` by this run; `problems` are of those that have no row."""
    count = Counter(row.status for row in found if row.pk not in sent)
    return Emailed(
        sent=len(sent),
        skipped=count[Status.SENT] + count[Status.DELIVERED],
        waiting=count[Status.QUEUED],
        failed=count[Status.FAILED],
        unclear=count[Status.UNCLEAR],
        bounced=count[Status.BOUNCED] + count[Status.COMPLAINED],
        problems=[*problems, *(_problem(row) for row in found if row.error)],
    )


def _counts(delivery: EmailDelivery, wanted: set[Any]) -> bool:
    """Not what went out before a revision. Who sent a copy was told then; one that waits is still to go."""
    if delivery.kind == Kind.COPY:
        return delivery.status == Status.QUEUED
    if delivery.kind == Kind.REMINDER:
        return True
    return identity(delivery.kind, delivery.pi_id, delivery.recipient, delivery.content_key) in wanted


def _problem(delivery: EmailDelivery) -> str:
    return f"{delivery.recipient} ({delivery.get_status_display().lower()}): {delivery.error}"
