"""Imports: upload with preview and confirm, control totals, what changed, the files as they came, quarantine."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.defaultfilters import filesizeformat
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.text import capfirst
from import_export.admin import ImportMixin
from unfold.decorators import display

from charges.admin.delivery_tables import change_set, control_totals, late_differences, seldom_parts
from charges.admin.display import audit_list, link, once, table
from charges.admin.filters import SourceFilter
from charges.admin.upload import (
    ConfirmForm,
    DeliveryResult,
    FocusFields,
    FocusFormat,
    FocusResource,
    UploadForm,
    tell_outcome,
)
from charges.admin.upload_files import FilesView
from charges.admin.upload_storage import ConfirmedOnce, UploadStorage
from charges.importing import discard, discard_issues, received_path, why_not_reversed
from charges.importing import reverse as reverse_import
from charges.importing.recognising import follower
from charges.models import Charge, FocusImport, ImportIssue
from charges.models.charge import SUPERSEDED
from periods.blockers import changelist, counted
from periods.plain_admin import ReadOnlyAdmin
from periods.transition_admin import ReasonForm, Step, TransitionAdmin

State = FocusImport.State
HOW_TO_BILL = "To bill the difference, import the file again and say which open month takes it, or reopen the month."
SIGNS = {"loaded": 1, "quarantined": 1, "late": 1, "corrected": -1, "file": -1}


def _discard(focus_import: FocusImport, **answers: Any) -> str:
    return capfirst(f"{discard(focus_import, **answers)} is discarded; the received file is kept.")


def _reverse(focus_import: FocusImport, **answers: Any) -> str:
    return capfirst(f"{reverse_import(focus_import, **answers)} is reversed: what it superseded is current again.")


def _discard_rows(focus_import: FocusImport, **answers: Any) -> str:
    rows = discard_issues(ImportIssue.objects.filter(focus_import=focus_import), **answers)
    return f"{counted(rows, 'row is', 'rows are')} discarded."


@admin.register(FocusImport)
class FocusImportAdmin(ConfirmedOnce, ImportMixin, TransitionAdmin, ReadOnlyAdmin):
    steps: ClassVar = {
        "discard": Step(
            label="Discard",
            run=_discard,
            permission="charges.discard_focusimport",
            explanation="The import was interrupted or is not wanted: none of its rows counts. The file is kept.",
            states=(State.STAGED, State.LATE),
            form=ReasonForm,
            icon="delete",
        ),
        "reverse": Step(
            label="Reverse",
            run=_reverse,
            permission="charges.reverse_focusimport",
            explanation="Takes this delivery back, if it is the latest of its months: the one before is current again.",
            states=(State.LOADED,),
            form=ReasonForm,
            icon="undo",
            is_offered=lambda focus_import: not why_not_reversed(focus_import),
        ),
        "discard-rows": Step(
            label="Discard the quarantined rows",
            run=_discard_rows,
            permission="charges.discard_importissue",
            explanation="Every undecided row of this import is billed to nobody; rows and reason stay on record. "
            "To bill them, correct them under Quarantine, or at the source and import the file again.",
            form=ReasonForm,
            icon="playlist_remove",
            is_offered=lambda document: document.issues.filter(status=ImportIssue.Status.OPEN).exists(),
        ),
    }
    import_form_class = UploadForm
    confirm_form_class = ConfirmForm
    resource_classes: ClassVar = [FocusResource]
    formats: ClassVar = [FocusFormat]
    import_formats: ClassVar = [FocusFormat]
    tmp_storage_class = UploadStorage
    import_export_change_list_template = "admin/charges/focusimport/change_list.html"
    import_template_name = "admin/charges/focusimport/import.html"
    list_display: ClassVar = [
        "number", "whose", "months", "status", "rows", "loaded", "held", "in_quarantine", "loaded_at",
    ]  # fmt: skip
    list_filter: ClassVar = [SourceFilter, "state"]
    list_select_related: ClassVar = ["source"]
    fieldsets: ClassVar[list[Any]] = [
        (
            "Delivery",
            {"fields": [("source", "months", "status"), ("created_at", "created_by", "loaded_at"), "focus_version", "files_kept", "followed_by"]},
        ),
        ("Rows", {"fields": ["counts", "against", "charges", "quarantine"]}),
        ("Control totals", {"fields": ["control_totals", "totals_agree"]}),
        ("Closed months", {"fields": ["late_differences"]}),
        ("Changes against what the months held", {"fields": ["changes"]}),
        ("Remarks", {"fields": ["remarks", "history"]}),
    ]  # fmt: skip

    def has_import_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("charges.load_focusimport")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).prefetch_related("scopes__period")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Without the sections of which this delivery has nothing."""
        sections = {
            "Closed months": obj and obj.late_months,
            "Changes against what the months held": obj and obj.change_set,
        }
        return [(title, options) for title, options in self.fieldsets if sections.get(title, True)]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        rows = [row for _title, options in self.fieldsets for row in options["fields"]]
        return [name for row in rows for name in ([row] if isinstance(row, str) else row)]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.file_view)
        return [
            path("<int:pk>/file/<int:position>/", view, name="charges_focusimport_file"),
            *FilesView(self).urls(),
            *super().get_urls(),
        ]

    def file_view(self, request: HttpRequest, pk: int, position: int) -> HttpResponseBase:
        """The file as it came, byte for byte."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        focus_import = self.get_object(request, str(pk))
        file = focus_import and focus_import.files.filter(position=position).first()
        if not file or not received_path(file).is_file():
            raise Http404
        return FileResponse(received_path(file).open("rb"), as_attachment=True, filename=file.name)

    # The upload: django-import-export's views, the engine's answers

    def write_to_tmp_storage(self, import_file: Any, input_format: Any) -> UploadStorage:
        storage = UploadStorage()
        storage.save(import_file)
        return storage

    def get_confirm_form_initial(self, request: HttpRequest, import_form: Any) -> dict[str, Any]:
        initial = super().get_confirm_form_initial(request, import_form)
        if import_form:
            initial |= {name: import_form.cleaned_data[name] for name in FocusFields.base_fields}
        return initial

    def get_import_data_kwargs(self, **kwargs: Any) -> dict[str, Any]:
        form = kwargs["form"]
        if isinstance(form, UploadForm):
            form.guess_source()
        return {name: form.cleaned_data[name] for name in FocusFields.base_fields}

    def process_result(self, result: DeliveryResult, request: HttpRequest) -> HttpResponse:
        delivery = result.delivery
        loaded = delivery.focus_import if delivery else None
        if delivery is None or loaded is None:
            for error in result.base_errors:
                messages.error(request, str(error.error))
            return redirect("admin:charges_focusimport_import")
        tell_outcome(request, delivery)
        return redirect("admin:charges_focusimport_change", loaded.pk)

    # Columns and fields

    @display(description="Import", ordering="pk")
    def number(self, focus_import: FocusImport) -> str:
        return f"Import {focus_import.pk}"

    @display(description="Source", ordering="source__name")
    def whose(self, focus_import: FocusImport) -> str:
        return format_html('<span class="ocb-name">{}</span>', focus_import.source)

    @display(description="Held for review", ordering="flagged")
    def held(self, focus_import: FocusImport) -> int:
        return focus_import.flagged

    @display(description="In quarantine", ordering="quarantined")
    def in_quarantine(self, focus_import: FocusImport) -> int:
        return focus_import.quarantined

    @display(description="Months")
    def months(self, focus_import: FocusImport) -> str:
        late = {late["month"] for late in focus_import.late_months}
        found = sorted({scope.period.month for scope in focus_import.scopes.all()} | late)
        return format_html_join(", ", '<span class="whitespace-nowrap">{}</span>', ((month,) for month in found)) or "—"

    @display(description="State", label={"Loaded": "success", "Staged": "warning"})
    def status(self, focus_import: FocusImport) -> str:
        return focus_import.get_state_display()

    @display(description="Files")
    def files_kept(self, focus_import: FocusImport) -> str:
        rows = (
            (
                reverse("admin:charges_focusimport_file", args=[focus_import.pk, file.position]),
                file.name,
                filesizeformat(file.size),
                file.sha256,
            )
            for file in focus_import.files.all()
        )
        return (
            format_html_join(
                "",
                '<div><a class="ocb-link" href="{}">{}</a> · {} · SHA-256 <span class="ocb-hash">{}</span></div>',
                rows,
            )
            or "—"
        )

    @display(description="Followed by")
    def followed_by(self, focus_import: FocusImport) -> str:
        """Why it is not offered to be reversed."""
        later = follower(focus_import) if focus_import.state == State.LOADED else None
        words = "{}, which speaks for the same months: this import can be reversed once that one is."
        return format_html(words, link(later)) if later else "—"

    @display(description="In the files")
    def counts(self, focus_import: FocusImport) -> str:
        parts = {"Rows": "rows", "Loaded": "loaded", "In quarantine": "quarantined", "Late, not loaded": "late"}
        return _numbers(focus_import, parts | {"Held for review": "flagged"})

    @display(description="Against what was there")
    def against(self, focus_import: FocusImport) -> str:
        parts = {"New": "added", "Changed": "changed", "Gone": "removed", "Unchanged": "unchanged"}
        return _numbers(focus_import, parts)

    @display(description="Charges")
    @once
    def charges(self, focus_import: FocusImport) -> str:
        """Those that it wrote; a row that came unchanged stays the charge of an earlier delivery."""
        if focus_import.state != State.LOADED:
            return "None"
        links = format_html_join(", ", '<a class="ocb-link" href="{}">{}</a>', _charge_links(focus_import))
        return links or "None: nothing in it was new"

    @display(description="To the last digit of the text")
    def control_totals(self, focus_import: FocusImport) -> str:
        return control_totals(focus_import.totals)

    @display(description="Nothing is lost")
    def totals_agree(self, focus_import: FocusImport) -> str:
        """Of totals as recorded: loaded + quarantined + kept late − what corrections changed = file."""
        totals = [total for columns in focus_import.totals.values() for total in columns.values()]
        if not totals:
            return "—"
        agree = all(not sum(sign * Decimal(total.get(name, 0)) for name, sign in SIGNS.items()) for total in totals)
        seldom = "".join(f" {'+' if SIGNS[part] > 0 else '−'} {part}" for part in seldom_parts(focus_import.totals))
        if not agree:
            return "The totals do not add up."
        uncounted = focus_import.issues.filter(counted={}).count()
        rows = f" {counted(uncounted, 'row', 'rows')} without readable amounts: in none of them." if uncounted else ""
        return f"File = loaded + quarantined{seldom}, in every column.{rows}"

    @display(description="Differences")
    def late_differences(self, focus_import: FocusImport) -> str:
        found = late_differences(focus_import.late_months, is_done=True)
        return format_html("{}<p>{}</p>", found, HOW_TO_BILL) if focus_import.state == State.LATE else found

    @display(description="By project")
    def changes(self, focus_import: FocusImport) -> str:
        return change_set(focus_import.change_set)

    @display(description="Warnings")
    def remarks(self, focus_import: FocusImport) -> str:
        return format_html_join("", "<div>{}</div>", ((warning,) for warning in focus_import.warnings)) or "—"

    @display(description="Quarantine")
    @once
    def quarantine(self, focus_import: FocusImport) -> str:
        rows = focus_import.issues.count()
        if not rows:
            return "No row came into quarantine."
        url = f"{reverse('admin:charges_importissue_changelist')}?focus_import__id__exact={focus_import.pk}&status__exact=all"
        undecided = focus_import.issues.filter(status=ImportIssue.Status.OPEN).count()
        words = f"{counted(rows, 'row', 'rows')}, {undecided:,} undecided"
        return format_html('<a class="ocb-link" href="{}">{}</a>', url, words)

    @display(description="History")
    def history(self, focus_import: FocusImport) -> str:
        return audit_list(focus_import)


def _charge_links(focus_import: FocusImport) -> Iterator[tuple[str, str]]:
    """Address and words, by month: those that are current, and those that a later delivery superseded."""
    written = Charge.objects.filter(loaded_by=focus_import).order_by("period__month")
    of_month = written.values_list("period", "period__month")
    for period, month, current, others in of_month.annotate(
        current=Count("pk", filter=~SUPERSEDED), superseded=Count("pk", filter=SUPERSEDED)
    ):
        asked = {"period__id__exact": period, "loaded_by__id__exact": focus_import.pk}
        if current:
            yield (
                changelist(Charge, **asked, review_status__exact="all"),
                f"{counted(current, 'charge', 'charges')} of {month}",
            )
        if others:
            yield (
                changelist(Charge, **asked, review_status__exact="superseded"),
                f"{others:,} of {month} superseded since",
            )


def _numbers(focus_import: FocusImport, parts: dict[str, str]) -> str:
    row = [f"{getattr(focus_import, name):,}" for name in parts.values()]
    return table(list(parts), [row], amounts_from=0)
