"""Reference data that staff keep: with its field history, as spreadsheets in and out, never deleted."""

from typing import Any, ClassVar

from import_export.admin import ImportExportMixin
from import_export.formats.base_formats import CSV, XLSX
from simple_history.admin import SimpleHistoryAdmin
from unfold.contrib.import_export.forms import ExportForm, ImportForm
from unfold.widgets import UnfoldAdminDecimalFieldWidget

from charges.money import MoneyField
from periods.plain_admin import StageAdmin


class HistoryAdmin(SimpleHistoryAdmin, StageAdmin):
    formfield_overrides: ClassVar[dict[Any, Any]] = {MoneyField: {"widget": UnfoldAdminDecimalFieldWidget}}


class SpreadsheetAdmin(ImportExportMixin):
    """The two formats that everybody has."""

    formats: ClassVar = [CSV, XLSX]
    import_form_class = ImportForm
    export_form_class = ExportForm


class ReferenceAdmin(SpreadsheetAdmin, HistoryAdmin):
    pass
