"""Streams the rows of a delivery into staged charges and quarantined issues, chunk by chunk.

Each chunk commits by itself, so that other writers wait milliseconds; nothing staged counts for anything
until `loading` makes the whole delivery current in one short transaction.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from charges.focus import Header
from charges.importing import writing
from charges.importing.assessing import Assessment, Assessor
from charges.importing.reading import open_rows
from charges.importing.rows import CURRENCY, LONGEST_ACCOUNT, BadRow, RowReader, Rows
from charges.importing.snapshot import Snapshot
from charges.importing.totals import ControlTotals
from charges.models import Charge, FocusImport, ImportIssue, ReceivedFile, Source
from charges.money import from_billionths, to_billionths
from periods.errors import PeriodNotOpen, Refused
from periods.models import BillingPeriod

HOPELESS = 10_000
SHOWN_ISSUES = 50
Progress = Callable[[int], None]
Columns = Mapping[str, Sequence[Any]]
Constants = Mapping[str, int | str | None]
Status = Charge.ReviewStatus


@dataclass(slots=True)
class Place:
    """One month that the delivery speaks for."""

    month: str
    period: BillingPeriod | None
    currency: str
    snapshot: Snapshot
    added: int = 0
    accounts: Counter[str] = field(default_factory=Counter)
    identities: "array[int]" = field(default_factory=lambda: array("q"))
    dues: "array[int]" = field(default_factory=lambda: array("q"))


@dataclass(slots=True)
class ProjectDelta:
    """Amounts in billionths."""

    rows: int = 0
    list: int = 0
    due: int = 0


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
        self.usage_billed = self.usage_effective = 0  # billionths
        self.warnings: dict[str, int] = {}
        self.flags: Counter[str] = Counter()
        self.issues: list[ImportIssue] = []
        self._charges: list[tuple[Columns, Constants]] = []
        self._issues: list[ImportIssue] = []
        self._homeless: list[ImportIssue] = []

    def read(self, path: Path, file: ReceivedFile | None) -> None:
        """Stage all rows of one file."""
        known_as = file.name if file else path.name
        with open_rows(path, known_as) as (header, chunks):
            for name in header.missing:
                self._warn(f"{known_as} has no column {name}.")
            reader = RowReader(header, self.source, currency=settings.CURRENCY)
            for chunk in chunks:
                self.rows += len(chunk.rows)
                for rows in reader.sift(chunk, partial(self._quarantine, reader, file)):
                    for month, of_month in rows.by(rows.months):
                        self._load(of_month, month, file)
                self._flush()
                self.progress(len(chunk.rows))

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

    def _load(self, rows: Rows, month: str, file: ReceivedFile | None) -> None:
        place = self._place(self.target_month or month)
        place.accounts.update(rows.text("billing_account_id"))
        self.loaded += len(rows)
        self._count(rows)
        kept = place.snapshot.take(rows.contents)
        self.unchanged += len(kept)
        self.flagged += sum(place.snapshot.held[index] for index in kept.values())
        if kept:
            rows = rows.where([at not in kept for at in range(len(rows))])
        if len(rows):
            self._add(rows, place, file)

    def _count(self, rows: Rows) -> None:
        for currency, in_currency in rows.by(rows.currencies):
            self.totals.add_loaded(currency, in_currency)
        if not self.usage_effective:
            for category, costs in zip(rows.text("charge_category"), rows.costs, strict=True):
                if category in ("Usage", ""):
                    self.usage_billed += abs(costs.billed or 0)
                    self.usage_effective += abs(costs.effective or 0)

    def _add(self, rows: Rows, place: Place, file: ReceivedFile | None) -> None:
        """Rows that the month does not hold yet."""
        assessment = self.assessor.assess(rows, month=place.month, currency=place.currency)
        place.added += len(rows)
        if len(place.snapshot):
            place.identities.extend(rows.identities)
            place.dues.extend(price.due for price in assessment.prices)
        self.flagged += assessment.statuses.count(Status.HELD.value)
        self.flags.update(flag for flags in assessment.flags for flag in flags)
        self._count_deltas(rows, assessment)
        if self.focus_import and place.period:
            self._charges.append((assessment.columns(rows), self._origin(place, file)))

    def _origin(self, place: Place, file: ReceivedFile | None) -> Constants:
        return {
            "period_id": place.period.pk if place.period else None,
            "source_id": self.source.pk,
            "loaded_by_id": self.focus_import.pk if self.focus_import else None,
            "file_id": file.pk if file else None,
        }

    def _quarantine(
        self, reader: RowReader, file: ReceivedFile | None, bad: BadRow, line: int, cells: list[str]
    ) -> None:
        self.quarantined += 1
        has_shape = len(cells) == len(reader.header.names)
        account = reader.cell(cells, "BillingAccountId")[:LONGEST_ACCOUNT] if has_shape else ""
        currency = (reader.cell(cells, "BillingCurrency").strip().upper() if has_shape else "") or settings.CURRENCY
        if CURRENCY.fullmatch(currency):
            self.totals.add_quarantined(currency, bad.amounts)
        place = self._place_of_bad(cells, reader, account) if has_shape else None
        issue = ImportIssue(
            focus_import=self.focus_import,
            period=place.period if place else None,
            file=file,
            billing_account_id=account,
            line_number=line,
            column=bad.column,
            raw_value=bad.value[:2000].replace("\x00", "�"),
            sentence=bad.sentence,
            raw_row=_raw(reader.header, cells),
            **_issue_amounts(bad),
        )
        (self._issues if place else self._homeless).append(issue)
        if len(self.issues) < SHOWN_ISSUES:
            self.issues.append(issue)
        if len(self._homeless) >= HOPELESS and not self.places:
            raise Refused(f"The first {HOPELESS:,} rows cannot be used; the first because: {self._homeless[0]}")

    def _place_of_bad(self, cells: list[str], reader: RowReader, account: str) -> Place | None:
        try:
            place = self._place(self.target_month or reader.month(cells))
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

    def _count_deltas(self, rows: Rows, assessment: Assessment) -> None:
        for currency, payer, price in zip(rows.currencies, assessment.payers, assessment.prices, strict=True):
            key = (currency, payer.project_code)
            delta = self.deltas.get(key)
            if delta is None:
                delta = self.deltas[key] = ProjectDelta()
            delta.rows += 1
            delta.list += price.list
            delta.due += price.due

    def _warn(self, sentence: str) -> None:
        self.warnings[sentence] = self.warnings.get(sentence, 0) + 1

    def _flush(self) -> None:
        """Only writing takes the database's lock: others get in while the next chunk is read and judged."""
        if self.focus_import:
            with transaction.atomic():
                for columns, constants in self._charges:
                    writing.write(columns, constants)
                ImportIssue.objects.bulk_create(self._issues)
        self._charges, self._issues = [], []


def _raw(header: Header, cells: list[str]) -> dict[str, str]:
    """The row as it came, by column; cells beyond the header are numbered."""
    names = [*header.names, *(f"cell {n + 1}" for n in range(len(header.names), len(cells)))]
    return {name: cell.replace("\x00", "�") for name, cell in zip(names, cells, strict=False)}


def _issue_amounts(bad: BadRow) -> dict[str, Decimal | None]:
    """As the database holds them."""
    columns = {"billed_cost": "BilledCost", "effective_cost": "EffectiveCost", "list_cost": "ListCost"}
    found = {field: bad.amounts.get(column) for field, column in columns.items()}
    return {
        field: None if amount is None else from_billionths(to_billionths(amount)) for field, amount in found.items()
    }
