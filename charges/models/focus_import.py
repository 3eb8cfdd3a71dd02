"""One delivery of billing files: what came, what was loaded, what was put aside."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from charges.models.source import Source
from charges.money import MoneyField
from periods.states import Document, StateField, known_states, transition


class ImportQuerySet(models.QuerySet["FocusImport"]):
    def loaded(self) -> "ImportQuerySet":
        return self.filter(state="loaded")


class FocusImport(Document):
    """All files of one command or upload. Its charges count once it is loaded, all of them or none."""

    class State(models.TextChoices):
        STAGED = "staged", "Staged"
        LOADED = "loaded", "Loaded"
        DISCARDED = "discarded", "Discarded"
        REVERSED = "reversed", "Reversed"
        LATE = "late", "Late, not loaded"

    class Kind(models.TextChoices):
        DELIVERY = "delivery", "Delivery"
        CARRIED = "carried", "Deferred charges carried over"
        CORRECTION = "correction", "Correction of finalized charges"

    source = models.ForeignKey(Source, models.PROTECT, related_name="imports")
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.DELIVERY, editable=False)
    state = StateField(choices=State.choices, default=State.STAGED, editable=False)
    sha256 = models.CharField("SHA-256", max_length=64, blank=True, db_index=True, editable=False)
    target_month = models.CharField(
        max_length=7, blank=True, editable=False, help_text="All rows were put there, whatever they say"
    )
    late_to = models.CharField(
        max_length=7, blank=True, editable=False, help_text="Where differences of closed months were loaded"
    )
    focus_version = models.CharField("FOCUS version", max_length=60, blank=True, editable=False)
    rows = models.PositiveIntegerField(default=0, editable=False)
    loaded = models.PositiveIntegerField(default=0, editable=False)
    quarantined = models.PositiveIntegerField(default=0, editable=False)
    late = models.PositiveIntegerField(
        default=0, editable=False, help_text="Rows of closed months that were kept, not loaded"
    )
    flagged = models.PositiveIntegerField(default=0, editable=False)
    added = models.PositiveIntegerField(default=0, editable=False)
    changed = models.PositiveIntegerField(default=0, editable=False)
    removed = models.PositiveIntegerField(default=0, editable=False)
    unchanged = models.PositiveIntegerField(default=0, editable=False)
    totals = models.JSONField(
        default=dict, editable=False, help_text="Per currency and cost column: file, loaded, quarantined, rounding"
    )
    warnings = models.JSONField(default=list, editable=False)
    change_set = models.JSONField(default=list, editable=False, help_text="Per project: rows, Δ list, Δ due")
    late_months = models.JSONField(
        default=list,
        editable=False,
        help_text="Per closed month and currency: rows, Δ list, Δ due, and where they went",
    )
    settled_months = models.JSONField(
        default=list, editable=False, help_text="Closed months in which nothing differed from what they hold"
    )
    read_as = models.JSONField(default=dict, editable=False, help_text="The settings of the source as they were then")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, editable=False, related_name="+"
    )
    loaded_at = models.DateTimeField(null=True, editable=False)

    objects = ImportQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-pk"]
        verbose_name = "FOCUS import"
        permissions: ClassVar = [
            ("load_focusimport", "Can load FOCUS files"),
            ("discard_focusimport", "Can discard a staged import"),
            ("reverse_focusimport", "Can reverse a loaded import"),
        ]
        constraints: ClassVar = [
            known_states(["staged", "loaded", "discarded", "reversed", "late"], "import_state_known"),
            models.CheckConstraint(
                condition=~models.Q(state__in=["loaded", "late"])
                | models.Q(rows=models.F("loaded") + models.F("quarantined") + models.F("late")),
                name="import_loses_no_row",
            ),
        ]

    def __str__(self) -> str:
        return f"import {self.pk} of {self.source}"

    @transition("state", source=State.STAGED, target=State.LOADED, permission="charges.load_focusimport")
    def load(self, *, by: Any) -> None:
        self.loaded_at = timezone.now()

    @transition("state", source=State.STAGED, target=State.LATE, permission="charges.load_focusimport")
    def keep_late(self, *, by: Any) -> None: ...

    @transition(
        "state", source=[State.STAGED, State.LATE], target=State.DISCARDED, permission="charges.discard_focusimport"
    )
    def discard(self, *, by: Any) -> None: ...

    @transition("state", source=State.LOADED, target=State.REVERSED, permission="charges.reverse_focusimport")
    def reverse(self, *, by: Any) -> None: ...


class ImportScope(models.Model):
    """What a delivery speaks for: one billing account of the source in one month.

    With a `late_month`, it speaks for that closed month, and its differences were loaded in `period`.
    """

    focus_import = models.ForeignKey(FocusImport, models.PROTECT, related_name="scopes")
    period = models.ForeignKey("periods.BillingPeriod", models.PROTECT, related_name="+")
    late_month = models.CharField(max_length=7, blank=True)
    billing_account_id = models.TextField(blank=True)
    rows = models.PositiveIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["focus_import", "period", "late_month", "billing_account_id"],
                name="one_scope_an_import_period_account",
            )
        ]

    def __str__(self) -> str:
        return f"{self.focus_import.source} {self.billing_account_id} {self.period}".replace("  ", " ")


class ReceivedFile(models.Model):
    """A file as it came, kept under the hash of its bytes in OCB_HOME/received."""

    focus_import = models.ForeignKey(FocusImport, models.PROTECT, related_name="files")
    position = models.PositiveSmallIntegerField(default=0)
    name = models.TextField()
    member = models.TextField(blank=True, help_text="Of an archive: the file in it")
    sha256 = models.CharField("SHA-256", max_length=64)
    size = models.BigIntegerField()

    class Meta:
        ordering: ClassVar = ["position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["focus_import", "position"], name="one_file_a_position")
        ]

    def __str__(self) -> str:
        return self.name


class ImportIssue(models.Model):
    """A row that cannot be used, in quarantine until somebody decides; its raw text is kept."""

    class Status(models.TextChoices):
        OPEN = "open", "Undecided"
        DISCARDED = "discarded", "Discarded"
        CORRECTED = "corrected", "Corrected and loaded"
        REPLACED = "replaced", "Replaced by a later delivery"

    focus_import = models.ForeignKey(FocusImport, models.PROTECT, related_name="issues")
    period = models.ForeignKey("periods.BillingPeriod", models.PROTECT, related_name="+")
    late_month = models.CharField(
        max_length=7, blank=True, editable=False, help_text="The closed month that the row belongs to"
    )
    file = models.ForeignKey(ReceivedFile, models.PROTECT, related_name="+")
    billing_account_id = models.TextField(blank=True)
    line_number = models.PositiveIntegerField()
    column = models.CharField(max_length=100, blank=True)
    raw_value = models.TextField(blank=True)
    sentence = models.TextField(help_text="What is wrong, in words")
    raw_row = models.JSONField(default=dict, help_text="The row as read, column by column")
    counted = models.JSONField(
        default=dict,
        editable=False,
        help_text="What the control totals hold of it: exact amounts by currency and column",
    )
    raw_digest = models.BigIntegerField(
        default=0, editable=False, help_text="Tells the same raw row when it comes again"
    )
    correction = models.JSONField(default=dict, editable=False, help_text="Column: the text that stands in its place")
    charge = models.ForeignKey("charges.Charge", models.PROTECT, null=True, editable=False, related_name="+")
    billed_cost = MoneyField(null=True)
    effective_cost = MoneyField(null=True)
    list_cost = MoneyField(null=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.OPEN)
    replaced_by = models.ForeignKey(FocusImport, models.PROTECT, null=True, editable=False, related_name="+")
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, editable=False, related_name="+"
    )
    decided_at = models.DateTimeField(null=True)
    reason = models.TextField(blank=True)

    class Meta:
        verbose_name_plural = "quarantine"
        ordering: ClassVar = ["pk"]
        permissions: ClassVar = [
            ("discard_importissue", "Can discard a quarantined row"),
            ("correct_importissue", "Can correct and load a quarantined row"),
        ]
        constraints: ClassVar = [
            known_states(["open", "discarded", "corrected", "replaced"], "issue_status_known", "status")
        ]

    def __str__(self) -> str:
        return f"line {self.line_number}: {self.sentence}"

    @property
    def month(self) -> str:
        """The month that the row is of, wherever its charge would go."""
        return self.late_month or self.period.month
