"""Why a charge of a finalized month was billed anew, and who answers for it."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Length
from django.db.models.lookups import GreaterThanOrEqual
from django.utils import timezone

from charges.models.charge import Charge
from periods.states import known_states

SHORTEST = 40  # of an explanation: what sponsors and auditors take for one


class Correction(models.Model):
    """A reversal and a rebill, in an open month, of one charge of a finalized one."""

    class Cause(models.TextChoices):
        PAYER = "payer", "Wrong PI or project"
        FUND = "fund", "Wrong fund"
        AMOUNT = "amount", "Wrong amount"
        USAGE = "usage", "Not the payer's usage"
        DUPLICATE = "duplicate", "Billed twice"

    period = models.ForeignKey("periods.BillingPeriod", models.PROTECT, related_name="+", verbose_name="billed in")
    original = models.ForeignKey(Charge, models.PROTECT, related_name="corrections")
    reversal = models.ForeignKey(Charge, models.PROTECT, related_name="+")
    rebill = models.ForeignKey(Charge, models.PROTECT, related_name="+", help_text="Excluded where nobody pays")
    cause = models.CharField(max_length=10, choices=Cause.choices)
    explanation = models.TextField()
    certifier = models.CharField(max_length=200, help_text="Who answers for it")
    justification = models.TextField(blank=True, help_text="Why it comes more than 90 days after the charge")
    is_fund_certified = models.BooleanField(
        "fund certified",
        default=False,
        help_text="The fund was not valid on the charge date, and bears it all the same",
    )
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering: ClassVar = ["-pk"]
        default_permissions = ("view",)
        permissions: ClassVar = [("correct_charge", "Can correct a charge of a finalized month")]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["original"], name="one_correction_a_charge"),
            known_states(["payer", "fund", "amount", "usage", "duplicate"], "correction_cause_known", "cause"),
            models.CheckConstraint(
                condition=GreaterThanOrEqual(Length("explanation"), SHORTEST), name="correction_explained"
            ),
            models.CheckConstraint(condition=~models.Q(certifier=""), name="correction_certified"),
        ]

    def __str__(self) -> str:
        return f"correction {self.pk} of {self.original}"
