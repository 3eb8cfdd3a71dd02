from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from unfold.admin import TabularInline
from unfold.decorators import display

from charges.admin.reference import ReferenceAdmin
from charges.flags.parts import FundParts
from charges.merging import merge, told
from charges.models import Charge, FundingAccount, PIAddress, PrincipalInvestigator, Project, ProjectDelegate
from charges.resources import FundingAccountResource, PrincipalInvestigatorResource, ProjectResource
from periods.transition_admin import Step, TransitionAdmin, reason_field

MERGED_BY = {PrincipalInvestigator: "pi", Project: "project", FundingAccount: "funding_account"}  # as charges name them


def _merge(row: Any, *, into: Any, **answers: Any) -> str:
    moved = ", ".join(f"{rows:,} × {name}" for name, rows in merge(row, into, **answers).items())
    return f"{told(row)} is {told(into)} from now on. Moved: {moved or 'nothing, as nothing was named so'}."


def _merge_form(row: Any) -> type[forms.Form]:
    model = type(row)
    field = Charge._meta.get_field(MERGED_BY[model])
    widget = AutocompleteSelect(field, admin.site, attrs={"class": "unfold-admin-autocomplete"})
    others = model.objects.filter(merged_into=None).exclude(pk=row.pk)
    into = forms.ModelChoiceField(others, label="Merge into", widget=widget, help_text="The one that stays")
    return type("MergeForm", (forms.Form,), {"into": into, "reason": reason_field()})


class MergeableAdmin(TransitionAdmin, ReferenceAdmin):
    """Rows that tags made may turn out to be another's second name."""

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> Any:
        """Those merged away are in the list, and nowhere to be chosen."""
        if not request.path.startswith(reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")):
            queryset = queryset.filter(merged_into=None)
        return super().get_search_results(request, queryset, search_term)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [*super().get_readonly_fields(request, obj), "merged_into"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_fields(request, obj)
        return [*fields, "merged_into"] if obj and obj.merged_into else fields


def _merge_step(model: type[Any]) -> dict[str, Step]:
    return {
        "merge": Step(
            label="Merge",
            run=_merge,
            permission=f"charges.merge_{model._meta.model_name}",
            explanation=(
                f"This {model._meta.verbose_name} is another one's second name. Months that are not finalized move to "
                "it, later deliveries mean it, and finalized months keep their words. This cannot be undone."
            ),
            form_of=_merge_form,
            icon="merge",
            is_offered=lambda row: row.merged_into is None,
        )
    }


class AddressInline(TabularInline):
    model = PIAddress
    extra = 0


class DelegateInline(TabularInline):
    model = ProjectDelegate
    extra = 0


@admin.register(PrincipalInvestigator)
class PrincipalInvestigatorAdmin(MergeableAdmin):
    steps: ClassVar = _merge_step(PrincipalInvestigator)
    resource_classes: ClassVar = [PrincipalInvestigatorResource]
    list_display: ClassVar = ["name", "email", "department", "merged_into"]
    list_select_related: ClassVar = ["merged_into"]
    list_display_links: ClassVar = ["name", "email"]
    search_fields: ClassVar = ["name", "email", "department", "addresses__email"]
    fields: ClassVar = ["name", "email", "department"]
    inlines: ClassVar = [AddressInline]


@admin.register(Project)
class ProjectAdmin(MergeableAdmin):
    steps: ClassVar = _merge_step(Project)
    resource_classes: ClassVar = [ProjectResource]
    list_display: ClassVar = ["code", "name", "department", "default_fund", "end_date", "merged_into"]
    list_select_related: ClassVar = ["default_fund", "merged_into"]
    search_fields: ClassVar = ["code", "name", "department"]
    autocomplete_fields: ClassVar = ["default_fund", "fallback_fund"]
    fields: ClassVar = [
        ("code", "name"), ("department", "cost_center"), "default_fund", ("end_date", "fallback_fund"),
    ]  # fmt: skip
    inlines: ClassVar = [DelegateInline]


@admin.register(FundingAccount)
class FundingAccountAdmin(MergeableAdmin):
    steps: ClassVar = _merge_step(FundingAccount)
    resource_classes: ClassVar = [FundingAccountResource]
    list_display: ClassVar = ["code", "description", "account_code", "validity", "is_confirmed", "merged_into"]
    list_filter: ClassVar = ["is_confirmed"]
    list_select_related: ClassVar = ["merged_into"]
    search_fields: ClassVar = ["code", "description"]
    fields: ClassVar = [
        ("code", "parts"),
        ("account_code", "description"),
        ("valid_from", "valid_until"),
        "is_confirmed",
    ]
    readonly_fields: ClassVar = ["parts"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).order_by("code")

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Whoever enters an account knows it."""
        return {"is_confirmed": True, **super().get_changeform_initial_data(request)}

    @display(description="Parts of the code")
    def parts(self, account: FundingAccount) -> str:
        """As the named groups of the fund code formats find them."""
        found = FundParts().of(account.code)
        return ", ".join(f"{name}: {value}" for name, value in found.items() if value) or "—"

    @display(description="Valid", ordering=F("valid_until").asc(nulls_last=True))
    def validity(self, account: FundingAccount) -> str:
        if not (account.valid_from or account.valid_until):
            return "Always"
        return f"{account.valid_from or '…'} to {account.valid_until or '…'}"
