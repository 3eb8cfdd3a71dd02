"""Costs of nobody in particular, such as tax, support and unused commitments: divided by what is due beside them.

A shared charge stays one row. Its shares are worked out from the month's charges whenever lines are, so that they
follow every delivery and decision until the statement that carries them is issued.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import Case, Count, Q, Sum, Value, When
from django.db.models.functions import Coalesce

from charges.ledger import Ledger
from charges.models import Charge, Source
from charges.money import HUNDRED, ZERO, divide, round_to_currency, total
from periods.models import BillingPeriod

CATEGORIES = ("Tax", "Purchase", "Credit", "Adjustment")
UNUSED = "Unused"
NAMES = {"Tax": "tax", "Purchase": "purchases", "Credit": "provider credits", "Adjustment": "provider adjustments"}
SHAREABLE = (
    Q(charge_category__in=CATEGORIES) | Q(commitment_discount_status=UNUSED),
    Q(pi=None, project=None, funding_account=None, source__shared_costs=Source.SharedCosts.PRO_RATA),
)
BILLED = (Charge.Kind.DELIVERED, Charge.Kind.PART)  # what the month itself billed
TOLD_BY = (
    "source_id", "billing_account_id", "sub_account_id", "charge_category", "service_name", "account_code", "funder",
    "late_month", "is_unused",
)  # fmt: skip
STANDING = tuple(Coalesce(f"{name}__merged_into", f"{name}_id") for name in ("pi", "project"))
SUMS = {"list_sum": Sum("list_amount"), "contracted_sum": Sum("contracted_amount"), "due_sum": Sum("due_amount")}


def is_shared_category(category: str, commitment_status: str) -> bool:
    return category in CATEGORIES or commitment_status == UNUSED


def is_shareable(charge: Charge) -> bool:
    """Whether it goes by the source's setting, as nobody is named for it. The same as SHAREABLE."""
    if charge.pi_id or charge.project_id or charge.funding_account_id:
        return False
    is_of_kind = is_shared_category(charge.charge_category, charge.commitment_discount_status)
    return is_of_kind and charge.source.shared_costs == Source.SharedCosts.PRO_RATA


def cost_of(charge: Charge) -> tuple[Any, ...]:
    """The key of the shared cost that it is summed in."""
    is_unused = charge.commitment_discount_status == UNUSED
    return (*(getattr(charge, name) for name in TOLD_BY if name != "is_unused"), is_unused)


class Bearer(NamedTuple):
    """Who bears a share: ids of PI, project and fund."""

    pi: int
    project: int
    fund: int


@dataclass(frozen=True, slots=True)
class SharedCost:
    """Shared charges of one kind in one account, summed and rounded once: list, contracted and due."""

    source_id: int
    billing_account_id: str
    sub_account_id: str
    charge_category: str
    service_name: str
    account_code: str
    funder: str
    late_month: str
    is_unused: bool
    amounts: tuple[Decimal, ...]
    charges: int

    @property
    def key(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in TOLD_BY)

    @property
    def account(self) -> str:
        return self.sub_account_id or self.billing_account_id or "without a name"

    @property
    def name(self) -> str:
        """As statements call it: `tax`, `Premium Support`, `unused commitment`."""
        if self.is_unused:
            return "unused commitment"
        is_named = self.service_name and self.charge_category in ("Purchase", "Adjustment")
        return self.service_name if is_named else NAMES.get(self.charge_category, "shared costs")


@dataclass(frozen=True, slots=True)
class Share:
    cost: SharedCost
    bearer: Bearer
    amounts: tuple[Decimal, ...]


class Sharing:
    """The shared costs of one month, and what is due beside them."""

    def __init__(self, period: BillingPeriod, ledger: Ledger | None = None) -> None:
        self.period = period
        self._ledger = ledger
        self.costs = list(_costs(period))
        self._dues: dict[str, dict[tuple[int, str, str], dict[Bearer, Decimal]]] = {}

    def shares(self) -> Iterator[Share]:
        """They add up to their cost, to the coin; a payer's share of nothing is left out."""
        for cost in self.costs:
            weights = self.weights(cost)
            for bearer, amounts in _divided(cost, weights, self.period.currency):
                yield Share(cost, bearer, amounts)

    def unshared(self) -> list[SharedCost]:
        """With nothing due beside them that they could be divided by."""
        return [cost for cost in self.costs if any(cost.amounts) and not self.weights(cost)]

    def weights(self, cost: SharedCost) -> dict[Bearer, Decimal]:
        """What is due in the same sub-account; where that is nothing, in the billing account."""
        month = cost.late_month or self.period.month
        if month not in self._dues:
            self._dues[month] = self._read_dues(month)
        account = (cost.source_id, cost.billing_account_id)
        of_month = self._dues[month]
        near = of_month.get((*account, cost.sub_account_id), {}) if cost.sub_account_id else {}
        return near or _merged(dues for key, dues in of_month.items() if key[:2] == account)

    def _read_dues(self, month: str) -> dict[tuple[int, str, str], dict[Bearer, Decimal]]:
        """By account: what each bearer owes for the month's own charges. A refund beyond that bears nothing.

        PI and project of a closed month by the name that they go by since they were merged, as for what is reversed.
        """
        sources = {cost.source_id for cost in self.costs}
        names = ("source_id", "billing_account_id", "sub_account_id")
        rows = (
            Charge.objects.filter(period__month=month, source__in=sources, kind__in=BILLED)
            .billable()
            .order_by()
            .values_list(*names, *STANDING, "project_id", "service_name", "funding_account_id", "fund_step")
            .annotate(due=Sum("due_amount"))
        )
        found: dict[tuple[int, str, str], dict[Bearer, Decimal]] = defaultdict(lambda: defaultdict(lambda: ZERO))
        for source, account, sub_account, pi, project, own, service, fund, step, due in rows:
            funds = self._funds(own, service, month) if step == Charge.FundStep.SPLIT else [(fund, HUNDRED)]
            for each, percent in funds:
                if each:
                    found[source, account, sub_account][Bearer(pi, project, each)] += due * percent
        return {key: owed for key, dues in found.items() if (owed := _owed(dues))}

    def _funds(self, project: int, service: str, month: str) -> list[tuple[int, Decimal]]:
        if self._ledger is None:
            self._ledger = Ledger(self.period.month)
        split = self._ledger.split(project, service, month)
        return [(fund.pk, percent) for fund, percent in split.parts()] if split else []


def _shared(period: BillingPeriod) -> Any:
    is_unused = Case(When(commitment_discount_status=UNUSED, then=Value(value=True)), default=Value(value=False))
    shared = Charge.objects.filter(period=period).current().not_clear()
    return shared.filter(review_status=Charge.ReviewStatus.SHARED).annotate(is_unused=is_unused)


def _costs(period: BillingPeriod) -> Iterator[SharedCost]:
    rows = _shared(period).values(*TOLD_BY).annotate(charges=Count("pk"), **SUMS)
    for row in rows.order_by(*TOLD_BY):
        amounts = tuple(round_to_currency(row.pop(name), period.currency) for name in SUMS)
        yield SharedCost(**row, amounts=amounts)


def _owed(dues: dict[Bearer, Decimal]) -> dict[Bearer, Decimal]:
    return {bearer: due for bearer, due in sorted(dues.items()) if due > 0}


def _merged(parts: Iterable[dict[Bearer, Decimal]]) -> dict[Bearer, Decimal]:
    sums: dict[Bearer, Decimal] = defaultdict(lambda: ZERO)
    for part in parts:
        for bearer, due in part.items():
            sums[bearer] += due
    return dict(sorted(sums.items()))


def _divided(
    cost: SharedCost, weights: dict[Bearer, Decimal], currency: str
) -> Iterator[tuple[Bearer, tuple[Decimal, ...]]]:
    if not weights:
        return
    parts = list(weights.values())
    largest = parts.index(max(parts))
    divided = (divide(amount, parts, largest, currency, whole=total(parts)) for amount in cost.amounts)
    for bearer, amounts in zip(weights, zip(*divided, strict=True), strict=True):
        if any(amounts):
            yield bearer, amounts
