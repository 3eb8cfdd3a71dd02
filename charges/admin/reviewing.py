"""What staff set about the review: thresholds on one page, and the list of funds that may be charged."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from unfold.decorators import display

from charges.admin.display import table
from charges.admin.reference import HistoryAdmin, ReferenceAdmin
from charges.flags import FLAGS
from charges.models import AllowedFund, Charge, ReviewRule, ReviewSettings
from charges.rechecking import Rechecked, recheck, would_change
from charges.resources import AllowedFundResource
from periods.blockers import changelist, counted
from periods.transition_admin import Step, TransitionAdmin


def _recheck(_settings: ReviewSettings, **answers: Any) -> str:
    return f"Checked again: {_in_words(recheck(**answers))}"


class RecheckOffered:
    """After a change of what charges are judged by: those that are loaded stay as they are until somebody asks."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        offer_recheck(request)
        return super().log_change(request, obj, message)  # type: ignore[misc]

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        offer_recheck(request)
        return super().log_addition(request, obj, message)  # type: ignore[misc]


def offer_recheck(request: HttpRequest) -> None:
    if request.user.has_perm("charges.recheck_charge"):
        address = reverse("admin:charges_reviewsettings_step", args=[1, "recheck"])
        offer = _link("Check the open months again", address)
        messages.info(request, format_html("Charges that are loaded keep their flags until you ask. {}", offer))


@admin.register(ReviewSettings)
class ReviewSettingsAdmin(RecheckOffered, TransitionAdmin, HistoryAdmin):
    """One page: what would be its list leads to it."""

    stages_ask_what_was_seen = True
    steps: ClassVar = {
        "recheck": Step(
            label="Check the open months again",
            run=_recheck,
            permission="charges.recheck_charge",
            explanation=(
                "Charges that are loaded are judged by the review rules, thresholds and allow-list of today. Decisions "
                "stay, and so do closed months."
            ),
            icon="rule",
        )
    }
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
        return redirect("admin:charges_reviewsettings_change", 1)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Made by the first who looks at it."""
        return ReviewSettings.objects.get_or_create(pk=1)[0] if object_id == "1" else None

    def facts(self, document: Any, name: str) -> list[tuple[str, str]]:
        document.would_change = would_change()
        return [("What would change", _in_words(document.would_change))]

    def seen(self, document: Any) -> str:
        """As the facts say, which were counted just before."""
        return str(document.would_change)

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
class AllowedFundAdmin(RecheckOffered, ReferenceAdmin):
    resource_classes: ClassVar = [AllowedFundResource]
    list_display: ClassVar = ["code", "description", "valid_from", "valid_until"]
    search_fields: ClassVar = ["code", "description"]
    fields: ClassVar = [("code", "description"), ("valid_from", "valid_until")]


def _in_words(found: Rechecked) -> str:
    parts = {
        "newly held": found.held,
        "cleared": found.cleared,
        "held for other reasons than before": found.reworded,
    }
    said = [f"{counted(number, 'charge', 'charges')} {what}" for what, number in parts.items() if number]
    return f"{', '.join(said)}." if said else "No charge changes."


def _link(text: str, address: str) -> str:
    return format_html('<a href="{}" class="ocb-link">{}</a>', address, text)


def _linked(text: str, address: str, offer: str) -> str:
    return format_html("{}: {}", text, _link(offer, address))
