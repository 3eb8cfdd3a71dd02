"""Streams the rows of a delivery into staged charges and quarantined issues, chunk by chunk.

Each chunk commits by itself, so that other writers wait milliseconds; nothing staged counts for anything
until `loading` makes the whole delivery current in one short transaction.
"""

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from charges import pricing
from charges.attribution import Attributor, Payer, Usage
from charges.flags import Facts, Reviewer
from charges.focus import Header
from charges.importing import writing
from charges.importing.directory import Directory, Found
from charges.importing.reading import RawRow, open_rows
from charges.importing.rows import BadRow, Row, RowReader
from charges.importing.snapshot import Snapshot
from charges.importing.totals import ControlTotals
from charges.models import Charge, FocusImport, ImportIssue, ReceivedFile, Source
from charges.money import ZERO, to_billionths
from charges.pricing import Price
from periods.errors import PeriodNotOpen, Refused
from periods.models import BillingPeriod

CHUNK = 5000
HOPELESS = 10_000
Status = Charge.ReviewStatus
Progress = Callable[[int], None]


@dataclass(slots=True)
class Place:
    """One month that the delivery speaks for."""

    month: str
    period: BillingPeriod | None
    currency: str
    snapshot: Snapshot
    accounts: dict[str, int] = field(default_factory=dict)
    identities: array = field(default_factory=lambda: array("q"))  # type: ignore[type-arg]


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
        self.target_month, self.progress = target_month, progress or (lambda rows: None)
        self.attributor, self.reviewer = Attributor(source), Reviewer(source)
        self.directory = Directory(may_create=focus_import is not None)
        self.places: dict[str, Place] = {}
        self.totals = ControlTotals()
        self.rows = self.loaded = self.quarantined = self.unchanged = self.flagged = 0
        self.deltas: dict[str, ProjectDelta] = {}
        self.warnings: dict[str, int] = {}
        self._charges: list[dict[str, Any]] = []
        self._issues: list[ImportIssue] = []
        self._homeless: list[ImportIssue] = []

    def read(self, path: Path, file: ReceivedFile | None) -> None:
        """Stage all rows of one file."""
        with open_rows(path) as (header, rows):
            for name in header.missing:
                self._warn(f"{path.name if file is None else file.name} has no column {name}.")
            reader = RowReader(header, basis=self.source.basis, currency=settings.CURRENCY)
            for chunk in _chunks(rows):
                with transaction.atomic():
                    for raw in chunk:
                        self._take(raw, reader, header, file)
                    self._flush()
                self.progress(len(chunk))

    def finish(self) -> None:
        """Give the issues without a readable month to the first month. Raises Refused where there is none."""
        if not self.places:
            raise Refused("No row can be used, and none says which month it is of: is this a FOCUS file?")
        for issue in self._homeless:
            issue.period = next(iter(self.places.values())).period  # type: ignore[assignment]
        self._issues, self._homeless = self._homeless, []
        with transaction.atomic():
            self._flush()

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
        index = place.snapshot.take(row.content)
        if index is None:
            place.identities.append(row.identity)
            self._charges.append(self._charge(row, place, file))
        else:
            self.unchanged += 1
            self.flagged += place.snapshot.held[index]

    def _charge(self, row: Row, place: Place, file: ReceivedFile | None) -> dict[str, Any]:
        texts = row.texts
        usage = Usage(
            tags=row.tags,
            sub_account_id=texts.get("sub_account_id", ""),
            resource_id=texts.get("resource_id", ""),
            resource_name=texts.get("resource_name", ""),
            service_name=texts.get("service_name", ""),
            day=row.day,
        )
        payer = self.attributor.payer(usage)
        found = self.directory.find(payer, service_name=usage.service_name, month=place.month, day=row.day)
        price = self._price(row, payer)
        flags = self._flags(row, place, payer, found, price)
        status = self._status(row, flags)
        self.flagged += status == Status.HELD
        self._count_delta(payer.project_code, price)
        return {
            **writing.BLANK,
            **texts,
            **_costs(row),
            **_payer(payer, found),
            "period_id": place.period.pk if place.period else None,
            "source_id": self.source.pk,
            "loaded_by_id": self.focus_import.pk if self.focus_import else None,
            "file_id": file.pk if file else None,
            "line_number": row.line,
            "identity_digest": row.identity,
            "content_digest": row.content,
            "billing_currency": row.currency,
            "charge_period_start": writing.instant(row.starts_at),
            "charge_period_end": writing.instant(row.ends_at),
            "list_amount": to_billionths(price.list),
            "contracted_amount": to_billionths(price.contracted),
            "due_amount": to_billionths(price.due),
            "flags": writing.flags(flags if status == Status.HELD else {}),
            "review_status": status.value,
        }

    def _price(self, row: Row, payer: Payer) -> Price:
        return pricing.price(
            row.costs,
            row.due,
            category=row.texts.get("charge_category", ""),
            commitment_id=row.texts.get("commitment_discount_id", ""),
            is_own_service=self.source.is_own_service,
            funder=payer.funder,
        )

    def _flags(self, row: Row, place: Place, payer: Payer, found: Found, price: Price) -> dict[str, str]:
        texts = row.texts
        return self.reviewer.flags(
            Facts(
                pi=payer.pi_email,
                unusable_email=payer.unusable_email,
                project=payer.project_code,
                fund=found.fund_code,
                has_due=bool(row.due),
                is_split=found.is_split,
                fund_expired_on=found.expired_on,
                month=place.month,
                stated_month=row.month,
                currency=row.currency,
                period_currency=place.currency,
                category=texts.get("charge_category", ""),
                has_list=price.has_list or "ListCost" not in row.amounts,
                has_odd_purchase_costs=pricing.has_odd_purchase_costs(
                    row.costs,
                    basis=self.source.basis,
                    category=texts.get("charge_category", ""),
                    commitment_id=texts.get("commitment_discount_id", ""),
                ),
                names=(texts.get("service_name", ""), texts.get("resource_name", ""), texts.get("resource_id", "")),
            )
        )

    def _status(self, row: Row, flags: dict[str, str]) -> Charge.ReviewStatus:
        """A prepaid row needs no payer and no review, unless its own costs contradict each other."""
        is_prepaid = pricing.is_prepaid(
            row.costs,
            row.due,
            basis=self.source.basis,
            category=row.texts.get("charge_category", ""),
            commitment_status=row.texts.get("commitment_discount_status", ""),
        )
        if is_prepaid and "purchase_costs" not in flags:
            return Status.NOT_BILLABLE
        return Status.HELD if flags else Status.CLEAR

    def _quarantine(
        self, bad: BadRow, raw: RawRow, reader: RowReader, header: Header, file: ReceivedFile | None
    ) -> None:
        self.quarantined += 1
        has_shape = len(raw.cells) == len(header.names)
        currency = (reader.cell(raw, "BillingCurrency").strip().upper() if has_shape else "") or settings.CURRENCY
        self.totals.add_quarantined(currency, bad.amounts)
        place = self._place_of_bad(raw, reader) if has_shape else None
        issue = ImportIssue(
            focus_import=self.focus_import,
            period=place.period if place else None,
            file=file,
            line_number=raw.line,
            column=bad.column,
            raw_value=bad.value[:2000].replace("\x00", "�"),
            sentence=bad.sentence,
            raw_row=_raw(header, raw),
            **_issue_amounts(bad),
        )
        (self._issues if place else self._homeless).append(issue)
        if len(self._homeless) >= HOPELESS and not self.places:
            raise Refused(f"The first {HOPELESS:,} rows cannot be used; the first because: {self._homeless[0]}")

    def _place_of_bad(self, raw: RawRow, reader: RowReader) -> Place | None:
        try:
            place = self._place(self.target_month or reader.month(raw))
        except BadRow:
            return next(iter(self.places.values()), None)
        place.accounts.setdefault(reader.cell(raw, "BillingAccountId"), 0)
        return place

    def _place(self, month: str) -> Place:
        if month not in self.places:
            self.places[month] = self._open(month)
        return self.places[month]

    def _open(self, month: str) -> Place:
        """The month must take imports; it is made by the first row that names it. Raises PeriodNotOpen."""
        if self.focus_import:
            period, _ = BillingPeriod.objects.get_or_create(month=month)
        else:
            period = BillingPeriod.objects.filter(month=month).first()
        if period and period.state != BillingPeriod.State.OPEN:
            raise PeriodNotOpen(
                f"{period} is {period.get_state_display().lower()}: nothing was loaded. Reopen the month "
                "while it is not finalized, or bill the difference in an open month."
            )
        currency = period.currency if period else settings.CURRENCY
        return Place(month, period, currency, Snapshot(self.source, period))

    def _count_delta(self, project: str, price: Price) -> None:
        delta = self.deltas.setdefault(project, ProjectDelta())
        delta.rows += 1
        delta.list += price.list
        delta.due += price.due

    def _warn(self, sentence: str) -> None:
        self.warnings[sentence] = self.warnings.get(sentence, 0) + 1

    def _flush(self) -> None:
        if self.focus_import:
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


def _costs(row: Row) -> dict[str, int | None]:
    costs = row.costs
    return {
        "billed_cost": None if costs.billed is None else to_billionths(costs.billed),
        "effective_cost": None if costs.effective is None else to_billionths(costs.effective),
        "list_cost": None if costs.list is None else to_billionths(costs.list),
        "contracted_cost": None if costs.contracted is None else to_billionths(costs.contracted),
    }


def _payer(payer: Payer, found: Found) -> dict[str, Any]:
    return {
        "pi_id": found.pi,
        "project_id": found.project,
        "funding_account_id": found.fund,
        "fund_step": found.fund_step if found.fund or found.is_split else "",
        "rule_id": payer.rule,
        "account_code": payer.account_code,
        "funder": payer.funder,
        "subsidy_fund": payer.subsidy_fund,
        "reference_1": payer.reference_1,
        "reference_2": payer.reference_2,
    }


def _raw(header: Header, raw: RawRow) -> dict[str, str]:
    """The row as it came, by column; cells beyond the header are numbered."""
    names = [*header.names, *(f"cell {n + 1}" for n in range(len(header.names), len(raw.cells)))]
    return {name: cell.replace("\x00", "�") for name, cell in zip(names, raw.cells, strict=False)}


def _issue_amounts(bad: BadRow) -> dict[str, Decimal | None]:
    columns = {"billed_cost": "BilledCost", "effective_cost": "EffectiveCost", "list_cost": "ListCost"}
    return {field: pricing.rounded(bad.amounts.get(column)) for field, column in columns.items()}
