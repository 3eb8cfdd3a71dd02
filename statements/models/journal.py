"""Double entry for finance: funds are debited, the source's account is credited, both sides equal."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from charges.models import FundingAccount, Source
from charges.money import MoneyField
from periods.models import BillingPeriod
from periods.states import Document, StateField, known_states, transition


class Journal(Document):
    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        EXPORTED = "exported", "Exported"
        ACKNOWLEDGED = "acknowledged", "Acknowledged"
        REJECTED = "rejected", "Rejected"
        VOIDED = "voided", "Voided"

    period = models.ForeignKey(BillingPeriod, models.PROTECT, related_name="+")
    number = models.PositiveIntegerField(help_text="Counts within the month")
    state = StateField(choices=State.choices, default=State.DRAFT, editable=False)
    currency = models.CharField(max_length=3)
    accounting_date = models.DateField()
    reference = models.CharField(max_length=200, blank=True, help_text="Finance's number for it")
    reason = models.TextField(blank=True, help_text="Why it was rejected or voided")
    created_at = models.DateTimeField(default=timezone.now)
    exported_at = models.DateTimeField(null=True)
    acknowledged_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["period", "number"]
        permissions: ClassVar = [
            ("export_journal", "Can export journals"),
            ("acknowledge_journal", "Can acknowledge or reject journals"),
            ("void_journal", "Can void journals"),
        ]
        constraints: ClassVar = [
            known_states(["draft", "exported", "acknowledged", "rejected", "voided"], "journal_state_known"),
            models.UniqueConstraint(fields=["period", "number"], name="one_journal_a_period_and_number"),
            models.CheckConstraint(condition=~Q(currency=""), name="journal_currency_present"),
        ]

    def __str__(self) -> str:
        return self.printed_number

    @property
    def printed_number(self) -> str:
        return f"J-{self.period.month}-{self.number}"

    @transition("state", source=State.DRAFT, target=State.EXPORTED, permission="statements.export_journal")
    def export(self, *, by: Any) -> None:
        self.exported_at = timezone.now()

    @transition("state", source=State.EXPORTED, target=State.ACKNOWLEDGED, permission="statements.acknowledge_journal")
    def acknowledge(self, *, by: Any, reference: str) -> None:
        self.acknowledged_at, self.reference = timezone.now(), reference

    @transition("state", source=State.EXPORTED, target=State.REJECTED, permission="statements.acknowledge_journal")
    def reject(self, *, by: Any, why: str) -> None:
        self.reason = why

    @transition(
        "state", source=[State.DRAFT, State.EXPORTED], target=State.VOIDED, permission="statements.void_journal"
    )
    def void(self, *, by: Any, why: str) -> None:
        self.reason = why


class JournalLine(models.Model):
    journal = models.ForeignKey(Journal, models.PROTECT, related_name="lines")
    account = models.CharField(max_length=100, help_text="Funding account, or the source's account")
    funding_account = models.ForeignKey(FundingAccount, models.PROTECT, null=True, related_name="+")
    account_code = models.CharField(max_length=60)
    source = models.ForeignKey(Source, models.PROTECT, null=True, related_name="+")
    debit = MoneyField(default=0)
    credit = MoneyField(default=0)
    description = models.CharField(max_length=100)

    class Meta:
        ordering: ClassVar = ["pk"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(debit__gt=0, credit=0) | Q(debit=0, credit__gt=0), name="exactly_one_of_debit_and_credit"
            )
        ]

    def __str__(self) -> str:
        return f"{self.account} {self.account_code}"
