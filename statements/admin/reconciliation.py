"""The page that finance signs: each step of a month's reconciliation, its lines linked to their rows."""

from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from charges.money import printed, round_to_currency
from periods.models import BillingPeriod
from periods.plain_admin import ReadOnlyAdmin
from statements.reconciling import Reconciliation, reconcile
from statements.reconciling.result import Line, Prepaid, Step, Verdict, Where

SENTENCES = {
    Verdict.RIGHT: "Every step adds up, from the provider's bill to the journals.",
    Verdict.WAITING: "What there is so far adds up. The rest is still to come.",
    Verdict.WRONG: "Some steps do not add up. The difference stands beside each of them.",
}


class ReconciledAdmin(ReadOnlyAdmin):
    """Of months: for whoever may view them."""

    title: ClassVar = "Reconciliation"

    def get_urls(self) -> list[URLPattern]:
        page, csv = (self.admin_site.admin_view(view) for view in (self.reconciliation_view, self.csv_view))
        return [
            path("<int:object_id>/reconciliation/", page, name="periods_billingperiod_reconciliation"),
            path("<int:object_id>/reconciliation.csv", csv, name="periods_billingperiod_reconciliation_csv"),
            *super().get_urls(),
        ]

    def reconciliation_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        period = self._viewed(request, object_id)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Reconciliation of {period}",
            "opts": self.opts,
            "original": period,
            "csv_url": reverse("admin:periods_billingperiod_reconciliation_csv", args=[period.pk]),
            "back": reverse("admin:periods_billingperiod_change", args=[period.pk]),
            **shown(reconcile(period)),
        }
        return TemplateResponse(request, "admin/reconciliation.html", context)

    def csv_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        period = self._viewed(request, object_id)
        headers = {"Content-Disposition": f'attachment; filename="reconciliation-{period.month}.csv"'}
        return HttpResponse(reconcile(period).as_csv(), content_type="text/csv; charset=utf-8", headers=headers)

    def _viewed(self, request: HttpRequest, object_id: int) -> BillingPeriod:
        period = self.get_object(request, str(object_id))
        if period is None:
            raise Http404
        if not self.has_view_permission(request, period):
            raise PermissionDenied
        return period


def shown(found: Reconciliation) -> dict[str, Any]:
    """Amounts as people read them, addresses in place of filters."""
    return {
        "verdict": found.verdict.name,
        "sentence": SENTENCES[found.verdict] if found.parts else "Nothing was delivered yet.",
        "parts": [
            {"source": part.source, "currency": part.currency, "steps": [_step(step) for step in part.steps]}
            for part in found.parts
        ],
        "prepaid": [_prepaid(prepaid) for prepaid in found.prepaid],
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "title": step.title,
        "currency": step.currency,
        "lines": [_line(line, step.currency) for line in step.lines],
        "result": _line(step.result, step.currency),
        "notes": [_line(line, step.currency) for line in step.notes],
        "verdict": step.verdict.name,
        "words": step.waits or str(step.verdict).capitalize(),
        "difference": amount_in_words(step.difference, step.currency),
    }


def _line(line: Line, currency: str) -> dict[str, Any]:
    return {
        "label": line.label,
        "sign": line.sign,
        "amount": amount_in_words(line.amount, currency),
        "rows": line.rows,
        "url": address(line.where),
    }


def _prepaid(prepaid: Prepaid) -> dict[str, Any]:
    commitment = prepaid.commitment
    amounts = (commitment.before, commitment.billed, commitment.used, commitment.balance)
    return {
        "source": prepaid.source,
        "name": commitment.name,
        "url": address(prepaid.where),
        "amounts": [amount_in_words(amount, commitment.currency) for amount in amounts],
    }


def address(where: Where | None) -> str:
    return f"{reverse(f'admin:{where.list}_changelist')}?{urlencode(where.lookups)}" if where else ""


def amount_in_words(amount: Decimal, currency: str) -> str:
    """To the last digit; whole coins as coins."""
    coins = round_to_currency(amount, currency)
    return printed(coins if coins == amount else amount, currency)
