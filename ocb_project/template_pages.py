"""The page of the institution's own templates, in the admin: tried with real data, and a text that asks for help."""

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from periods.errors import Refused
from statements.customizing import KINDS, customization_prompt, preview_template

may_preview = permission_required("statements.view_statement", raise_exception=True)


@admin.site.admin_view
@may_preview
def templates_page(request: HttpRequest) -> HttpResponse:
    may_see = [kind for kind in KINDS.values() if request.user.has_perm(kind.permission)]
    kinds = [{"kind": kind, "prompt": customization_prompt(kind.name, by=request.user)} for kind in may_see]
    context = {"title": "Templates", "kinds": kinds}
    return TemplateResponse(request, "admin/templates.html", {**admin.site.each_context(request), **context})


@admin.site.admin_view
@may_preview
def template_preview(request: HttpRequest, kind: str) -> HttpResponse:
    """What the drafts make; a template that breaks is told in words."""
    if kind not in KINDS:
        raise Http404
    try:
        made = preview_template(kind, by=request.user)
    except Refused as refusal:
        return HttpResponse(str(refusal), status=409, content_type="text/plain; charset=utf-8")
    # A template is written by people: what it makes may run nothing in the admin's name
    headers = {"Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"}
    if made.content_type == "application/pdf":
        headers = {}
    headers["X-Content-Type-Options"] = "nosniff"
    return HttpResponse(made.content, content_type=made.content_type, headers=headers)
