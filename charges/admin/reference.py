"""Reference data that staff keep: with its field history, as spreadsheets in and out, never deleted."""

from collections.abc import Iterator
from typing import Any, ClassVar

from django.contrib.admin.utils import flatten_fieldsets
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from import_export.admin import ImportExportMixin
from import_export.formats.base_formats import CSV, XLSX
from import_export.results import Result
from simple_history.admin import SimpleHistoryAdmin
from tablib.exceptions import InvalidDimensions
from unfold.contrib.import_export.forms import ExportForm, ImportForm
from unfold.widgets import UnfoldAdminDecimalFieldWidget

from charges.admin.upload_storage import ConfirmedOnce, SheetStorage
from charges.money import MoneyField
from periods.errors import Refused
from periods.plain_admin import StageAdmin

TOLD = 5  # rows whose reason is told, of those that are refused


class HistoryAdmin(SimpleHistoryAdmin, StageAdmin):
    formfield_overrides: ClassVar[dict[Any, Any]] = {MoneyField: {"widget": UnfoldAdminDecimalFieldWidget}}

    def history_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        if self.get_object(request, object_id) is None:
            raise Http404
        return super().history_view(request, object_id, *args, **kwargs)

    def history_form_view(self, request: HttpRequest, object_id: str, version_id: str, *args: Any) -> HttpResponse:
        """An old version, to read or to revert to: simple_history itself lets everybody revert who may read."""
        if not version_id.isdecimal() or (current := self.get_object(request, object_id)) is None:
            raise Http404
        if request.method == "POST" and not self.has_change_permission(request, current):
            raise PermissionDenied
        return self.lifting_refusals(super().history_form_view, request, object_id, version_id, *args)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None or self.has_change_permission(request, obj):
            return super().get_readonly_fields(request, obj)
        return flatten_fieldsets(self.get_fieldsets(request, obj))


class AnyCSV(CSV):
    """Separated as its first line is: by semicolons where numbers have commas, or by tabs."""

    def create_dataset(self, in_stream: Any, **kwargs: Any) -> Any:
        text = in_stream.decode(self.encoding or "utf-8-sig") if isinstance(in_stream, bytes) else in_stream
        first, _, rest = (text := text.lstrip("\r\n")).partition("\n")
        if first.startswith("sep="):  # for one spreadsheet program, and no row
            text, first = rest, rest.partition("\n")[0]
        return _with_rows(super().create_dataset(text, delimiter=max(",;\t", key=first.count), **kwargs))


class AnyXLSX(XLSX):
    def create_dataset(self, in_stream: Any, **kwargs: Any) -> Any:
        return _with_rows(super().create_dataset(in_stream, **kwargs))


def _with_rows(dataset: Any) -> Any:
    if not dataset.headers or not dataset.height:
        raise Refused("There is no row below a first line of column names.")
    return dataset


class SpreadsheetAdmin(ConfirmedOnce, ImportExportMixin):
    """The two formats that everybody has; a sheet is imported whole or not at all."""

    tmp_storage_class = SheetStorage
    formats: ClassVar = [AnyCSV, AnyXLSX]
    import_form_class = ImportForm
    export_form_class = ExportForm

    def get_import_data_kwargs(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_import_data_kwargs(**kwargs) | {"rollback_on_validation_errors": True}

    def add_data_read_fail_error_to_form(self, form: Any, e: Exception) -> None:
        if isinstance(e, UnicodeDecodeError):
            form.add_error("import_file", "The file is no UTF-8 text: save it as CSV UTF-8, or as .xlsx.")
        elif isinstance(e, InvalidDimensions):
            form.add_error("import_file", "A row has more cells than the first line names columns.")
        elif isinstance(e, Refused):
            form.add_error("import_file", str(e))
        else:
            super().add_data_read_fail_error_to_form(form, e)

    def process_result(self, result: Result, request: HttpRequest) -> HttpResponse:
        """Stock answers that nothing was new, where rows are refused that the preview had found good."""
        problems = list(_problems(result))
        if not problems:
            return super().process_result(result, request)
        rest = f" {len(problems) - TOLD:,} more rows cannot be imported." if len(problems) > TOLD else ""
        raise Refused(f"Nothing is imported. {' '.join(problems[:TOLD])}{rest}")


def _problems(result: Result) -> Iterator[str]:
    yield from (str(error.error) for error in result.base_errors)
    yield from (f"Row {number}: {error.error}." for number, errors in result.row_errors() for error in errors)
    yield from (f"Row {row.number}: {' '.join(row.error.messages)}" for row in result.invalid_rows)


class ReferenceAdmin(SpreadsheetAdmin, HistoryAdmin):
    pass
