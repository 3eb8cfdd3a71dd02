"""The sums that a reconciliation is made of: a few aggregates, on the database's exact integers."""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import Case, CharField, Count, F, Q, QuerySet, Sum, Value, When
from django.db.models.functions import Coalesce

from charges.amortising import EFFECTIVE_BASIS, OF_CHARGE, OF_ISSUE, CostStep
from charges.models import Charge, FocusImport, ImportIssue, Source
from charges.money import EXACT, ZERO, MoneyField
from periods.models import BillingPeriod
from statements.journaling import BOOKED
from statements.lines import lines_by_payer, standing_adjustments
from statements.models import JournalLine, Statement, StatementLine

COPIES = (Charge.Kind.CARRIED, Charge.Kind.PART)
QUARANTINED, DISCARDED = "quarantined", "discarded"
ISSUES = {ImportIssue.Status.OPEN.value: QUARANTINED, ImportIssue.Status.DISCARDED.value: DISCARDED}
NONE = Value(ZERO, MoneyField())
NET_CREDIT = Sum(F("credit") - F("debit"), output_field=MoneyField())


class Tally(NamedTuple):
    """Rows of one kind, summed: billed and basis as delivered, due as priced (and converted, where there is a rate)."""

    source: int
    load: int
    load_kind: str
    currency: str  # of the bill; empty where amounts cannot be read
    kind: str
    status: str
    step: str
    rate: int | None
    rows: int
    billed: Decimal
    basis: Decimal
    due: Decimal

    @property
    def origin(self) -> str:
        """How the rows came into the month: its own bill, parts of it, carried over, or a difference of an earlier month."""
        if self.load_kind == FocusImport.Kind.CORRECTION:  # of a charge that was carried over, too
            return "correction"
        is_own = self.kind in (Charge.Kind.DELIVERED, Charge.Kind.CARRIED, Charge.Kind.PART)
        return self.kind if is_own else "late"

    @property
    def is_issue(self) -> bool:
        return self.status in ISSUES.values()

    @property
    def billed_due(self) -> Decimal:
        """What is due, in the currency of the bill: a converted amount is in another."""
        return self.due if self.rate is None else self.basis


class Amount(NamedTuple):
    amount: Decimal = ZERO
    rows: int = 0

    def plus(self, amount: Decimal, rows: int) -> "Amount":
        return Amount(EXACT.add(self.amount, amount), self.rows + rows)


class Commitment(NamedTuple):
    """What was paid ahead: before this month, in it, used of it, and left."""

    source: int
    currency: str
    name: str
    before: Decimal
    billed: Decimal
    used: Decimal

    @property
    def balance(self) -> Decimal:
        return EXACT.subtract(EXACT.add(self.before, self.billed), self.used)


BySource = dict[int | None, Amount]


def read_tallies(period: BillingPeriod) -> list[Tally]:
    """Everything that the month holds, and the rows of its deliveries that could not be used."""
    return [*_charges(period), *_issues(period)]


def adjusted(period: BillingPeriod) -> BySource:
    whose = Coalesce("source", "charge__source")
    rows = standing_adjustments(period).order_by().values_list(whose).annotate(due=Sum("due_amount"), rows=Count("pk"))
    return {source: Amount(due, count) for source, due, count in rows}


def live(period: BillingPeriod) -> BySource:
    """What statements would say now, line by line rounded."""
    found: defaultdict[int | None, Amount] = defaultdict(Amount)
    for payer in lines_by_payer(period):
        for line in payer.lines:
            found[line.source_id] = found[line.source_id].plus(line.due_amount, 1)
    return dict(found)


def issued(period: BillingPeriod) -> tuple[BySource, BySource]:
    """What issued statements say; and what of it another fund bears, so that the ledger's net is nothing."""
    lines = StatementLine.objects.filter(statement__period=period, statement__state=Statement.State.ISSUED)
    is_borne = Q(credit_fund__isnull=False)
    rows = lines.order_by().values_list("source").annotate(
        due=Sum("due_amount"), rows=Count("pk"),
        borne=Sum("due_amount", filter=is_borne), borne_rows=Count("pk", filter=is_borne),
    )  # fmt: skip
    sums = list(rows)
    return (
        {source: Amount(due, count) for source, due, count, _, _ in sums},
        {source: Amount(borne or ZERO, count) for source, _, _, borne, count in sums},
    )


def booked(period: BillingPeriod) -> BySource:
    """What journals credit to accounts that are no fund, net of what they debit them."""
    lines = JournalLine.objects.filter(journal__period=period, journal__state__in=BOOKED, funding_account=None)
    rows = lines.order_by().values_list("source").annotate(net=NET_CREDIT, rows=Count("pk"))
    return {source: Amount(net, count) for source, net, count in rows}


def commitments(period: BillingPeriod) -> list[Commitment]:
    """Σ billed − Σ effective of each commitment, over the months up to this one. Charges carried over are copies, and what reverses them too."""
    months = BillingPeriod.objects.filter(month__lte=period.month).values_list("pk", flat=True)
    of_copies = Q(kind__in=COPIES) | Q(kind=Charge.Kind.REVERSAL, origin__kind__in=COPIES)
    charges = Charge.objects.current().exclude(of_copies).exclude(commitment_discount_id="")
    is_now = Q(period=period)
    paid_ahead = Sum(Coalesce("billed_cost", NONE) - EFFECTIVE_BASIS, filter=~is_now, output_field=MoneyField())
    rows = (
        charges.filter(period__in=list(months))
        .order_by("source", "billing_currency", "commitment_discount_id")
        .values_list("source", "billing_currency", "commitment_discount_id")
        .annotate(before=paid_ahead, billed=Sum("billed_cost", filter=is_now), used=Sum(EFFECTIVE_BASIS, filter=is_now))
    )
    found = (Commitment(*row[:3], *(amount or ZERO for amount in row[3:])) for row in rows)
    return [commitment for commitment in found if any(commitment[3:])]


def _charges(period: BillingPeriod) -> Iterable[Tally]:
    names = ("source", "loaded_by", "billing_currency", "review_status", "kind", "exchange_rate", "cost_step")
    rows = list(
        Charge.objects.filter(period=period)
        .current()
        .annotate(cost_step=OF_CHARGE)
        .order_by()
        .values_list(*names)
        .annotate(rows=Count("pk"), billed=Sum("billed_cost"), basis=Sum(EFFECTIVE_BASIS), due=Sum("due_amount"))
    )
    imports = _imports(row[1] for row in rows)
    for source, load, currency, status, kind, rate, step, count, billed, basis, due in rows:
        costs = _costs(imports[load], step, billed or ZERO, basis or ZERO)
        yield Tally(
            source,
            load,
            imports[load].kind,
            currency,
            kind,
            status,
            costs.step,
            rate,
            count,
            costs.billed,
            costs.basis,
            due,
        )


def _issues(period: BillingPeriod) -> Iterable[Tally]:
    """Undecided and discarded rows of the deliveries that count, at what they say they cost."""
    issues = ImportIssue.objects.filter(
        period=period, late_month="", replaced_by=None, status__in=ISSUES, focus_import__state="loaded"
    )
    rows = list(
        issues.annotate(currency=_currency(issues), cost_step=OF_ISSUE)
        .order_by()
        .values_list("focus_import", "currency", "status", "cost_step")
        .annotate(rows=Count("pk"), billed=Sum("billed_cost"), basis=Sum(Coalesce("effective_cost", "billed_cost")))
    )
    imports = _imports(row[0] for row in rows)
    for load, currency, status, step, count, billed, basis in rows:
        costs = _costs(imports[load], step, billed or ZERO, basis or ZERO) if currency else Costs(CostStep.SAME)
        yield Tally(
            imports[load].source, load, imports[load].kind, currency, Charge.Kind.DELIVERED, ISSUES[status], costs.step, None,
            count, costs.billed, costs.basis, costs.basis,
        )  # fmt: skip


class Load(NamedTuple):
    """An import, and the cost column that its charges were priced by."""

    source: int
    kind: str
    basis: str


def _imports(keys: Iterable[int]) -> dict[int, Load]:
    rows = FocusImport.objects.filter(pk__in=set(keys)).values_list("pk", "source", "kind", "read_as", "source__basis")
    return {pk: Load(source, kind, read_as.get("basis", basis)) for pk, source, kind, read_as, basis in rows}


class Costs(NamedTuple):
    step: str
    billed: Decimal = ZERO
    basis: Decimal = ZERO


def _costs(load: Load, step: str, billed: Decimal, effective: Decimal) -> Costs:
    """By the basis under which the rows were loaded; on the billed basis nothing is amortised."""
    if load.basis == Source.Basis.BILLED:
        return Costs(CostStep.SAME, billed, billed)
    return Costs(step, billed, effective)


def _currency(issues: QuerySet[ImportIssue]) -> Any:
    """That of the amounts which control totals count; the imports' own totals name all that there are."""
    totals = FocusImport.objects.filter(pk__in=issues.values("focus_import")).values_list("totals", flat=True)
    known = sorted({currency for by_currency in totals for currency in by_currency})
    whens = [When(counted__has_key=currency, then=Value(currency)) for currency in known]
    return Case(*whens, default=Value(""), output_field=CharField()) if whens else Value("")
