"""The queue of disputes: what is at stake, how long it waits, until when it can be raised; answered and decided here."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminSelectWidget

from charges.admin.attachments import AttachedAdmin, file_field, file_links, with_files
from charges.admin.display import audit_list, link, money_column
from charges.admin.filters import PeriodFilter
from charges.disputing.at_stake import at_stake
from charges.disputing.objecting import answer, deny, uphold
from charges.models import Dispute, DisputeAttachment, DisputeMessage
from charges.money import AmountField
from periods.models import BillingPeriod
from periods.plain_admin import ReadOnlyAdmin, ReadOnlyInline
from periods.transition_admin import Step, TransitionAdmin, reason_field
from statements.models import Statement
from statements.templating import day, money

State = Dispute.State


class AnswerForm(forms.Form):
    text = reason_field("Message to the PI", help_text="The PI reads this here and by e-mail. At least 10 characters.")
    file = file_field()


class UpholdForm(AnswerForm):
    ground = forms.ChoiceField(
        label="What is wrong",
        choices=Dispute.Ground.choices,
        widget=UnfoldAdminSelectWidget(),
        help_text="“Not their usage” takes off list price and amount due in proportion, a wrong price the amount due only.",
    )
    amount = AmountField(
        label="Amount to take off",
        required=False,
        widget=UnfoldAdminDecimalFieldWidget(),
    )
    field_order = ("ground", "amount", "text", "file")


def _uphold_form(dispute: Dispute) -> type[forms.Form]:
    """Says what there is to take off, so that nobody has to look it up."""
    amount, listed = _left(dispute)
    text = f"Of {amount} due, or of {listed} list price where nothing is due. Empty: all of it."

    class Form(UpholdForm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.fields["amount"].help_text = text

    return Form


def _left(dispute: Dispute) -> tuple[str, str]:
    left, currency = at_stake(dispute), dispute.period.currency
    return money(left.due, currency), money(left.list, currency)


def _answer(dispute: Dispute, **answers: Any) -> str:
    return f"Sent: {answer(dispute, **with_files(answers))} has your message."


def _uphold(dispute: Dispute, **answers: Any) -> str:
    upheld = uphold(dispute, **with_files(answers))
    taken = money(upheld.granted_due or upheld.granted_list, upheld.period.currency)
    if upheld.state == State.OPEN:
        return f"Proposed: {taken}. It counts, and the PI is told, once somebody else approves it."
    return f"Upheld: {taken}, by {upheld.adjustment}. Reissue the statements."


def _deny(dispute: Dispute, **answers: Any) -> str:
    return f"Denied: {deny(dispute, **with_files(answers))}."


def _can_change(dispute: Dispute) -> bool:
    return dispute.period.state != BillingPeriod.State.FINALIZED


def _step(label: str, run: Any, explanation: str, **kwargs: Any) -> Step:
    kwargs = {"form": AnswerForm, "is_offered": _can_change, **kwargs}
    return Step(label=label, run=run, explanation=explanation, states=(State.OPEN,), **kwargs)


class StateFilter(DropdownFilter):
    """Open disputes unless others are asked for: the list is a work queue."""

    title = "state"
    parameter_name = "state__exact"
    all_option = None

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        first, *others = State.choices
        return [first, ("all", "All disputes"), *others]

    def value(self) -> str:
        return super().value() or State.OPEN

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset if self.value() == "all" else queryset.filter(state=self.value())


class MessageInline(ReadOnlyInline):
    model = DisputeMessage
    fields: ClassVar = ["at", "side", "by", "text", "files"]
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("by").prefetch_related("attachments")

    @display(description="From", label={"Staff": "info", "Staff only": "danger", "PI": "warning"})
    def side(self, message: DisputeMessage) -> str:
        return "Staff only" if message.is_internal else "Staff" if message.is_staff else "PI"

    @display(description="Files")
    def files(self, message: DisputeMessage) -> str:
        return file_links("charges_dispute_file", message.dispute_id, message.attachments.all())


@admin.register(Dispute)
class DisputeAdmin(AttachedAdmin, TransitionAdmin, ReadOnlyAdmin):
    steps: ClassVar = {
        "uphold": _step(
            "Uphold",
            _uphold,
            "The PI is right, wholly or in part: a correction takes off what is wrong.",
            permission="charges.uphold_dispute",
            form_of=_uphold_form,
            icon="check",
            is_primary=True,
        ),
        "deny": _step(
            "Deny",
            _deny,
            "The amount stays due; your answer goes to the PI.",
            permission="charges.deny_dispute",
            icon="close",
        ),
        "answer": _step(
            "Write to the PI",
            _answer,
            "Ask or explain. The dispute stays open.",
            permission="charges.answer_dispute",
            icon="reply",
        ),
    }
    list_display: ClassVar = ["number", "pi", "project", "disputed", "period", "due", "listed", "status", "age",
                              "until"]  # fmt: skip
    list_filter: ClassVar = [PeriodFilter, StateFilter]
    list_select_related: ClassVar = ["period", "pi", "project", "source", "charge", "funding_account"]
    search_fields: ClassVar = ["pi__email__startswith", "pi__name__startswith", "project__code__startswith", "=pk"]
    search_help_text = "The beginning of a PI's name or address or of a project, or a dispute's number"
    fieldsets: ClassVar[Any] = [
        (None, {"fields": [
            ("pi", "project"), ("period", "status"), ("what", "statement"), ("due", "listed"), ("left", "outcome"),
            ("age", "until"), ("opened_by", "opened_at"), "history",
        ]}),
    ]  # fmt: skip
    readonly_fields: ClassVar = ["status", "what", "statement", "due", "listed", "left", "outcome", "age", "until",
                                 "history"]  # fmt: skip
    inlines: ClassVar = [MessageInline]

    due = money_column("due_amount", "Due in dispute")
    listed = money_column("list_amount", "List in dispute")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        mine = {name: OuterRef(name) for name in ("period", "pi", "project")}
        issued = Statement.objects.current().filter(**mine)
        return super().get_queryset(request).annotate(
            deadline=Subquery(issued.values("dispute_until")[:1]), issued=Subquery(issued.values("pk")[:1])
        )  # fmt: skip

    def attachments(self, row: Dispute) -> QuerySet[DisputeAttachment]:
        return DisputeAttachment.objects.filter(message__dispute=row)

    @display(description="Dispute", ordering="pk")
    def number(self, dispute: Dispute) -> int:
        return dispute.pk

    @display(description="About")
    def disputed(self, dispute: Dispute) -> str:
        return dispute.subject

    @display(description="About")
    def what(self, dispute: Dispute) -> str:
        return link(dispute.charge, dispute.subject) if dispute.charge else dispute.subject

    @display(description="Statement")
    def statement(self, dispute: Any) -> str:
        found = Statement.objects.filter(pk=dispute.issued).first()
        return link(found, found.printed_number) if found else "—"

    @display(description="State", label={"Open": "warning", "Upheld": "success"})
    def status(self, dispute: Dispute) -> str:
        return dispute.get_state_display()

    @display(description="Can be taken off now")
    def left(self, dispute: Dispute) -> str:
        """The month may have changed since; an earlier adjustment counts."""
        if dispute.state != State.OPEN:
            return "—"
        return "{} due, {} list price".format(*_left(dispute))

    @display(description="Outcome")
    def outcome(self, dispute: Dispute) -> str:
        adjustment = dispute.adjustments.filter(withdrawn_at=None).order_by("pk").first()
        if adjustment is None:
            return "—"
        amounts = (money(amount, dispute.period.currency) for amount in (dispute.granted_due, dispute.granted_list))
        what = "{} due, {} list price: ".format(*amounts)
        waits = ", awaits approval" if dispute.state == State.OPEN else ""
        return format_html("{}{}{}", what, link(adjustment, dispute.get_ground_display()), waits)

    @display(description="Age", ordering="-opened_at")
    def age(self, dispute: Dispute) -> str:
        return dispute.age

    @display(description="Until", ordering="deadline")
    def until(self, dispute: Any) -> str:
        return day(dispute.deadline) if dispute.deadline else "—"

    @display(description="History")
    def history(self, dispute: Dispute) -> str:
        return audit_list(dispute)
