"""Who pays: PIs, their projects, and the accounts that finance charges. All are made from tags."""

from datetime import date, timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from simple_history.models import HistoricalRecords

WHO_PAYS = ("pi", "project", "funding_account")  # as charges and rules name them


class AddressField(models.EmailField):
    """An e-mail address, kept and looked up in lower case: tags, sign-ins and people write it as they like."""

    def deconstruct(self) -> Any:
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.EmailField", args, kwargs

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        return value and value.lower()


class Mergeable(models.Model):
    """A row that tags made and people may find to be another one's second name: `charges.merging`."""

    merged_into = models.ForeignKey("self", models.PROTECT, null=True, editable=False, related_name="+")

    class Meta:
        abstract = True

    @property
    def standing(self) -> Any:
        """The row that counts: itself, or what it was merged into."""
        return self.merged_into or self


class PrincipalInvestigator(Mergeable):
    """One identity with any number of addresses; the first seen is the one that statements are mailed to."""

    name = models.CharField(max_length=200, blank=True)
    email = AddressField(unique=True, help_text="Statements go here")
    department = models.CharField(max_length=200, blank=True)
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, editable=False, related_name="+"
    )

    history = HistoricalRecords()

    class Meta:
        ordering: ClassVar = ["name", "email"]
        verbose_name = "PI"
        verbose_name_plural = "PIs"
        permissions: ClassVar = [("merge_principalinvestigator", "Can merge PIs")]

    def __str__(self) -> str:
        return self.name or self.email


class PIAddress(models.Model):
    """Another address of the same PI: tags that carry it mean them, and they may sign in with it."""

    pi = models.ForeignKey(PrincipalInvestigator, models.PROTECT, related_name="addresses")
    email = AddressField(unique=True)

    class Meta:
        verbose_name = "PI address"
        verbose_name_plural = "PI addresses"

    def __str__(self) -> str:
        return self.email


class FundingAccount(Mergeable):
    """An account as finance writes it: chartstring, FOAPAL, worktag, or whatever the ledger calls it."""

    code = models.CharField(max_length=100, unique=True)
    description = models.CharField(max_length=200, blank=True)
    account_code = models.CharField(max_length=60, blank=True, help_text="Ledger account code, where tags do not say")
    valid_from = models.DateField(null=True, blank=True)
    valid_until = models.DateField(null=True, blank=True, help_text="The last valid day")
    is_confirmed = models.BooleanField(
        "confirmed", default=False, help_text="Finance knows this account; one that tags have made is not confirmed"
    )

    history = HistoricalRecords()

    class Meta:
        ordering: ClassVar = ["code"]
        permissions: ClassVar = [("merge_fundingaccount", "Can merge funding accounts")]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(valid_until__gte=models.F("valid_from"))
                | models.Q(valid_from=None)
                | models.Q(valid_until=None),
                name="fund_valid_from_before_until",
            )
        ]

    def __str__(self) -> str:
        return self.code

    def limit_on(self, day: date) -> date | None:
        """The date that keeps the account from being charged for that day; None where it is valid."""
        is_begun = self.valid_from is None or self.valid_from <= day
        is_valid = is_begun and (self.valid_until is None or day <= self.valid_until)
        return None if is_valid else (self.valid_until or self.valid_from)


class Project(Mergeable):
    code = models.CharField(max_length=200, unique=True, help_text="The tag project_id")
    name = models.CharField(max_length=200, blank=True)
    department = models.CharField(max_length=200, blank=True)
    cost_center = models.CharField(max_length=100, blank=True)
    end_date = models.DateField(null=True, blank=True, help_text="The last day that the project's fund may be charged")
    default_fund = models.ForeignKey(
        FundingAccount, models.PROTECT, null=True, blank=True, related_name="+", help_text="Where tags name no fund"
    )
    fallback_fund = models.ForeignKey(
        FundingAccount, models.PROTECT, null=True, blank=True, related_name="+", help_text="After the end date"
    )

    history = HistoricalRecords()

    class Meta:
        ordering: ClassVar = ["code"]
        permissions: ClassVar = [("merge_project", "Can merge projects")]

    def __str__(self) -> str:
        return self.name or self.code

    def fallback_after(self, last: date) -> FundingAccount | None:
        """The fund that bears the days after that one, where it is valid then."""
        fallback = self.fallback_fund
        return fallback if fallback and fallback.limit_on(last + timedelta(days=1)) is None else None


class ProjectDelegate(models.Model):
    """An address that may read the project's statements; from the tag `delegates`, or added by staff."""

    project = models.ForeignKey(Project, models.PROTECT, related_name="delegates")
    email = AddressField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["project", "email"], name="delegate_once_a_project")]
        verbose_name = "delegate"

    def __str__(self) -> str:
        return self.email
