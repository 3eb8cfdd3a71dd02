"""Read-only pages for PIs and delegates; `disputes` and `accounts` hold those that write. Whatever they show comes through `Statement.objects.visible_to(user)`."""

import logging

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from charges.models import Charge, Project
from periods.errors import Refused
from statements.issuing import says_what_is_now
from statements.lines import Books
from statements.models import ArchivedDocument, Seal, Statement, StatementLine
from statements.portal.marks import Marks, marked
from statements.portal.pages import page_of, portal_page, visible_statement
from statements.portal.project_summaries import summarize
from statements.rendering import composing
from statements.rendering.documents import enclosed, frozen_lines

logger = logging.getLogger(__name__)


@portal_page
def home(request: HttpRequest) -> HttpResponse:
    statements = Statement.objects.visible_to(request.user).select_related("period", "document")
    newest_first = statements.order_by("-period__month", "project_code", "number")
    seal = Seal.objects.select_related("period").first()
    return render(
        request, "portal/home.html", {"here": "statements", "page": page_of(request, newest_first), "seal": seal}
    )


@portal_page
def statement(request: HttpRequest, number: int) -> HttpResponse:
    shown = visible_statement(request, number)
    lines = list(shown.lines.select_related("source", "funding_account", "adjustment"))
    usage = [line for line in lines if line.kind == StatementLine.Kind.CHARGES]
    adjustments = [line for line in lines if line.kind == StatementLine.Kind.ADJUSTMENT]
    billable = Charge.objects.billable().select_related("source", "exchange_rate")
    charges = billable.filter(period=shown.period, pi=shown.pi_id, project=shown.project_id)
    is_current, marks = says_what_is_now(shown), Marks(shown)
    return render(
        request,
        "portal/statement.html",
        {
            "here": "statements",
            "statement": shown,
            "discounts": list(composing.discounts(lines)),
            "funds": composing.fund_totals(lines),
            "lines": list(marked(usage, marks)),
            "adjustments": [(line.pk, composing.adjustment_line(line)) for line in adjustments],
            "is_current": is_current,
            "marks": marks,
            "seal": Seal.objects.filter(period=shown.period_id).first(),
            "page": page_of(request, charges.order_by("pk") if is_current else charges.none()),
        },
    )


@portal_page
def pdf(request: HttpRequest, number: int) -> HttpResponse:
    """The archived bytes: nothing is rendered for a download, and nothing else is passed off as them."""
    shown = visible_statement(request, number)
    document = get_object_or_404(ArchivedDocument, statement=shown)
    try:
        content = document.read()
    except Refused as refusal:
        logger.exception("Statement %s was asked for and cannot be shown.", shown)  # which staff must hear of
        raise Http404 from refusal
    slug = shown.printed_number.replace(".", "").replace(" ", "-")
    headers = {"Content-Disposition": f'inline; filename="statement-{slug}.pdf"'}
    return HttpResponse(content, content_type="application/pdf", headers=headers)


@portal_page
def charges(request: HttpRequest, number: int) -> HttpResponse:
    """The file that the PDF carries. A statement that is being revised has it in its PDF only."""
    shown = visible_statement(request, number)
    if not says_what_is_now(shown):
        raise Http404
    content = enclosed(shown, frozen_lines(shown), Books(shown.period))
    headers = {"Content-Disposition": f'attachment; filename="{composing.charges_file_name(shown)}"'}
    return HttpResponse(content, content_type="text/csv; charset=utf-8", headers=headers)


@portal_page
def projects(request: HttpRequest) -> HttpResponse:
    statements = Statement.objects.visible_to(request.user)
    mine = Project.objects.filter(pk__in=statements.values("project")).prefetch_related("delegates")
    page = page_of(request, mine)
    summaries = summarize(page.object_list, statements)
    return render(request, "portal/projects.html", {"here": "projects", "page": page, "summaries": summaries})
