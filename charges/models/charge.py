"""A billed row, as loaded. Its amounts never change; what people decide about it is beside them."""

from functools import reduce
from operator import or_
from typing import Any, ClassVar

from django.conf import settings
from django.db import models

from charges.models.focus_import import FocusImport, ReceivedFile
from charges.models.payers import FundingAccount, PrincipalInvestigator, Project
from charges.models.rules import AttributionRule, ExchangeRate
from charges.models.source import Source
from charges.money import ZERO, MoneyField


def unindexed(to: Any, **kwargs: Any) -> Any:
    """A foreign key without an index of its own: each index costs every loaded row a microsecond."""
    return models.ForeignKey(to, models.PROTECT, db_index=False, related_name="+", **kwargs)


class RowKey(models.BigAutoField):
    """Django makes SQLite keep a counter of keys in another table, which is written with every row."""

    def db_type_suffix(self, connection: Any) -> str | None:
        return None if connection.vendor == "sqlite" else super().db_type_suffix(connection)


class Written(models.Value):
    """A constant that stands in the SQL: SQLite does not use a partial index on the word of a parameter."""

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[str | int, ...]]:
        return f"'{self.value}'", ()


# Amounts in their month's currency, as delivered or by an exchange rate: these can be added.
IN_CURRENCY = models.Q(billing_currency=models.F("period__currency")) | models.Q(exchange_rate__isnull=False)
SUPERSEDED = models.Q(superseded_by__state=FocusImport.State.LOADED)  # until then it only says what will replace it


class ChargeQuerySet(models.QuerySet["Charge"]):
    def current(self) -> "ChargeQuerySet":
        """Loaded and not superseded: what the month holds."""
        return self.filter(loaded_by__state=FocusImport.State.LOADED).exclude(SUPERSEDED)

    def superseded(self) -> "ChargeQuerySet":
        return self.filter(SUPERSEDED)

    def billable(self) -> "ChargeQuerySet":
        """What statements carry: never flagged, or approved."""
        return self.current().filter(review_status__in=[Charge.ReviewStatus.CLEAR, Charge.ReviewStatus.APPROVED])

    def held(self) -> "ChargeQuerySet":
        """Flagged and undecided: on no statement."""
        return self.current().not_clear().filter(review_status=Charge.ReviewStatus.HELD)

    def sums(self) -> dict[str, Any]:
        """How many, their list price and amount due; what has no exchange rate yet is counted, and not added."""
        return self.aggregate(
            charges=models.Count("pk"),
            list_amount=models.Sum("list_amount", filter=IN_CURRENCY, default=ZERO),
            due_amount=models.Sum("due_amount", filter=IN_CURRENCY, default=ZERO),
            unconverted=models.Count("pk", filter=~IN_CURRENCY),
        )

    def not_clear(self) -> "ChargeQuerySet":
        """The few that the index of the review queue holds."""
        return self.exclude(review_status=Written(Charge.ReviewStatus.CLEAR))


class Charge(models.Model):
    class ReviewStatus(models.TextChoices):
        CLEAR = "clear", "Clear"
        HELD = "held", "Held for review"
        APPROVED = "approved", "Approved"
        EXCLUDED = "excluded", "Excluded"
        DEFERRED = "deferred", "Deferred"
        NOT_BILLABLE = "not_billable", "Not billable"
        SHARED = "shared", "Shared among projects"
        DIVIDED = "divided", "Divided, its parts are billed"

    class Kind(models.TextChoices):
        DELIVERED = "delivered", "Delivered"
        CARRIED = "carried", "Deferred from an earlier month"
        LATE = "late", "Late difference of a closed month"
        REVERSAL = "reversal", "Reversal of a charge of a closed month"
        REBILL = "rebill", "Rebill of a corrected charge"
        PART = "part", "Part of a charge that crosses an end date"

    class FundStep(models.TextChoices):
        NONE = "", "No fund"
        DECISION = "decision", "Reviewer's decision"
        BEARER = "bearer", "Fund that bore the refunded charge"
        OVERRIDE = "override", "Overriding rule"
        SPLIT = "split", "Project split"
        TAG = "tag", "Tag"
        RULE = "rule", "Filling rule"
        CENTRAL = "central", "Central project of the source"
        PROJECT = "project", "Project default"
        FALLBACK = "fallback", "Project fallback after its end date"

    id = RowKey(primary_key=True, auto_created=True, verbose_name="ID")

    # Where it came from
    period = unindexed("periods.BillingPeriod")
    source = unindexed(Source)
    loaded_by = models.ForeignKey(FocusImport, models.PROTECT, db_index=False, related_name="charges")
    superseded_by = unindexed(FocusImport, null=True)
    replaces = unindexed("self", null=True)
    origin = unindexed("self", null=True)
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.DELIVERED)
    late_month = models.CharField(max_length=7, blank=True, help_text="The closed month that a difference belongs to")
    file = unindexed(ReceivedFile, null=True)
    line_number = models.PositiveIntegerField(default=0)
    identity_digest = models.BigIntegerField(default=0)
    content_digest = models.BigIntegerField(default=0)
    payer_digest = models.BigIntegerField(default=0, help_text="Of the tags that say who pays")
    reference = models.TextField(blank=True, help_text="Of append sources: the row's own name")

    # FOCUS columns
    billing_account_id = models.TextField(blank=True)
    sub_account_id = models.TextField(blank=True)
    sub_account_name = models.TextField(blank=True)
    billing_currency = models.CharField(max_length=3)
    billed_cost = MoneyField(null=True)
    effective_cost = MoneyField(null=True)
    list_cost = MoneyField(null=True)
    contracted_cost = MoneyField(null=True)
    charge_category = models.TextField(blank=True)
    charge_class = models.TextField(blank=True)
    charge_description = models.TextField(blank=True)
    charge_period_start = models.DateTimeField(null=True)
    charge_period_end = models.DateTimeField(null=True)
    commitment_discount_id = models.TextField(blank=True)
    commitment_discount_status = models.TextField(blank=True)
    invoice_id = models.TextField(blank=True)
    list_unit_price = models.TextField(blank=True, help_text="As delivered: unit prices are never added")
    pricing_quantity = models.TextField(blank=True, help_text="As delivered: quantities exceed any fixed scale")
    pricing_unit = models.TextField(blank=True)
    provider_name = models.TextField(blank=True)
    resource_id = models.TextField(blank=True)
    resource_name = models.TextField(blank=True)
    service_category = models.TextField(blank=True)
    service_name = models.TextField(blank=True)
    sku_id = models.TextField(blank=True)

    # What it costs, in the period's currency (in its own while no exchange rate is known)
    list_amount = MoneyField()
    contracted_amount = MoneyField()
    due_amount = MoneyField()
    exchange_rate = unindexed(ExchangeRate, null=True)

    # Who pays
    pi = unindexed(PrincipalInvestigator, null=True)
    project = unindexed(Project, null=True)
    funding_account = unindexed(FundingAccount, null=True)
    fund_step = models.CharField(max_length=10, choices=FundStep.choices, default=FundStep.NONE, blank=True)
    rule = unindexed(AttributionRule, null=True)
    account_code = models.CharField(max_length=60, blank=True)
    funder = models.CharField(max_length=200, blank=True)
    subsidy_fund = models.CharField(max_length=100, blank=True)
    reference_1 = models.TextField(blank=True)
    reference_2 = models.TextField(blank=True)

    # Whether it is plausible
    flags = models.JSONField(default=dict, help_text="Flag: the reason, in words")
    review_status = models.CharField(max_length=12, choices=ReviewStatus.choices, default=ReviewStatus.CLEAR)
    decided_by = unindexed(settings.AUTH_USER_MODEL, null=True)
    decided_at = models.DateTimeField(null=True)
    decision_reason = models.TextField(blank=True)
    payer_before = models.JSONField(null=True, editable=False, help_text="Who paid until a person said who does")

    objects = ChargeQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "review"
        ordering: ClassVar = ["pk"]
        permissions: ClassVar = [
            ("review_charge", "Can approve, exclude and defer charges"),
            ("reattribute_charge", "Can say who pays for a charge"),
            ("recheck_charge", "Can check the charges of open months by the rules of today"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["period", "pi", "project"], name="charge_payer"),
            models.Index(fields=["loaded_by"], name="charge_loaded_by"),
            models.Index(
                fields=["period", "review_status"], condition=~models.Q(review_status="clear"), name="charge_review"
            ),
        ]
        indexes += [
            # Few rows have one; without the index each deleted or reversed row would search the whole table.
            models.Index(fields=[name], condition=models.Q(**{f"{name}__isnull": False}), name=f"charge_{name}")
            for name in ("replaces", "origin", "superseded_by")
        ]
        indexes += [
            models.Index(fields=[name], condition=~models.Q(**{name: ""}), name=f"charge_{name}")
            for name in ("reference", "late_month")
        ]
        constraints: ClassVar = [
            # Not `IN`: SQLite would build its list anew for every row, a quarter of what an insert costs.
            models.CheckConstraint(
                condition=reduce(
                    or_,
                    (
                        models.Q(review_status=status)
                        for status in (
                            "clear",
                            "held",
                            "approved",
                            "excluded",
                            "deferred",
                            "not_billable",
                            "shared",
                            "divided",
                        )
                    ),
                ),
                name="charge_review_status_known",
            ),
            models.CheckConstraint(condition=~models.Q(billing_currency=""), name="charge_currency_present"),
            models.CheckConstraint(
                condition=~models.Q(review_status__in=["clear", "approved"])
                | models.Q(pi__isnull=False, project__isnull=False),
                name="billable_charge_has_payer",
            ),
            models.CheckConstraint(
                condition=~models.Q(review_status__in=["clear", "approved"])
                | models.Q(due_amount=0)
                | models.Q(funding_account__isnull=False)
                | models.Q(fund_step="split"),
                name="billable_charge_has_fund",
            ),
        ]

    def __str__(self) -> str:
        return f"charge {self.pk}"

    @property
    def currency(self) -> str:
        """Of the amounts that count: the row's own until an exchange rate has converted them."""
        return self.billing_currency if self.exchange_rate_id is None else self.period.currency

    @property
    def is_superseded(self) -> bool:
        return self.superseded_by is not None and self.superseded_by.state == FocusImport.State.LOADED

    @property
    def missing(self) -> list[str]:
        """What a charge lacks to be billed: PI, project, a fund where anything is due."""
        has_fund = not self.due_amount or self.funding_account_id or self.fund_step == Charge.FundStep.SPLIT
        parts = {"PI": self.pi_id, "project": self.project_id, "fund": has_fund}
        return [name for name, value in parts.items() if not value]

    @property
    def is_unconverted(self) -> bool:
        """Its amounts are in a foreign currency still."""
        return self.billing_currency != self.period.currency and self.exchange_rate_id is None
