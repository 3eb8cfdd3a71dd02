from typing import Any, ClassVar
from urllib.parse import urlencode

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import display

from charges.admin.display import audit_list
from periods.plain_admin import ReadOnlyAdmin
from periods.transition_admin import ReasonForm, Step, TransitionAdmin
from statements.emailing import clear
from statements.models import Suppression


def standing_suppression(address: str) -> Suppression | None:
    return Suppression.objects.filter(address=address.lower(), cleared_at=None).first()


def _clear(suppression: Suppression, **answers: Any) -> str:
    cleared = clear(suppression, **answers)
    return f"Mail may go to {cleared} again. Queue again what was not sent."


class StandingFilter(DropdownFilter):
    """Those in force unless others are asked for."""

    title = "state"
    parameter_name = "state"
    all_option = ("", "Suppressed")

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("cleared", "Allowed again"), ("all", "All")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() == "all":
            return queryset
        return queryset.exclude(cleared_at=None) if self.value() == "cleared" else queryset.filter(cleared_at=None)


@admin.register(Suppression)
class SuppressionAdmin(TransitionAdmin, ReadOnlyAdmin):
    steps: ClassVar = {
        "clear": Step(
            label="Allow mail again",
            run=_clear,
            permission="statements.clear_suppression",
            explanation="Do this once you know that the address works. To mail somebody elsewhere, change the PI's "
            "address instead.",
            form=ReasonForm,
            icon="mark_email_read",
            is_offered=lambda suppression: suppression.cleared_at is None,
        )
    }
    list_display: ClassVar = ["address", "cause", "since", "cleared_at"]
    list_filter: ClassVar = [StandingFilter]
    search_fields: ClassVar = ["address__startswith"]
    search_help_text = "The beginning of an address"
    fields: ClassVar = ["address", "cause", ("since", "cleared_at"), "mail", "history"]
    readonly_fields: ClassVar = ["mail", "history"]

    @display(description="Messages")
    def mail(self, suppression: Suppression) -> str:
        url = f"{reverse('admin:statements_emaildelivery_changelist')}?{urlencode({'q': suppression.address})}"
        return format_html('<a href="{}" class="ocb-link">All to this address</a>', url)

    @display(description="History")
    def history(self, suppression: Suppression) -> str:
        return audit_list(suppression)
