"""What is one line of a statement and of a journal: the same for charges and for the credits on them."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import Count, F, Min, Q, Sum
from django.db.models.functions import Coalesce

from charges.models import Charge, FundingAccount, FundingSplit, Source
from charges.money import HUNDRED

UNASSIGNED = "UNASSIGNED"
CREDITED = (
    "pi_id", "project_id", "campaign_of", "source_id", "account_code", "funding_account_id", "description",
    "project__code",
)  # fmt: skip


class LineKey(NamedTuple):
    """What one line is about, of one PI and project."""

    source: int
    service_name: str
    account_code: str
    funder: str
    fund: int | None
    is_split: bool
    late_month: str


class Ledger:
    """What lines of a month refer to, read once."""

    def __init__(self, month: str) -> None:
        self.month = month
        self.sources = Source.objects.in_bulk()
        self.funds = FundingAccount.objects.in_bulk()
        self._splits = {month: _splits(month)}

    @staticmethod
    def account_code(given: str, fund: FundingAccount | None, source: Source | None) -> str:
        """The first that says: tag, account, source, institution."""
        of_fund = fund.account_code if fund else ""
        of_source = source.account_code if source else ""
        return given or of_fund or of_source or settings.DEFAULT_ACCOUNT_CODE or UNASSIGNED

    def key(self, row: Any) -> LineKey:
        """The account code of a split is resolved per share: each fund may have its own."""
        is_split = row.fund_step == Charge.FundStep.SPLIT
        fund = None if is_split else row.funding_account_id
        code = row.account_code
        if not is_split:
            code = self.account_code(code, self.funds.get(fund), self.sources[row.source_id])
        return LineKey(row.source_id, row.service_name, code, row.funder, fund, is_split, row.late_month)

    def parts(self, project: int, key: LineKey) -> list[tuple[FundingAccount | None, Decimal]]:
        """Funds and percents, the one that takes the remainder last. A split that has ended leaves no fund."""
        split = self.split(project, key.service_name, key.late_month) if key.is_split else None
        return [*split.parts()] if split else [(self.funds.get(key.fund) if key.fund else None, HUNDRED)]

    def split(self, project: int, service_name: str, late_month: str) -> FundingSplit | None:
        """The version in force in the month that the charge belongs to."""
        month = late_month or self.month
        if month not in self._splits:
            self._splits[month] = _splits(month)
        splits = self._splits[month]
        return splits.get((project, service_name)) or splits.get((project, ""))


def of_campaigns(adjustments: Any) -> Any:
    """With the campaign that made them, or made what they take back: what is summed together, `campaign_of`."""
    return adjustments.annotate(campaign_of=Coalesce("campaign", "reverses__campaign"))


def campaign_sums(adjustments: Any) -> Iterable[Any]:
    """Credits of campaigns by what their lines are about, which the charges say; one aggregate."""
    names = {name: F(f"charge__{name}") for name in ("service_name", "funder", "fund_step", "late_month")}
    sums = {"due_sum": Sum("due_amount"), "charges": Count("pk"), "first": Min("pk")}
    grouped = of_campaigns(adjustments).exclude(campaign_of=None).order_by().values(*CREDITED, **names).annotate(**sums)
    return grouped.values_list(*CREDITED, *names, *sums, named=True).order_by("first")


def _splits(month: str) -> dict[tuple[int, str], FundingSplit]:
    """By project and service, those that hold in the month; of two, the one that began later."""
    holding = FundingSplit.objects.filter(Q(last_month="") | Q(last_month__gte=month), first_month__lte=month)
    chosen = holding.select_related("remainder_account").prefetch_related("shares__funding_account")
    return {(split.project_id, split.service_name): split for split in chosen.order_by("first_month")}
