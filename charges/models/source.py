"""Who delivers billing files, and how their rows are read and priced."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from simple_history.models import HistoricalRecords

from charges.money import MoneyField


class Source(models.Model):
    """Made by the first import that names it; every setting has a default that needs no thought."""

    class Basis(models.TextChoices):
        EFFECTIVE = "effective_cost", "Effective cost (amortised; FOCUS §EffectiveCost)"
        BILLED = "billed_cost", "Billed cost (as invoiced)"

    name = models.CharField(max_length=60, unique=True)
    basis = models.CharField(
        max_length=16, choices=Basis.choices, default=Basis.EFFECTIVE, help_text="Which cost column is the amount due"
    )
    is_own_service = models.BooleanField(
        default=False, help_text="Run by this institution: the whole discount is a subsidy"
    )
    funder = models.CharField(max_length=200, blank=True, help_text="Who pays the subsidy, where the tags do not say")
    subsidy_fund = models.CharField(max_length=100, blank=True, help_text="The funder's account, where tags do not say")
    account_code = models.CharField(max_length=60, blank=True, help_text="Ledger account code, where tags do not say")
    journal_account = models.CharField(
        max_length=100, blank=True, help_text="The account that journals credit; empty: the source's name"
    )
    is_expected_monthly = models.BooleanField(default=False, help_text="A month without a delivery cannot be closed")
    approval_threshold = MoneyField(
        default=0, help_text="An approval survives a changed amount up to this much; beyond, the charge is held again"
    )
    fall_threshold = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        help_text="Percent: a delivery whose rows or total fall by more needs --force; empty: never",
    )

    history = HistoricalRecords()

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(basis__in=["effective_cost", "billed_cost"]), name="source_basis_known"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def credited_account(self) -> str:
        return self.journal_account or self.name


class SourceWaiver(models.Model):
    """For once, this month may close without a delivery of a source that is expected monthly."""

    source = models.ForeignKey(Source, models.PROTECT)
    period = models.ForeignKey("periods.BillingPeriod", models.PROTECT, related_name="+")
    reason = models.TextField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, editable=False, related_name="+")

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["source", "period"], name="one_waiver_a_month")]

    def __str__(self) -> str:
        return f"{self.source} not expected in {self.period}"
