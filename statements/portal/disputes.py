"""What the portal writes, beside `accounts`: disputes, raised and talked about by those who see the statement."""

import logging
from collections.abc import Callable
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from charges.attaching import ACCEPTED, HINT
from charges.disputing.at_stake import at_stake
from charges.disputing.objecting import open_dispute, withdraw_dispute, write_to_staff
from charges.downloading import download
from charges.models import Charge, Dispute, DisputeAttachment
from periods.errors import Refused
from periods.models import BillingPeriod
from statements.models import Statement, StatementLine
from statements.portal.marks import is_disputable, key_now, payer_now
from statements.portal.pages import page_of, portal_action, portal_form, portal_page, visible_statement

logger = logging.getLogger(__name__)
WRITING = {"here": "disputes", "accepted": ACCEPTED, "hint": HINT}
NAMED = ("period", "pi", "project", "charge", "source", "funding_account", "opened_by")


@portal_page
def disputes(request: HttpRequest) -> HttpResponse:
    newest_first = _visible(request).order_by("-pk")
    return render(request, "portal/disputes.html", {"here": "disputes", "page": page_of(request, newest_first)})


@portal_page
def dispute(request: HttpRequest, number: int) -> HttpResponse:
    return _show(request, _found(request, number))


@portal_form
def dispute_charge(request: HttpRequest, number: int, charge: int) -> HttpResponse:
    shown = visible_statement(request, number)
    theirs = Charge.objects.billable().filter(**payer_now(shown), period=shown.period)
    found = get_object_or_404(theirs.select_related("source", "funding_account"), pk=charge)
    return _open(request, shown, charge=found)


@portal_form
def dispute_line(request: HttpRequest, number: int, line: int) -> HttpResponse:
    shown = visible_statement(request, number)
    found = get_object_or_404(StatementLine.objects.select_related("source"), statement=shown, pk=line)
    if not is_disputable(found):
        raise Http404
    return _open(request, shown, **key_now(found))


@portal_action
def write(request: HttpRequest, number: int) -> HttpResponse:
    found = _found(request, number)
    return _run(request, found, lambda: write_to_staff(found, by=request.user, **_written(request)))


@portal_action
def withdraw(request: HttpRequest, number: int) -> HttpResponse:
    found = _found(request, number)
    return _run(request, found, lambda: withdraw_dispute(found, by=request.user))


@portal_page
def file(request: HttpRequest, number: int, file: int) -> HttpResponse:
    attachment = get_object_or_404(_attachments(_found(request, number)), pk=file)
    try:
        return download(attachment)
    except Refused as refusal:
        logger.exception("Attachment %s was asked for and cannot be given.", attachment.pk)
        raise Http404 from refusal


def _visible(request: HttpRequest) -> QuerySet[Any]:
    """Of statements that the reader sees, issued before a merge too; not there and not yours are the same answer."""
    same = (Q(**{name: OuterRef(name)}) | Q(**{f"{name}__merged_into": OuterRef(name)}) for name in ("pi", "project"))
    statements = Statement.objects.visible_to(request.user).filter(*same, period=OuterRef("period")).order_by("-pk")
    until, number = (Subquery(statements.values(name)[:1]) for name in ("dispute_until", "number"))
    seen = Dispute.objects.filter(Exists(statements)).annotate(until=until, statement_number=number)
    return seen.select_related(*NAMED)


def _found(request: HttpRequest, number: int) -> Any:
    return get_object_or_404(_visible(request), pk=number)


def _open(request: HttpRequest, shown: Statement, **what: Any) -> HttpResponse:
    whose = {"period": shown.period, **payer_now(shown)}
    refusal = ""
    if request.method == "POST":
        try:
            made = open_dispute(by=request.user, **whose, **what, **_written(request))
            return redirect("portal:dispute", made.pk)
        except Refused as error:
            refusal = str(error)
    proposed = Dispute(**whose, **what)
    context = {"statement": shown, "proposed": proposed, "at_stake": at_stake(proposed), "refusal": refusal}
    return render(request, "portal/dispute_open.html", WRITING | context | {"may_write": _is_unsealed(shown.period)})


def _attachments(found: Dispute) -> QuerySet[DisputeAttachment]:
    return DisputeAttachment.objects.filter(message__dispute=found, message__is_internal=False)


def _run(request: HttpRequest, found: Any, stage: Callable[[], object]) -> HttpResponse:
    try:
        stage()
    except Refused as refusal:
        return _show(request, found, refusal=str(refusal))
    return redirect("portal:dispute", found.pk)


def _written(request: HttpRequest) -> dict[str, Any]:
    return {"text": request.POST.get("text", ""), "files": request.FILES.getlist("files")}


def _show(request: HttpRequest, found: Any, *, refusal: str = "") -> HttpResponse:
    is_open = found.state == Dispute.State.OPEN and _is_unsealed(found.period)
    context = {
        "dispute": found,
        "thread": found.messages.filter(is_internal=False).select_related("by").prefetch_related("attachments"),
        "may_write": is_open,
        "may_withdraw": is_open and found.opened_by_id == request.user.pk,
        "refusal": refusal,
    }
    return render(request, "portal/dispute.html", WRITING | context)


def _is_unsealed(period: BillingPeriod) -> bool:
    return period.state != BillingPeriod.State.FINALIZED
