"""Corrections of finalized charges: the list, and the way to one, with reversal and rebill to look at before they load."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html_join
from unfold.decorators import display

from charges.admin.display import link, money_column
from charges.admin.filters import KEY, PeriodFilter
from charges.correcting.rebilling import Plan, correct, originals_of, plan
from charges.models import Adjustment, Charge, Correction
from periods import calendar
from periods.blockers import counted
from periods.errors import NotPermitted, Refused
from periods.plain_admin import ReadOnlyAdmin
from statements.admin.correction_form import CorrectionForm, form_for
from statements.admin.correction_preview import Preview, hide, statement_numbers, was_billed

CHARGES = "charges"  # of the address: the keys of those to correct
CHOOSE = "Choose charges of a finalized month on the page Review, all statuses, and take the action “Correct”."


class BilledInFilter(PeriodFilter):
    title = "billed in"


class OriginalMonthFilter(PeriodFilter):
    title = "month of the original"
    parameter_name = "original__period__id__exact"

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(original__period=self.value()) if self.value() else queryset


@admin.register(Correction)
class CorrectionAdmin(ReadOnlyAdmin):
    list_display: ClassVar = ["what", "of_month", "cause", "now", "rebilled", "period", "certifier", "created_by"]
    list_filter: ClassVar = [BilledInFilter, OriginalMonthFilter, "cause", "is_fund_certified"]
    list_select_related: ClassVar = [
        "period", "created_by", "original__period", "rebill__period", "rebill__pi", "rebill__project",
        "rebill__funding_account",
    ]  # fmt: skip
    search_fields: ClassVar = ["certifier__startswith", "original__resource_id__startswith"]
    search_help_text = "The beginning of a certifier's name or of a resource"
    fieldsets: ClassVar[Any] = [
        ("What was wrong", {"fields": [
            ("charge", "statement"), "cause", "explanation", "justification", ("certifier", "fund_certified"),
            ("created_by", "created_at"),
        ]}),
        ("What was loaded", {"fields": [
            "period", ("reversal_link", "reversed_list", "reversed_due"), ("rebill_link", "rebilled_list", "rebilled"),
            "now", "adjusted",
        ]}),
    ]  # fmt: skip
    readonly_fields: ClassVar = [
        "charge", "statement", "reversal_link", "rebill_link", "reversed_list", "reversed_due", "rebilled_list",
        "rebilled", "now", "adjusted", "fund_certified",
    ]  # fmt: skip

    reversed_list = money_column(lambda row: row.reversal.list_amount, "List price reversed")
    reversed_due = money_column(lambda row: row.reversal.due_amount, "Due reversed")
    rebilled_list = money_column(lambda row: row.rebill.list_amount, "List price rebilled")
    rebilled = money_column(lambda row: row.rebill.due_amount, "Due rebilled")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("charges.correct_charge")

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponseBase:
        """Ask what was wrong and what is right, show what would be loaded, load it."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        keys = [int(key) for key in request.GET.get(CHARGES, "").split(",") if KEY.fullmatch(key)]
        if not keys:
            return self._page(request, keys=keys, refusal=CHOOSE)
        try:
            charges = originals_of(keys)
        except Refused as refusal:
            return self._page(request, keys=keys, refusal=str(refusal))
        form = form_for(charges, request.POST or None, certifier=_name(request.user))
        is_asked = request.method == "POST" and "edit" not in request.POST and form.is_valid()
        return self._look_or_load(request, charges, form) if is_asked else self._ask(request, charges, form)

    def _look_or_load(self, request: HttpRequest, charges: list[Charge], form: CorrectionForm) -> HttpResponseBase:
        keys = [charge.pk for charge in charges]
        try:
            if "load" in request.POST:
                shown = request.POST.get("shown") or "nothing"
                return self._told(request, correct(keys, by=request.user, shown=shown, **form.answers))
            return self._show(request, plan(keys, **form.answers), form)
        except NotPermitted as refusal:
            raise PermissionDenied(str(refusal)) from refusal
        except Refused as refusal:
            form.add_error(None, str(refusal))
            return self._ask(request, charges, form)

    def _told(self, request: HttpRequest, corrections: list[Correction]) -> HttpResponseBase:
        first = corrections[0]
        done = counted(len(corrections), "charge is", "charges are")
        messages.success(request, f"{done} corrected: reversed and rebilled in {first.period}.")
        if len(corrections) == 1:
            return redirect("admin:charges_correction_change", first.pk)
        return redirect("admin:charges_correction_changelist")

    def _ask(self, request: HttpRequest, charges: list[Charge], form: CorrectionForm) -> TemplateResponse:
        title = f"Correct {counted(len(charges), 'charge', 'charges')}"
        billed = was_billed(charges, statement_numbers(charges))
        return self._page(request, keys=[c.pk for c in charges], title=title, form=form, billed=billed)

    def _show(self, request: HttpRequest, planned: Plan, form: CorrectionForm) -> TemplateResponse:
        keys = [pair.original.pk for pair in planned.pairs]
        title = f"What would be loaded into {calendar.in_words(planned.month)}"
        return self._page(request, keys=keys, title=title, form=hide(form), preview=Preview(planned))

    def _page(self, request: HttpRequest, *, keys: list[int], **context: Any) -> TemplateResponse:
        page = "change" if len(keys) == 1 else "changelist"
        context = {
            **self.admin_site.each_context(request),
            "title": "Correct a finalized charge",
            "opts": self.opts,
            "media": self.media + context["form"].media if "form" in context else self.media,
            "back": reverse(f"admin:charges_charge_{page}", args=keys if page == "change" else []),
            **context,
        }
        return TemplateResponse(request, "admin/charges/correction/correct.html", context)

    @display(description="What")
    def what(self, correction: Correction) -> str:
        charge = correction.original
        return charge.resource_name or charge.resource_id or charge.charge_description or str(charge)

    @display(description="Of")
    def of_month(self, correction: Correction) -> str:
        return str(correction.original.period)

    @display(description="Who pays now")
    def now(self, correction: Correction) -> str:
        rebill = correction.rebill
        if rebill.review_status == Charge.ReviewStatus.EXCLUDED:
            return "Nobody"
        fund = "split" if rebill.fund_step == Charge.FundStep.SPLIT else rebill.funding_account or "no fund"
        return f"{rebill.pi}, {rebill.project}, {fund}"

    @display(description="Fund")
    def fund_certified(self, correction: Correction) -> str:
        certified = "Was not valid on the charge date; certified to bear it all the same"
        return certified if correction.is_fund_certified else "Needs no certificate of its own"

    @display(description="Charge")
    def charge(self, correction: Correction) -> str:
        return link(correction.original, f"{self.what(correction)} ({correction.original})")

    @display(description="Statement")
    def statement(self, correction: Correction) -> str:
        number = statement_numbers([correction.original]).get(correction.original_id)
        return f"{number}, {correction.original.period}" if number else "—"

    @display(description="Adjustments")
    def adjusted(self, correction: Correction) -> str:
        """What was credited on the charge: taken back, and granted again."""
        both = Adjustment.objects.filter(charge__in=[correction.reversal_id, correction.rebill_id]).order_by("pk")
        return format_html_join(", ", "{}", ((link(one, one.description),) for one in both)) or "—"

    @display(description="Reversal")
    def reversal_link(self, correction: Correction) -> str:
        return link(correction.reversal)

    @display(description="Rebill")
    def rebill_link(self, correction: Correction) -> str:
        return link(correction.rebill)


def _name(user: Any) -> str:
    return user.get_full_name() or user.get_username()
