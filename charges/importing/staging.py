"""Streams the rows of a delivery into staged charges and quarantined issues, chunk by chunk.

Each chunk commits by itself, so that other writers wait milliseconds; nothing staged counts for anything
until `loading` makes the whole delivery current in one short transaction.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from charges import pricing
from charges.focus import Header
from charges.importing import writing
from charges.importing.assessing import Assessment, Assessor
from charges.importing.reading import RawRow, open_rows
from charges.importing.rows import CURRENCY, LONGEST_ACCOUNT, BadRow, Row, RowReader
from charges.importing.snapshot import Snapshot
from charges.importing.totals import ControlTotals
from charges.models import Charge, FocusImport, ImportIssue, ReceivedFile, Source
from charges.money import ZERO, to_billionths
from periods.errors import PeriodNotOpen, Refused
from periods.models import BillingPeriod

CHUNK = 5000
HOPELESS = 10_000
SHOWN_ISSUES = 50
Progress = Callable[[int], None]


@dataclass(slots=True)
class Place:
    """One month that the delivery speaks for."""

    month: str
    period: BillingPeriod | None
    currency: str
    snapshot: Snapshot
    accounts: dict[str, int] = field(default_factory=dict)
    identities: "array[int]" = field(default_factory=lambda: array("q"))
    dues: "array[int]" = field(default_factory=lambda: array("q"))


@dataclass(slots=True)
class ProjectDelta:
    rows: int = 0
    list: Decimal = ZERO
    due: Decimal = ZERO


class Staging:
    """State of one run. `focus_import` is None in a dry run, which reads and counts all the same."""

    def __init__(
        self, source: Source, focus_import: FocusImport | None, *, target_month: str | None, progress: Progress | None
    ) -> None:
        self.source, self.focus_import = source, focus_import
        self.target_month, self.progress = target_month, progress or (lambda _rows: None)
        self.assessor = Assessor(source, may_create=focus_import is not None)
        self.places: dict[str, Place] = {}
        self.totals = ControlTotals()
        self.rows = self.loaded = self.quarantined = self.unchanged = self.flagged = 0
        self.deltas: dict[tuple[str, str], ProjectDelta] = {}  # by currency and project
        self.usage_billed = self.usage_effective = ZERO
        self.warnings: dict[str, int] = {}
        self.flags: Counter[str] = Counter()
        self.issues: list[ImportIssue] = []
        self._charges: list[dict[str, Any]] = []
        self._issues: list[ImportIssue] = []
        self._homeless: list[ImportIssue] = []

    def read(self, path: Path, file: ReceivedFile | None) -> None:
        """Stage all rows of one file."""
        known_as = file.name if file else path.name
        with open_rows(path, known_as) as (header, rows):
            for name in header.missing:
                self._warn(f"{known_as} has no column {name}.")
            reader = RowReader(header, basis=self.source.basis, currency=settings.CURRENCY)
            for chunk in _chunks(rows):
                for raw in chunk:
                    self._take(raw, reader, header, file)
                self._flush()
                self.progress(len(chunk))

    def finish(self) -> None:
        """Give the issues without a readable month to the first month. Raises Refused where there is none."""
        if not self.places:
            raise Refused("No row can be used, and none says which month it is of: is this a FOCUS file?")
        if self.usage_billed and not self.usage_effective and self.source.basis == Source.Basis.EFFECTIVE:
            self._warn("All usage was billed but has an effective cost of 0: should this source go by billed cost?")
        first = next(iter(self.places.values()))
        for issue in self._homeless:
            if first.period:
                issue.period = first.period
        self._issues, self._homeless = self._homeless, []
        self._flush()

    @property
    def warnings_in_words(self) -> list[str]:
        return [f"{sentence} ({times}×)" if times > 1 else sentence for sentence, times in self.warnings.items()]

    def _take(self, raw: RawRow, reader: RowReader, header: Header, file: ReceivedFile | None) -> None:
        self.rows += 1
        try:
            row = reader.read(raw)
        except BadRow as bad:
            self._quarantine(bad, raw, reader, header, file)
        else:
            self._load(row, file)

    def _load(self, row: Row, file: ReceivedFile | None) -> None:
        place = self._place(self.target_month or row.month)
        account = row.texts.get("billing_account_id", "")
        place.accounts[account] = place.accounts.get(account, 0) + 1
        self.loaded += 1
        self.totals.add_loaded(row.currency, row.amounts, row.rounding)
        if row.category in ("Usage", ""):
            self.usage_billed += row.costs.billed or ZERO
            self.usage_effective += row.costs.effective or ZERO
        index = place.snapshot.take(row.content)
        if index is None:
            assessment = self.assessor.assess(row, month=place.month, currency=place.currency)
            place.identities.append(row.identity)
            place.dues.append(to_billionths(assessment.price.due))
            self.flagged += assessment.status == Charge.ReviewStatus.HELD
            self.flags.update(assessment.flags.keys())
            self._count_delta(row.currency, assessment)
            self._charges.append(assessment.columns(row) | self._origin(row, place, file))
        else:
            self.unchanged += 1
            self.flagged += place.snapshot.held[index]

    def _origin(self, row: Row, place: Place, file: ReceivedFile | None) -> dict[str, Any]:
        return {
            "period_id": place.period.pk if place.period else None,
            "source_id": self.source.pk,
            "loaded_by_id": self.focus_import.pk if self.focus_import else None,
            "file_id": file.pk if file else None,
            "line_number": row.line,
        }

    def _quarantine(
        self, bad: BadRow, raw: RawRow, reader: RowReader, header: Header, file: ReceivedFile | None
    ) -> None:
        self.quarantined += 1
        has_shape = len(raw.cells) == len(header.names)
        account = reader.cell(raw, "BillingAccountId")[:LONGEST_ACCOUNT] if has_shape else ""
        currency = (reader.cell(raw, "BillingCurrency").strip().upper() if has_shape else "") or settings.CURRENCY
        if CURRENCY.fullmatch(currency):
            self.totals.add_quarantined(currency, bad.amounts)
        place = self._place_of_bad(raw, reader, account) if has_shape else None
        issue = ImportIssue(
            focus_import=self.focus_import,
            period=place.period if place else None,
            file=file,
            billing_account_id=account,
            line_number=raw.line,
            column=bad.column,
            raw_value=bad.value[:2000].replace("\x00", "�"),
            sentence=bad.sentence,
            raw_row=_raw(header, raw),
            **_issue_amounts(bad),
        )
        (self._issues if place else self._homeless).append(issue)
        if len(self.issues) < SHOWN_ISSUES:
            self.issues.append(issue)
        if len(self._homeless) >= HOPELESS and not self.places:
            raise Refused(f"The first {HOPELESS:,} rows cannot be used; the first because: {self._homeless[0]}")

    def _place_of_bad(self, raw: RawRow, reader: RowReader, account: str) -> Place | None:
        try:
            place = self._place(self.target_month or reader.month(raw))
        except BadRow:
            return next(iter(self.places.values()), None)
        place.accounts.setdefault(account, 0)
        return place

    def _place(self, month: str) -> Place:
        if month not in self.places:
            self.places[month] = self._open(month)
        return self.places[month]

    def _open(self, month: str) -> Place:
        """The month must take imports; it is made by the first row that names it. Raises PeriodNotOpen."""
        period = BillingPeriod.objects.filter(month=month).first()
        if self.focus_import and period is None:
            period = BillingPeriod.objects.get_or_create(month=month)[0]
        if period and period.state != BillingPeriod.State.OPEN:
            raise PeriodNotOpen(
                f"{period} is {period.get_state_display().lower()}: nothing was loaded. Reopen the month "
                "while it is not finalized, or bill the difference in an open month."
            )
        currency = period.currency if period else settings.CURRENCY
        return Place(month, period, currency, Snapshot(self.source, period))

    def _count_delta(self, currency: str, assessment: Assessment) -> None:
        delta = self.deltas.setdefault((currency, assessment.payer.project_code), ProjectDelta())
        delta.rows += 1
        delta.list += assessment.price.list
        delta.due += assessment.price.due

    def _warn(self, sentence: str) -> None:
        self.warnings[sentence] = self.warnings.get(sentence, 0) + 1

    def _flush(self) -> None:
        """Only writing takes the database's lock: others get in while the next chunk is read and judged."""
        if self.focus_import:
            with transaction.atomic():
                writing.write(self._charges)
                ImportIssue.objects.bulk_create(self._issues)
        self._charges, self._issues = [], []


def _chunks(rows: Iterator[RawRow]) -> Iterator[list[RawRow]]:
    chunk: list[RawRow] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) >= CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _raw(header: Header, raw: RawRow) -> dict[str, str]:
    """The row as it came, by column; cells beyond the header are numbered."""
    names = [*header.names, *(f"cell {n + 1}" for n in range(len(header.names), len(raw.cells)))]
    return {name: cell.replace("\x00", "�") for name, cell in zip(names, raw.cells, strict=False)}


def _issue_amounts(bad: BadRow) -> dict[str, Decimal | None]:
    columns = {"billed_cost": "BilledCost", "effective_cost": "EffectiveCost", "list_cost": "ListCost"}
    return {field: pricing.rounded(bad.amounts.get(column)) for field, column in columns.items()}
