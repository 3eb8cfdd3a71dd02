"""The month's page: figures, what stands in the way, and a button for each step of the month's end."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery, Sum
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.decorators import display

from charges.admin.display import money_column
from periods.models import BillingPeriod
from periods.transition_admin import TransitionAdmin
from statements.admin.doubted import DoubtedAdmin
from statements.admin.overview import history, overview
from statements.admin.steps import STEPS
from statements.models import Statement


def _context(period: BillingPeriod, *, by: Any) -> dict[str, Any]:
    reconciliation = reverse("admin:periods_billingperiod_reconciliation", args=[period.pk])
    return {
        "overview": overview(period, by=by),
        "entries": history(period),
        "links": [{"label": "Reconciliation", "icon": "balance", "url": reconciliation}],
    }


def _difference(period: Any) -> Any:
    return None if period.due_amount is None else period.due_amount - period.list_amount


@admin.register(BillingPeriod)
class BillingPeriodAdmin(TransitionAdmin, DoubtedAdmin):
    steps = STEPS
    change_form_template = "admin/period_change_form.html"
    list_display: ClassVar = ["name", "status", "listed", "discount", "due", "finalized_at"]
    list_filter: ClassVar = ["state"]
    ordering: ClassVar = ["-month"]

    listed = money_column("list_amount", "List price", currency="currency")
    discount = money_column(_difference, "Discount", currency="currency")
    due = money_column("due_amount", "Amount due", currency="currency")

    def get_queryset(self, request: HttpRequest) -> QuerySet[BillingPeriod]:
        """With the sums of the statements as issued; the month's own page computes them live."""
        issued = Statement.objects.filter(period=OuterRef("pk")).current().order_by().values("period")
        sums = {name: Subquery(issued.annotate(sum=Sum(name)).values("sum")) for name in ("list_amount", "due_amount")}
        return super().get_queryset(request).annotate(**sums)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return []

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        period = self.get_object(request, object_id)
        context = _context(period, by=request.user) if period else {}
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    @display(description="Month", ordering="month")
    def name(self, period: BillingPeriod) -> str:
        return str(period)

    @display(description="State", label={"Open": "info", "Closed": "warning", "Finalized": "success"})
    def status(self, period: BillingPeriod) -> str:
        return period.get_state_display()
