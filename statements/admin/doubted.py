"""The list that is looked through at close: lines on accounts that are expired, not valid yet, or unknown."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from charges.attribution.doubting import Doubt, doubts
from charges.money import printed
from periods.models import BillingPeriod
from periods.spreadsheets import as_csv
from statements.admin.reconciliation import ReconciledAdmin

COLUMNS = ("fund", "why", "pi", "project", "source", "service", "charges", "due", "currency")


class DoubtedAdmin(ReconciledAdmin):
    """Of months: for whoever may view them."""

    def get_urls(self) -> list[URLPattern]:
        page, csv = (self.admin_site.admin_view(view) for view in (self.accounts_view, self.accounts_csv_view))
        return [
            path("<int:object_id>/accounts/", page, name="periods_billingperiod_accounts"),
            path("<int:object_id>/accounts.csv", csv, name="periods_billingperiod_accounts_csv"),
            *super().get_urls(),
        ]

    def accounts_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        period = self._viewed(request, object_id)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Accounts to look at in {period}",
            "opts": self.opts,
            "original": period,
            "csv_url": reverse("admin:periods_billingperiod_accounts_csv", args=[period.pk]),
            "back": reverse("admin:periods_billingperiod_change", args=[period.pk]),
            "rows": [_row(doubt, period) for doubt in doubts(period)],
        }
        return TemplateResponse(request, "admin/accounts.html", context)

    def accounts_csv_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        period = self._viewed(request, object_id)
        headers = {"Content-Disposition": f'attachment; filename="accounts-{period.month}.csv"'}
        text = as_csv(COLUMNS, [_cells(doubt, period) for doubt in doubts(period)])
        return HttpResponse(text, content_type="text/csv; charset=utf-8", headers=headers)


def _row(doubt: Doubt, period: BillingPeriod) -> dict[str, Any]:
    lookups = {
        "period__id__exact": period.pk,
        "source__id__exact": doubt.source.pk,
        "pi__id__exact": doubt.pi.pk,
        "project__id__exact": doubt.project.pk,
        "funding_account__id__exact": doubt.fund.pk,
        "review_status__exact": "billable",
    }
    return {
        "doubt": doubt,
        "due": printed(doubt.due, period.currency),
        "charges_url": f"{reverse('admin:charges_charge_changelist')}?{urlencode(lookups)}",
        "fund_url": reverse("admin:charges_fundingaccount_change", args=[doubt.fund.pk]),
    }


def _cells(doubt: Doubt, period: BillingPeriod) -> list[str]:
    who = [doubt.pi.email, doubt.project.code, doubt.source.name, doubt.service_name]
    return [doubt.fund.code, doubt.why, *who, str(doubt.charges), f"{doubt.due.normalize():f}", period.currency]
