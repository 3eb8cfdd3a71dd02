"""Credit campaigns: a form, a preview of what it would credit, and the confirmation of just that."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import TextField
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from unfold.decorators import display
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminTextareaWidget

from charges.adjusting.credit_effect import Effect, ProjectEffect, credited_projects
from charges.adjusting.crediting import (
    approve_campaign,
    make_campaign,
    preview_campaign,
    refuse_campaign,
    withdraw_campaign,
)
from charges.admin.adjustment import STANDINGS, ApprovableAdmin, is_standing, is_to_approve
from charges.admin.display import audit_list, money_column, table
from charges.admin.filters import PeriodFilter, StandingFilter
from charges.admin.rules import unsealed_months
from charges.models import CreditCampaign
from charges.money import MoneyField, printed, round_to_currency
from periods.blockers import counted
from periods.errors import Refused
from periods.transition_admin import ReasonForm, Step

MOST_SHOWN = 100  # projects


def _approve(campaign: CreditCampaign, **answers: Any) -> str:
    return f"Approved: {approve_campaign(campaign, **answers)}. Reissue the statements."


def _refuse(campaign: CreditCampaign, **answers: Any) -> str:
    return f"Refused: {refuse_campaign(campaign, **answers)}."


def _withdraw(campaign: CreditCampaign, **answers: Any) -> str:
    return f"Withdrawn: {withdraw_campaign(campaign, **answers)}. Reissue the statements."


@admin.register(CreditCampaign)
class CreditCampaignAdmin(ApprovableAdmin):
    steps: ClassVar = {
        "approve": Step(
            label="Approve",
            run=_approve,
            permission="charges.approve_creditcampaign",
            explanation="Its sum is above what one person may enter alone: its credits count once somebody else approves.",
            icon="check",
            is_primary=True,
            is_offered=is_to_approve,
        ),
        "refuse": Step(
            label="Refuse",
            run=_refuse,
            permission="charges.approve_creditcampaign",
            explanation="A refused campaign is withdrawn: its credits stay on record and never count.",
            form=ReasonForm,
            icon="block",
            is_offered=is_to_approve,
        ),
        "withdraw": Step(
            label="Withdraw",
            run=_withdraw,
            permission="charges.withdraw_creditcampaign",
            explanation="All of its credits stay on record and count no more. Reissue the statements afterwards.",
            form=ReasonForm,
            icon="undo",
            is_offered=is_standing,
        ),
    }
    formfield_overrides: ClassVar = {
        MoneyField: {"widget": UnfoldAdminDecimalFieldWidget},
        TextField: {"widget": UnfoldAdminTextareaWidget(attrs={"rows": 3})},
    }
    list_display: ClassVar = ["code", "description", "period", "charges", "projects", "credited", "state", "created_by"]
    list_filter: ClassVar = [PeriodFilter, StandingFilter]
    list_select_related: ClassVar = ["period", "created_by"]
    search_fields: ClassVar = ["code__startswith", "description__startswith"]
    autocomplete_fields: ClassVar = ["pi", "project"]
    asked: ClassVar = [
        ("What it is", ["period", "code", "description", "reason"]),
        ("Which charges", ["source", "service_name", "first_day", "last_day", "pi", "project"]),
        ("How much", ["method", "percent", "amount", "cap"]),
    ]
    fields: ClassVar = [name for _, names in asked for name in names]
    readonly_fields: ClassVar[list[str]] = []

    credited = money_column("due_amount", "Credited")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return super().get_fieldsets(request, obj)
        return [
            ("What it is", {"fields": [("code", "period"), "description", "reason"]}),
            (
                "Which charges",
                {"fields": [("source", "service_name"), ("first_day", "last_day"), ("pi", "project")]},
            ),
            ("How much", {"fields": [("method", "percent"), ("given", "capped")]}),
            ("What it credits", {"fields": [("credited", "rows"), "by_project"]}),
            (
                "On record",
                {"fields": [("state", "created_by", "created_at"), ("approved_by", "approved_at"), "history"]},
            ),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        known = ["given", "capped", "credited", "rows", "by_project", "state", "created_by", "created_at"]
        return [*known, "approved_by", "approved_at", "history"] if obj else []

    def formfield_for_foreignkey(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        return super().formfield_for_foreignkey(db_field, request, **unsealed_months(db_field, kwargs))

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        """Asked, previewed, confirmed: all of it on this page, and made only as it was previewed."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = self.get_form(request)(request.POST or None)
        effect = None
        if request.method == "POST" and form.is_valid():
            try:
                if "confirm" in request.POST and (seen := request.POST.get("seen")):
                    made = make_campaign(form.instance, seen=seen, by=request.user)
                    return self._made(request, made)
                effect = preview_campaign(form.instance, by=request.user)
            except Refused as refusal:
                form.add_error(None, str(refusal))
        return self._page(request, form, effect)

    def _made(self, request: HttpRequest, campaign: CreditCampaign) -> HttpResponse:
        waits = "it counts once somebody else has approved it." if campaign.is_pending else "reissue the statements."
        rows = counted(campaign.charges, "charge is", "charges are")
        messages.success(request, f"{campaign.code}: {rows} credited; {waits}")
        return redirect("admin:charges_creditcampaign_change", campaign.pk)

    def _page(self, request: HttpRequest, form: Any, effect: Effect | None) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": "Credit many charges",
            "opts": self.opts,
            "media": self.media + form.media,
            "form": form,
            "sections": [(title, [form[name] for name in names]) for title, names in self.asked],
            "effect": effect,
            "preview": effect and _described(form.instance, effect),
        }
        return TemplateResponse(request, "admin/charges/creditcampaign/add.html", context)

    @display(description="State", label=STANDINGS)
    def state(self, campaign: CreditCampaign) -> str:
        return campaign.standing

    @display(description="Amount")
    def given(self, campaign: CreditCampaign) -> str:
        return "—" if campaign.amount is None else printed(campaign.amount, campaign.period.currency)

    @display(description="Cap per project")
    def capped(self, campaign: CreditCampaign) -> str:
        return "—" if campaign.cap is None else printed(campaign.cap, campaign.period.currency)

    @display(description="Charges")
    def rows(self, campaign: CreditCampaign) -> str:
        url = f"{reverse('admin:charges_adjustment_changelist')}?campaign__id__exact={campaign.pk}"
        return format_html('<a class="ocb-link" href="{}">{}</a>', url, counted(campaign.charges, "credit", "credits"))

    @display(description="By project")
    def by_project(self, campaign: CreditCampaign) -> str:
        found = credited_projects(campaign)[:MOST_SHOWN]
        rows = [(code, f"{charges:,}", printed(due, campaign.period.currency)) for code, charges, due in found]
        return table(["Project", "Charges", "Credited"], rows, amounts_from=1)

    @display(description="History")
    def history(self, campaign: CreditCampaign) -> str:
        return audit_list(campaign)


def _described(campaign: CreditCampaign, effect: Effect) -> dict[str, Any]:
    currency = campaign.period.currency

    def row(project: ProjectEffect) -> tuple[str, ...]:
        amounts = (printed(amount, currency) for amount in _coins(project, currency))
        return (project.code, f"{len(project.credits):,}", *amounts, _cut(project))

    headings = ["Project", "Charges", "Due before", "Credit", "Due after", "Cut"]
    largest = sorted(effect.projects, key=lambda project: -project.credited)
    return {
        "total": printed(effect.total, currency),
        "by_project": table(headings, map(row, largest[:MOST_SHOWN]), amounts_from=1),
        "most": MOST_SHOWN,
        "capped": sum(project.is_capped for project in effect.projects),
        "cut": sum(project.is_cut_by_due for project in effect.projects),
    }


def _coins(project: ProjectEffect, currency: str) -> tuple[Any, ...]:
    due = round_to_currency(project.due, currency)
    return due, -project.credited, due - project.credited


def _cut(project: ProjectEffect) -> str:
    reasons = {"by the cap": project.is_capped, "by what is due": project.is_cut_by_due}
    return ", ".join(reason for reason, applies in reasons.items() if applies) or "—"
