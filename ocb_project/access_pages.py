"""The pages of the access review, in the admin; beside the models, as it is of all of them."""

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from ocb_project.access import review_access
from ocb_project.combining import combined

may_view_users = permission_required("auth.view_user", raise_exception=True)


@admin.site.admin_view
@may_view_users
def access_page(request: HttpRequest) -> HttpResponse:
    context = {"title": "Access review", "access": review_access(), "combined": combined()}
    return TemplateResponse(request, "admin/access.html", {**admin.site.each_context(request), **context})


@admin.site.admin_view
@may_view_users
def access_csv(request: HttpRequest) -> HttpResponse:
    headers = {"Content-Disposition": f'attachment; filename="access-{timezone.localdate()}.csv"'}
    return HttpResponse(review_access().as_csv(), content_type="text/csv; charset=utf-8", headers=headers)
