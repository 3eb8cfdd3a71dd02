"""The start page: the month at hand, what it comes to, and what to do next."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from periods.models import BillingPeriod
from statements.admin.overview import overview

SHOWN = 6


def start_page(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    may_view = request.user.has_perm("periods.view_billingperiod")
    months = list(BillingPeriod.objects.all()[:SHOWN]) if may_view else []
    chosen = _chosen(months, request.GET.get("month", ""))
    return {
        **context,
        "title": str(chosen) if chosen else "Start",
        "may_view_months": may_view,
        "months": months,
        "overview": overview(chosen, by=request.user) if chosen else None,
        "import_url": reverse("admin:charges_focusimport_files")
        if request.user.has_perm("charges.load_focusimport")
        else "",
    }


def _chosen(months: list[BillingPeriod], month: str) -> BillingPeriod | None:
    """The month asked for; else the oldest that is not finalized; else the latest."""
    asked = [period for period in months if period.month == month]
    unfinalized = [period for period in months if period.state != BillingPeriod.State.FINALIZED]
    return next(iter([*asked, *reversed(unfinalized), *months]), None)
