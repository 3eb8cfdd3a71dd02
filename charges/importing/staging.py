"""Streams the rows of a delivery into staged charges and quarantined issues, chunk by chunk.

Each chunk commits by itself, so that other writers wait milliseconds; nothing staged counts for anything
until `loading` makes the whole delivery current in one short transaction.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

from django.conf import settings

from charges.attribution.undoing import ABOUT_PAYER
from charges.dividing import divide
from charges.focus import Header
from charges.importing import writing
from charges.importing.aside import Aside
from charges.importing.checking.remarks import Remarks
from charges.importing.checking.rows import BadRow, Division, RowReader, Rows, counting
from charges.importing.checking.sifting import all_but
from charges.importing.checking.totals import ControlTotals
from charges.importing.holding import appending
from charges.importing.holding.appending import Ledger
from charges.importing.holding.places import BY_STATUS, PAYER_ASKED, Piece, Place, Places
from charges.importing.holding.then import as_then
from charges.importing.judging.allocations import Allocations, has_allocations, origin_keys
from charges.importing.judging.assessing import HELD, NOT_BILLABLE, Assessment, Assessor
from charges.importing.progress import Meter, Progress
from charges.importing.reading.chunk import Chunk
from charges.importing.reading.coded import together
from charges.importing.reading.opening import open_rows
from charges.models import Charge, FocusImport, ReceivedFile, Source
from periods.errors import Refused

WAITING = 8000  # rows that are written at once: each write touches most pages of an index
FIRST = 20
Status = Charge.ReviewStatus


class Staging:
    """State of one run. `focus_import` is None in a dry run, which reads and counts all the same."""

    def __init__(
        self,
        source: Source,
        focus_import: FocusImport | None,
        *,
        target_month: str | None = None,
        late_to: str | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.source, self.focus_import = source, focus_import
        self.target_month, self.meter = target_month, Meter(progress)
        self.assessor = Assessor(source, may_create=focus_import is not None)
        self.places = Places(
            source, self.assessor.reviewer.settings, may_create=focus_import is not None, late_to=late_to
        )
        self.totals, self.added_totals = ControlTotals(), ControlTotals()
        self.aside = Aside(source, focus_import, self.places, self.totals, target_month=target_month, take=self._take)
        self.allocations = Allocations(self.aside.as_corrected)
        self.expected: Mapping[Path, int] = {}  # rows, where a manifest says how many a file has
        self.rows = self._late = 0
        self.first: set[int] = set()  # identities of rows by which a delivery is told
        self.remarks = Remarks(source, is_placed=target_month is not None)
        self.flags: Counter[str] = Counter()
        self.versions: dict[str, None] = {}
        self.ends: dict[tuple[int | None, int], date] = {}  # of rows that are to be divided, by file and line
        self._charges: list[writing.Block] = []

    @property
    def loaded(self) -> int:
        return sum(place.rows for place in self.places.values() if not place.is_kept)

    @property
    def unchanged(self) -> int:
        return sum(place.unchanged for place in self.places.values() if not place.is_kept)

    @property
    def flagged(self) -> int:
        return sum(place.flagged for place in self.places.loaded)

    @property
    def late(self) -> int:
        """Rows of closed months that are kept, not loaded."""
        return self._late + self.aside.late

    @property
    def _is_waiting(self) -> bool:
        return sum(len(columns["line_number"]) for columns, _ in self._charges) >= WAITING

    def learn(self, path: Path, name: str, member: str = "") -> None:
        """Look at a file before any is staged: what kind of source it is of, and which charges are divided."""
        with self._open(path, name, member) as (header, chunks):
            if appending.start(self.source, header.names) and self.focus_import:
                self.source.save()
            self._look(header, chunks, self.allocations.learn)

    def weigh(self, path: Path, name: str, member: str = "") -> None:
        """Look at a file once more, for the charges that parts in any file were divided from."""
        if self.allocations.divided:
            with self._open(path, name, member) as (header, chunks):
                self._look(header, chunks, self.allocations.weigh)

    def _open(self, path: Path, name: str, member: str) -> AbstractContextManager[tuple[Header, Iterator[Chunk]]]:
        return open_rows(path, name, member=member, encoding=self.source.encoding)

    def _look(self, header: Header, chunks: Iterator[Chunk], look: Callable[[RowReader, Chunk], None]) -> None:
        if has_allocations(header):
            reader = RowReader(header, self.source, currency=settings.CURRENCY)
            for chunk in chunks:
                look(reader, chunk)

    def read(self, path: Path, name: str, member: str, file: ReceivedFile | None) -> None:
        """Stage all rows of one file, or member of an archive. Raises Refused where its manifest says another number."""
        before = self.rows
        with self._open(path, name, member) as (header, chunks):
            self.versions[header.version] = None
            reader = RowReader(header, self.source, currency=settings.CURRENCY)
            for chunk in chunks:
                self.rows += len(chunk)
                for rows in reader.sift(chunk, partial(self.aside.put, reader, file)):
                    self.remarks.look_at(header, rows)
                    self._take(rows, reader, file)
                if self._is_waiting or self.aside.is_waiting:
                    self.write()
                self.meter.add(chunk)
            self.remarks.look_back(reader)
            self.rows -= reader.blank
        self.write()
        if self.expected.get(path, self.rows - before) != self.rows - before:
            raise Refused(
                f"{name} has {self.rows - before:,} rows, and {self.expected[path]:,} in its manifest: it is not whole."
            )

    def finish(self) -> None:
        """Find a month for the issues without a readable one. Raises Refused where no row can be used."""
        if not self.places:
            raise Refused("No row can be used, and none says which month it is of: is this a FOCUS file?")
        self.aside.house()
        self.places.settle()
        self._count_late()
        self.write()
        self.divide()

    def _take(self, rows: Rows, reader: RowReader, file: ReceivedFile | None) -> None:
        conflicts = self._conflicts(rows)
        good = rows.where(all_but(conflicts, len(rows))) if conflicts else rows
        for month, of_month in good.by(good.months):
            place = self.places[self.target_month or month]
            for part in marked(of_month, self.allocations.judge(of_month)):
                for block in self._as_loaded(part, place, reader, file) if place.then else [part]:
                    self._load(block, place, file)
        # Only now: a row that was corrected before is looked up in the same ledger.
        for at, bad in conflicts.items():
            self.aside.put(reader, file, bad, rows.lines[at], rows.cells(at))

    def _as_loaded(self, rows: Rows, place: Place, reader: RowReader, file: ReceivedFile | None) -> Iterator[Rows]:
        """Rows of a closed month, read as what it holds was: a change of the source's settings is none of its rows."""
        by_row = [place.then.get(account) for account in rows.text("billing_account_id")]
        for reading in dict.fromkeys(by_row):
            part = rows.where([other == reading for other in by_row])
            if reading is None:
                yield part
                continue
            then = reader.under(as_then(self.source, reading))
            chunk = Chunk(part.lines, [part.cells(at) for at in range(len(part))])
            for again in then.sift(chunk, partial(self.aside.put, then, file)):
                yield from marked(again, [rows.division] * len(again))

    def _conflicts(self, rows: Rows) -> dict[int, BadRow]:
        """In the order of the file, whatever its months: the first of two rows of one name counts."""
        if self.source.delivery != Source.Delivery.APPEND:
            return {}
        conflicts = self.places.ledger.conflicts(rows)
        for at, bad in conflicts.items():
            bad.amounts = counting(rows.written, at)
        return conflicts

    def _load(self, rows: Rows, place: Place, file: ReceivedFile | None) -> None:
        if not len(rows):
            return
        if len(self.first) < FIRST:
            self.first.update(rows.identities[:FIRST])
        place.accounts.update(rows.text("billing_account_id").tally())
        place.rows += len(rows)
        self._count(rows, place)
        taken = place.holding.take(rows)
        place.unchanged += len(taken.places)
        place.flagged += taken.held
        if taken.places:
            rows = rows.where(all_but(taken.places, len(rows)))
        if len(rows):
            self.add(rows, place, file)

    def _count_late(self) -> None:
        """Rows of closed months that differ were counted as loaded until now."""
        for place in self.places.values():
            if place.is_kept:
                self._late += place.rows
                self.totals.keep_late(place.totals)

    def _count(self, rows: Rows, place: Place) -> None:
        for currency, in_currency in rows.by(rows.currencies):
            self.totals.add(currency, in_currency)
            if place.is_closed:
                place.totals.add(currency, in_currency)

    def add(self, rows: Rows, place: Place, file: ReceivedFile | None) -> None:
        """Rows that the month does not hold yet."""
        late_month = place.late_month
        assessment = self.assessor.assess(rows, month=place.month, currency=place.currency, late_month=late_month)
        place.added += len(rows)
        if place.was_delivered or len(place.holding):
            place.pieces |= self._pieces(rows, place)
            place.identities.extend(rows.identities)
            place.abouts.extend(assessment.abouts(rows))
            place.dues.extend(assessment.prices.due)
            place.statuses.extend(_kinds(assessment))
        place.flagged += assessment.held
        _count_deltas(rows, assessment, place)
        if place.watch and place.watch.usual:
            place.watch.count(rows, assessment)
        if place.is_closed:
            self.places.refuse_unless_kept(place)  # at once: the rest of a large file makes no difference
            return
        self.flags.update(assessment.flag_counts)
        self.remarks.pass_over(assessment.passed_over)
        if isinstance(place.holding, Ledger):  # what a snapshot holds is compared with the whole file
            for currency, in_currency in rows.by(rows.currencies):
                self.added_totals.add(currency, in_currency)
        if self.focus_import and place.period:
            self._charges.append((assessment.columns(rows), self._origin(place, file)))
            self.ends |= {(file.pk if file else None, line): day for line, day in assessment.ends(rows)}

    def _pieces(self, rows: Rows, place: Place) -> dict[int, Piece]:
        """Rows of charges that the provider divides, or has divided: see `loading.regrouping`."""
        keys = self.allocations.divided.keys() | place.divided
        if not keys:
            return {}
        told = zip(origin_keys(rows), rows.allocated_by, strict=True)
        return {
            at: Piece(key, bool(method)) for at, (key, method) in enumerate(told, len(place.statuses)) if key in keys
        }

    def _origin(self, place: Place, file: ReceivedFile | None) -> Mapping[str, Any]:
        return {
            "period_id": place.period.pk if place.period else None,
            "source_id": self.source.pk,
            "loaded_by_id": self.focus_import.pk if self.focus_import else None,
            "file_id": file.pk if file else None,
            "kind": (Charge.Kind.LATE if place.late_month else Charge.Kind.DELIVERED).value,
            "late_month": place.late_month,
        }

    def write(self) -> None:
        """Only writing takes the database's lock: others get in while the next chunk is read and judged."""
        if self.focus_import:
            writing.write(self._charges)
        self._charges = []
        self.aside.write()

    def divide(self) -> None:
        """Parts of the rows that run past the last day of their fund, once all rows are written."""
        if self.focus_import:
            divide(self.focus_import, self.ends, self.assessor.reviewer)


def _kinds(assessment: Assessment) -> Iterable[int]:
    by_payer = assessment.flags.map(lambda flags: bool(flags) and flags.keys() <= {*ABOUT_PAYER})
    held = together(assessment.statuses, by_payer)
    return held.map(lambda told: PAYER_ASKED if told == (HELD, True) else BY_STATUS[told[0]])


def marked(rows: Rows, divisions: Sequence[Division]) -> Iterator[Rows]:
    """Divided rows say so in what they are compared by: whether they count may change between deliveries."""
    if divisions.count(Division.NONE) == len(divisions):  # nearly every block
        yield rows
        return
    for division in Division:
        if division in divisions:
            part = rows.where([other is division for other in divisions])
            part.division = division
            part.contents = [content ^ division.value for content in part.contents]
            yield part


def _count_deltas(rows: Rows, assessment: Assessment, place: Place) -> None:
    """What is not billable changes nothing for a project."""
    codes = assessment.found.map(attrgetter("project_code")).distinct()
    keys = together(rows.currencies, codes, assessment.statuses)
    lists, dues = [0] * len(keys.values), [0] * len(keys.values)
    for code, listed, due in zip(keys.codes, assessment.prices.list, assessment.prices.due, strict=True):
        lists[code] += listed
        dues[code] += due
    for (currency, project, status), n, listed, due in zip(keys.values, keys.counts(), lists, dues, strict=True):
        if status != NOT_BILLABLE:
            delta = place.deltas[currency, project]
            delta.rows += n
            delta.list += listed
            delta.due += due
