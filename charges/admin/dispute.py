from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminDecimalFieldWidget

from charges.admin.filters import PeriodFilter
from charges.disputing import deny, uphold
from charges.models import Dispute, DisputeMessage
from charges.money import AmountField
from periods.plain_admin import ReadOnlyAdmin, ReadOnlyInline
from periods.transition_admin import Step, TransitionAdmin, reason_field


class DenyForm(forms.Form):
    text = reason_field("Answer to the PI", help_text="The PI reads this. At least 10 characters.")


class UpholdForm(DenyForm):
    list_amount = AmountField(
        label="Change of the list price",
        widget=UnfoldAdminDecimalFieldWidget(),
        initial=0,
        help_text="Negative. “Not our usage” takes list price and amount due; a wrong price changes the amount due only.",
    )
    due_amount = AmountField(label="Change of the amount due", widget=UnfoldAdminDecimalFieldWidget())
    field_order = ("due_amount", "list_amount", "text")


def _uphold(dispute: Dispute, **answers: Any) -> str:
    return f"Upheld: {uphold(dispute, **answers).adjustment} corrects it. Reissue the statements."


def _deny(dispute: Dispute, **answers: Any) -> str:
    return f"Denied: {deny(dispute, **answers)}."


class MessageInline(ReadOnlyInline):
    model = DisputeMessage
    fields: ClassVar = ["at", "by", "text"]
    readonly_fields = fields


@admin.register(Dispute)
class DisputeAdmin(TransitionAdmin, ReadOnlyAdmin):
    steps: ClassVar = {
        "uphold": Step(
            label="Uphold",
            run=_uphold,
            permission="charges.decide_dispute",
            explanation="The PI is right, wholly or in part: a correction of the amounts you give is added.",
            states=(Dispute.State.OPEN,),
            form=UpholdForm,
            icon="check",
            is_primary=True,
        ),
        "deny": Step(
            label="Deny",
            run=_deny,
            permission="charges.decide_dispute",
            explanation="The amount stays due; your answer goes to the PI.",
            states=(Dispute.State.OPEN,),
            form=DenyForm,
            icon="close",
        ),
    }
    list_display: ClassVar = ["number", "period", "pi", "project", "disputed", "status", "opened_at"]
    list_filter: ClassVar = [PeriodFilter, "state"]
    list_select_related: ClassVar = ["period", "pi", "project", "source", "charge"]
    fields: ClassVar = [
        ("pi", "project"), ("period", "status"), ("charge", "source", "service_name"), "funding_account", "adjustment",
        ("opened_at", "opened_by", "decided_at"),
    ]  # fmt: skip
    readonly_fields: ClassVar = ["status"]
    inlines: ClassVar = [MessageInline]

    @display(description="Dispute", ordering="pk")
    def number(self, dispute: Dispute) -> int:
        return dispute.pk

    @display(description="About")
    def disputed(self, dispute: Dispute) -> str:
        line = " ".join(str(part) for part in (dispute.source, dispute.service_name) if part)
        return str(dispute.charge or line)

    @display(description="State", label={"Open": "warning", "Upheld": "success"})
    def status(self, dispute: Dispute) -> str:
        return dispute.get_state_display()
