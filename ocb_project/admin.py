"""Staff and their groups. PIs are made by the portal's sign-in and need no page of their own."""

from allauth.account.models import EmailAddress
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from ocb_project.access import review_access
from periods.plain_admin import PlainAdmin

for model in (User, Group, EmailAddress):
    admin.site.unregister(model)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, PlainAdmin):  # type: ignore[misc]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm

    def get_urls(self) -> list[URLPattern]:
        page, csv = (self.admin_site.admin_view(view) for view in (self.access_view, self.access_csv_view))
        return [
            path("access/", page, name="auth_user_access"),
            path("access.csv", csv, name="auth_user_access_csv"),
            *super().get_urls(),
        ]

    def access_view(self, request: HttpRequest) -> HttpResponse:
        self._require_view(request)
        context = {**self.admin_site.each_context(request), "title": "Access review", "opts": self.opts}
        return TemplateResponse(request, "admin/access.html", {**context, "access": review_access()})

    def access_csv_view(self, request: HttpRequest) -> HttpResponse:
        self._require_view(request)
        headers = {"Content-Disposition": f'attachment; filename="access-{timezone.localdate()}.csv"'}
        return HttpResponse(review_access().as_csv(), content_type="text/csv; charset=utf-8", headers=headers)

    def _require_view(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, PlainAdmin):  # type: ignore[misc]
    pass
