from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest
from unfold.admin import TabularInline
from unfold.decorators import display

from charges.admin.reference import ReferenceAdmin
from charges.models import FundingAccount, PIAddress, PrincipalInvestigator, Project, ProjectDelegate
from charges.resources import FundingAccountResource, PrincipalInvestigatorResource, ProjectResource


class AddressInline(TabularInline):
    model = PIAddress
    extra = 0


class DelegateInline(TabularInline):
    model = ProjectDelegate
    extra = 0


@admin.register(PrincipalInvestigator)
class PrincipalInvestigatorAdmin(ReferenceAdmin):
    resource_classes: ClassVar = [PrincipalInvestigatorResource]
    list_display: ClassVar = ["name", "email", "department"]
    list_display_links: ClassVar = ["name", "email"]
    search_fields: ClassVar = ["name", "email", "department", "addresses__email"]
    fields: ClassVar = ["name", "email", "department"]
    inlines: ClassVar = [AddressInline]


@admin.register(Project)
class ProjectAdmin(ReferenceAdmin):
    resource_classes: ClassVar = [ProjectResource]
    list_display: ClassVar = ["code", "name", "department", "default_fund", "end_date"]
    list_select_related: ClassVar = ["default_fund"]
    search_fields: ClassVar = ["code", "name", "department"]
    autocomplete_fields: ClassVar = ["default_fund", "fallback_fund"]
    fields: ClassVar = [
        ("code", "name"), ("department", "cost_center"), "default_fund", ("end_date", "fallback_fund"),
    ]  # fmt: skip
    inlines: ClassVar = [DelegateInline]


@admin.register(FundingAccount)
class FundingAccountAdmin(ReferenceAdmin):
    resource_classes: ClassVar = [FundingAccountResource]
    list_display: ClassVar = ["code", "description", "account_code", "validity"]
    search_fields: ClassVar = ["code", "description"]
    fields: ClassVar = [("code", "account_code"), "description", ("valid_from", "valid_until")]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).order_by("code")

    @display(description="Valid", ordering=F("valid_until").asc(nulls_last=True))
    def validity(self, account: FundingAccount) -> str:
        if not (account.valid_from or account.valid_until):
            return "Always"
        return f"{account.valid_from or '…'} to {account.valid_until or '…'}"
