"""Where a charge went: its statement, the lines that sum it, the journals they were posted by, finance's reference."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery

from charges.ledger import Ledger
from charges.models import Charge
from charges.models.charge import ChargeQuerySet
from charges.models.rules import HUNDRED
from statements.issuing import says_what_is_now
from statements.journaling import BOOKED
from statements.models import JournalLine, Statement, StatementLine

Status, Kind = Charge.ReviewStatus, StatementLine.Kind
CORRECTION = "Correction of "  # the description of lines of a closed month begins so, and goes on with the month
WAITS = {
    Status.HELD: "It is on no statement: it is held for review.",
    Status.EXCLUDED: "It is on no statement: it was excluded.",
    Status.DEFERRED: "It is on no statement of this month: it was deferred.",
    Status.NOT_BILLABLE: "It is on no statement: it was paid for otherwise, by a purchase or in parts, or it reverses what nobody was billed for.",
    Status.SHARED: "It is divided among projects: their statements carry a share each.",
    Status.DIVIDED: "It is on no statement itself: its parts are billed in its place.",
}


@dataclass(frozen=True, slots=True)
class Posting:
    """A line, and the journal lines that it was netted into with others of the same fund, code and source."""

    line: StatementLine
    entries: list[JournalLine]


@dataclass(frozen=True, slots=True)
class Trace:
    """`note` says why there is no line, or what is about to change."""

    statement: Statement | None
    postings: list[Posting]
    note: str = ""


def trace(charge: Charge) -> Trace:
    """A charge forward, to what was issued and posted for it."""
    if charge.is_superseded:
        return Trace(None, [], "It counts no more: a later delivery replaced or reversed it.")
    if note := WAITS.get(Status(charge.review_status), ""):
        return Trace(None, [], note)
    payer = {"period": charge.period_id, "pi": charge.pi_id, "project": charge.project_id}
    statement = Statement.objects.current().select_related("period").filter(**payer).first()
    if statement is None:
        return Trace(None, [], "Its statement is not issued yet.")
    if not says_what_is_now(statement):
        return Trace(statement, [], "The statement is out of date: its next revision will say where the charge stands.")
    return Trace(statement, postings(_lines_of(charge, statement)))


def postings(lines: Iterable[StatementLine]) -> list[Posting]:
    """Of lines of one statement, each with its journal lines; two queries however many lines."""
    found = list(lines)
    entries: dict[tuple[int | None, str, int | None], list[JournalLine]] = defaultdict(list)
    for entry in _entries(found):
        entries[entry.funding_account_id, entry.account_code, entry.source_id].append(entry)
    return [Posting(line, entries[line.funding_account_id, line.account_code, line.source_id]) for line in found]


def charges_of(lines: Sequence[StatementLine]) -> ChargeQuerySet:
    """The charges that lines of one source, service and fund sum; of a statement that says what is now."""
    line = lines[0]
    if line.shared_amount is not None:
        return Charge.objects.none()  # of shares, none are theirs alone
    statement = line.statement
    codes, funders = _codes(lines), {one.funder for one in lines}
    whose = Charge.objects.filter(period=statement.period_id, pi=statement.pi_id, project=statement.project_id)
    of_line = whose.filter(
        source=line.source_id, service_name=line.service_name, late_month=late_month(line), funder__in=funders
    )
    billable = of_line.filter(account_code__in=codes).billable()
    divided = billable.filter(fund_step=Charge.FundStep.SPLIT)
    whole = billable.exclude(fund_step=Charge.FundStep.SPLIT).filter(funding_account=line.funding_account_id)
    return whole if line.percent == HUNDRED and whole.exists() else divided


def _codes(lines: Sequence[StatementLine]) -> set[str]:
    """Of the charges of such lines; charges that name none have that of fund or source, which may be another today."""
    line, codes = lines[0], {one.account_code for one in lines}
    unnamed = Ledger.account_code("", line.funding_account, line.source)
    same = {name: getattr(line, name) for name in ("source", "service_name", "funding_account", "percent")}
    is_elsewhere = unnamed not in codes and line.statement.lines.filter(**same, account_code=unnamed).exists()
    return codes if is_elsewhere else {"", *codes}


def late_month(line: StatementLine) -> str:
    """The closed month that a line corrects."""
    is_late = line.kind == Kind.CHARGES and line.description.startswith(CORRECTION)
    return line.description.removeprefix(CORRECTION)[:7] if is_late else ""


def _lines_of(charge: Charge, statement: Statement) -> list[StatementLine]:
    """Those of the same key, as issuing forms it. Account codes may be set otherwise today: then the fund tells."""
    ledger = Ledger(statement.period.month)
    key = ledger.key(charge)
    parts = ledger.parts(statement.project_id, key)
    lines = statement.lines.filter(
        kind=Kind.CHARGES, source=key.source, service_name=key.service_name, funder=key.funder, shared_amount=None
    ).select_related("source", "funding_account")
    found: list[StatementLine] = []
    for fund, percent in parts:
        same = [
            line
            for line in lines
            if (line.funding_account_id, line.percent) == (fund.pk if fund else None, percent)
            and late_month(line) == key.late_month
        ]
        code = ledger.account_code(key.account_code, fund, ledger.sources[key.source])
        found += [line for line in same if line.account_code == code] or same
    return found


def _entries(lines: list[StatementLine]) -> "QuerySet[JournalLine]":
    """Only of the fund's side: what is debited to it, or credited."""
    if not lines:
        return JournalLine.objects.none()
    before = JournalLine.objects.filter(journal=OuterRef("journal"), pk__lte=OuterRef("pk")).order_by()
    number = before.values("journal").annotate(number=Count("pk")).values("number")
    mine = Q(pk=None)
    for line in lines:
        if fund := line.funding_account:
            mine |= Q(
                account=fund.code, account_code=line.account_code, source=line.source_id,
                funding_account=fund,
            )  # fmt: skip
    period = lines[0].statement.period_id
    found = JournalLine.objects.filter(mine, journal__period=period, journal__state__in=BOOKED)
    return found.select_related("journal__period").annotate(number=Subquery(number)).order_by("journal__number", "pk")
