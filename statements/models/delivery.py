"""One message to one PI: claimed before it is sent, so that nobody ever gets it twice."""

from typing import ClassVar

from django.db import models
from django.utils import timezone

from charges.models import PrincipalInvestigator
from periods.models import BillingPeriod
from periods.states import known_states
from statements.models.statement import Statement


class EmailDelivery(models.Model):
    class Status(models.TextChoices):
        QUEUED = "queued", "Queued"
        SENDING = "sending", "Sending"
        SENT = "sent", "Sent"
        FAILED = "failed", "Failed"
        UNCLEAR = "unclear", "Unclear: interrupted while sending"

    period = models.ForeignKey(BillingPeriod, models.PROTECT, related_name="+")
    pi = models.ForeignKey(PrincipalInvestigator, models.PROTECT, related_name="+", verbose_name="PI")
    recipient = models.EmailField()
    statements = models.ManyToManyField(Statement, related_name="deliveries")
    content_key = models.CharField(max_length=64, help_text="Hash of the statements carried: the same are never resent")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED)
    message_id = models.CharField(max_length=200, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    claimed_at = models.DateTimeField(null=True)
    claimed_by = models.CharField(max_length=100, blank=True, help_text="The machine and process that sends it")
    sent_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-pk"]
        verbose_name_plural = "e-mail deliveries"
        verbose_name = "e-mail delivery"
        permissions: ClassVar = [("retry_emaildelivery", "Can queue a failed or unclear delivery again")]
        constraints: ClassVar = [
            known_states(["queued", "sending", "sent", "failed", "unclear"], "delivery_status_known", "status"),
            models.UniqueConstraint(
                fields=["period", "pi", "recipient", "content_key"], name="one_delivery_a_recipient_and_content"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.recipient}, {self.period}"
