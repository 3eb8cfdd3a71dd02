"""What staff set about the review: thresholds on one page, and the list of funds that may be charged."""

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.html import format_html
from unfold.decorators import display

from charges.admin.display import table
from charges.admin.reference import HistoryAdmin, ReferenceAdmin
from charges.flags import FLAGS
from charges.models import AllowedFund, Charge, ReviewRule, ReviewSettings
from charges.resources import AllowedFundResource
from periods.blockers import changelist, counted


@admin.register(ReviewSettings)
class ReviewSettingsAdmin(HistoryAdmin):
    """One page: what would be its list leads to it."""

    fieldsets: ClassVar = [
        ("Unusual change", {"fields": [("unusual_times", "unusual_amount")]}),
        ("Aging", {"fields": ["aging_days"]}),
        ("Fund codes", {"fields": ["has_allow_list", "allowed_funds", "rules"]}),
        ("What is held for review", {"fields": ["flags"]}),
    ]
    readonly_fields: ClassVar = ["allowed_funds", "rules", "flags"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        row, _ = ReviewSettings.objects.get_or_create(pk=1)
        return redirect("admin:charges_reviewsettings_change", row.pk)

    @display(description="The allow-list")
    def allowed_funds(self, _settings: ReviewSettings) -> str:
        number = counted(AllowedFund.objects.count(), "fund code", "fund codes")
        return _linked(number, changelist(AllowedFund), "see and upload them")

    @display(description="Formats and patterns")
    def rules(self, _settings: ReviewSettings) -> str:
        number = counted(ReviewRule.objects.filter(is_active=True).count(), "review rule is on", "review rules are on")
        return _linked(number, changelist(ReviewRule), "see and test them")

    @display(description="Each flag holds a charge until somebody decides")
    def flags(self, _settings: ReviewSettings) -> str:
        """With the way to those that wait."""
        rows = [(flag.label, flag.about, _link("Review", changelist(Charge, flag=flag.name))) for flag in FLAGS]
        return table(["Flag", "When", ""], rows)


@admin.register(AllowedFund)
class AllowedFundAdmin(ReferenceAdmin):
    resource_classes: ClassVar = [AllowedFundResource]
    list_display: ClassVar = ["code", "description", "valid_from", "valid_until"]
    search_fields: ClassVar = ["code", "description"]
    fields: ClassVar = [("code", "description"), ("valid_from", "valid_until")]


def _link(text: str, address: str) -> str:
    return format_html('<a href="{}" class="ocb-link">{}</a>', address, text)


def _linked(text: str, address: str, offer: str) -> str:
    return format_html("{}: {}", text, _link(offer, address))
