"""Quarantine: the rows that could not be used, each as it came, until they are corrected or discarded."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.text import Truncator
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from charges.admin.bulk import BulkAdmin, bulk_action
from charges.admin.display import corrections, link, table
from charges.admin.filters import PeriodFilter, ReadableFilter, UndecidedFilter
from charges.importing import correct_row, discard_issues
from charges.importing.correcting import columns
from charges.importing.reading.text import LINE_END
from charges.models import ImportIssue
from periods.plain_admin import ReadOnlyAdmin
from periods.transition_admin import ReasonForm, Step

LONG = 80  # characters


def _discard_row(issue: ImportIssue, **answers: Any) -> str:
    discard_issues(ImportIssue.objects.filter(pk=issue.pk), **answers)
    return "The row is discarded."


def _correction_form(issue: ImportIssue) -> type[forms.Form]:
    """The unusable column first, then the row as it came; every text can be changed."""
    names = list(columns(issue))
    order = sorted(range(len(names)), key=lambda index: names[index] != issue.column)
    fields: dict[str, forms.Field] = {
        f"column_{index}": forms.CharField(
            label=names[index],
            initial=issue.raw_row[names[index]],
            required=False,
            strip=False,
            help_text=issue.sentence if names[index] == issue.column else "",
            widget=_widget(issue.raw_row[names[index]]),
        )
        for index in order
    }
    return type("CorrectionForm", (ReasonForm,), {**fields, "field_order": [*fields, "reason"]})


def _widget(text: str) -> forms.Widget:
    """A line is too little for a long text, and would lose the line ends of one of several lines."""
    is_long = len(text) > LONG or LINE_END.search(text)
    return UnfoldAdminTextareaWidget(attrs={"rows": 4}) if is_long else UnfoldAdminTextInputWidget()


def _as_raw(text: str, raw: str) -> str:
    """Browsers end every line in their own way; a text that nobody changed comes back as it was."""
    ends = LINE_END.findall(raw) or ["\n"]
    lines = LINE_END.split(text)
    kept = [*ends, *[ends[-1]] * len(lines)]
    return "".join(line + (kept[at] if at < len(lines) - 1 else "") for at, line in enumerate(lines))


def _correct(issue: ImportIssue, *, reason: str, by: Any, **texts: str) -> str:
    came = enumerate(columns(issue).items())
    correction = {name: _as_raw(texts[f"column_{index}"], raw) for index, (name, raw) in came}
    charge = correct_row(issue, correction=correction, reason=reason, by=by)
    return (
        f"The row is loaded as {charge} of {charge.period}; the correction holds for later deliveries of the same row."
    )


DECIDED = [("decided_by", "decided_at"), "reason"]
CORRECTED = ["charge_link", "correction_made"]


@admin.register(ImportIssue)
class ImportIssueAdmin(BulkAdmin, ReadOnlyAdmin):
    steps: ClassVar = {
        "correct": Step(
            label="Correct and load",
            run=_correct,
            permission="charges.correct_importissue",
            explanation="Write what the row should say. It is loaded at once; the row as it came stays on record, and "
            "the correction holds when the same row is delivered again.",
            form_of=_correction_form,
            icon="edit",
            is_primary=True,
            is_offered=lambda issue: issue.status == ImportIssue.Status.OPEN,
        ),
        "discard": Step(
            label="Discard",
            run=_discard_row,
            permission="charges.discard_importissue",
            explanation="The row is billed to nobody; it and your reason stay on record. "
            "To bill it, correct it here, or in the file and import again while the month is open.",
            form=ReasonForm,
            icon="delete",
            is_offered=lambda issue: issue.status == ImportIssue.Status.OPEN,
        ),
    }
    stages: ClassVar = {"discard": (discard_issues, "discarded")}
    actions: ClassVar = [bulk_action("discard", "Discard", "charges.discard_importissue")]
    list_display: ClassVar = ["place", "file", "wrong", "found", "source", "period", "state"]
    list_filter: ClassVar = [PeriodFilter, UndecidedFilter, ReadableFilter]
    list_select_related: ClassVar = ["focus_import__source", "period", "file"]
    fields: ClassVar = [
        ("place", "file"), "wrong", "way_out", ("column", "found"), ("source", "period", "state"),
        "import_link", *DECIDED, *CORRECTED, "row_as_it_came",
    ]  # fmt: skip
    readonly_fields: ClassVar = [
        "place", "wrong", "way_out", "found", "source", "state", "import_link", "charge_link", "correction_made",
        "row_as_it_came",
    ]  # fmt: skip

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        own = ("focus_import__id__exact", "focus_import__source__id__exact")
        return lookup in own or super().lookup_allowed(lookup, value, request)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Without what no one has decided yet."""
        is_decided = obj is None or bool(obj.decided_at)
        is_corrected = obj is None or obj.status == ImportIssue.Status.CORRECTED
        hidden = [*([] if is_decided else DECIDED), *([] if is_corrected else CORRECTED)]
        return [name for name in self.fields if name not in hidden]

    def has_discard_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("charges.discard_importissue")

    @display(description="Line", ordering="line_number")
    def place(self, issue: ImportIssue) -> str:
        return format_html('<span class="whitespace-nowrap">Line {}</span>', issue.line_number)

    @display(description="What is wrong", ordering="sentence")
    def wrong(self, issue: ImportIssue) -> str:
        return issue.sentence

    @display(description="It says", ordering="raw_value")
    def found(self, issue: ImportIssue) -> str:
        return Truncator(issue.raw_value).chars(LONG) or "—"

    @display(description="Import")
    def import_link(self, issue: ImportIssue) -> str:
        return link(issue.focus_import)

    @display(description="Loaded as")
    def charge_link(self, issue: ImportIssue) -> str:
        return link(issue.charge) if issue.charge else "—"

    @display(description="Source")
    def source(self, issue: ImportIssue) -> str:
        return str(issue.focus_import.source)

    @display(description="State", label={"Undecided": "warning"})
    def state(self, issue: ImportIssue) -> str:
        return issue.get_status_display()

    @display(description="What to do")
    def way_out(self, issue: ImportIssue) -> str:
        if issue.status != ImportIssue.Status.OPEN:
            return "Nothing: it is decided."
        return "Correct it here, or in the file and import again while the month is open; or discard it."

    @display(description="Correction")
    def correction_made(self, issue: ImportIssue) -> str:
        return corrections(issue) if issue.status == ImportIssue.Status.CORRECTED else "—"

    @display(description="The row as it came")
    def row_as_it_came(self, issue: ImportIssue) -> str:
        return table(["Column", "Value"], issue.raw_row.items())
