"""What staff configure: who pays where tags are silent, what to look at twice, splits, exchange rates."""

from decimal import Decimal
from typing import ClassVar

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from simple_history.models import HistoricalRecords

from charges.models.payers import FundingAccount, PrincipalInvestigator, Project
from charges.models.source import Source
from charges.money import HUNDRED
from charges.patterns import compiled


def validate_pattern(pattern: str) -> None:
    try:
        compiled(pattern)
    except ValueError as error:
        raise ValidationError(f"This is no regular expression of RE2: {error}.") from error


class AttributionRule(models.Model):
    """Says who pays for the charges it matches. Rules are tried in order; the first that fills a field decides it."""

    class Mode(models.TextChoices):
        FILL = "fill", "Fill gaps that tags leave"
        OVERRIDE = "override", "Override the tags"

    order = models.PositiveIntegerField(default=100)
    mode = models.CharField(max_length=8, choices=Mode.choices, default=Mode.FILL)
    source = models.ForeignKey(Source, models.PROTECT, null=True, blank=True, help_text="Empty: any")
    sub_account_id = models.CharField(max_length=200, blank=True, help_text="Exactly this sub-account")
    resource_prefix = models.CharField(max_length=200, blank=True, help_text="Resource IDs or names that begin so")
    service_name = models.CharField(max_length=200, blank=True, help_text="Exactly this service")
    tag = models.CharField(max_length=200, blank=True, help_text="A tag, written key=value")
    valid_from = models.DateField(null=True, blank=True)
    valid_until = models.DateField(null=True, blank=True, help_text="The last valid day")
    pi = models.ForeignKey(PrincipalInvestigator, models.PROTECT, null=True, blank=True, verbose_name="PI")
    project = models.ForeignKey(Project, models.PROTECT, null=True, blank=True)
    funding_account = models.ForeignKey(FundingAccount, models.PROTECT, null=True, blank=True)

    history = HistoricalRecords()

    class Meta:
        ordering: ClassVar = ["order", "pk"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(mode__in=["fill", "override"]), name="rule_mode_known")
        ]

    def __str__(self) -> str:
        return f"rule {self.order}: {self.get_mode_display().lower()}"

    def clean(self) -> None:
        if not (self.pi or self.project or self.funding_account):
            raise ValidationError("Name a PI, a project or a funding account for the rule to set.")
        if not (self.source or self.sub_account_id or self.resource_prefix or self.service_name or self.tag):
            raise ValidationError("Name at least one thing to match: without it the rule would take every charge.")
        if self.tag and "=" not in self.tag:
            raise ValidationError({"tag": "Write the tag as key=value."})


class ReviewRule(models.Model):
    """Holds charges for a person to look at. Where no rule exists, nothing is held but what is incomplete."""

    class Kind(models.TextChoices):
        FUND_FORMAT = "fund_format", "Fund codes must match the pattern"
        PATTERN = "pattern", "Service or resource names that match the pattern are held"

    kind = models.CharField(max_length=12, choices=Kind.choices)
    pattern = models.CharField(max_length=200, validators=[validate_pattern], help_text="A regular expression")
    source = models.ForeignKey(Source, models.PROTECT, null=True, blank=True, help_text="Empty: any")
    is_active = models.BooleanField(default=True)

    history = HistoricalRecords()

    class Meta:
        ordering: ClassVar = ["kind", "pk"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(kind__in=["fund_format", "pattern"]), name="review_rule_kind_known"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.pattern}"


class FundingSplit(models.Model):
    """Divides a project's lines over several funds, for whole months; the remainder account takes what is left."""

    project = models.ForeignKey(Project, models.PROTECT, related_name="splits")
    service_name = models.CharField(max_length=200, blank=True, help_text="Empty: every service of the project")
    first_month = models.CharField(max_length=7, help_text="YYYY-MM")
    last_month = models.CharField(max_length=7, blank=True, help_text="YYYY-MM; empty: until further notice")
    remainder_account = models.ForeignKey(
        FundingAccount, models.PROTECT, related_name="+", help_text="Bears what the shares leave, and the odd cent"
    )

    history = HistoricalRecords()

    class Meta:
        ordering: ClassVar = ["project", "-first_month"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["project", "service_name", "first_month"], name="one_split_a_project_service_month"
            )
        ]

    def __str__(self) -> str:
        return f"split of {self.project} from {self.first_month}"

    def is_in_force(self, month: str) -> bool:
        return self.first_month <= month <= (self.last_month or month)

    def last_sealed_month(self) -> str:
        """The latest finalized month that was divided by it; empty where none was."""
        periods = apps.get_model("periods", "BillingPeriod").objects.filter(state="finalized")
        months = periods.filter(month__gte=self.first_month, month__lte=self.last_month or "9999-12")
        return months.order_by("-month").values_list("month", flat=True).first() or ""

    def pays_for(self, service_name: str) -> bool:
        return self.service_name in ("", service_name)

    def parts(self) -> list[tuple[FundingAccount, Decimal]]:
        """Accounts with percent, the remainder account last; they add up to one hundred by construction."""
        shares = [(share.funding_account, share.percent) for share in self.shares.all()]
        return [*shares, (self.remainder_account, HUNDRED - sum(percent for _, percent in shares))]


class FundingShare(models.Model):
    """One account's percent of a split."""

    split = models.ForeignKey(FundingSplit, models.PROTECT, related_name="shares")
    funding_account = models.ForeignKey(FundingAccount, models.PROTECT, related_name="+")
    percent = models.DecimalField(
        max_digits=5, decimal_places=2, validators=[MinValueValidator(Decimal("0.01")), MaxValueValidator(HUNDRED)]
    )

    class Meta:
        ordering: ClassVar = ["pk"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(percent__gt=0) & models.Q(percent__lt=100), name="share_percent_between_0_and_100"
            ),
            models.UniqueConstraint(fields=["split", "funding_account"], name="one_share_an_account"),
        ]

    def __str__(self) -> str:
        return f"{self.percent} % {self.funding_account}"


class ExchangeRate(models.Model):
    """Units of the period's currency for one unit of a foreign one. Without it such charges are held."""

    source = models.ForeignKey(Source, models.PROTECT)
    period = models.ForeignKey("periods.BillingPeriod", models.PROTECT, related_name="+")
    currency = models.CharField(max_length=3)
    rate = models.DecimalField(
        max_digits=15, decimal_places=6, help_text="Units of the month's currency for 1 unit of this one"
    )
    rate_date = models.DateField()
    origin = models.CharField(max_length=200, help_text="Who published the rate")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, editable=False, related_name="+")

    history = HistoricalRecords()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["source", "period", "currency"], name="one_rate_a_source_month_currency"),
            models.CheckConstraint(condition=models.Q(rate__gt=0), name="exchange_rate_positive"),
        ]

    def __str__(self) -> str:
        return f"1 {self.currency} = {self.rate} ({self.period})"

    def clean(self) -> None:
        self.currency = self.currency.upper()
        if self._is_other_than_stored() and self._is_in_use():
            raise ValidationError("Charges were converted by this rate: undo their approval first.")

    def _is_other_than_stored(self) -> bool:
        stored = ExchangeRate.objects.filter(pk=self.pk).values("source_id", "period_id", "currency", "rate").first()
        return stored is not None and any(getattr(self, name) != value for name, value in stored.items())

    def _is_in_use(self) -> bool:
        charges = apps.get_model("charges", "Charge")  # which knows this module
        return charges.objects.current().filter(exchange_rate=self.pk).exists()
