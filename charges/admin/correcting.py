"""From charges to the page that corrects them once their month is finalized."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse

from charges.correcting.rebilling import CORRECTABLE, MOST
from charges.models import Charge, Correction
from periods.models import BillingPeriod


@admin.action(description="Correct (finalized months)", permissions=["correct"])
def correct_selected(_admin: Any, request: HttpRequest, queryset: QuerySet[Charge]) -> HttpResponseRedirect | None:
    keys = list(queryset.order_by("pk").values_list("pk", flat=True)[: MOST + 1])
    if len(keys) > MOST:
        messages.error(request, f"Choose at most {MOST} charges to correct at once.")
        return None
    return redirect(correction_page(keys))


def correction_page(keys: list[int]) -> str:
    return f"{reverse('admin:charges_correction_add')}?{urlencode({'charges': ','.join(map(str, keys))}, safe=',')}"


def correct_button(charge: Charge) -> dict[str, Any]:
    """As the buttons of steps look."""
    return {"step": {"label": "Correct", "icon": "history", "is_primary": True}, "url": correction_page([charge.pk])}


def may_be_corrected(charge: Charge) -> bool:
    """Whether to offer it; the stage knows the whole rule."""
    is_sealed = not charge.is_superseded and charge.period.state == BillingPeriod.State.FINALIZED
    is_billed = charge.kind != Charge.Kind.REVERSAL and charge.review_status in CORRECTABLE
    return is_sealed and is_billed and not charge.corrections.exists()


def corrections_of(charge: Charge) -> QuerySet[Correction]:
    """Those that corrected the charge, or loaded it."""
    found = Correction.objects.filter(Q(original=charge) | Q(reversal=charge) | Q(rebill=charge))
    return found.select_related("original")
