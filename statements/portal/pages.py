"""What every page that a PI sees has in common: signed in, kept by no cache, running no foreign code."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from statements.models import Statement

ROWS = 50
View = Callable[..., HttpResponseBase]

HEADERS = {
    "Cache-Control": "no-store, private",
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    ),
}


def guarded(view: View) -> View:
    """Add the headers. Sign-in pages have them too, since a code typed there must not be sent elsewhere."""

    @wraps(view)
    def with_headers(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        for name, value in HEADERS.items():
            response.headers[name] = value
        return response

    return with_headers


def portal_page(view: View) -> View:
    """Read only, as nearly all of them are."""
    return guarded(require_safe(login_required(view)))


def portal_form(view: View) -> View:
    """A page that asks, and writes when it is sent."""
    return guarded(require_http_methods(["GET", "HEAD", "POST"])(login_required(view)))


def portal_action(view: View) -> View:
    return guarded(require_POST(login_required(view)))


def page_of(request: HttpRequest, rows: QuerySet[Any]) -> Page[Any]:
    return Paginator(rows, ROWS).get_page(request.GET.get("page"))


def visible_statement(request: HttpRequest, number: int) -> Statement:
    """Not there and not yours are the same answer."""
    statements = Statement.objects.visible_to(request.user).select_related(
        "period", "document", "pi__merged_into", "project__merged_into"
    )
    return get_object_or_404(statements, number=number)
