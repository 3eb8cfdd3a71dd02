"""The month that everything belongs to, and the record of who did what."""

from datetime import datetime
from typing import Any, ClassVar

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone

from periods import calendar
from periods.errors import PeriodLocked, PeriodNotOpen, Refused
from periods.states import Document, StateField, known_states, transition


def institution_currency() -> str:
    return settings.CURRENCY


class PeriodQuerySet(models.QuerySet["BillingPeriod"]):
    def of_month(self, month: str) -> "BillingPeriod":
        """The period of `YYYY-MM`. Raises Refused where nothing was ever imported for it."""
        period = self.filter(month=month).first()
        if period is None:
            raise Refused(f"There is no period {month}: nothing was imported for it yet.")
        return period

    def lock_open(self, pk: int) -> "BillingPeriod":
        """Lock the row until the transaction ends, so that no close can slip past a writer."""
        period = self.select_for_update().get(pk=pk)
        if period.state != BillingPeriod.State.OPEN:
            raise PeriodNotOpen(f"{period} is {period.get_state_display().lower()}: no import may change it.")
        return period

    def lock_unsealed(self, pk: int) -> "BillingPeriod":
        """Lock the row for a change that is legal while the month is open or closed."""
        period = self.select_for_update().get(pk=pk)
        if period.state == BillingPeriod.State.FINALIZED:
            raise PeriodLocked(f"{period} is finalized: nothing in it changes. Correct it in an open month.")
        return period

    def lock_all_unsealed(self) -> None:
        """For a change that may fall into any month that is not finalized."""
        list(self.select_for_update().exclude(state=BillingPeriod.State.FINALIZED).order_by("pk"))


class BillingPeriod(Document):
    class State(models.TextChoices):
        OPEN = "open", "Open"
        CLOSED = "closed", "Closed"
        FINALIZED = "finalized", "Finalized"

    month = models.CharField(max_length=7, unique=True, validators=[RegexValidator(rf"^{calendar.MONTH.pattern}$")])
    currency = models.CharField(max_length=3, default=institution_currency)
    state = StateField(choices=State.choices, default=State.OPEN, editable=False)
    closed_at = models.DateTimeField(null=True, editable=False)
    closed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, editable=False, related_name="+")
    finalized_at = models.DateTimeField(null=True, editable=False)
    finalized_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, editable=False, related_name="+"
    )

    objects = PeriodQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "months"
        ordering: ClassVar = ["-month"]
        permissions: ClassVar = [
            ("close_billingperiod", "Can close a billing period"),
            ("reopen_billingperiod", "Can reopen a closed billing period"),
            ("finalize_billingperiod", "Can finalize a billing period"),
            ("override_billingperiod", "Can finalize before the printed dispute date"),
        ]
        constraints: ClassVar = [
            known_states(["open", "closed", "finalized"], "period_state_known"),
            models.CheckConstraint(condition=~models.Q(currency=""), name="period_currency_present"),
        ]

    def __str__(self) -> str:
        """In words; as it stands where it is no month, since whoever finds that must be able to say so."""
        return calendar.in_words(self.month) if calendar.MONTH.fullmatch(self.month) else self.month

    @transition("state", source=State.OPEN, target=State.CLOSED, permission="periods.close_billingperiod")
    def close(self, *, by: Any) -> None:
        self.closed_at, self.closed_by = timezone.now(), by

    @transition("state", source=State.CLOSED, target=State.OPEN, permission="periods.reopen_billingperiod")
    def reopen(self, *, by: Any) -> None:
        self.closed_at = self.closed_by = None

    @transition("state", source=State.CLOSED, target=State.FINALIZED, permission="periods.finalize_billingperiod")
    def finalize(self, *, by: Any, at: datetime | None = None) -> None:
        """At the moment that the seal names."""
        self.finalized_at, self.finalized_by = at or timezone.now(), by


class AuditEntry(models.Model):
    """One decision or transition. The database takes new entries always, changes and deletions never."""

    at = models.DateTimeField(default=timezone.now, db_index=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    period = models.ForeignKey(BillingPeriod, models.PROTECT, null=True, related_name="+")
    action = models.CharField(max_length=40)
    subject = models.CharField(max_length=200, help_text="What was acted on, in words")
    subject_model = models.CharField(max_length=60)
    subject_id = models.BigIntegerField(null=True, help_text="Empty where one action changed many rows")
    rows = models.PositiveIntegerField(default=1)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    reason = models.TextField(blank=True)

    class Meta:
        ordering: ClassVar = ["-at", "-pk"]
        verbose_name_plural = "audit entries"
        indexes: ClassVar = [models.Index(fields=["subject_model", "subject_id"], name="audit_subject")]

    def __str__(self) -> str:
        return f"{self.action} {self.subject}"
