"""Reference data that staff keep: with its field history, as spreadsheets in and out, never deleted."""

from typing import Any, ClassVar

from django.contrib.admin.utils import flatten_fieldsets
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from import_export.admin import ImportExportMixin
from import_export.formats.base_formats import CSV, XLSX
from simple_history.admin import SimpleHistoryAdmin
from unfold.contrib.import_export.forms import ExportForm, ImportForm
from unfold.widgets import UnfoldAdminDecimalFieldWidget

from charges.admin.upload_storage import ConfirmedOnce, SheetStorage
from charges.money import MoneyField
from periods.plain_admin import StageAdmin


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


class SpreadsheetAdmin(ConfirmedOnce, ImportExportMixin):
    """The two formats that everybody has."""

    tmp_storage_class = SheetStorage
    formats: ClassVar = [CSV, XLSX]
    import_form_class = ImportForm
    export_form_class = ExportForm


class ReferenceAdmin(SpreadsheetAdmin, HistoryAdmin):
    pass
