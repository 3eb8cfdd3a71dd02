"""Reference data that staff keep: with its field history, as spreadsheets in and out, never deleted."""

from typing import Any, ClassVar

from import_export.admin import ImportExportMixin
from simple_history.admin import SimpleHistoryAdmin
from unfold.contrib.import_export.forms import ExportForm, ImportForm
from unfold.widgets import UnfoldAdminDecimalFieldWidget

from charges.money import MoneyField
from periods.plain_admin import StageAdmin


class HistoryAdmin(SimpleHistoryAdmin, StageAdmin):  # type: ignore[misc]
    formfield_overrides: ClassVar[dict[Any, Any]] = {MoneyField: {"widget": UnfoldAdminDecimalFieldWidget}}


class ReferenceAdmin(ImportExportMixin, HistoryAdmin):  # type: ignore[misc]
    import_form_class = ImportForm
    export_form_class = ExportForm
