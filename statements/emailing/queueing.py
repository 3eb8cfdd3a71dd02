"""Makes a row for every message that is wanted and has none; drops those that wait and no longer are."""

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from periods import audit
from periods.models import BillingPeriod
from statements.emailing.letters import Key, Letter, PIs, of
from statements.models import EmailDelivery, EmailEvent, Statement

Kind, Status = EmailDelivery.Kind, EmailDelivery.Status


@transaction.atomic
def queue(period: BillingPeriod, letters: Sequence[Letter], *, by: Any, pis: PIs = None) -> None:
    """The lock makes a second run wait and find the rows of the first."""
    locked = BillingPeriod.objects.select_for_update().get(pk=period.pk)
    drop_outdated(locked, {letter.key for letter in letters}, by=by, pis=pis)
    known = {identity(*key) for key in keys(locked)}
    add(locked, [letter for letter in letters if identity(*letter.key) not in known])


def add(period: BillingPeriod, letters: Sequence[Letter]) -> list[EmailDelivery]:
    """Rows for all of them, whatever is there already: whoever calls has looked."""
    deliveries = EmailDelivery.objects.bulk_create(
        EmailDelivery(
            period=period,
            pi_id=letter.pi,
            kind=letter.kind,
            recipient=letter.recipient,
            content_key=letter.content_key,
        )
        for letter in letters
    )
    carries = EmailDelivery.statements.through
    carries._default_manager.bulk_create(
        carries(emaildelivery_id=delivery.pk, statement_id=statement.pk)
        for delivery, letter in zip(deliveries, letters, strict=True)
        for statement in letter.statements
    )
    return deliveries


def drop_outdated(period: BillingPeriod, wanted: set[Key], *, by: Any, pis: PIs = None) -> None:
    waiting = EmailDelivery.objects.filter(of(pis), period=period, status=Status.QUEUED)
    regular = waiting.filter(kind__in=[Kind.STATEMENTS, Kind.DELEGATE])
    rows = regular.values_list("pk", "kind", "pi", "recipient", "content_key")
    outdated = [pk for pk, *key in rows if tuple(key) not in wanted]
    replaced = waiting.exclude(statements__state=Statement.State.ISSUED)
    outdated += replaced.exclude(pk__in=outdated).values_list("pk", flat=True)
    if outdated:
        drop(outdated)
        audit.record(
            by=by, action="drop", subject="messages whose statements were revised", period=period, rows=len(outdated)
        )


def drop(waiting: Sequence[int]) -> None:
    EmailEvent.objects.filter(delivery__in=waiting, delivery__status=Status.QUEUED).delete()
    EmailDelivery.objects.filter(pk__in=waiting, status=Status.QUEUED).delete()


def keys(period: BillingPeriod) -> QuerySet[EmailDelivery, Key]:
    """Of all regular messages of the month."""
    regular = EmailDelivery.objects.filter(period=period, kind__in=[Kind.STATEMENTS, Kind.DELEGATE])
    return regular.values_list("kind", "pi", "recipient", "content_key")


def identity(kind: str, pi: int, recipient: str, content_key: str) -> Key:
    """Another address alone makes no new message of what a PI was sent before."""
    return kind, pi, "" if kind == Kind.STATEMENTS else recipient, content_key
