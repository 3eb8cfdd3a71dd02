"""A month as statement lines: billable charges summed exactly, rounded once, and only then divided over funds."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import Aggregate, Count, QuerySet, Sum, TextField

from charges.ledger import Ledger, LineKey, campaign_sums, of_campaigns
from charges.models import Adjustment, Charge, FundingAccount, Source
from charges.money import HUNDRED, ZERO, divide, round_to_currency
from charges.sharing import NAMES, Share, Sharing
from periods.models import BillingPeriod
from statements.models import Statement, StatementLine


class IdList(Aggregate):
    """The ids of a group as text, in no order of their own."""

    function = "GROUP_CONCAT"
    output_field = TextField()

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "STRING_AGG((%(expressions)s)::text, ',')"
        return self.as_sql(compiler, connection, template=template, **context)


SHARED_CREDITS = f"Share of {NAMES['Credit']}"
GROUP = (
    "pi_id",
    "project_id",
    "source_id",
    "service_name",
    "account_code",
    "funder",
    "funding_account_id",
    "fund_step",
    "late_month",
)
SUMS = {
    "list_sum": Sum("list_amount"),
    "contracted_sum": Sum("contracted_amount"),
    "due_sum": Sum("due_amount"),
    "charges": Count("pk"),
    "ids": IdList("pk"),
}


class Payer(NamedTuple):
    """Who gets a statement: ids of PI and project."""

    pi: int
    project: int


@dataclass(slots=True)
class PayerLines:
    payer: Payer
    lines: list[StatementLine]
    sha256: str


def lines_by_payer(period: BillingPeriod, **whose: int) -> Iterator[PayerLines]:
    """All that statements of the month would carry now, one payer after another. Unsaved; a payer has a line.

    `whose`: of this `pi` and `project` alone.
    """
    books = Books(period, **whose)
    adjusted, shared = _adjusted(period, books, **whose), _shared(period, books, **whose)
    for ids, rows in groupby(_sums(period, **whose), key=attrgetter("pi_id", "project_id")):
        payer = Payer(*ids)
        yield from _of_payer(payer, list(rows), shared.pop(payer, []), adjusted.pop(payer, []), books)
    for payer in [*shared, *(payer for payer in adjusted if payer not in shared)]:
        yield from _of_payer(payer, [], shared.get(payer, []), adjusted.get(payer, []), books)


class Books(Ledger):
    """With what statements say besides. `whose` as in `lines_by_payer`."""

    def __init__(self, period: BillingPeriod, **whose: int) -> None:
        super().__init__(period.month)
        self.currency = period.currency
        self._whose = whose
        self._numbers: dict[str, dict[Payer, int]] = {}

    def corrected(self, payer: Payer, late_month: str) -> str:
        """The closed month and the statement that the payer had for it: revisions share its number, void ones too."""
        if late_month not in self._numbers:
            self._numbers[late_month] = _numbers(late_month, **self._whose)
        number = self._numbers[late_month].get(payer)
        return f"Correction of {late_month}" + (f", statement S-{number:06d}" if number else "")


@dataclass(slots=True)
class _Adjusted:
    """One adjustment, or the sum of those that a campaign made of the charges of one line: the first stands for all."""

    adjustment: int
    description: str
    key: LineKey
    list_amount: Decimal = ZERO
    due_amount: Decimal = ZERO
    charges: int = 0
    bearer: FundingAccount | None = None
    is_manual: bool = False

    def add(self, row: Any) -> None:
        self.due_amount += row.due_sum
        self.charges += row.charges


@dataclass(slots=True)
class _Sum:
    amounts: tuple[Decimal, ...] = field(default=(ZERO, ZERO, ZERO))  # list, contracted, due
    charges: int = 0

    def add(self, row: Any) -> None:
        more = (row.list_sum, row.contracted_sum, row.due_sum)
        self.amounts = tuple(old + new for old, new in zip(self.amounts, more, strict=True))
        self.charges += row.charges


@dataclass(slots=True)
class _Shared:
    """What a payer bears of a kind of shared cost, of all accounts; already in coins."""

    amounts: tuple[Decimal, ...] = (ZERO, ZERO, ZERO)
    whole: Decimal = ZERO  # due, before it was divided
    charges: int = 0

    def add(self, share: Share) -> None:
        self.amounts = tuple(old + new for old, new in zip(self.amounts, share.amounts, strict=True))
        self.whole += share.cost.amounts[2]
        self.charges += share.cost.charges


def _sums(period: BillingPeriod, **whose: int) -> Iterable[Any]:
    """One aggregate, on the database's exact integers; rows of one payer come together."""
    return (
        Charge.objects.filter(period=period, **whose)
        .billable()
        .values(*GROUP)
        .annotate(**SUMS)
        .values_list(*GROUP, *SUMS, named=True)
        .order_by("pi__name", "pi_id", "project__code", "project_id")
    )


def standing_adjustments(period: BillingPeriod, **whose: int) -> QuerySet[Adjustment]:
    """Those that statements carry."""
    return Adjustment.objects.in_force().filter(period=period, **whose)


def _adjusted(period: BillingPeriod, books: Books, **whose: int) -> dict[Payer, list["_Adjusted"]]:
    """Adjustments one by one; the credits of a campaign summed as the charges are, one to a line of these."""
    found = defaultdict(list)
    standing = standing_adjustments(period, **whose)
    for adjustment in (
        of_campaigns(standing).filter(campaign_of=None).select_related("charge", "borne_by").order_by("pk")
    ):
        found[Payer(adjustment.pi_id, adjustment.project_id)].append(_of_adjustment(adjustment, books))
    credited: dict[tuple[Payer, int, LineKey], _Adjusted] = {}
    for row in campaign_sums(standing):
        payer, key = Payer(row.pi_id, row.project_id), books.key(row)
        if (payer, row.campaign_of, key) not in credited:
            what = f"{row.description}, {row.service_name}".removesuffix(", ")
            credited[payer, row.campaign_of, key] = credit = _Adjusted(row.first, what, key._replace(funder=""))
            found[payer].append(credit)
        credited[payer, row.campaign_of, key].add(row)
    return found


def _of_adjustment(adjustment: Adjustment, books: Books) -> "_Adjusted":
    """What a manual charge leaves off its list price is a subsidy."""
    charge, is_manual = adjustment.charge, adjustment.kind == Adjustment.Kind.MANUAL
    source = books.sources.get(adjustment.source_id or (charge.source_id if charge else 0))
    key = LineKey(
        source=source.pk if source else 0,
        service_name=charge.service_name if charge else "",
        account_code=adjustment.account_code,
        funder=source.funder if source and is_manual else "",
        fund=adjustment.funding_account_id,
        is_split=adjustment.funding_account_id is None and charge is not None,
        late_month=charge.late_month if charge else "",
    )
    bearer = adjustment.borne_by if adjustment.kind == Adjustment.Kind.WRITE_OFF else None
    amounts = adjustment.list_amount, adjustment.due_amount
    return _Adjusted(adjustment.pk, adjustment.description, key, *amounts, bearer=bearer, is_manual=is_manual)


def _numbers(month: str, **whose: int) -> dict[Payer, int]:
    given = Statement.objects.filter(period__month=month, **whose).values_list("pi", "project", "number").distinct()
    return {Payer(pi, project): number for pi, project, number in given.order_by()}


def _shared(period: BillingPeriod, books: Books, **whose: int) -> dict[Payer, list[StatementLine]]:
    """Shares of tax, support and the like. What each payer bears depends on all of them, whoever is asked for."""
    sums: dict[tuple[Payer, LineKey, str], _Shared] = defaultdict(_Shared)
    for share in Sharing(period, books).shares():
        pi, project, fund = share.bearer
        if whose.get("pi", pi) == pi and whose.get("project", project) == project:
            cost, source = share.cost, books.sources[share.cost.source_id]
            code = books.account_code(cost.account_code, books.funds[fund], source)
            key = LineKey(cost.source_id, cost.service_name, code, cost.funder, fund, False, cost.late_month)
            sums[Payer(pi, project), key, cost.name].add(share)
    found: dict[Payer, list[StatementLine]] = defaultdict(list)
    for (payer, key, name), sum_of_shares in sums.items():
        found[payer].append(_share_line(payer, key, name, sum_of_shares, books))
    return found


def _share_line(payer: Payer, key: LineKey, name: str, share: "_Shared", books: Books) -> StatementLine:
    total = _Sum(amounts=share.amounts, charges=share.charges)
    parts: list[tuple[FundingAccount | None, Decimal]] = [(books.funds[key.fund or 0], HUNDRED)]
    (line,) = _shares(key, total, parts, books)
    late = f": {books.corrected(payer, key.late_month).lower()}" if key.late_month else ""
    line.description, line.shared_amount = f"Share of {name}{late}", share.whole
    return line


def _of_payer(
    payer: Payer, rows: list[Any], shared: list[StatementLine], adjusted: list[_Adjusted], books: Books
) -> Iterator[PayerLines]:
    lines = sorted([*_charge_lines(payer, rows, books), *shared], key=_order)
    lines += [line for given in adjusted for line in _adjustment_lines(payer, given, books)]
    if lines:
        # Details are printed too: another set of charges with the same sums is another statement.
        charges = sorted(pk for row in rows for pk in row.ids.split(","))
        yield PayerLines(payer, lines, _digest(lines, charges))


def _charge_lines(payer: Payer, rows: list[Any], books: Books) -> Iterator[StatementLine]:
    sums: dict[LineKey, _Sum] = defaultdict(_Sum)
    for row in rows:
        sums[books.key(row)].add(row)
    for key, total in sums.items():
        description = books.corrected(payer, key.late_month) if key.late_month else ""
        for line in _shares(key, total, books.parts(payer.project, key), books):
            line.description = description
            yield line


def _shares(
    key: LineKey, total: _Sum, parts: list[tuple[FundingAccount | None, Decimal]], books: Books
) -> Iterator[StatementLine]:
    source = books.sources[key.source]
    percents = [percent for _, percent in parts]
    rounded = (round_to_currency(amount, books.currency) for amount in total.amounts)
    divided = (divide(amount, percents, len(parts) - 1, books.currency) for amount in rounded)
    for (fund, percent), amounts in zip(parts, zip(*divided, strict=True), strict=True):
        if percent or any(amounts):
            list_amount, contracted, due = amounts
            yield StatementLine(
                source=source,
                service_name=key.service_name,
                account_code=books.account_code(key.account_code, fund, source),
                funder=key.funder,
                funding_account=fund,
                percent=percent,
                credit_account=source.credited_account,
                charges=total.charges,
                list_amount=list_amount,
                provider_discount=contracted - list_amount,
                subsidy=due - contracted,
                adjustments=ZERO,
                due_amount=due,
            )


def _adjustment_lines(payer: Payer, given: _Adjusted, books: Books) -> Iterator[StatementLine]:
    """One line for each fund, or none for 0.00."""
    key, source = given.key, books.sources.get(given.key.source)
    parts = books.parts(payer.project, key)
    percents = [percent for _, percent in parts]
    rounded = (round_to_currency(amount, books.currency) for amount in (given.list_amount, given.due_amount))
    divided = (divide(amount, percents, len(parts) - 1, books.currency) for amount in rounded)
    for (fund, percent), (list_amount, due) in zip(parts, zip(*divided, strict=True), strict=True):
        if list_amount or due:
            yield StatementLine(
                kind=StatementLine.Kind.ADJUSTMENT,
                source=source,
                service_name=key.service_name,
                description=given.description,
                account_code=books.account_code(key.account_code, fund, source),
                funder=key.funder,
                funding_account=fund,
                percent=percent,
                credit_account=_counter_account(given.bearer, source),
                credit_fund=given.bearer,
                adjustment_id=given.adjustment,
                charges=given.charges,
                list_amount=list_amount,
                provider_discount=ZERO,
                subsidy=due - list_amount if given.is_manual else ZERO,
                adjustments=ZERO if given.is_manual else due - list_amount,
                due_amount=due,
            )


def _counter_account(bearer: FundingAccount | None, source: Source | None) -> str:
    """The other side of the entry. A write-off is a credit to the fund, and a debit to the account that bears it."""
    if bearer:
        return bearer.code
    return source.credited_account if source else settings.ADJUSTMENT_ACCOUNT


def _order(line: StatementLine) -> tuple[str, ...]:
    fund = line.funding_account.code if line.funding_account else ""
    return (line.description, str(line.source), line.service_name, line.account_code, line.funder, fund)


def _digest(lines: Iterable[StatementLine], charges: list[str]) -> str:
    content = [charges, [_content(line) for line in lines]]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _content(line: StatementLine) -> list[str]:
    """Every word and figure of a line that is printed or posted."""
    amounts = (line.list_amount, line.provider_discount, line.subsidy, line.adjustments, line.due_amount)
    return [
        *_order(line),
        *(line.kind, line.description, line.credit_account, f"{line.percent:.2f}"),
        *(str(line.adjustment_id or ""), str(line.credit_fund_id or ""), *map(str, amounts)),
        *([] if line.shared_amount is None else [str(line.shared_amount)]),
    ]
