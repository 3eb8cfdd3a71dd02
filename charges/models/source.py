"""Who delivers billing files, and how their rows are read and priced."""

from typing import Any, ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower
from simple_history.models import HistoricalRecords

from charges.models.payers import FundingAccount, PrincipalInvestigator, Project
from charges.money import MoneyField


def central(to: type[models.Model], name: str, help_text: str) -> Any:
    return models.ForeignKey(
        to, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=name, help_text=help_text
    )


class Source(models.Model):
    """Made by the first import that names it; every setting has a default that needs no thought."""

    class Basis(models.TextChoices):
        EFFECTIVE = "effective_cost", "Effective cost (amortised; FOCUS §EffectiveCost)"
        BILLED = "billed_cost", "Billed cost (as invoiced)"

    class Delivery(models.TextChoices):
        SNAPSHOT = "snapshot", "Snapshot: each delivery holds the whole month and replaces the last"
        APPEND = "append", "Append: each delivery adds rows, told apart by a reference column"

    class LatePolicy(models.TextChoices):
        REFUSE = "refuse", "Refuse files of closed months"
        KEEP = "keep", "Keep them, not loaded, and show what they would change"

    class SharedCosts(models.TextChoices):
        HOLD = "hold", "Held until somebody says who pays"
        CENTRAL = "central", "Paid by a central project"
        PRO_RATA = "pro_rata", "Divided by amount due in the same account"

    class Encoding(models.TextChoices):
        UNICODE = "", "UTF-8, or UTF-16 with its mark"
        LATIN_1 = "latin-1", "Latin-1 (ISO 8859-1)"
        WINDOWS = "cp1252", "Windows-1252"

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
    delivery = models.CharField(
        max_length=10, choices=Delivery.choices, default=Delivery.SNAPSHOT, help_text="What a delivery stands for"
    )
    reference_column = models.CharField(
        max_length=100, blank=True, help_text="Of append sources: the column that names a row once and for all"
    )
    late_policy = models.CharField(
        max_length=10,
        choices=LatePolicy.choices,
        default=LatePolicy.REFUSE,
        help_text="What becomes of a file for a closed month that is loaded without --late-to",
    )
    has_inclusive_ends = models.BooleanField(
        "period ends are inclusive",
        default=False,
        help_text="The file writes 31 January for a period that FOCUS ends on 1 February",
    )
    encoding = models.CharField(
        max_length=10, choices=Encoding.choices, default=Encoding.UNICODE, blank=True, help_text="Of its text files"
    )
    shared_costs = models.CharField(
        max_length=10,
        choices=SharedCosts.choices,
        default=SharedCosts.HOLD,
        help_text="What becomes of tax, support and unused commitments that nobody is named for",
    )
    central_pi = central(PrincipalInvestigator, "central PI", "Gets the statement of shared costs")
    central_project = central(Project, "central project", "Bears shared costs")
    central_fund = central(FundingAccount, "central fund", "Is charged for shared costs")
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
            models.UniqueConstraint(
                Lower("name"),
                name="source_name_whatever_its_case",
                violation_error_message="There is a source of this name, if in other letters.",
            ),
            models.CheckConstraint(
                condition=models.Q(basis__in=["effective_cost", "billed_cost"]), name="source_basis_known"
            ),
            models.CheckConstraint(
                condition=models.Q(delivery="snapshot") | models.Q(delivery="append") & ~models.Q(reference_column=""),
                name="append_source_has_reference",
            ),
            models.CheckConstraint(
                condition=models.Q(shared_costs="hold")
                | models.Q(shared_costs="pro_rata")
                | models.Q(
                    shared_costs="central",
                    central_pi__isnull=False,
                    central_project__isnull=False,
                    central_fund__isnull=False,
                ),
                name="source_shared_costs_have_a_payer",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if self.delivery == Source.Delivery.APPEND and not self.reference_column:
            raise ValidationError({"reference_column": "An append source needs its reference column."})
        if self.shared_costs == Source.SharedCosts.CENTRAL and not all(self.central):
            raise ValidationError({"shared_costs": "Name the central PI, project and fund that pay for them."})
        before = Source.objects.filter(pk=self.pk).first()
        if before and before.rows_told_by != self.rows_told_by and self.imports.loaded().exists():
            raise ValidationError(
                {
                    "delivery": "What is loaded cannot be told from what comes: reverse its deliveries, or name a new one."
                }
            )

    @property
    def rows_told_by(self) -> tuple[str, str]:
        """How a row of one delivery is found in the next."""
        return self.delivery, self.reference_column if self.delivery == Source.Delivery.APPEND else ""

    @property
    def central(self) -> tuple[PrincipalInvestigator | None, Project | None, FundingAccount | None]:
        """Who pays for shared costs where one project does."""
        return self.central_pi, self.central_project, self.central_fund

    @property
    def reading(self) -> dict[str, str | bool]:
        """The settings under which the same bytes give the same charges."""
        return {"basis": self.basis, "has_inclusive_ends": self.has_inclusive_ends, "encoding": self.encoding}

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
