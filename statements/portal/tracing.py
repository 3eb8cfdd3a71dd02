"""Why was I charged this? Each line and charge of one's own statement: back to its file, forward to the journal."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render

from charges.explaining import RELATED, explain
from charges.models import Charge
from statements.choosing import may_choose
from statements.issuing import says_what_is_now
from statements.models import Statement, StatementLine
from statements.portal.marks import Marks, payer_now
from statements.portal.pages import page_of, portal_page, visible_statement
from statements.rendering import composing
from statements.tracing import charges_of, postings, trace


@portal_page
def charge(request: HttpRequest, number: int, charge: int) -> HttpResponseBase:
    shown = visible_statement(request, number)
    theirs = Charge.objects.billable().filter(**payer_now(shown), period=shown.period)
    found = get_object_or_404(theirs.select_related(*RELATED), pk=charge)
    followed = trace(found)
    if not followed.postings:  # the statement is being revised, and says so
        return redirect("portal:statement", number)
    context = {"statement": shown, "found": explain(found, for_payer=True), "trace": followed, "marks": Marks(shown)}
    return render(request, "portal/charge.html", {"here": "statements", **context})


@portal_page
def line(request: HttpRequest, number: int, line: int) -> HttpResponse:
    """As the statement shows it: folded over account codes and funders."""
    shown = visible_statement(request, number)
    lines = lines_at(shown, line)
    is_charges = lines[0].kind == StatementLine.Kind.CHARGES
    is_current = says_what_is_now(shown)
    charges = charges_of(lines).select_related("source", "exchange_rate") if is_charges else Charge.objects.none()
    context = {
        "statement": shown,
        "line": composing.folded(lines)[0] if is_charges else composing.adjustment_line(lines[0]),
        "is_charges": is_charges,
        "is_current": is_current,
        "may_choose": settings.PAYERS_CHOOSE_ACCOUNT and may_choose(lines),
        "pk": lines[0].pk,
        "postings": postings(lines),
        "page": page_of(request, charges.order_by("pk") if is_current else charges.none()),
    }
    return render(request, "portal/line.html", {"here": "statements", **context})


def lines_at(shown: Statement, pk: int) -> list[StatementLine]:
    """The line and those that the portal folds with it. Not there and not yours are the same answer."""
    every = shown.lines.select_related("source", "funding_account", "adjustment")
    one = get_object_or_404(every, pk=pk)
    if one.kind == StatementLine.Kind.ADJUSTMENT:
        return [one]
    return [other for other in every.filter(kind=one.kind) if composing.place(other) == composing.place(one)]
