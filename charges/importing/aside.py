"""Rows of a delivery that cannot be used as they came: corrected as somebody did before, or put into quarantine."""

from collections.abc import Callable
from typing import Any, cast

from charges.importing import quarantine
from charges.importing.checking.rows import BadRow, RowReader, Rows
from charges.importing.checking.totals import ControlTotals, counted
from charges.importing.holding.decided import Decided, corrected, settles
from charges.importing.holding.places import Place, Places
from charges.importing.holding.then import as_then
from charges.importing.reading.chunk import Chunk
from charges.models import FocusImport, ImportIssue, ReceivedFile, Source
from periods.errors import Refused

HOPELESS = 10_000
SHOWN_ISSUES = 50
Take = Callable[[Rows, RowReader, ReceivedFile | None], None]


class Aside:
    """Of one run; `take` stages rows that can be used after all. `focus_import` is None in a dry run."""

    def __init__(
        self,
        source: Source,
        focus_import: FocusImport | None,
        places: Places,
        totals: ControlTotals,
        *,
        target_month: str | None,
        take: Take,
    ) -> None:
        self.source, self.focus_import, self.places, self.totals = source, focus_import, places, totals
        self.target_month, self._take = target_month, take
        self.quarantined = self.late = 0
        self.shown: list[ImportIssue] = []
        self._decided = Decided(source)
        self._unwritten: list[ImportIssue] = []
        self._homeless: list[tuple[ImportIssue, ImportIssue | None]] = []  # each with what is known of it

    @property
    def is_waiting(self) -> bool:
        """For `write`."""
        return bool(self._unwritten)

    def put(self, reader: RowReader, file: ReceivedFile | None, bad: BadRow, line: int, cells: list[str]) -> None:
        """A row that cannot be used as it came: corrected as somebody did before, or to quarantine."""
        issue = self._issue(reader, file, bad, line, cells)
        record = self._decided.take(issue.raw_digest)
        if record and self._is_corrected(record, issue, reader, file):
            return
        place = self._place_of_bad(cells, reader)
        if place and place.then and self._was_good(place, issue, reader, file, cells):
            return
        if place is None:
            self._wait(issue, record)
        elif place.is_closed:
            self._keep(issue, place, record)
        else:
            if quarantine.account(reader, cells) is not None:
                place.accounts.setdefault(issue.billing_account_id, 0)
            self._quarantine(issue, place, record)

    def _was_good(
        self, place: Place, issue: ImportIssue, reader: RowReader, file: ReceivedFile | None, cells: list[str]
    ) -> bool:
        """Whether the settings under which the month was loaded make a charge of the row; then it is taken so."""
        reading = place.then.get(issue.billing_account_id)
        if reading is None:
            return False
        then = reader.under(as_then(self.source, reading))
        try:
            rows = then.read(Chunk([issue.line_number], [cells]))
        except BadRow:
            return False
        self._take(rows, then, file)
        return True

    def _issue(
        self, reader: RowReader, file: ReceivedFile | None, bad: BadRow, line: int, cells: list[str]
    ) -> ImportIssue:
        issue: Any = quarantine.issue(reader.header, bad, line, cells)  # in a dry run, of no import and an unsaved file
        issue.focus_import, issue.file, issue.raw_digest = self.focus_import, file, reader.digests.of_raw(cells)
        issue.counted = counted(quarantine.currency(reader, cells), bad.amounts)
        issue.billing_account_id = quarantine.account(reader, cells) or ""
        return cast(ImportIssue, issue)

    def _wait(self, issue: ImportIssue, record: ImportIssue | None) -> None:
        """A row that says no month says nothing about any, and what becomes of it is known once all rows are read."""
        self._homeless.append((issue, record))
        if len(self._homeless) < HOPELESS:
            return
        if not self.places:
            raise Refused(f"The first {HOPELESS:,} rows cannot be used; the first because: {self._homeless[0][0]}")
        if self.places.loaded:  # more would fill the memory
            self.house()

    def _is_corrected(self, decision: ImportIssue, issue: Any, reader: RowReader, file: ReceivedFile | None) -> bool:
        if decision.status != ImportIssue.Status.CORRECTED:
            return False
        rows = _read_corrected(reader, issue.line_number, list(issue.raw_row.values()), decision.correction)
        if rows is None:
            return False
        place = self.places[self.target_month or rows.months[0]]
        issue.period, issue.late_month = place.period, place.late_month
        issue.status, issue.correction = decision.status, decision.correction
        issue.decided_by_id, issue.decided_at, issue.reason = (
            decision.decided_by_id,
            decision.decided_at,
            decision.reason,
        )
        if not place.is_closed:  # which keeps the record that it has
            self._unwritten.append(issue)
        self.totals.correct(rows, issue.counted)
        self._take(rows, reader, file)
        return True

    def as_corrected(self, reader: RowReader, line: int, cells: list[str]) -> Rows | None:
        correction = self._decided.correction(reader.digests.of_raw(cells))
        return None if correction is None else _read_corrected(reader, line, cells, correction)

    def _quarantine(self, issue: Any, place: Place, record: ImportIssue | None) -> None:
        self.quarantined += 1
        self.totals.add_quarantined(issue.counted)
        if record and record.status == ImportIssue.Status.DISCARDED:
            issue.status, issue.reason = record.status, record.reason
            issue.decided_by_id, issue.decided_at = record.decided_by_id, record.decided_at
        issue.period, issue.late_month = place.period, place.late_month
        self._unwritten.append(issue)
        if len(self.shown) < SHOWN_ISSUES:
            self.shown.append(issue)

    def _place_of_bad(self, cells: list[str], reader: RowReader) -> Place | None:
        """None where the row says no month that can be read."""
        try:
            return self.places[self.target_month or reader.month(cells)]
        except (BadRow, IndexError):
            return None

    def house(self) -> None:
        """Rows without a readable month stay where they are known, or stand in the first open month.

        Where all months are closed, they are a difference.
        """
        home = next(iter(self.places.loaded), None)
        for issue, record in self._homeless:
            place = self.places.get(record.month) if record else None
            place = place or home or self.places[min(self.places)]
            if place.is_closed:
                self._keep(issue, place, record)
            else:
                self._quarantine(issue, place, record)
        self._homeless = []

    def _keep(self, issue: ImportIssue, place: Place, record: ImportIssue | None) -> None:
        """A bad row of a closed month: a difference, unless it is known there."""
        self.late += 1
        self.totals.add_late(issue.counted)
        place.undecided += not settles(record, place.month)

    def write(self) -> None:
        if self.focus_import:
            ImportIssue.objects.bulk_create(self._unwritten)
        self._unwritten = []


def _read_corrected(reader: RowReader, line: int, cells: list[str], correction: dict[str, str]) -> Rows | None:
    """None where the row cannot be used with the correction either."""
    try:
        return reader.read(Chunk([line], [corrected(cells, reader.header.names, correction)]))
    except BadRow:
        return None
