"""The review queue: held charges first, decided one by one or thousands at once."""

from decimal import Decimal
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.db.models import Case, F, QuerySet, Sum, When
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from unfold.decorators import display

from charges.admin.bulk import BulkAdmin, bulk_action
from charges.admin.correcting import correct_button, correct_selected, corrections_of, may_be_corrected
from charges.admin.decisions import STAGES, STEPS, rule_offer
from charges.admin.delivered import DeliveredRow, why_button
from charges.admin.display import audit_list, link, money_column
from charges.admin.division import SECTIONS, DividedCharge
from charges.admin.filters import (
    AmountFilter,
    ChosenFilter,
    CostFilter,
    FlagFilter,
    SourceFilter,
    StatusFilter,
    UnfinalizedFilter,
)
from charges.flags import LABELS
from charges.models import Charge
from charges.money import printed, round_to_currency
from charges.review import seen_of
from periods.plain_admin import ReadOnlyAdmin

NAMED = 10


@admin.register(Charge)
class ChargeAdmin(DividedCharge, DeliveredRow, BulkAdmin, ReadOnlyAdmin):
    steps = STEPS
    stages = STAGES
    stages_ask_what_was_seen = True
    nouns = ("charge", "charges")
    actions: ClassVar = [
        *(bulk_action(name, step.label, step.permission) for name, step in STEPS.items()),
        correct_selected,
    ]
    list_display: ClassVar = [
        "what", "source", "month", "investigator", "project", "fund", "list_price", "amount_due", "status", "why",
    ]  # fmt: skip
    list_filter: ClassVar = [
        UnfinalizedFilter,
        StatusFilter,
        FlagFilter,
        SourceFilter,
        CostFilter,
        AmountFilter,
        ("pi", ChosenFilter),
        ("project", ChosenFilter),
    ]
    list_filter_sheet = True
    list_fullwidth = True
    list_select_related: ClassVar = ["period", "source", "pi", "project", "funding_account"]
    search_fields: ClassVar = ["resource_id__startswith", "resource_name__startswith", "pi__email__startswith"]
    search_help_text = "The beginning of a resource or of a PI's address"
    ordering: ClassVar = ["pk"]
    sortable_by: ClassVar = ["list_price", "amount_due"]
    fieldsets: ClassVar[Any] = [
        ("Amounts", {"fields": [
            ("list_price", "amount_due"), ("provider_discount", "subsidy"), "funder", "exchange_rate", ("adjusted", "corrected"),
        ]}),
        ("Who pays", {"fields": [
            ("investigator", "project"), ("funding_account", "fund_step"), "rule", ("account_code", "subsidy_fund"),
            ("reference_1", "reference_2"),
        ]}),
        ("Review", {"fields": [("status", "decided"), "decision_reason", "flags_in_words", "history"]}),
        ("Where it came from", {"fields": [
            ("source", "period"), "delivered", ("loaded_by", "superseded_by"), ("kind", "late_month"), ("origin", "replaces"),
        ]}),
        ("As delivered", {"fields": [
            ("service_name", "service_category"), ("resource_id", "resource_name"),
            ("charge_category", "charge_class"), "charge_description", ("charge_period_start", "charge_period_end"),
            ("delivered_list", "delivered_contracted"), ("delivered_billed", "delivered_effective"),
            ("pricing_quantity", "pricing_unit", "list_unit_price"), ("provider_name", "sku_id"),
            ("billing_account_id", "sub_account_id", "sub_account_name"), ("billing_currency", "invoice_id"),
            ("commitment_discount_id", "commitment_discount_status"),
        ]}),
    ]  # fmt: skip

    list_price = money_column("list_amount", "List price", currency="currency")
    amount_due = money_column("due_amount", "Amount due", currency="currency")
    delivered_list = money_column("list_cost", "List cost", currency="billing_currency")
    delivered_contracted = money_column("contracted_cost", "Contracted cost", currency="billing_currency")
    delivered_billed = money_column("billed_cost", "Billed cost", currency="billing_currency")
    delivered_effective = money_column("effective_cost", "Effective cost", currency="billing_currency")
    provider_discount = money_column(
        lambda charge: charge.contracted_amount - charge.list_amount, "Provider discount", currency="currency"
    )
    subsidy = money_column(lambda charge: charge.due_amount - charge.contracted_amount, "Subsidy", currency="currency")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return flatten_fieldsets([*SECTIONS.values(), *self.fieldsets])

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        every = Charge.objects.select_related(*self.list_select_related, "rule", "file", "decided_by")
        return every.filter(pk=object_id).first() if object_id.isdecimal() else None

    def has_review_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("charges.review_charge")

    def has_reattribute_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("charges.reattribute_charge")

    def has_correct_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("charges.correct_charge")

    def buttons(self, request: HttpRequest, document: Any) -> list[dict[str, Any]]:
        is_offered = self.has_correct_permission(request) and may_be_corrected(document)
        offered = [correct_button(document)] if is_offered else []
        return [*super().buttons(request, document), *offered, why_button(document)]

    def offer(self, request: HttpRequest, name: str, rows: QuerySet[Any], form: Any) -> str:
        return rule_offer(rows, request.user, form.cleaned_data) if name == "reattribute" else ""

    def seen_of(self, rows: Any) -> str:
        return seen_of(rows)

    def summary(self, rows: QuerySet[Charge]) -> list[tuple[str, str]]:
        own = When(exchange_rate=None, then=F("billing_currency"))  # as Charge.currency
        sums = (
            rows.annotate(unit=Case(own, default=F("period__currency")))
            .order_by("unit")
            .values("unit")
            .annotate(list=Sum("list_amount"), due=Sum("due_amount"))
        )
        names = [_name(charge) for charge in rows.order_by("pk")[: NAMED + 1]]
        return [
            ("List price", ", ".join(_coins(row["list"], row["unit"]) for row in sums)),
            ("Amount due", ", ".join(_coins(row["due"], row["unit"]) for row in sums)),
            ("Charges", ", ".join(names[:NAMED]) + (" …" if len(names) > NAMED else "")),
        ]

    @display(description="What")
    def what(self, charge: Charge) -> str:
        return format_html("{}<br><small>{}</small>", _name(charge), charge.service_name)

    @display(description="Month")
    def month(self, charge: Charge) -> str:
        return str(charge.period)

    @display(description="PI")
    def investigator(self, charge: Charge) -> str:
        return link(charge.pi) if charge.pi else "—"

    @display(description="Fund")
    def fund(self, charge: Charge) -> str:
        return str(charge.funding_account or ("split" if charge.fund_step == "split" else "—"))

    @display(
        description="Status",
        label={"Held for review": "warning", "Approved": "success", "Clear": "success", "Excluded": "danger"},
    )
    def status(self, charge: Charge) -> str:
        return charge.get_review_status_display()

    @display(description="Why")
    def why(self, charge: Charge) -> str:
        reasons = ((LABELS.get(flag, flag), reason) for flag, reason in charge.flags.items())
        lines = format_html_join("", '<span title="{1}"><b>{0}</b></span>', reasons)
        return format_html('<span class="ocb-flags">{}</span>', lines)

    @display(description="Flags")
    def flags_in_words(self, charge: Charge) -> str:
        reasons = ((LABELS.get(flag, flag), reason) for flag, reason in charge.flags.items())
        lines = format_html_join("", "<span><b>{}</b> {}</span>", reasons)
        return format_html('<span class="ocb-flags">{}</span>', lines) if charge.flags else "None"

    @display(description="Decided")
    def decided(self, charge: Charge) -> str:
        if charge.decided_at is None:
            return "Not yet"
        return f"{charge.decided_at:%Y-%m-%d %H:%M} by {charge.decided_by or 'cron'}"

    @display(description="Adjustments")
    def adjusted(self, charge: Charge) -> str:
        found = charge.adjustments.filter(withdrawn_at=None)
        named = ((link(adjustment), " (awaits approval)" if adjustment.is_pending else "") for adjustment in found)
        return format_html_join(", ", "{}{}", named) or "None"

    @display(description="Corrections")
    def corrected(self, charge: Charge) -> str:
        return format_html_join(", ", "{}", ((link(found),) for found in corrections_of(charge))) or "None"

    @display(description="History")
    def history(self, charge: Charge) -> str:
        return audit_list(charge)


def _name(charge: Charge) -> str:
    return charge.resource_name or charge.resource_id or charge.charge_description or str(charge)


def _coins(amount: Decimal, currency: str) -> str:
    return printed(round_to_currency(amount, currency) or amount, currency)
