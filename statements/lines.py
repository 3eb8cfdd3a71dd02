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
from django.db.models import Aggregate, Count, Q, QuerySet, Sum, TextField

from charges.models import Adjustment, Charge, FundingAccount, FundingSplit, Source
from charges.models.rules import HUNDRED
from charges.money import ZERO, divide, round_to_currency
from periods.models import BillingPeriod
from statements.models import Statement, StatementLine

UNASSIGNED = "UNASSIGNED"


class IdList(Aggregate):
    """The ids of a group as text, in no order of their own."""

    function = "GROUP_CONCAT"
    output_field = TextField()

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "STRING_AGG((%(expressions)s)::text, ',')"
        return self.as_sql(compiler, connection, template=template, **context)


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
    adjusted = _adjustments(period, **whose)
    for ids, rows in groupby(_sums(period, **whose), key=attrgetter("pi_id", "project_id")):
        payer = Payer(*ids)
        yield from _of_payer(payer, list(rows), adjusted.pop(payer, []), books)
    for payer, adjustments in adjusted.items():
        yield from _of_payer(payer, [], adjustments, books)


class Books:
    """What lines refer to, read once. `whose` as in `lines_by_payer`."""

    def __init__(self, period: BillingPeriod, **whose: int) -> None:
        self.currency = period.currency
        self.sources = Source.objects.in_bulk()
        self.funds = FundingAccount.objects.in_bulk()
        self.month = period.month
        self._splits = {period.month: _splits(period.month)}
        self._whose = whose
        self._numbers: dict[str, dict[Payer, int]] = {}

    def account_code(self, given: str, fund: FundingAccount | None, source: Source | None) -> str:
        """The first that says: tag, account, source, institution."""
        of_fund = fund.account_code if fund else ""
        of_source = source.account_code if source else ""
        return given or of_fund or of_source or settings.DEFAULT_ACCOUNT_CODE or UNASSIGNED

    def split(self, project: int, service_name: str, late_month: str) -> FundingSplit | None:
        """The version in force in the month that the charge belongs to."""
        month = late_month or self.month
        if month not in self._splits:
            self._splits[month] = _splits(month)
        splits = self._splits[month]
        return splits.get((project, service_name)) or splits.get((project, ""))

    def corrected(self, payer: Payer, late_month: str) -> str:
        """The closed month and the statement that the payer had for it: revisions share its number, void ones too."""
        if late_month not in self._numbers:
            self._numbers[late_month] = _numbers(late_month, **self._whose)
        number = self._numbers[late_month].get(payer)
        return f"Correction of {late_month}" + (f", statement S-{number:06d}" if number else "")


class _Key(NamedTuple):
    """What one line is about."""

    source: int
    service_name: str
    account_code: str
    funder: str
    fund: int | None
    is_split: bool
    late_month: str


@dataclass(slots=True)
class _Sum:
    amounts: tuple[Decimal, Decimal, Decimal] = field(default=(ZERO, ZERO, ZERO))  # list, contracted, due
    charges: int = 0

    def add(self, row: Any) -> None:
        more = (row.list_sum, row.contracted_sum, row.due_sum)
        self.amounts = tuple(old + new for old, new in zip(self.amounts, more, strict=True))
        self.charges += row.charges


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
    return Adjustment.objects.filter(period=period, withdrawn_at=None, **whose)


def _adjustments(period: BillingPeriod, **whose: int) -> dict[Payer, list[Adjustment]]:
    found = defaultdict(list)
    standing = standing_adjustments(period, **whose).select_related("charge", "borne_by")
    for adjustment in standing.order_by("pk"):
        found[Payer(adjustment.pi_id, adjustment.project_id)].append(adjustment)
    return found


def _splits(month: str) -> dict[tuple[int, str], FundingSplit]:
    """By project and service, those that hold in the month; of two, the one that began later."""
    holding = FundingSplit.objects.filter(Q(last_month="") | Q(last_month__gte=month), first_month__lte=month)
    chosen = holding.select_related("remainder_account").prefetch_related("shares__funding_account")
    return {(split.project_id, split.service_name): split for split in chosen.order_by("first_month")}


def _numbers(month: str, **whose: int) -> dict[Payer, int]:
    given = Statement.objects.filter(period__month=month, **whose).values_list("pi", "project", "number").distinct()
    return {Payer(pi, project): number for pi, project, number in given.order_by()}


def _of_payer(payer: Payer, rows: list[Any], adjustments: list[Adjustment], books: Books) -> Iterator[PayerLines]:
    lines = sorted(_charge_lines(payer, rows, books), key=_order)
    lines += [line for adjustment in adjustments for line in _adjustment_lines(adjustment, books)]
    if lines:
        # Details are printed too: another set of charges with the same sums is another statement.
        charges = sorted(pk for row in rows for pk in row.ids.split(","))
        yield PayerLines(payer, lines, _digest(lines, charges))


def _charge_lines(payer: Payer, rows: list[Any], books: Books) -> Iterator[StatementLine]:
    sums: dict[_Key, _Sum] = defaultdict(_Sum)
    for row in rows:
        sums[_key(row, books)].add(row)
    for key, total in sums.items():
        description = books.corrected(payer, key.late_month) if key.late_month else ""
        for line in _shares(key, total, _parts(payer, key, books), books):
            line.description = description
            yield line


def _key(row: Any, books: Books) -> _Key:
    """The account code of a split is resolved per share: each fund may have its own."""
    is_split = row.fund_step == Charge.FundStep.SPLIT
    fund = None if is_split else row.funding_account_id
    code = row.account_code
    if not is_split:
        code = books.account_code(code, books.funds.get(fund), books.sources[row.source_id])
    return _Key(row.source_id, row.service_name, code, row.funder, fund, is_split, row.late_month)


def _parts(payer: Payer, key: _Key, books: Books) -> list[tuple[FundingAccount | None, Decimal]]:
    """Funds and percents, the one that takes the remainder last. A split that has ended leaves no fund."""
    split = books.split(payer.project, key.service_name, key.late_month) if key.is_split else None
    return [*split.parts()] if split else [(books.funds.get(key.fund) if key.fund else None, HUNDRED)]


def _shares(
    key: _Key, total: _Sum, parts: list[tuple[FundingAccount | None, Decimal]], books: Books
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


def _adjustment_lines(adjustment: Adjustment, books: Books) -> Iterator[StatementLine]:
    """One line, or none for 0.00. What a manual charge leaves off its list price is a subsidy."""
    list_amount = round_to_currency(adjustment.list_amount, books.currency)
    due = round_to_currency(adjustment.due_amount, books.currency)
    if not (list_amount or due):
        return
    charge, is_manual = adjustment.charge, adjustment.kind == Adjustment.Kind.MANUAL
    bearer = adjustment.borne_by if adjustment.kind == Adjustment.Kind.WRITE_OFF else None
    source = books.sources.get(adjustment.source_id or (charge.source_id if charge else 0))
    fund = books.funds.get(adjustment.funding_account_id or 0)
    yield StatementLine(
        kind=StatementLine.Kind.ADJUSTMENT,
        source=source,
        service_name=charge.service_name if charge else "",
        description=adjustment.description,
        account_code=books.account_code(adjustment.account_code, fund, source),
        funder=source.funder if source and is_manual else "",
        funding_account=fund,
        percent=HUNDRED,
        credit_account=_counter_account(bearer, source),
        credit_fund=bearer,
        adjustment=adjustment,
        list_amount=list_amount,
        provider_discount=ZERO,
        subsidy=due - list_amount if is_manual else ZERO,
        adjustments=ZERO if is_manual else due - list_amount,
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
    ]
