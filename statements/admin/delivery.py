from typing import Any, ClassVar

from django.contrib import admin
from django.utils.html import format_html_join
from unfold.decorators import display

from charges.admin.display import audit_list, link
from charges.admin.filters import PeriodFilter
from periods.plain_admin import ReadOnlyAdmin
from periods.transition_admin import ReasonForm, Step, TransitionAdmin
from statements.emailing import retry
from statements.models import EmailDelivery

Status = EmailDelivery.Status


def _retry(delivery: EmailDelivery, **answers: Any) -> str:
    retry(delivery, **answers)
    return f"The message to {delivery.recipient} is queued: the next run of e-mail statements sends it."


@admin.register(EmailDelivery)
class EmailDeliveryAdmin(TransitionAdmin, ReadOnlyAdmin):
    steps: ClassVar = {
        "retry": Step(
            label="Queue again",
            run=_retry,
            permission="statements.retry_emaildelivery",
            explanation="If the message did go out after all, its recipient gets it twice: ask them first.",
            form=ReasonForm,
            icon="replay",
            is_offered=lambda delivery: delivery.status in {Status.FAILED, Status.UNCLEAR},
        )
    }
    list_display: ClassVar = ["recipient", "pi", "period", "state", "sent_at", "attempts", "error"]
    list_filter: ClassVar = [PeriodFilter, "status"]
    list_select_related: ClassVar = ["pi", "period"]
    search_fields: ClassVar = ["recipient__startswith"]
    fields: ClassVar = [
        ("recipient", "pi", "period"), ("state", "attempts"), "error", ("created_at", "claimed_at", "sent_at"),
        "message_id", "carried", "history",
    ]  # fmt: skip
    readonly_fields: ClassVar = ["state", "carried", "history"]

    @display(
        description="State",
        label={"Sent": "success", "Queued": "info", "Failed": "danger", str(Status.UNCLEAR.label): "warning"},
    )
    def state(self, delivery: EmailDelivery) -> str:
        return delivery.get_status_display()

    @display(description="Statements")
    def carried(self, delivery: EmailDelivery) -> str:
        return format_html_join(", ", "{}", ((link(statement),) for statement in delivery.statements.all()))

    @display(description="History")
    def history(self, delivery: EmailDelivery) -> str:
        return audit_list(delivery)
