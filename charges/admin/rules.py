from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from unfold.admin import TabularInline
from unfold.decorators import display
from unfold.forms import PaginationInlineFormSet

from charges.admin.reference import HistoryAdmin, ReferenceAdmin
from charges.attribution.trying import Effect, effects
from charges.models import AttributionRule, ExchangeRate, FundingShare, FundingSplit
from charges.money import printed
from charges.resources import AttributionRuleResource
from periods import calendar
from periods.blockers import counted
from periods.errors import Refused
from periods.models import BillingPeriod
from periods.plain_admin import RefusableForm

HUNDRED = Decimal(100)


@admin.register(AttributionRule)
class AttributionRuleAdmin(ReferenceAdmin):
    resource_classes: ClassVar = [AttributionRuleResource]
    list_display: ClassVar = ["order", "matches", "says", "mode", "valid_from", "valid_until"]
    list_display_links: ClassVar = ["order", "matches"]
    list_filter: ClassVar = ["mode"]
    list_select_related: ClassVar = ["source", "pi", "project", "funding_account"]
    search_fields: ClassVar = ["resource_prefix", "sub_account_id", "service_name", "tag", "project__code", "pi__email"]
    autocomplete_fields: ClassVar = ["pi", "project", "funding_account"]
    fieldsets: ClassVar = [
        ("Which charges", {"fields": [
            ("source", "sub_account_id"), ("resource_prefix", "service_name"), "tag", ("valid_from", "valid_until"),
        ]}),
        ("Who pays for them", {"fields": [("pi", "project", "funding_account")]}),
        ("When it applies", {"fields": [("mode", "order"), "in_open_months"]}),
    ]  # fmt: skip
    readonly_fields: ClassVar = ["in_open_months"]

    @display(description="In the open months")
    def in_open_months(self, rule: AttributionRule) -> str:
        """A dry run: rules are asked when a file is read, so that nothing has happened yet."""
        if not rule.pk:
            return "Save it to see what it would match: it changes nothing until the next delivery."
        try:
            found = [_in_words(effect) for effect in effects(rule)]
        except Refused as refusal:
            return str(refusal)
        return " ".join(found) or "It would match no charge."

    @display(description="Matches")
    def matches(self, rule: AttributionRule) -> str:
        parts = {
            "source": rule.source,
            "sub-account": rule.sub_account_id,
            "resource": rule.resource_prefix and f"{rule.resource_prefix}…",
            "service": rule.service_name,
            "tag": rule.tag,
        }
        return ", ".join(f"{name} {value}" for name, value in parts.items() if value)

    @display(description="Says")
    def says(self, rule: AttributionRule) -> str:
        parts = {"PI": rule.pi, "project": rule.project, "fund": rule.funding_account}
        return ", ".join(f"{name} {value}" for name, value in parts.items() if value)


class ShareFormSet(PaginationInlineFormSet):
    def clean(self) -> None:
        super().clean()
        rows = [form.cleaned_data for form in self.forms if hasattr(form, "cleaned_data")]
        percents = [row["percent"] for row in rows if row.get("percent") and not row.get("DELETE")]
        if sum(percents) > HUNDRED:
            raise ValidationError(
                f"The shares come to {sum(percents)} %: at most 100 % may leave nothing for the remainder account."
            )


class ShareInline(TabularInline):
    model = FundingShare
    formset = ShareFormSet
    extra = 1
    autocomplete_fields: ClassVar = ["funding_account"]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return not _is_sealed(obj) and super().has_add_permission(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return not _is_sealed(obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return not _is_sealed(obj) and super().has_delete_permission(request, obj)


class SplitForm(RefusableForm):
    def clean_first_month(self) -> str:
        return _month(self.cleaned_data["first_month"])

    def clean_last_month(self) -> str:
        month = self.cleaned_data["last_month"]
        if month and _month(month) < self.cleaned_data.get("first_month", ""):
            raise ValidationError("The last month is before the first.")
        sealed = self.instance.last_sealed_month() if self.instance.pk else ""
        if month and month < sealed:
            raise ValidationError(f"{sealed} is finalized and was divided by it: end it then or later.")
        return month


@admin.register(FundingSplit)
class FundingSplitAdmin(HistoryAdmin):
    form = SplitForm
    list_display: ClassVar = ["project", "service_name", "first_month", "last_month", "division"]
    list_select_related: ClassVar = ["project", "remainder_account"]
    search_fields: ClassVar = ["project__code", "project__name"]
    autocomplete_fields: ClassVar = ["project", "remainder_account"]
    fields: ClassVar = [("project", "service_name"), ("first_month", "last_month"), "remainder_account"]
    inlines: ClassVar = [ShareInline]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("shares__funding_account")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What finalized months were divided by stays: end the split, and begin another."""
        fixed = ["project", "service_name", "first_month", "remainder_account"] if _is_sealed(obj) else []
        return [*super().get_readonly_fields(request, obj), *fixed]

    @display(description="Division")
    def division(self, split: FundingSplit) -> str:
        return ", ".join(f"{percent.normalize():f} % {account}" for account, percent in split.parts())


@admin.register(ExchangeRate)
class ExchangeRateAdmin(HistoryAdmin):
    list_display: ClassVar = ["currency", "rate", "period", "source", "rate_date", "origin", "by"]
    list_select_related: ClassVar = ["period", "source", "by"]
    fields: ClassVar = [("source", "period"), ("currency", "rate"), ("rate_date", "origin")]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_sealed = obj is not None and obj.period.state == BillingPeriod.State.FINALIZED
        return not is_sealed and super().has_change_permission(request, obj)

    def formfield_for_foreignkey(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        return super().formfield_for_foreignkey(db_field, request, **unsealed_months(db_field, kwargs))

    def save_model(self, request: HttpRequest, obj: Any, form: forms.ModelForm, change: Any) -> None:
        stored = ExchangeRate.objects.filter(pk=obj.pk).values_list("period", flat=True)
        for period in sorted({obj.period_id, *stored}):
            BillingPeriod.objects.lock_unsealed(period)
        try:
            obj.clean()  # again, now that nobody else can approve charges of these months
        except ValidationError as error:
            raise Refused(" ".join(error.messages)) from error
        obj.by = request.user
        super().save_model(request, obj, form, change)


def _is_sealed(split: FundingSplit | None) -> bool:
    return split is not None and bool(split.pk) and bool(split.last_sealed_month())


def _in_words(effect: Effect) -> str:
    matched = (
        f"It would match {counted(effect.charges, 'charge', 'charges')}, {printed(effect.due, effect.currency)} due"
    )
    return f"{matched}; {effect.changed:,} of them would change, {printed(effect.changed_due, effect.currency)} due."


def unsealed_months(db_field: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Only months that may still change are offered."""
    if db_field.name == "period":
        kwargs["queryset"] = BillingPeriod.objects.exclude(state=BillingPeriod.State.FINALIZED)
    return kwargs


def _month(text: str) -> str:
    if not calendar.MONTH.fullmatch(text):
        raise ValidationError("Write the month as YYYY-MM.")
    return text
