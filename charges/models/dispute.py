"""A PI's objection. It points at a charge or at a line's key, never at a statement: reissuing must not lose it."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from charges.models.adjustment import Adjustment
from charges.models.charge import Charge
from charges.models.payers import FundingAccount, PrincipalInvestigator, Project
from charges.models.source import Source
from periods.states import Document, StateField, known_states, transition


class Dispute(Document):
    class State(models.TextChoices):
        OPEN = "open", "Open"
        UPHELD = "upheld", "Upheld"
        DENIED = "denied", "Denied"
        WITHDRAWN = "withdrawn", "Withdrawn"

    period = models.ForeignKey("periods.BillingPeriod", models.PROTECT, related_name="+")
    pi = models.ForeignKey(PrincipalInvestigator, models.PROTECT, related_name="+")
    project = models.ForeignKey(Project, models.PROTECT, related_name="+")
    charge = models.ForeignKey(Charge, models.PROTECT, null=True, blank=True, related_name="+")
    source = models.ForeignKey(Source, models.PROTECT, null=True, blank=True, related_name="+")
    service_name = models.TextField(blank=True)
    funding_account = models.ForeignKey(FundingAccount, models.PROTECT, null=True, blank=True, related_name="+")
    state = StateField(choices=State.choices, default=State.OPEN, editable=False)
    adjustment = models.OneToOneField(Adjustment, models.PROTECT, null=True, editable=False, related_name="+")
    opened_at = models.DateTimeField(default=timezone.now, editable=False)
    opened_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, editable=False, related_name="+")
    decided_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering: ClassVar = ["-pk"]
        permissions: ClassVar = [("decide_dispute", "Can uphold or deny a dispute")]
        constraints: ClassVar = [
            known_states(["open", "upheld", "denied", "withdrawn"], "dispute_state_known"),
            models.CheckConstraint(
                condition=models.Q(charge__isnull=False) | models.Q(source__isnull=False),
                name="dispute_names_charge_or_line",
            ),
        ]

    def __str__(self) -> str:
        return f"dispute {self.pk} of {self.pi}"

    @transition("state", source=State.OPEN, target=State.UPHELD, permission="charges.decide_dispute")
    def uphold(self, *, by: Any, adjustment: Adjustment) -> None:
        self.adjustment, self.decided_at = adjustment, timezone.now()

    @transition("state", source=State.OPEN, target=State.DENIED, permission="charges.decide_dispute")
    def deny(self, *, by: Any) -> None:
        self.decided_at = timezone.now()

    @transition("state", source=State.OPEN, target=State.WITHDRAWN)
    def withdraw(self, *, by: Any) -> None:
        self.decided_at = timezone.now()


class DisputeMessage(models.Model):
    dispute = models.ForeignKey(Dispute, models.PROTECT, related_name="messages")
    at = models.DateTimeField(default=timezone.now)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    text = models.TextField()

    class Meta:
        ordering: ClassVar = ["pk"]

    def __str__(self) -> str:
        return self.text
