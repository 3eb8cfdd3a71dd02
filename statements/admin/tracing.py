"""Why was this charged? A page for each charge, back to its file and on to the journal, and one for each line."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from charges.explaining import RELATED, explain
from charges.models import Charge
from statements.issuing import says_what_is_now
from statements.models import StatementLine
from statements.tracing import charges_of, postings, trace

ROWS = 50


class TracedAdmin:
    """Mixed into the admin of statements; for whoever may view them and charges."""

    admin_site: Any

    def get_urls(self) -> list[URLPattern]:
        why, line = (self.admin_site.admin_view(view) for view in (self.why_view, self.line_view))
        return [
            path("charge/<int:pk>/", why, name="statements_statement_why"),
            path("line/<int:pk>/", line, name="statements_statement_line"),
            *super().get_urls(),  # type: ignore[misc]
        ]

    def why_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        self._require_viewer(request)
        charge = get_object_or_404(Charge.objects.select_related(*RELATED), pk=pk)
        back = reverse("admin:charges_charge_change", args=[pk])
        found = {"found": explain(charge), "trace": trace(charge), "back": back}
        return self._page(request, "admin/why.html", f"Why {charge}?", of=charge, context=found)

    def line_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        self._require_viewer(request)
        lines = StatementLine.objects.select_related(
            "statement__period", "source", "funding_account", "adjustment__charge", "credit_fund"
        )
        line = get_object_or_404(lines, pk=pk)
        is_current = line.statement.state == "issued" and says_what_is_now(line.statement)
        is_listed = is_current and line.kind == StatementLine.Kind.CHARGES
        charges = charges_of([line]).order_by("pk") if is_listed else Charge.objects.none()
        context = {
            "line": line,
            "postings": postings([line]),
            "is_current": is_current,
            "page": Paginator(charges, ROWS).get_page(request.GET.get("page")),
            "back": reverse("admin:statements_statement_change", args=[line.statement_id]),
        }
        title = f"Line of {line.statement}"
        return self._page(request, "admin/statement_line.html", title, of=line.statement, context=context)

    def _require_viewer(self, request: HttpRequest) -> None:
        if not all(request.user.has_perm(name) for name in ("charges.view_charge", "statements.view_statement")):
            raise PermissionDenied

    def _page(
        self, request: HttpRequest, template: str, title: str, *, of: Model, context: dict[str, Any]
    ) -> HttpResponse:
        site = self.admin_site.each_context(request)
        return TemplateResponse(
            request, template, {**site, "title": title, "opts": of._meta, "original": of, **context}
        )
