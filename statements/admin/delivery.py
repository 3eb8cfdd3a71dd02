from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html_join
from unfold.decorators import display

from charges.admin.display import audit_list, link, table
from charges.admin.filters import PeriodFilter
from periods.errors import Refused
from periods.plain_admin import ReadOnlyAdmin
from periods.transition_admin import ReasonForm, Step, TransitionAdmin
from statements.admin.suppression import standing_suppression
from statements.emailing import retry, send_test
from statements.emailing.retrying import RETRIED
from statements.models import EmailDelivery

Status = EmailDelivery.Status
COLOURS = {
    Status.SENT: "success",
    Status.DELIVERED: "success",
    Status.QUEUED: "info",
    Status.SENDING: "info",
    Status.FAILED: "danger",
    Status.BOUNCED: "danger",
    Status.COMPLAINED: "danger",
    Status.UNCLEAR: "warning",
}
MAY_TEST = "statements.email_statement"
TEST = Step(
    label="Send a test message",
    run=send_test,
    permission=MAY_TEST,
    explanation="Goes to your own address, by the same way as statements. You are told what the mail server answers.",
    icon="outgoing_mail",
)


def _retry(delivery: EmailDelivery, **answers: Any) -> str:
    queued = retry(delivery, **answers)
    return f"The message to {queued.recipient} is queued: the next run of e-mail statements sends it."


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
            is_offered=lambda delivery: delivery.status in RETRIED,
        )
    }
    list_before_template = "admin/test_message.html"
    list_display: ClassVar = ["recipient", "pi", "period", "kind", "state", "sent_at", "attempts", "error"]
    list_filter: ClassVar = [PeriodFilter, "status", "kind"]
    list_select_related: ClassVar = ["pi", "period"]
    search_fields: ClassVar = ["recipient__startswith"]
    search_help_text = "The beginning of an address"
    fields: ClassVar = [
        "recipient", ("pi", "period"), ("state", "kind", "attempts"), "error", "suppressed",
        ("created_at", "sent_at", "next_attempt_at"), "message_id", "carried", "reports", "history",
    ]  # fmt: skip
    readonly_fields: ClassVar = ["state", "suppressed", "carried", "reports", "history"]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.test_view)
        return [path("test/", view, name="statements_emaildelivery_test"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        may_test = request.user.has_perm(MAY_TEST)
        return super().changelist_view(request, {"may_test": may_test, **(extra_context or {})})

    def test_view(self, request: HttpRequest) -> HttpResponse:
        if not request.user.has_perm(MAY_TEST):
            raise PermissionDenied
        back = reverse("admin:statements_emaildelivery_changelist")
        form = forms.Form(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            try:
                messages.success(request, f"Sent to {send_test(by=request.user)}. Look whether it arrived, and how.")
                return redirect(back)
            except Refused as refusal:
                form.add_error(None, str(refusal))
        context = {
            **self.admin_site.each_context(request),
            "title": TEST.label,
            "opts": self.opts,
            "step": TEST,
            "form": form,
            "back": back,
        }
        return TemplateResponse(request, "admin/transition_confirm.html", context)

    @display(description="State", label={str(Status(status).label): colour for status, colour in COLOURS.items()})
    def state(self, delivery: EmailDelivery) -> str:
        return delivery.get_status_display()

    @display(description="Suppressed")
    def suppressed(self, delivery: EmailDelivery) -> str:
        standing = standing_suppression(delivery.recipient)
        return link(standing, f"Since {timezone.localdate(standing.since)}: {standing.cause}") if standing else "No"

    @display(description="Statements")
    def carried(self, delivery: EmailDelivery) -> str:
        return format_html_join(", ", "{}", ((link(statement),) for statement in delivery.statements.all()))

    @display(description="What the provider reported")
    def reports(self, delivery: EmailDelivery) -> str:
        rows = [
            (f"{timezone.localtime(event.occurred_at):%Y-%m-%d %H:%M}", event.event_type, event.words or "—")
            for event in delivery.events.all()
        ]
        return table(["When", "What", "In its words"], rows) if rows else "Nothing"

    @display(description="History")
    def history(self, delivery: EmailDelivery) -> str:
        return audit_list(delivery)
