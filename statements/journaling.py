"""Posts what statements say to the ledger: a balanced journal holds what no earlier journal of the month holds."""

import csv
import io
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Max, QuerySet, Sum

from charges.flags.parts import FundParts
from charges.money import ZERO, round_to_currency, total
from periods import audit, storage
from periods.calendar import last_day
from periods.errors import Refused
from periods.lifecycle import require_permission, require_reason, run_transition
from periods.models import BillingPeriod
from periods.spreadsheets import FORMULA
from statements.issuing import stale_statements
from statements.models import ArchivedDocument, Journal, JournalLine, Statement, StatementLine
from statements.templating import folders, render

BOOKED = (Journal.State.EXPORTED, Journal.State.ACKNOWLEDGED)
REFERENCE_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Exported:
    """No journal and no content: there is nothing to post."""

    journal: Journal | None
    content: bytes


class Entry(NamedTuple):
    """What is netted: an account of the ledger, by account code and source. The other side has a fund only if one bears it."""

    account: str
    fund: int | None
    account_code: str
    source: int | None


@dataclass(frozen=True, slots=True)
class SheetLine:
    """What a template sees of a line."""

    number: int
    account: str
    fund_parts: dict[str, str]  # `line.fund_parts.org` for `(?P<org>…)` of a fund code format; empty text where absent
    account_code: str
    source: str
    description: str
    debit: Decimal
    credit: Decimal


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a template sees of a journal: figures and words, nothing that could be changed."""

    number: str
    period: str
    accounting_date: str
    currency: str
    lines: list[SheetLine]
    debits: Decimal
    credits: Decimal


@transaction.atomic
def export_journal(
    period: BillingPeriod, *, template: str = "generic", accounting_date: date | None = None, by: Any = None
) -> Exported:
    """The month's journal as bytes: the last one while nothing changed, else a new one with the differences."""
    require_permission(by, "statements.export_journal", "export journals")
    _require_template(template)
    locked = BillingPeriod.objects.select_for_update().get(pk=period.pk)
    journal = _journals(locked, BOOKED).last()
    if locked.state != BillingPeriod.State.FINALIZED:
        _require_final_figures(locked)
        differences = outstanding(locked)
        if differences:
            _require_acknowledged(journal)
            journal = _book(locked, differences, accounting_date or last_day(locked.month), by=by)
    _require_same_date(journal, accounting_date)
    return Exported(journal, _content(journal, template, by=by) if journal else b"")


@transaction.atomic
def acknowledge_journal(period: BillingPeriod, *, reference: str, by: Any = None) -> Journal | None:
    """Finance has posted the exported journal under its `reference`. None where there is nothing to post."""
    require_permission(by, "statements.acknowledge_journal", "acknowledge journals")
    reference = reference.strip()
    if not 0 < len(reference) <= REFERENCE_LENGTH:
        raise Refused(f"Give finance's reference, of {REFERENCE_LENGTH} characters at most.")
    locked = BillingPeriod.objects.select_for_update().get(pk=period.pk)
    known = _journals(locked, [Journal.State.ACKNOWLEDGED]).filter(reference=reference).first()
    if known:
        return known
    BillingPeriod.objects.lock_unsealed(period.pk)
    journal = _journals(locked, BOOKED).last()
    if journal and journal.state == Journal.State.EXPORTED:
        return run_transition(journal, "acknowledge", by=by, reference=reference)
    if journal is None:
        _require_final_figures(locked)
        if not outstanding(locked):
            return None
    raise Refused(f"{locked} has no exported journal that awaits acknowledgement: export it first.")


@transaction.atomic
def reject_journal(journal: Journal, *, reason: str, by: Any) -> Journal:
    """Finance refuses it: the next export makes another."""
    BillingPeriod.objects.lock_unsealed(journal.period_id)
    reason = require_reason(reason)
    return run_transition(journal, "reject", by=by, reason=reason, why=reason)


@transaction.atomic
def void_journal(journal: Journal, *, reason: str, by: Any) -> Journal:
    """Withdrawn before finance posted it: the next export makes another."""
    BillingPeriod.objects.lock_unsealed(journal.period_id)
    reason = require_reason(reason)
    return run_transition(journal, "void", by=by, reason=reason, why=reason)


def outstanding(period: BillingPeriod, *, booked: Collection[str] = BOOKED) -> dict[Entry, Decimal]:
    """Debits (positive) and credits that statements ask for and journals in the states `booked` do not hold."""
    entries = _required(period)
    lines = JournalLine.objects.filter(journal__in=_journals(period, booked))
    for *entry, debit, credit in lines.values_list("account", "funding_account", "account_code", "source").annotate(
        Sum("debit"), Sum("credit")
    ):
        entries[Entry(*entry)] -= debit - credit
    return {entry: amount for entry, amount in entries.items() if amount}


def templates() -> list[str]:
    """Names of the layouts that a journal can be exported in; the institution's own stand beside ours."""
    return sorted({path.stem for folder in folders() for path in (folder / "journals").glob("*.csv")})


def cell(text: str) -> str:
    """Text as one CSV cell that no spreadsheet takes for a formula. Amounts are numbers and need none of it."""
    guarded = f"'{text}" if text.startswith(FORMULA) else text
    return f'"{guarded.replace(chr(34), chr(34) * 2)}"' if any(mark in guarded for mark in ',"\r\n') else guarded


def _required(period: BillingPeriod) -> dict[Entry, Decimal]:
    """Each line debits its fund and credits the account that its statement line names."""
    entries: dict[Entry, Decimal] = defaultdict(lambda: ZERO)
    issued = StatementLine.objects.filter(statement__period=period, statement__state=Statement.State.ISSUED)
    sums = issued.values_list(
        "funding_account__code", "funding_account", "credit_account", "credit_fund", "account_code", "source"
    )
    for code, fund, credit_account, credit_fund, account_code, source, due in sums.annotate(Sum("due_amount")):
        entries[Entry(code, fund, account_code, source)] += due
        entries[Entry(credit_account, credit_fund, account_code, source)] -= due
    return entries


def _journals(period: BillingPeriod, states: Collection[str]) -> "QuerySet[Journal]":
    return Journal.objects.filter(period=period, state__in=states).order_by("number")


def _require_final_figures(period: BillingPeriod) -> None:
    if period.state == BillingPeriod.State.OPEN:
        raise Refused(f"{period} is open: close it and issue its statements before a journal is exported.")
    stale = stale_statements(period)
    if stale:
        raise Refused(f"Statements are not issued or out of date: {_some(stale)}. Issue statements first.")


def _require_acknowledged(journal: Journal | None) -> None:
    if journal and journal.state == Journal.State.EXPORTED:
        raise Refused(
            f"{journal} was exported, and the statements have changed since: "
            "reject or void it, or acknowledge it if finance has posted it."
        )


def _require_same_date(journal: Journal | None, asked_for: date | None) -> None:
    if journal and asked_for and journal.accounting_date != asked_for:
        raise Refused(f"{journal} is exported with the accounting date {journal.accounting_date}, which it keeps.")


def _require_template(name: str) -> None:
    known = templates()
    if name not in known:
        raise Refused(f"There is no journal template {name!r}: there are {', '.join(known)}.")


def _book(period: BillingPeriod, entries: dict[Entry, Decimal], accounting_date: date, *, by: Any) -> Journal:
    highest = Journal.objects.filter(period=period).aggregate(highest=Max("number"))["highest"]
    journal = Journal.objects.create(
        period=period, number=(highest or 0) + 1, currency=period.currency, accounting_date=accounting_date
    )
    JournalLine.objects.bulk_create(
        JournalLine(
            journal=journal,
            account=entry.account,
            funding_account_id=entry.fund,
            account_code=entry.account_code,
            source_id=entry.source,
            debit=max(amount, ZERO),
            credit=max(-amount, ZERO),
            description=f"Research computing {period.month}",
        )
        for entry, amount in sorted(entries.items(), key=_funds_first)
    )
    return run_transition(journal, "export", by=by)


def _funds_first(item: tuple[Entry, Decimal]) -> tuple[Any, ...]:
    entry = item[0]
    return (entry.fund is None, entry.account, entry.account_code, entry.source or 0)


def _content(journal: Journal, template: str, *, by: Any) -> bytes:
    """The archived bytes of this layout; made, read back and archived the first time it is asked for."""
    name = f"journals/{template}.csv"
    document = journal.documents.filter(template=name).first()
    if document:
        return document.read()
    period = BillingPeriod.objects.lock_unsealed(journal.period_id)
    sheet = sheet_of(journal, period)
    text = render(name, autoescape=False, journal=sheet, cell=cell)
    _validate(text, sheet, template)
    kept = storage.keep([text.encode()], folder="journals", suffix=".csv")
    ArchivedDocument.objects.create(
        period=period,
        kind=ArchivedDocument.Kind.JOURNAL,
        journal=journal,
        template=name,
        path=kept.path,
        sha256=kept.sha256,
        size=kept.size,
    )
    after = {"template": name, "sha256": kept.sha256}
    audit.record(by=by, action="archive journal", subject=journal, period=period, after=after)
    return text.encode()


def preview(journal: Journal, template: str) -> bytes:
    """The file that the layout as it is now would make; kept nowhere. Raises Refused as the export does."""
    sheet = sheet_of(journal, journal.period)
    text = render(f"journals/{template}.csv", autoescape=False, journal=sheet, cell=cell)
    _validate(text, sheet, template)
    return text.encode()


def sheet_of(journal: Journal, period: BillingPeriod) -> Sheet:
    parts = FundParts()
    lines = [
        SheetLine(
            number=number,
            account=line.account,
            fund_parts=parts.of(line.account) if line.funding_account_id else parts.none,
            account_code=line.account_code,
            source=str(line.source or ""),
            description=line.description,
            debit=round_to_currency(line.debit, journal.currency),
            credit=round_to_currency(line.credit, journal.currency),
        )
        for number, line in enumerate(journal.lines.select_related("source"), start=1)
    ]
    return Sheet(
        number=journal.printed_number,
        period=period.month,
        accounting_date=journal.accounting_date.isoformat(),
        currency=journal.currency,
        lines=lines,
        debits=total([line.debit for line in lines]),
        credits=total([line.credit for line in lines]),
    )


def _validate(text: str, sheet: Sheet, template: str) -> None:
    """Read the file back as finance will: an institution's own template may hold a mistake."""
    if sheet.debits != sheet.credits:
        raise Refused(f"{sheet.number} does not balance: debits {sheet.debits}, credits {sheet.credits}.")
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        rows = list(reader)
        if not {"debit", "credit"} <= set(reader.fieldnames or ()):
            is_right = len(rows) + 1 >= len(sheet.lines)  # another layout: at least nothing was left out
        else:
            read = [(Decimal(row["debit"] or 0), Decimal(row["credit"] or 0)) for row in rows]
            is_right = read == [(line.debit, line.credit) for line in sheet.lines]
    except (csv.Error, InvalidOperation, TypeError) as error:
        raise Refused(f"The template {template!r} makes a file that cannot be read back: {error}.") from error
    if not is_right:
        raise Refused(f"The template {template!r} makes a file that differs from {sheet.number}: nothing was exported.")


def _some(names: list[str], limit: int = 3) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return "; ".join(names[:limit]) + more
