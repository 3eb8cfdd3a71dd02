"""What staff add to a month: never a changed fact, always a signed amount with a reason and an author."""

from typing import ClassVar

from django.core.validators import MinLengthValidator
from django.db import models
from django.db.models.functions import Length
from django.db.models.lookups import GreaterThanOrEqual

from charges.models.approval import Approvable, ApprovableManager, approval_constraints
from charges.models.attachment import Attachment
from charges.models.campaign import CreditCampaign
from charges.models.charge import Charge
from charges.models.payers import FundingAccount, PrincipalInvestigator, Project
from charges.models.source import Source
from charges.money import MoneyField
from periods.states import known_states


class Adjustment(Approvable):
    class Kind(models.TextChoices):
        CREDIT = "credit", "Adjustment credit"
        CORRECTION = "correction", "Correction"
        WRITE_OFF = "write_off", "Write-off"
        MANUAL = "manual", "Manual charge"

    period = models.ForeignKey("periods.BillingPeriod", models.PROTECT, related_name="+")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    source = models.ForeignKey(
        Source, models.PROTECT, null=True, blank=True, related_name="+", help_text="Required for a manual charge"
    )
    pi = models.ForeignKey(PrincipalInvestigator, models.PROTECT, related_name="+", verbose_name="PI")
    project = models.ForeignKey(Project, models.PROTECT, related_name="+")
    funding_account = models.ForeignKey(FundingAccount, models.PROTECT, null=True, blank=True, related_name="+")
    borne_by = models.ForeignKey(
        FundingAccount,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="For a write-off: the account that bears it",
    )
    account_code = models.CharField(max_length=60, blank=True)
    charge = models.ForeignKey(Charge, models.PROTECT, null=True, blank=True, related_name="adjustments")
    description = models.CharField(max_length=200, help_text="As printed on the statement")
    list_amount = MoneyField("list price", default=0)
    due_amount = MoneyField("amount due")
    reason = models.TextField(validators=[MinLengthValidator(10)], help_text="At least ten characters")
    campaign = models.ForeignKey(CreditCampaign, models.PROTECT, null=True, editable=False, related_name="adjustments")
    dispute = models.ForeignKey(
        "charges.Dispute", models.PROTECT, null=True, editable=False, related_name="adjustments",
        help_text="That it upholds; of a split, one for each fund",
    )  # fmt: skip
    reverses = models.ForeignKey(
        "self", models.PROTECT, null=True, editable=False, related_name="+",
        help_text="That it takes back, with the charge that was corrected",
    )  # fmt: skip

    objects = ApprovableManager()

    class Meta:
        ordering: ClassVar = ["-pk"]
        permissions: ClassVar = [
            ("withdraw_adjustment", "Can withdraw an adjustment"),
            ("approve_adjustment", "Can approve or refuse an adjustment of somebody else"),
        ]
        constraints: ClassVar = [
            known_states(["credit", "correction", "write_off", "manual"], "adjustment_kind_known", "kind"),
            models.CheckConstraint(
                condition=~models.Q(kind__in=["credit", "write_off"]) | models.Q(list_amount=0),
                name="credit_and_write_off_have_no_list",
                violation_error_message="A credit or write-off has no list price.",
            ),
            models.CheckConstraint(
                condition=~models.Q(kind="manual") | models.Q(source__isnull=False),
                name="manual_charge_has_source",
                violation_error_message="A manual charge needs a source.",
            ),
            models.CheckConstraint(
                condition=~models.Q(kind="write_off") | models.Q(borne_by__isnull=False),
                name="write_off_names_its_bearer",
                violation_error_message="A write-off names the account that bears it.",
            ),
            models.CheckConstraint(
                condition=models.Q(due_amount=0)
                | models.Q(funding_account__isnull=False)
                | models.Q(charge__isnull=False),  # whose split divides it
                name="adjustment_with_due_has_fund",
                violation_error_message="An adjustment with an amount due needs a funding account.",
            ),
            models.CheckConstraint(condition=GreaterThanOrEqual(Length("reason"), 10), name="adjustment_reason_given"),
            models.CheckConstraint(
                condition=models.Q(campaign=None) | models.Q(charge__isnull=False, source__isnull=False),
                name="credit_of_campaign_names_charge",
            ),
            models.UniqueConstraint(fields=["reverses", "charge"], name="adjustment_taken_back_once"),
            *approval_constraints("adjustment"),
        ]

    def __str__(self) -> str:
        return f"adjustment {self.pk}: {self.description}"


class AdjustmentAttachment(Attachment):
    """What the adjustment rests on, for staff and auditors: a letter, a price list, a log."""

    adjustment = models.ForeignKey(Adjustment, models.PROTECT, related_name="attachments")
