"""One credit for many charges, such as after an outage: its terms, its reason, its approval."""

from decimal import Decimal
from typing import ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinLengthValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models.functions import Length
from django.db.models.lookups import GreaterThanOrEqual

from charges.models.approval import Approvable, ApprovableManager, approval_constraints
from charges.models.payers import PrincipalInvestigator, Project
from charges.models.source import Source
from charges.money import MoneyField, round_to_currency
from periods.states import known_states

LARGEST_PERCENT = Decimal(100)


class CreditCampaign(Approvable):
    class Method(models.TextChoices):
        PERCENT = "percent", "Percent of each charge"
        PER_CHARGE = "per_charge", "Amount per charge"
        PER_PROJECT = "per_project", "Amount per project"

    period = models.ForeignKey("periods.BillingPeriod", models.PROTECT, related_name="+", verbose_name="month")
    code = models.CharField(
        max_length=30,
        validators=[
            RegexValidator(r"^[A-Za-z0-9][A-Za-z0-9._-]*\Z", "Write the code in letters, digits, dots and dashes.")
        ],
        help_text="Once a month, printed on every statement that is credited: OUTAGE-0103",
    )
    description = models.CharField(max_length=150, help_text="As printed on statements, after the code")
    reason = models.TextField(validators=[MinLengthValidator(10)], help_text="At least ten characters")

    # Which charges
    source = models.ForeignKey(
        Source, models.PROTECT, null=True, blank=True, related_name="+", help_text="Empty: every source"
    )
    service_name = models.CharField(max_length=200, blank=True, help_text="Exactly this service; empty: every service")
    first_day = models.DateField(null=True, blank=True, help_text="Charges whose period touches these days")
    last_day = models.DateField(null=True, blank=True, help_text="The last day, included")
    pi = models.ForeignKey(
        PrincipalInvestigator, models.PROTECT, null=True, blank=True, related_name="+", verbose_name="PI",
        help_text="Empty: every PI",
    )  # fmt: skip
    project = models.ForeignKey(
        Project, models.PROTECT, null=True, blank=True, related_name="+", help_text="Empty: every project"
    )

    # How much
    method = models.CharField(max_length=11, choices=Method.choices, default=Method.PERCENT, verbose_name="credit")
    percent = models.DecimalField(
        max_digits=5,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal("0.01")), MaxValueValidator(LARGEST_PERCENT)],
        help_text="Of what is due after earlier adjustments",
    )
    amount = MoneyField(null=True, blank=True, help_text="Per charge or project; never more than is due")
    cap = MoneyField("cap per project", null=True, blank=True, help_text="No project is credited more; empty: no cap")

    # What it came to
    charges = models.PositiveIntegerField(default=0, editable=False)
    projects = models.PositiveIntegerField(default=0, editable=False)
    due_amount = MoneyField("credited", default=0, editable=False)

    objects = ApprovableManager()

    class Meta:
        ordering: ClassVar = ["-pk"]
        permissions: ClassVar = [
            ("approve_creditcampaign", "Can approve or refuse a credit campaign of somebody else"),
            ("withdraw_creditcampaign", "Can withdraw a credit campaign"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["period", "code"],
                condition=models.Q(withdrawn_at=None),
                name="one_campaign_a_code_and_month",
                violation_error_message="The month has a credit campaign of this code already.",
            ),
            known_states(["percent", "per_charge", "per_project"], "campaign_method_known", "method"),
            models.CheckConstraint(
                condition=models.Q(method="percent", percent__isnull=False, amount=None)
                | models.Q(method__in=["per_charge", "per_project"], percent=None, amount__isnull=False),
                name="campaign_says_how_much",
                violation_error_message="Give the percent, or the amount, that the kind of credit asks for: not both.",
            ),
            models.CheckConstraint(condition=GreaterThanOrEqual(Length("reason"), 10), name="campaign_reason_given"),
            *approval_constraints("campaign"),
        ]

    def __str__(self) -> str:
        return f"credit campaign {self.code}"

    @property
    def printed(self) -> str:
        """On statements, with the code that names it."""
        return f"{self.code} {self.description}"

    @property
    def amount_of_project(self) -> Decimal | None:
        return self.amount if self.method == CreditCampaign.Method.PER_PROJECT else None

    def clean(self) -> None:
        if self.first_day and self.last_day and self.last_day < self.first_day:
            raise ValidationError({"last_day": "The last day is before the first."})
        for name in ("amount", "cap"):
            given = getattr(self, name)
            if given is not None and given <= 0:
                raise ValidationError({name: "Give an amount above zero: it is credited."})
            if given is not None and self.period_id and given != round_to_currency(given, self.period.currency):
                raise ValidationError({name: f"Give an amount that {self.period.currency} has coins for."})
