"""Staff and their groups. PIs are made by the portal's sign-in and need no page of their own."""

from allauth.account.models import EmailAddress
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from periods.plain_admin import PlainAdmin

for model in (User, Group, EmailAddress):
    admin.site.unregister(model)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, PlainAdmin):  # type: ignore[misc]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, PlainAdmin):  # type: ignore[misc]
    pass
