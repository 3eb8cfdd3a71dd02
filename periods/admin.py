from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join
from unfold.decorators import display

from periods.models import AuditEntry
from periods.plain_admin import ReadOnlyAdmin


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display: ClassVar = ["at", "actor", "action", "subject", "period", "rows", "reason"]
    list_filter: ClassVar = ["period"]
    list_select_related: ClassVar = ["by", "period"]
    search_fields: ClassVar = ["action__startswith", "subject__startswith"]
    search_help_text = "Search the beginning of an action or a subject"
    readonly_fields: ClassVar = ["at", "actor", "action", "subject_link", "period", "rows", "was", "became", "reason"]
    fields = readonly_fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEntry]:
        return super().get_queryset(request).select_related("by", "period")

    @display(description="Who")
    def actor(self, entry: AuditEntry) -> str:
        return str(entry.by) if entry.by else "cron"

    @display(description="Subject")
    def subject_link(self, entry: AuditEntry) -> str:
        try:
            url = reverse(f"admin:{entry.subject_model.replace('.', '_')}_change", args=[entry.subject_id])
        except NoReverseMatch:
            return entry.subject
        return format_html('<a href="{}" class="ocb-link">{}</a>', url, entry.subject)

    @display(description="Before")
    def was(self, entry: AuditEntry) -> str:
        return _table(entry.before)

    @display(description="After")
    def became(self, entry: AuditEntry) -> str:
        return _table(entry.after)


def _table(values: dict[str, Any]) -> str:
    if not values:
        return "—"
    rows = ((name, _shortened(value)) for name, value in values.items())
    return format_html('<dl class="ocb-facts">{}</dl>', format_html_join("", "<dt>{}</dt><dd>{}</dd>", rows))


def _shortened(value: Any) -> str:
    """Bulk decisions name thousands of charges: the page shows how many, the record keeps all."""
    most = 20
    if isinstance(value, list) and len(value) > most:
        return f"{', '.join(map(str, value[:most]))} and {len(value) - most} more"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
