"""One message to one recipient: claimed before it is sent, so that nobody ever gets it twice."""

from typing import ClassVar

from django.db import models
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from charges.models import PrincipalInvestigator
from periods.models import BillingPeriod
from periods.states import known_states
from statements.models.statement import Statement, StatementQuerySet


class EmailDelivery(models.Model):
    """A delegate has a row, and a message, of their own: it carries their projects only, and fails by itself."""

    class Kind(models.TextChoices):
        STATEMENTS = "statements", "Statements for the PI"
        DELEGATE = "delegate", "Statements for a delegate"
        REMINDER = "reminder", "Reminder of the days to object"
        COPY = "copy", "Copy"

    class Status(models.TextChoices):
        QUEUED = "queued", "Queued"
        SENDING = "sending", "Sending"
        SENT = "sent", "Sent"
        DELIVERED = "delivered", "Delivered"
        BOUNCED = "bounced", "Bounced"
        COMPLAINED = "complained", "Complained: marked as spam"
        FAILED = "failed", "Failed"
        UNCLEAR = "unclear", "Unclear: interrupted while sending"

    LEFT: ClassVar = (Status.SENT, Status.DELIVERED, Status.COMPLAINED)  # as far as anybody knows, it arrived

    period = models.ForeignKey(BillingPeriod, models.PROTECT, related_name="+")
    pi = models.ForeignKey(PrincipalInvestigator, models.PROTECT, related_name="+", verbose_name="PI")
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.STATEMENTS)
    recipient = models.EmailField()
    statements = models.ManyToManyField(Statement, related_name="deliveries")
    content_key = models.CharField(max_length=64, help_text="Hash of the statements carried: the same are never resent")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED)
    message_id = models.CharField(max_length=200, blank=True, db_index=True, help_text="The provider's, or ours")
    attempts = models.PositiveSmallIntegerField(default=0, help_text="Since it was queued")
    sendings = models.PositiveSmallIntegerField(
        default=0, help_text="Attempts in all: tells events of one from another"
    )
    next_attempt_at = models.DateTimeField(null=True, help_text="After a temporary failure: not before")
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    claimed_at = models.DateTimeField(null=True, db_index=True)
    claimed_by = models.CharField(max_length=100, blank=True, help_text="The machine and process that sends it")
    sent_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-pk"]
        verbose_name_plural = "e-mail deliveries"
        verbose_name = "e-mail delivery"
        permissions: ClassVar = [
            ("retry_emaildelivery", "Can queue a failed, bounced or unclear delivery again"),
            ("copy_emaildelivery", "Can send a copy of a statement to any address"),
        ]
        constraints: ClassVar = [
            known_states(["statements", "delegate", "reminder", "copy"], "delivery_kind_known", "kind"),
            known_states(
                ["queued", "sending", "sent", "delivered", "bounced", "complained", "failed", "unclear"],
                "delivery_status_known",
                "status",
            ),
            models.UniqueConstraint(
                fields=["period", "pi", "kind", "recipient", "content_key"],
                condition=~Q(kind="copy"),
                name="one_delivery_a_recipient_and_content",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.recipient}, {self.period}"


class EmailEvent(models.Model):
    """What a mail provider reported about a message, once each, in whatever order it came."""

    delivery = models.ForeignKey(EmailDelivery, models.PROTECT, null=True, related_name="events")
    sending = models.PositiveSmallIntegerField(default=0, help_text="Which of the delivery's attempts it is about")
    provider = models.CharField(max_length=40)
    event_type = models.CharField(max_length=20)
    recipient = models.CharField(max_length=254, blank=True)
    message_id = models.CharField(max_length=200, blank=True)
    words = models.TextField(blank=True, help_text="What the provider or the recipient's server said")
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField(default=timezone.now)
    fingerprint = models.CharField(max_length=64, unique=True, help_text="The same event reported again is no second")

    class Meta:
        ordering: ClassVar = ["occurred_at", "pk"]

    def __str__(self) -> str:
        return f"{self.event_type} {self.recipient}"


class Suppression(models.Model):
    """An address that gets no mail until a person says that it works: it bounced, or its owner called it spam."""

    address = models.EmailField(help_text="In lower case")
    cause = models.TextField()
    since = models.DateTimeField(default=timezone.now)
    cleared_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-pk"]
        verbose_name = "suppressed address"
        verbose_name_plural = "suppressed addresses"
        permissions: ClassVar = [("clear_suppression", "Can allow mail to a suppressed address again")]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["address"], condition=Q(cleared_at=None), name="one_standing_suppression_an_address"
            )
        ]

    def __str__(self) -> str:
        return self.address


def unmailed(statements: StatementQuerySet) -> StatementQuerySet:
    """Those that their PI was not sent."""
    carried = EmailDelivery.statements.through._default_manager.filter(
        emaildelivery__kind=EmailDelivery.Kind.STATEMENTS, emaildelivery__status__in=EmailDelivery.LEFT
    )
    return statements.exclude(pk__in=carried.values("statement"))


def bounced(statements: StatementQuerySet) -> StatementQuerySet:
    """Those of which a message to the PI or a delegate bounced, and no later one to them left."""
    regular = _carrying(OuterRef("pk")).filter(kind__in=[EmailDelivery.Kind.STATEMENTS, EmailDelivery.Kind.DELEGATE])
    later = _carrying(OuterRef(OuterRef("pk"))).filter(
        kind=OuterRef("kind"), recipient=OuterRef("recipient"), pk__gt=OuterRef("pk"), status__in=EmailDelivery.LEFT
    )
    return statements.filter(Exists(regular.filter(~Exists(later), status=EmailDelivery.Status.BOUNCED)))


def latest_to_pi() -> Subquery:
    """Of a statement: the state of the latest message that carries it to its PI."""
    to_pi = _carrying(OuterRef("pk")).filter(kind=EmailDelivery.Kind.STATEMENTS)
    return Subquery(to_pi.order_by("-pk").values("status")[:1])


def _carrying(statement: OuterRef) -> QuerySet[EmailDelivery]:
    return EmailDelivery.objects.filter(statements=statement)
