"""What is kept for ever: documents by the hash of their bytes, and the seals that chain finalized months."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from periods import storage
from periods.errors import Refused
from periods.models import BillingPeriod
from periods.states import known_states
from statements.models.journal import Journal
from statements.models.statement import Statement


class ArchivedDocument(models.Model):
    """A PDF or journal file in OCB_HOME. Downloads give these bytes; nothing is rendered twice."""

    class Kind(models.TextChoices):
        STATEMENT = "statement", "Statement PDF"
        JOURNAL = "journal", "Journal file"

    period = models.ForeignKey(BillingPeriod, models.PROTECT, related_name="+")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    statement = models.OneToOneField(Statement, models.PROTECT, null=True, related_name="document")
    journal = models.ForeignKey(Journal, models.PROTECT, null=True, related_name="documents")
    template = models.CharField(max_length=100)
    path = models.CharField(max_length=300, help_text="Within OCB_HOME")
    sha256 = models.CharField("SHA-256", max_length=64)
    size = models.PositiveIntegerField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["-pk"]
        constraints: ClassVar = [
            known_states(["statement", "journal"], "document_kind_known", "kind"),
            models.CheckConstraint(
                condition=Q(statement__isnull=False, journal__isnull=True)
                | Q(statement__isnull=True, journal__isnull=False),
                name="document_of_one_thing",
            ),
            models.UniqueConstraint(fields=["journal", "template"], name="one_export_a_journal_and_template"),
        ]

    def __str__(self) -> str:
        return self.path

    def read(self) -> bytes:
        """The bytes as they were archived; the only way to them. Raises Refused where they are not."""
        content = storage.read(self.path, self.sha256)
        if content is None:
            raise Refused(f"The {self.get_kind_display()} {self.path} is missing or not what was archived.")
        return content


class RuleInForce(models.Model):
    """What a rule, split or exchange rate said while it decided about the month; written once, when it is finalized."""

    period = models.ForeignKey(BillingPeriod, models.PROTECT, related_name="+")
    kind = models.CharField(max_length=40)
    rule_id = models.BigIntegerField()
    version = models.BigIntegerField(help_text="Key in the history of the rule")
    since = models.DateTimeField(help_text="When it began to say so")
    says = models.JSONField(help_text="Field: value, in words")

    class Meta:
        verbose_name_plural = "rules in force"
        ordering: ClassVar = ["pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["period", "kind", "version"], name="one_rule_a_period_and_version")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.rule_id}"


class Seal(models.Model):
    """The month's fingerprint: a hash of its canonical lines, chained to the seal before it."""

    period = models.OneToOneField(BillingPeriod, models.PROTECT, related_name="+")
    number = models.PositiveIntegerField(unique=True)
    algorithm = models.PositiveSmallIntegerField(help_text="Version of the list of canonical fields")
    previous = models.OneToOneField("self", models.PROTECT, null=True, related_name="+")
    lines_sha256 = models.CharField(max_length=64, help_text="Of the canonical lines; also their file's name")
    counts = models.JSONField(help_text="Rows by table")
    totals = models.JSONField(help_text="List, discount and due, as text")
    head = models.CharField(max_length=64, unique=True, help_text="Hash of this seal and all before it")
    sealed_at = models.DateTimeField()
    sealed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering: ClassVar = ["-number"]

    def __str__(self) -> str:
        return f"seal {self.number} of {self.period}"
