"""Reminds of the last day to object: once for each statement and reader, who was sent it and has not objected."""

from collections import defaultdict
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from charges.models import Dispute
from periods.models import BillingPeriod
from statements.emailing.letters import Letter, current_statements
from statements.emailing.queueing import add, drop
from statements.models import EmailDelivery, Statement

Kind, Status = EmailDelivery.Kind, EmailDelivery.Status


@transaction.atomic
def queue_reminders(period: BillingPeriod) -> None:
    locked = BillingPeriod.objects.select_for_update().get(pk=period.pk)
    waiting = EmailDelivery.objects.filter(period=locked, kind=Kind.REMINDER, status=Status.QUEUED)
    over = waiting.exclude(pk__in=waiting.filter(statements__in=_ending(locked)))
    drop(list(over.values_list("pk", flat=True)))
    add(locked, due_reminders(locked))


def due_reminders(period: BillingPeriod) -> list[Letter]:
    ending = {statement.pk: statement for statement in _ending(period)}
    chosen: dict[tuple[int, str], set[int]] = defaultdict(set)
    if not ending:
        return []
    for delivery in _sent_before_today(period):
        recipient = delivery.pi.email if delivery.kind == Kind.STATEMENTS else delivery.recipient
        chosen[delivery.pi_id, recipient] |= {found.pk for found in delivery.statements.all()} & ending.keys()
    reminded = _reminded(period)
    letters = (
        Letter(Kind.REMINDER, pi, recipient, tuple(ending[pk] for pk in sorted(found - reminded[recipient])))
        for (pi, recipient), found in chosen.items()
    )
    return [letter for letter in letters if letter.statements]


def _ending(period: BillingPeriod) -> QuerySet[Statement]:
    """Whose last day is near and to which nobody objected, whatever became of that."""
    if not settings.REMINDER_DAYS or period.state == BillingPeriod.State.FINALIZED:
        return current_statements(period).none()
    today = timezone.localdate()
    disputes = Dispute.objects.filter(period=OuterRef("period"), pi=OuterRef("pi"), project=OuterRef("project"))
    near = current_statements(period).filter(dispute_until__range=(today, today + timedelta(settings.REMINDER_DAYS)))
    return near.exclude(Exists(disputes))


def _sent_before_today(period: BillingPeriod) -> QuerySet[EmailDelivery]:
    """Who gets the statement today needs no reminder of it today."""
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    sent = EmailDelivery.objects.filter(period=period, kind__in=[Kind.STATEMENTS, Kind.DELEGATE], sent_at__lt=midnight)
    arrived = sent.filter(status__in=[Status.SENT, Status.DELIVERED])
    return arrived.select_related("pi").prefetch_related("statements").order_by("pk")


def _reminded(period: BillingPeriod) -> dict[str, set[int]]:
    """Statements by who was reminded of them, or will be."""
    found: dict[str, set[int]] = defaultdict(set)
    reminders = EmailDelivery.objects.filter(period=period, kind=Kind.REMINDER)
    for recipient, statement in reminders.values_list("recipient", "statements"):
        found[recipient].add(statement)
    return found
