from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.decorators import display

from charges.admin.reference import HistoryAdmin
from charges.admin.rules import unsealed_months
from charges.models import Source, SourceWaiver
from periods import audit
from periods.lifecycle import require_reason
from periods.models import BillingPeriod
from periods.plain_admin import StageAdmin

LABELS = {
    "basis": "Amount due is",
    "is_own_service": "Own service",
    "is_expected_monthly": "Expected every month",
    "delivery": "A delivery is",
    "fall_threshold": "Refuse a fall beyond",
    "late_policy": "Files of closed months",
    "shared_costs": "They are",
}
HELP_TEXTS = {
    "basis": "The cost column that is billed",
    "delivery": "What the next delivery of a month does to the one before",
    "fall_threshold": "Percent that rows or total may fall from one delivery to the next; empty: any fall is loaded",
    "shared_costs": "Of the next deliveries; of what is held already, those that are approved",
    "central_pi": "Gets the statement, where a central project pays",
    "central_project": "Bears them",
    "central_fund": "Is charged for them",
    "late_policy": "Unless the import says which open month takes the difference",
}


@admin.register(Source)
class SourceAdmin(HistoryAdmin):
    list_display: ClassVar = ["name", "basis_in_short", "subsidy_by", "credited_account", "is_expected_monthly"]
    search_fields: ClassVar = ["name"]
    autocomplete_fields: ClassVar = ["central_pi", "central_project", "central_fund"]
    fieldsets: ClassVar = [
        ("Source", {"fields": ["name", "basis", ("is_own_service", "is_expected_monthly")]}),
        ("Its files", {"fields": ["delivery", ("reference_column", "encoding"), "has_inclusive_ends"]}),
        ("Who pays the subsidy", {"fields": [("funder", "subsidy_fund")]}),
        (
            "Tax, support and unused commitments that nobody is named for",
            {"fields": ["shared_costs", "central_pi", "central_project", "central_fund"]},
        ),
        ("Ledger", {"fields": [("account_code", "journal_account")]}),
        (
            "When a delivery differs from the last one",
            {"fields": [("approval_threshold", "fall_threshold"), "late_policy"]},
        ),
    ]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002
        return super().get_form(request, obj, change, labels=LABELS, help_texts=HELP_TEXTS, **kwargs)

    @display(description="Amount due is")
    def basis_in_short(self, source: Source) -> str:
        return source.get_basis_display().partition(" (")[0]

    @display(description="Subsidy paid by")
    def subsidy_by(self, source: Source) -> str:
        return source.funder or format_html("<small>{}</small>", "nobody named")


@admin.register(SourceWaiver)
class SourceWaiverAdmin(StageAdmin):
    """Once given it stays: the month was closed on the strength of it."""

    list_display: ClassVar = ["source", "period", "reason", "by"]
    list_select_related: ClassVar = ["source", "period", "by"]
    fields: ClassVar = [("source", "period"), "reason"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def formfield_for_foreignkey(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        return super().formfield_for_foreignkey(db_field, request, **unsealed_months(db_field, kwargs))

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        period = BillingPeriod.objects.lock_unsealed(obj.period_id)
        obj.by, obj.reason = request.user, require_reason(obj.reason)
        super().save_model(request, obj, form, change)
        audit.record(by=request.user, action="waive", subject=obj, period=period, reason=obj.reason)
