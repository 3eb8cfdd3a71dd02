"""A quarantined row with what a person wrote in place of the unusable text: read, judged and loaded like any other."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from charges.focus import Header
from charges.importing.checking.rows import BadRow, Division, RowReader, Rows
from charges.importing.checking.totals import ControlTotals
from charges.importing.holding.appending import Ledger
from charges.importing.holding.decided import corrected
from charges.importing.holding.places import Place
from charges.importing.holding.snapshot import Snapshot, divided
from charges.importing.holding.then import as_then, readings
from charges.importing.judging.allocations import has_allocations, may_be_divided
from charges.importing.loading.asking import ask
from charges.importing.loading.decisions import Succession
from charges.importing.loading.regrouping import successors
from charges.importing.reading.chunk import Chunk
from charges.importing.recognising import is_overtaken
from charges.importing.staging import Staging, marked
from charges.importing.writing import link
from charges.models import Charge, FocusImport, ImportIssue, ImportScope, Source
from periods import audit
from periods.duties import IMPORTING
from periods.errors import Refused, WrongState
from periods.lifecycle import require_permission, require_reason
from periods.models import BillingPeriod

EXTRA = "cell "  # cells beyond the header, which a correction leaves out


def columns(issue: ImportIssue) -> dict[str, str]:
    """The row as it came, by the columns of the header."""
    extra = cells_left_out(issue)
    return {name: text for name, text in issue.raw_row.items() if name not in extra}


def cells_left_out(issue: ImportIssue) -> dict[str, str]:
    """Cells beyond the header: a correction drops them, and need not do more."""
    return {name: text for name, text in issue.raw_row.items() if name.startswith(EXTRA)}


@transaction.atomic
def correct_row(issue: ImportIssue, *, correction: Mapping[str, str], reason: str, by: Any = None) -> Charge:
    """Load the row with these texts in place of its own; the row as it came stays on record.

    The correction holds for later deliveries of the same raw row. Raises Refused with the sentence about what still
    cannot be read, and where the month is closed or a later snapshot speaks for it.
    """
    require_permission(by, "charges.correct_importissue", "correct quarantined rows")
    reason = require_reason(reason)
    issue = (
        ImportIssue.objects.select_for_update(of=("self",))
        .select_related("focus_import__source", "file")
        .get(pk=issue.pk)
    )
    if issue.status != ImportIssue.Status.OPEN or issue.focus_import.state != FocusImport.State.LOADED:
        raise WrongState("The row is decided already, or its import no longer counts.")
    IMPORTING.require_other(by, than=issue.focus_import.created_by_id, what="imported this row")
    changes = {name: text for name, text in correction.items() if columns(issue).get(name) not in (None, text)}
    if not changes and not cells_left_out(issue):
        raise Refused("Nothing is corrected: change the text that cannot be read.")
    staging = Staging(issue.focus_import.source, issue.focus_import)
    rows = _read(issue, staging.source, changes)
    _refuse_known_reference(staging.source, rows)
    place = _place(issue, rows)
    if reading := place.then.get(rows.text("billing_account_id")[0]):
        rows = _read(issue, as_then(staging.source, reading), changes)
    staging.add(_held_if_divided(rows, staging.source, issue), place, issue.file)
    staging.write()
    _move_totals(issue, rows, place)
    charge = Charge.objects.filter(loaded_by=issue.focus_import, file=issue.file, line_number=issue.line_number).latest(
        "pk"
    )
    staging.divide()
    _come_again(charge, place)
    _decide(issue, charge, changes, reason, by)
    return charge


def _come_again(charge: Charge, place: Place) -> None:
    """What people decided about the row before it could not be read holds, or is asked."""
    found = successors(charge.source, place, [])
    keys = [charge.pk]  # the one row of its place
    if found.returned:
        link("replaces", [(keys[at], old) for at, old in found.returned])
    ask({keys[at]: old for at, old in found.alike})
    lines = {keys[at]: old for at, old in found.lines.items()}
    earlier = [old for _, old in found.returned]
    Succession(charge.loaded_by, [charge.period_id], earlier, lines, only=keys).carry()
    charge.refresh_from_db()


def _read(issue: ImportIssue, source: Source, changes: dict[str, str]) -> Rows:
    header = Header.of(list(columns(issue)))
    reader = RowReader(header, source, currency=issue.period.currency)
    cells = corrected(list(columns(issue).values()), header.names, changes)
    try:
        return reader.read(Chunk([issue.line_number], [cells]))
    except BadRow as bad:
        raise Refused(f"The row still cannot be used: {bad.sentence}") from bad


def _held_if_divided(row: Rows, source: Source, issue: ImportIssue) -> Rows:
    """What was divided is known from whole files: until the next delivery is read, a person looks at both."""
    if not has_allocations(Header.of(list(columns(issue)))) or not may_be_divided(row, source):
        return row
    [held] = marked(row, [Division.UNCLEAR])
    return held


def _place(issue: ImportIssue, rows: Rows) -> Place:
    """The month that takes the row, with a scope of the import for it: of a closed month, where its differences go."""
    focus_import = issue.focus_import
    month = focus_import.target_month or rows.months[0]
    period = BillingPeriod.objects.get_or_create(month=month)[0]
    is_late = period.state != BillingPeriod.State.OPEN and bool(focus_import.late_to)
    if is_late:
        period = BillingPeriod.objects.get(month=focus_import.late_to)
    period = BillingPeriod.objects.lock_open(period.pk)
    late_month = month if is_late else ""
    [account] = rows.text("billing_account_id")
    scope = _scope(focus_import, period, late_month, account)
    is_replaced = focus_import.source.delivery == Source.Delivery.SNAPSHOT and is_overtaken(scope)
    if is_replaced:  # a delivery of an append source speaks for its own rows alone
        raise Refused(f"A later delivery speaks for {period}: correct the row there.")
    scope.rows += 1
    scope.save()
    place = Place(month, period, period.currency, Snapshot(), late_month=late_month, accounts=Counter([account]))
    place.then = readings(focus_import.source, month) if is_late else {}
    place.divided = divided(focus_import.source, period)
    place.was_delivered = focus_import.source.delivery == Source.Delivery.SNAPSHOT
    return place


def _scope(focus_import: FocusImport, period: BillingPeriod, late_month: str, account: str) -> ImportScope:
    """A snapshot says all about the months and accounts that its rows name: about no other, by one row."""
    named: Any = {
        "focus_import": focus_import,
        "period": period,
        "late_month": late_month,
        "billing_account_id": account,
    }
    if focus_import.source.delivery == Source.Delivery.APPEND:
        return ImportScope.objects.get_or_create(**named)[0]
    if scope := ImportScope.objects.filter(**named).first():
        return scope
    raise Refused(
        f"{focus_import} has no other row of {late_month or period.month}{f', account {account}' if account else ''}, "
        "and speaks for months and accounts as a whole. Discard this row, and have it delivered with the others."
    )


def _refuse_known_reference(source: Source, rows: Rows) -> None:
    if source.delivery == Source.Delivery.APPEND and (known := Ledger(source).known_of(rows)):
        raise Refused(
            f"{source.reference_column} {', '.join(known)} is loaded already: it would be billed twice. Discard this "
            "row, or reverse the delivery that holds the other."
        )


def _move_totals(issue: ImportIssue, rows: Rows, place: Place) -> None:
    """The import's record follows: one row more is loaded, one less in quarantine."""
    focus_import = FocusImport.objects.select_for_update().get(pk=issue.focus_import_id)
    totals = ControlTotals.from_text(focus_import.totals)
    totals.end_quarantine(issue.counted)
    totals.correct(rows, issue.counted)
    totals.add(rows.currencies[0], rows)
    focus_import.totals = totals.as_text()
    focus_import.loaded += 1
    focus_import.added += 1
    focus_import.quarantined -= 1
    focus_import.flagged += place.flagged
    focus_import.save()


def _decide(issue: ImportIssue, charge: Charge, changes: dict[str, str], reason: str, by: Any) -> None:
    before = {name: issue.raw_row[name] for name in changes} | cells_left_out(issue)
    issue.status, issue.correction, issue.charge = ImportIssue.Status.CORRECTED, changes, charge
    issue.decided_by, issue.decided_at, issue.reason = by, timezone.now(), reason
    issue.period, issue.late_month = charge.period, charge.late_month  # the decision is kept with what it made
    issue.save()
    audit.record(
        by=by, action="correct row", subject=issue, period=charge.period, before=before, after=changes, reason=reason
    )
