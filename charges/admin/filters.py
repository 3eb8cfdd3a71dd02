"""Filters of long lists: their choices come from small tables, never from the rows themselves."""

import re
from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import AutocompleteSelectFilter, DropdownFilter, RangeNumericListFilter

from charges.amortising import OF_CHARGE, CostStep
from charges.flags import LABELS
from charges.models import Charge, CreditCampaign, ImportIssue, Source
from charges.models.approval import IN_FORCE, PENDING
from periods.models import BillingPeriod

KEY = re.compile(r"[0-9]{1,18}")  # what a database takes for the number of a row


class KeyFilter(DropdownFilter):
    """By the number of a row; an address that names none filters nothing."""

    def value(self) -> str | None:
        value = super().value()
        return value if value and KEY.fullmatch(value) else None


class ChosenFilter(AutocompleteSelectFilter):
    """Searches as one types; an address that names no row leads back to the whole list."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.lookup_val and not all(KEY.fullmatch(value) for value in self.lookup_val):
            raise IncorrectLookupParameters
        return super().queryset(request, queryset)


class PeriodFilter(KeyFilter):
    title = "month"
    parameter_name = "period__id__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(period.pk), str(period)) for period in BillingPeriod.objects.all()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(period=self.value()) if self.value() else queryset


class UnfinalizedFilter(PeriodFilter):
    """Months that can still change, unless one month is asked for."""

    all_option = ("", "Open and closed months")

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value():
            return super().queryset(request, queryset)
        unfinalized = BillingPeriod.objects.exclude(state=BillingPeriod.State.FINALIZED)
        return queryset.filter(period__in=list(unfinalized.values_list("pk", flat=True)))


class SourceFilter(KeyFilter):
    title = "source"
    parameter_name = "source__id__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(source.pk), source.name) for source in Source.objects.all()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(source=self.value()) if self.value() else queryset


class StatusFilter(DropdownFilter):
    """Held charges unless another status is asked for: the list is a work queue."""

    title = "status"
    parameter_name = "review_status__exact"
    all_option = None

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        held, *others = sorted(Charge.ReviewStatus.choices, key=lambda choice: choice[0] != "held")
        billable = ("billable", "Billable: clear or approved")
        return [
            held,
            ("all", "All current charges"),
            billable,
            *others,
            ("superseded", "Superseded by a later delivery"),
        ]

    def value(self) -> str:
        return super().value() or Charge.ReviewStatus.HELD

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet[Any]:
        if self.value() == "superseded":
            return queryset.superseded()
        current = queryset.current()
        if self.value() == "all":
            return current
        if self.value() == "billable":
            return queryset.billable()
        if self.value() != Charge.ReviewStatus.CLEAR:
            current = current.not_clear()
        return current.filter(review_status=self.value())


class UndecidedFilter(DropdownFilter):
    """Undecided rows unless others are asked for: quarantine is a work queue too."""

    title = "status"
    parameter_name = "status__exact"
    all_option = None

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        undecided, *others = ImportIssue.Status.choices
        return [undecided, ("all", "All rows"), *others]

    def value(self) -> str:
        return super().value() or ImportIssue.Status.OPEN

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset if self.value() == "all" else queryset.filter(status=self.value())


class FlagFilter(DropdownFilter):
    title = "flag"
    parameter_name = "flag"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(LABELS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(flags__has_key=self.value()) if self.value() else queryset


class CostFilter(DropdownFilter):
    """How the effective cost of a row comes from its billed cost."""

    title = "cost"
    parameter_name = "cost"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return CostStep.choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.annotate(cost_step=OF_CHARGE).filter(cost_step=self.value()) if self.value() else queryset


class AmountFilter(RangeNumericListFilter):
    title = "amount due"
    parameter_name = "due_amount"


class ReadableFilter(DropdownFilter):
    """Rows of quarantine by whether control totals count an amount of them."""

    title = "amount"
    parameter_name = "amount"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("readable", "Readable"), ("unreadable", "Not readable")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() is None:
            return queryset
        return queryset.filter(counted={}) if self.value() == "unreadable" else queryset.exclude(counted={})


class StandingFilter(DropdownFilter):
    """What counts, what waits for a second person, what was taken back."""

    title = "state"
    parameter_name = "standing"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("in_force", "In force"), ("pending", "Awaits approval"), ("withdrawn", "Withdrawn")]

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet[Any]:
        wanted = {"in_force": IN_FORCE, "pending": PENDING, "withdrawn": ~Q(withdrawn_at=None)}
        return queryset.filter(wanted.get(self.value() or "", Q()))


class CampaignFilter(KeyFilter):
    title = "credit campaign"
    parameter_name = "campaign__id__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(pk), code) for pk, code in CreditCampaign.objects.values_list("pk", "code")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(campaign=self.value()) if self.value() else queryset
