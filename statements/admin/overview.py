"""Everything one asks about a month, on one page: the start page shows it, and the month's own page."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, Max, Q, Sum
from django.urls import reverse

from charges.models import Charge, ImportScope, Source
from charges.models.charge import IN_CURRENCY
from charges.money import ZERO, printed, round_to_currency
from periods.blockers import checklist
from periods.models import AuditEntry, BillingPeriod
from statements.admin.steps import STEPS
from statements.issuing import figures
from statements.models import Journal, Seal, Statement
from statements.progress import NextStep, next_step

Row = Any  # of `values()`: a dictionary
State, Status = BillingPeriod.State, Charge.ReviewStatus
# Discounted, not by a contract, while nobody is named who pays for it.
UNFUNDED = (
    Q(review_status__in=[Status.CLEAR, Status.APPROVED], funder="", commitment_discount_id="")
    & (Q(contracted_cost=None) | Q(contracted_cost=0) | ~Q(due_amount=F("contracted_amount")))
    & ~Q(due_amount=F("list_amount"))
    & ~Q(charge_category="Credit")
)
GUARDED = {State.OPEN: ("close", "To close the month"), State.CLOSED: ("finalize", "To finalize the month")}


def overview(period: BillingPeriod, *, by: Any) -> dict[str, Any]:
    transition, heading = GUARDED.get(State(period.state), ("", ""))
    blockers, sources = checklist(period, transition), _sources(period)
    return {
        "period": period,
        "period_url": reverse("admin:periods_billingperiod_change", args=[period.pk]),
        "figures": _figures(period),
        "next": _button(period, next_step(period, blockers), by=by),
        "held": _held(period),
        "checklist_heading": heading,
        "blockers": blockers,
        "sources": [_source_row(period, *row) for row in sources],
        "statements": Statement.objects.filter(period=period).current().count(),
        "statements_url": f"{reverse('admin:statements_statement_changelist')}?period__id__exact={period.pk}",
        "unfunded": [source for source, _, amounts in sources if not source.funder and amounts.get("unfunded")],
        "journals": Journal.objects.filter(period=period).annotate(debits=Sum("lines__debit")),
        "seal": Seal.objects.filter(period=period).first(),
    }


def history(period: BillingPeriod, most: int = 30) -> Any:
    return AuditEntry.objects.filter(period=period).select_related("by")[:most]


def _figures(period: BillingPeriod) -> dict[str, str]:
    found = figures(period)
    return {name: printed(getattr(found, name), period.currency) for name in ("list", "discount", "due")}


def _button(period: BillingPeriod, step: NextStep, *, by: Any) -> dict[str, str]:
    """The sentence for everybody; the button for those who may press it."""
    if step.link and step.link != reverse("admin:charges_focusimport_files"):
        return {"sentence": step.sentence, "url": step.link, "label": "Show"}
    url, label = _door(period, "import" if step.link else step.action, by=by)
    return {"sentence": step.sentence, "url": url, "label": label}


def _door(period: BillingPeriod, action: str, *, by: Any) -> tuple[str, str]:
    if action == "review" and by.has_perm("charges.review_charge"):
        return review_url(period), "Review charges"
    if action == "import" and by.has_perm("charges.load_focusimport"):
        return reverse("admin:charges_focusimport_files"), "Import files"
    if action in STEPS and by.has_perm(STEPS[action].permission):
        return reverse("admin:periods_billingperiod_step", args=[period.pk, action]), STEPS[action].label
    return "", ""


def review_url(period: BillingPeriod) -> str:
    return f"{reverse('admin:charges_charge_changelist')}?period__id__exact={period.pk}"


def _held(period: BillingPeriod) -> dict[str, Any]:
    """Amounts in the period's currency; a foreign one cannot be added before its rate is known."""
    found = Charge.objects.filter(period=period).held().sums()
    return {**found, "due": _rounded(found["due_amount"], period), "url": review_url(period)}


def _sources(period: BillingPeriod) -> list[tuple[Source, Row, Row]]:
    """What each source delivered last for the month, and its sums; those expected and missing come first."""
    delivered = (
        ImportScope.objects.filter(period=period, focus_import__state="loaded")
        .values("focus_import__source")
        .annotate(deliveries=Count("focus_import", distinct=True), last=Max("focus_import__loaded_at"))
    )
    by_source = {row["focus_import__source"]: row for row in delivered}
    sums = {row["source"]: row for row in _sums(period)}
    shown = [source for source in Source.objects.all() if source.pk in by_source or source.is_expected_monthly]
    found: list[tuple[Source, Row, Row]] = [
        (source, by_source.get(source.pk, {}), sums.get(source.pk, {})) for source in shown
    ]
    return sorted(found, key=lambda row: bool(row[1]))


def _sums(period: BillingPeriod) -> Iterable[Row]:
    """In one look at the charges: a month has many."""
    return (
        Charge.objects.filter(period=period)
        .current()
        .values("source")
        .annotate(
            charges=Count("pk"),
            list=Sum("list_amount", filter=IN_CURRENCY, default=ZERO),
            due=Sum("due_amount", filter=IN_CURRENCY, default=ZERO),
            unfunded=Count("pk", filter=UNFUNDED),
        )
    )


def _source_row(period: BillingPeriod, source: Source, delivered: Row, amounts: Row) -> dict[str, Any]:
    return {
        "source": source,
        "url": reverse("admin:charges_source_change", args=[source.pk]),
        "delivered": delivered,
        "charges": amounts.get("charges", 0),
        "list": _rounded(amounts["list"], period) if amounts else "—",
        "due": _rounded(amounts["due"], period) if amounts else "—",
    }


def _rounded(amount: Decimal, period: BillingPeriod) -> str:
    return printed(round_to_currency(amount, period.currency), period.currency)
