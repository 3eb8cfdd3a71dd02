from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from unfold.decorators import display
from unfold.widgets import UnfoldAdminDecimalFieldWidget

from charges.adjusting import adjust, attach_files, withdraw
from charges.adjusting.approving import approve_adjustment, refuse_adjustment
from charges.admin.attachments import AttachedAdmin, file_field, file_links, with_files
from charges.admin.display import audit_list, link, money_column
from charges.admin.filters import CampaignFilter, PeriodFilter, StandingFilter
from charges.admin.reference import SpreadsheetAdmin
from charges.admin.rules import unsealed_months
from charges.models import Adjustment
from charges.money import MoneyField
from charges.resources import AdjustmentResource
from periods.models import BillingPeriod
from periods.plain_admin import RefusableForm, StageAdmin
from periods.transition_admin import ReasonForm, Step, TransitionAdmin

STANDINGS = {"In force": "success", "Awaits approval": "warning", "Withdrawn": "danger"}


def _withdraw(adjustment: Adjustment, **answers: Any) -> str:
    return f"Withdrawn: {withdraw(adjustment, **answers)}."


def _approve(adjustment: Adjustment, **answers: Any) -> str:
    return f"Approved: {approve_adjustment(adjustment, **answers)}. Reissue the statements."


def _refuse(adjustment: Adjustment, **answers: Any) -> str:
    return f"Refused: {refuse_adjustment(adjustment, **answers)}."


def _attach(adjustment: Adjustment, **answers: Any) -> str:
    files = with_files(answers)
    return f"Attached: {files['files'][0].name} to {attach_files(adjustment, **files)}."


class AttachForm(forms.Form):
    file = file_field(required=True)


class AdjustmentForm(RefusableForm):
    file = file_field()


def is_standing(row: Any) -> bool:
    return row.withdrawn_at is None and row.period.state != BillingPeriod.State.FINALIZED


def is_to_approve(row: Any) -> bool:
    return row.is_pending and row.period.state != BillingPeriod.State.FINALIZED


def _is_alone(adjustment: Adjustment) -> bool:
    return adjustment.campaign_id is None and is_to_approve(adjustment)


class ApprovableAdmin(TransitionAdmin, StageAdmin):
    def buttons(self, request: HttpRequest, document: Any) -> list[dict[str, Any]]:
        """Without those that only somebody else may press."""
        is_author = document.created_by_id == request.user.pk
        others = [self.steps[name] for name in ("approve", "refuse")] if is_author else []
        return [button for button in super().buttons(request, document) if button["step"] not in others]


@admin.register(Adjustment)
class AdjustmentAdmin(AttachedAdmin, SpreadsheetAdmin, ApprovableAdmin):
    """Credits, corrections, write-offs and manual charges: entered once, never edited, taken back with a reason."""

    steps: ClassVar = {
        "approve": Step(
            label="Approve",
            run=_approve,
            permission="charges.approve_adjustment",
            explanation="It is above the amount that one person may enter alone, and counts once somebody else approves it.",
            icon="check",
            is_primary=True,
            is_offered=_is_alone,
        ),
        "refuse": Step(
            label="Refuse",
            run=_refuse,
            permission="charges.approve_adjustment",
            explanation="A refused adjustment is withdrawn: it stays on record and never counts.",
            form=ReasonForm,
            icon="block",
            is_offered=_is_alone,
        ),
        "attach": Step(
            label="Attach a file",
            run=_attach,
            permission="charges.add_adjustment",
            explanation="What the adjustment rests on, such as a letter or a price list. Staff and auditors read it, PIs do not.",
            form=AttachForm,
            icon="attach_file",
            is_offered=is_standing,
        ),
        "withdraw": Step(
            label="Withdraw",
            run=_withdraw,
            permission="charges.withdraw_adjustment",
            explanation="A withdrawn adjustment stays on record and counts no more. Reissue the statements afterwards.",
            form=ReasonForm,
            icon="undo",
            is_offered=is_standing,
        ),
    }
    resource_classes: ClassVar = [AdjustmentResource]
    formfield_overrides: ClassVar = {MoneyField: {"widget": UnfoldAdminDecimalFieldWidget}}
    list_display: ClassVar = ["description", "kind", "period", "pi", "project", "listed", "due", "state", "created_by"]
    list_filter: ClassVar = [PeriodFilter, StandingFilter, "kind", CampaignFilter]
    list_select_related: ClassVar = ["period", "pi", "project", "created_by"]
    search_fields: ClassVar = ["description__startswith", "pi__email__startswith", "project__code__startswith"]
    autocomplete_fields: ClassVar = ["pi", "project", "funding_account", "borne_by"]
    raw_id_fields: ClassVar = ["charge"]
    fieldsets: ClassVar = [
        ("What", {"fields": [("kind", "period"), "description", ("list_amount", "due_amount"), "reason"]}),
        ("For whom", {"fields": [("pi", "project"), ("funding_account", "borne_by")]}),
        ("Where it belongs", {"fields": [("source", "account_code"), "charge"]}),
    ]
    form = AdjustmentForm

    listed = money_column("list_amount", "List price")
    due = money_column("due_amount", "Amount due")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return [*self.fieldsets, ("What it rests on", {"fields": ["file"]})]
        what = ("What", {"fields": [("kind", "period"), "description", ("listed", "due"), "reason"]})
        known = (
            "On record",
            {
                "fields": [
                    ("state", "part_of"),
                    "files",
                    ("created_by", "created_at"),
                    ("approved_by", "approved_at"),
                    "history",
                ]
            },
        )
        return [what, *self.fieldsets[1:], known]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        known = [
            "listed",
            "due",
            "state",
            "part_of",
            "files",
            "created_by",
            "created_at",
            "approved_by",
            "approved_at",
            "history",
        ]
        return known if obj else []

    def formfield_for_foreignkey(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        return super().formfield_for_foreignkey(db_field, request, **unsealed_months(db_field, kwargs))

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        obj.pk = adjust(by=request.user, **with_files(form.cleaned_data)).pk

    def get_import_resource_kwargs(self, request: HttpRequest, **kwargs: Any) -> dict[str, Any]:
        return {**super().get_import_resource_kwargs(request, **kwargs), "by": request.user}

    @display(description="State", label=STANDINGS)
    def state(self, adjustment: Adjustment) -> str:
        return adjustment.standing

    @display(description="Credit campaign")
    def part_of(self, adjustment: Adjustment) -> str:
        return link(adjustment.campaign, adjustment.campaign.code) if adjustment.campaign else "—"

    @display(description="Files")
    def files(self, adjustment: Adjustment) -> str:
        return file_links("charges_adjustment_file", adjustment.pk, adjustment.attachments.all())

    @display(description="History")
    def history(self, adjustment: Adjustment) -> str:
        return audit_list(adjustment)
