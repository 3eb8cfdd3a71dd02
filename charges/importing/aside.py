"""Rows of a delivery that cannot be used as they came: corrected as somebody did before, or put into quarantine."""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

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


class Homeless(NamedTuple):
    """A row of which is known once all rows are read what it belongs to."""

    issue: ImportIssue
    record: ImportIssue | None  # what is known of it
    reader: RowReader
    file: ReceivedFile | None


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
        self._homeless: list[Homeless] = []

    @property
    def is_waiting(self) -> bool:
        """For `write`."""
        return bool(self._unwritten)

    def put(self, reader: RowReader, file: ReceivedFile | None, bad: BadRow, line: int, cells: list[str]) -> None:
        """A row that cannot be used as it came: corrected as somebody did before, or to quarantine."""
        issue = self._issue(reader, file, bad, line, cells)
        record = self._decided.take(issue.raw_digest)
        if record and (rows := self._corrected(record, reader, line, cells)):
            if not self._is_spoken_for(rows) and self._said(reader, cells) != self._said(reader, rows.cells(0)):
                self._wait(Homeless(issue, record, reader, file))
            else:
                self._take_corrected(rows, record, issue, reader, file)
            return
        place = self._place_of_bad(cells, reader)
        if place and place.then and self._was_good(place, issue, reader, file, cells):
            return
        if place is None:
            self._wait(Homeless(issue, record, reader, file))
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

    def _wait(self, row: Homeless) -> None:
        """A row that says no month says nothing about any, and what becomes of it is known once all rows are read."""
        self._homeless.append(row)
        if len(self._homeless) < HOPELESS:
            return
        if not self.places:
            raise Refused(f"The first {HOPELESS:,} rows cannot be used; the first because: {self._homeless[0].issue}")
        if self.places.loaded:  # more would fill the memory
            self.house()

    def _corrected(self, record: ImportIssue, reader: RowReader, line: int, cells: list[str]) -> Rows | None:
        if record.status != ImportIssue.Status.CORRECTED:
            return None
        return _read_corrected(reader, line, cells, record.correction)

    def _is_spoken_for(self, rows: Rows) -> bool:
        """Whether other rows name its month and account: by itself a corrected row would stand for all of them."""
        place = self.places.get(self.target_month or rows.months[0])
        is_snapshot = self.source.delivery == Source.Delivery.SNAPSHOT
        return not is_snapshot or (place is not None and rows.text("billing_account_id")[0] in place.accounts)

    def _said(self, reader: RowReader, cells: list[str]) -> tuple[str | None, str | None]:
        """The month and account that a row names; None where they cannot be read."""
        try:
            return self.target_month or reader.month(cells), quarantine.account(reader, cells)
        except (BadRow, IndexError):
            return None, None

    def _take_corrected(
        self, rows: Rows, record: ImportIssue, issue: Any, reader: RowReader, file: ReceivedFile | None
    ) -> None:
        place = self.places[self.target_month or rows.months[0]]
        issue.period, issue.late_month = place.period, place.late_month
        issue.status, issue.correction = record.status, record.correction
        issue.decided_by_id, issue.decided_at, issue.reason = record.decided_by_id, record.decided_at, record.reason
        if not place.is_closed:  # which keeps the record that it has
            self._unwritten.append(issue)
        self.totals.correct(rows, issue.counted)
        self._take(rows, reader, file)

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
        waiting, self._homeless = self._homeless, []
        for issue, record, reader, file in waiting:
            rows = record and self._corrected(record, reader, issue.line_number, list(issue.raw_row.values()))
            if record and rows and self._is_spoken_for(rows):
                self._take_corrected(rows, record, issue, reader, file)
                continue
            place = self.places.get(record.month) if record else None
            place = place or home or self.places[min(self.places)]
            if place.is_closed:
                self._keep(issue, place, record)
            else:
                self._quarantine(issue, place, record)

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
