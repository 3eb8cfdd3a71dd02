"""Quarantine: the rows that could not be used, each as it came, until they are corrected or discarded."""

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest
from unfold.decorators import display

from charges.admin.bulk import BulkAdmin, bulk_action
from charges.admin.display import table
from charges.admin.filters import PeriodFilter, UndecidedFilter
from charges.importing import discard_issues
from charges.models import ImportIssue
from periods.plain_admin import ReadOnlyAdmin
from periods.transition_admin import ReasonForm, Step


def _discard_row(issue: ImportIssue, **answers: Any) -> str:
    discard_issues(ImportIssue.objects.filter(pk=issue.pk), **answers)
    return "The row is discarded."


@admin.register(ImportIssue)
class ImportIssueAdmin(BulkAdmin, ReadOnlyAdmin):
    steps: ClassVar = {
        "discard": Step(
            label="Discard",
            run=_discard_row,
            permission="charges.discard_importissue",
            explanation="The row is billed to nobody; it and your reason stay on record. "
            "To bill it, correct it in the file and import again while the month is open.",
            form=ReasonForm,
            icon="delete",
            is_offered=lambda issue: issue.status == ImportIssue.Status.OPEN,
        )
    }
    stages: ClassVar = {"discard": (discard_issues, "discarded")}
    actions: ClassVar = [bulk_action("discard", "Discard", "charges.discard_importissue")]
    list_display: ClassVar = ["place", "sentence", "column", "raw_value", "source", "period", "state"]
    list_filter: ClassVar = [PeriodFilter, UndecidedFilter]
    list_select_related: ClassVar = ["focus_import__source", "period", "file"]
    fields: ClassVar = [
        ("place", "file"), "sentence", "way_out", ("column", "raw_value"), ("source", "period", "state"),
        ("decided_by", "decided_at"), "reason", "row_as_it_came",
    ]  # fmt: skip
    readonly_fields: ClassVar = ["place", "way_out", "source", "state", "row_as_it_came"]

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        return lookup == "focus_import__id__exact" or super().lookup_allowed(lookup, value, request)

    def has_discard_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("charges.discard_importissue")

    @display(description="Line", ordering="line_number")
    def place(self, issue: ImportIssue) -> str:
        return f"Line {issue.line_number}"

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
        return "Correct it in the file and import again while the month is open; or discard it."

    @display(description="The row as it came")
    def row_as_it_came(self, issue: ImportIssue) -> str:
        return table(["Column", "Value"], issue.raw_row.items())
