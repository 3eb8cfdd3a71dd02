"""The row behind a charge as it was delivered, on demand: every column, also those that no charge stores."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from unfold.decorators import display

from charges.admin.display import corrections, table
from charges.explaining.delivered import corrected
from charges.importing.raw import raw_row
from charges.models import Charge
from periods.errors import Refused


class DeliveredRow:
    """Mixed into the admin of charges."""

    admin_site: Any
    opts: Any

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.delivered_view)
        return [path("<int:pk>/delivered/", view, name="charges_charge_delivered"), *super().get_urls()]  # type: ignore[misc]

    @display(description="As delivered")
    def delivered(self, charge: Charge) -> str:
        if charge.file is None:
            return "—"
        url = reverse("admin:charges_charge_delivered", args=[charge.pk])
        words = "line {} of {}: all columns as they came"
        return format_html(f'<a class="ocb-link" href="{{}}">{words}</a>', url, charge.line_number, charge.file)

    def delivered_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        charge: Charge | None = self.get_object(request, str(pk))  # type: ignore[attr-defined]
        if not self.has_view_permission(request, charge):  # type: ignore[attr-defined]
            raise PermissionDenied
        if charge is None or charge.file is None:
            raise Http404
        back = reverse("admin:charges_charge_change", args=[pk])
        try:
            row = raw_row(charge.file, charge.line_number)
        except Refused as refusal:
            messages.error(request, str(refusal))
            return redirect(back)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Line {charge.line_number} of {charge.file}",
            "opts": self.opts,
            "columns": table(["Column", "As it came"], row.items()),
            "issue": (issue := corrected(charge)),
            "corrections": corrections(issue) if issue else "",
            "back": back,
        }
        return TemplateResponse(request, "admin/charges/delivered.html", context)


def why_button(charge: Charge) -> dict[str, Any]:
    """As the buttons of steps look. The page is of `statements`, which know where a charge went."""
    step = {"label": "Why this charge?", "icon": "account_tree", "is_primary": False}
    return {"step": step, "url": reverse("admin:statements_statement_why", args=[charge.pk])}
