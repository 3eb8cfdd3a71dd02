"""A PI or delegate chooses which account of their project bears a line of their statement."""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from charges.models import FundingAccount
from periods.errors import Refused
from statements.choosing import accounts_for, choose_account, may_choose
from statements.models import StatementLine
from statements.portal.pages import portal_form, visible_statement
from statements.portal.tracing import lines_at
from statements.rendering import composing


@portal_form
def choose(request: HttpRequest, number: int, line: int) -> HttpResponse:
    shown = visible_statement(request, number)
    lines = lines_at(shown, line)
    if not settings.PAYERS_CHOOSE_ACCOUNT or lines[0].kind != StatementLine.Kind.CHARGES:
        raise Http404
    context = {"here": "statements", "statement": shown, "line": composing.folded(lines)[0], "pk": line}
    if request.method == "POST":
        context |= _chosen(request, lines)
    is_open = "chosen" not in context and may_choose(lines)
    context |= {"is_open": is_open, "accounts": accounts_for(lines) if is_open else []}
    return render(request, "portal/account.html", context)


def _chosen(request: HttpRequest, lines: list[StatementLine]) -> dict[str, object]:
    """What was chosen, or why it was refused."""
    code = request.POST.get("account", "")
    fund = FundingAccount.objects.filter(pk=code).first() if code.isascii() and code.isdecimal() else None
    if fund is None:
        return {"refusal": "Choose an account."}
    try:
        choose_account(lines, fund=fund, reason=request.POST.get("reason", ""), by=request.user)
    except Refused as refusal:
        return {"refusal": str(refusal)}
    return {"chosen": fund}
