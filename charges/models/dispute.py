"""A PI's objection. It points at a charge or at a line's key, never at a statement: reissuing must not lose it."""

from decimal import Decimal
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from charges.models.adjustment import Adjustment
from charges.models.attachment import Attachment
from charges.models.charge import Charge
from charges.models.payers import FundingAccount, PrincipalInvestigator, Project
from charges.models.source import Source
from charges.money import MoneyField
from periods.states import Document, StateField, known_states, transition


class Dispute(Document):
    class State(models.TextChoices):
        OPEN = "open", "Open"
        UPHELD = "upheld", "Upheld"
        DENIED = "denied", "Denied"
        WITHDRAWN = "withdrawn", "Withdrawn"

    class Ground(models.TextChoices):
        USAGE = "usage", "Not their usage"
        PRICE = "price", "The price is wrong"

    period = models.ForeignKey("periods.BillingPeriod", models.PROTECT, related_name="+")
    pi = models.ForeignKey(PrincipalInvestigator, models.PROTECT, related_name="+", verbose_name="PI")
    project = models.ForeignKey(Project, models.PROTECT, related_name="+")
    charge = models.ForeignKey(Charge, models.PROTECT, null=True, blank=True, related_name="+")
    source = models.ForeignKey(Source, models.PROTECT, null=True, blank=True, related_name="+")
    service_name = models.TextField(blank=True)
    funding_account = models.ForeignKey(FundingAccount, models.PROTECT, null=True, blank=True, related_name="+")
    list_amount = MoneyField("list price", default=0, editable=False, help_text="Of what is disputed, when opened")
    due_amount = MoneyField("amount due", default=0, editable=False, help_text="Of what is disputed, when opened")
    state = StateField(choices=State.choices, default=State.OPEN, editable=False)
    ground = models.CharField(max_length=5, choices=Ground.choices, blank=True, editable=False)
    granted_list = MoneyField("off the list price", default=0, editable=False)
    granted_due = MoneyField("off the amount due", default=0, editable=False)
    adjustment = models.OneToOneField(
        Adjustment, models.PROTECT, null=True, editable=False, related_name="+", help_text="Of a split, the first"
    )
    opened_at = models.DateTimeField(default=timezone.now, editable=False)
    opened_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, editable=False, related_name="+")
    decided_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering: ClassVar = ["-pk"]
        permissions: ClassVar = [
            ("answer_dispute", "Can write to the PI of a dispute"),
            ("uphold_dispute", "Can uphold a dispute"),
            ("deny_dispute", "Can deny a dispute"),
        ]
        constraints: ClassVar = [
            known_states(["open", "upheld", "denied", "withdrawn"], "dispute_state_known"),
            models.CheckConstraint(
                condition=models.Q(charge__isnull=False) | models.Q(source__isnull=False),
                name="dispute_names_charge_or_line",
            ),
            models.UniqueConstraint(
                fields=["period", "charge"],
                condition=models.Q(state="open", charge__isnull=False),
                name="one_open_dispute_a_charge",
            ),
        ]

    def __str__(self) -> str:
        return f"dispute {self.pk} of {self.pi}"

    @property
    def subject(self) -> str:
        """The charge or line in words that a PI knows."""
        charge = self.charge
        if charge is None:
            return " · ".join(str(part) for part in (self.source, self.service_name, self.funding_account) if part)
        what = charge.resource_name or charge.resource_id or charge.charge_description or str(charge)
        return " · ".join(part for part in (what, charge.service_name) if part)

    @property
    def age(self) -> str:
        """How long it has been open, or was."""
        days = ((self.decided_at or timezone.now()) - self.opened_at).days
        return f"{days} day{'' if days == 1 else 's'}" if days else "less than a day"

    def propose(self, *, ground: str, granted: tuple[Decimal, Decimal]) -> None:
        """What upholding it takes off, which may have to be approved first: until then it stays open."""
        self.ground = ground
        self.granted_list, self.granted_due = granted

    @transition("state", source=State.OPEN, target=State.UPHELD)
    def uphold(self, *, by: Any) -> None:
        """Once all that it takes off counts: whoever proposed it was allowed to uphold it."""
        self.adjustment = self.adjustments.in_force().order_by("pk").first()
        self.decided_at = timezone.now()

    @transition("state", source=State.UPHELD, target=State.OPEN)
    def reopen(self, *, by: Any) -> None:
        """What it took off was withdrawn."""
        self.adjustment = self.decided_at = None

    @transition("state", source=State.OPEN, target=State.DENIED, permission="charges.deny_dispute")
    def deny(self, *, by: Any) -> None:
        self.decided_at = timezone.now()

    @transition("state", source=State.OPEN, target=State.WITHDRAWN)
    def withdraw(self, *, by: Any) -> None:
        self.decided_at = timezone.now()


class DisputeMessage(models.Model):
    dispute = models.ForeignKey(Dispute, models.PROTECT, related_name="messages")
    at = models.DateTimeField(default=timezone.now)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    is_staff = models.BooleanField(default=False, help_text="Written by those who bill, not by the PI's side")
    is_internal = models.BooleanField(default=False, help_text="Among those who bill: the PI does not see it")
    text = models.TextField()

    class Meta:
        ordering: ClassVar = ["pk"]

    def __str__(self) -> str:
        return self.text


class DisputeAttachment(Attachment):
    """Of either side's message."""

    message = models.ForeignKey(DisputeMessage, models.PROTECT, related_name="attachments")
