"""The stage function: the files of a delivery come in, dry for a preview or in earnest."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from charges.flags import LABELS
from charges.importing.aside import SHOWN_ISSUES
from charges.importing.checking.totals import plain
from charges.importing.garbage import uncollected
from charges.importing.keeping import keep, keep_if_new
from charges.importing.liveness import running
from charges.importing.loading.comparing import Comparison
from charges.importing.loading.current import current_deliveries, load
from charges.importing.progress import Progress
from charges.importing.reading.finding import find_files
from charges.importing.receiving import (
    Part,
    digest_of,
    digests,
    filled,
    holds_rows,
    kept_path,
    known_source,
    parts,
    received_path,
    stage,
)
from charges.importing.recognising import kept_already, loaded_already, settled
from charges.importing.staging import Staging
from charges.importing.undoing import clear_dead, throw_away
from charges.models import FocusImport, ImportIssue, ReceivedFile
from charges.money import ZERO
from periods.duties import IMPORTING
from periods.errors import Refused
from periods.lifecycle import require_permission

COST_NAMES = {"billed_cost": "BilledCost", "effective_cost": "EffectiveCost", "list_cost": "ListCost"}


@dataclass(frozen=True)
class Delivery:
    """What one run did, or in a dry run would do. Totals are exact sums of the file's text, by currency."""

    focus_import: FocusImport | None
    source: str
    periods: list[str]
    rows: int
    loaded: int
    quarantined: int
    flagged: int
    added: int
    changed: int
    removed: int
    unchanged: int
    totals: dict[str, dict[str, dict[str, str]]]
    change_set: list[dict[str, Any]]
    warnings: list[str]
    late: int = 0  # rows of closed months that were kept, not loaded
    late_months: list[dict[str, str]] = field(default_factory=list)
    is_repeated: bool = False
    flags: Counter[str] = field(default_factory=Counter)  # of the rows that are new or changed
    issues: list[ImportIssue] = field(default_factory=list)  # the first that nobody has decided
    doubt: str = ""  # of a dry run: why it would be refused without force

    @property
    def months(self) -> list[str]:
        """Those that take charges, and closed ones whose differences are shown."""
        return sorted({*self.periods, *(late["month"] for late in self.late_months)})

    @property
    def flags_in_words(self) -> list[tuple[str, int]]:
        return [(LABELS[flag], rows) for flag, rows in self.flags.most_common()]

    def as_json(self) -> dict[str, Any]:
        """The contract of `import_focus --json`."""
        return {
            "import": self.focus_import.pk if self.focus_import else None,
            **{name: getattr(self, name) for name in ("source", "periods", "rows", "loaded", "quarantined", "flagged")},
            **{name: getattr(self, name) for name in ("added", "changed", "removed", "unchanged")},
            **self._costs(),
            **({"late": self.late, "late_months": self.late_months} if self.late_months else {}),
        }

    def _costs(self) -> dict[str, Any]:
        by_currency = {currency: _file_sums(columns) for currency, columns in self.totals.items()}
        if not by_currency:
            return {**dict.fromkeys(COST_NAMES, plain(ZERO)), "currency": settings.CURRENCY}
        if len(by_currency) == 1:
            [(currency, sums)] = by_currency.items()
            return {**sums, "currency": currency}
        return {**dict.fromkeys(COST_NAMES), "currency": None, "by_currency": by_currency}


@uncollected()
def import_files(
    paths: Sequence[str | Path],
    *,
    source_name: str,
    period: str | None = None,
    late_to: str | None = None,
    force: bool = False,
    dry_run: bool = False,
    by: Any = None,
    progress: Progress | None = None,
) -> Delivery:
    """Load the files as one delivery of the source. `period` (YYYY-MM) takes all rows, whatever they say.

    `late_to` (YYYY-MM) is the open month that takes the differences of closed ones.

    Raises Refused and its kin; whatever is raised, nothing of the delivery counts.
    """
    require_permission(by, "charges.load_focusimport", "load FOCUS files")
    if not dry_run:
        IMPORTING.require_person(by)
    given, remarks, rows = find_files(paths)
    known_source(source_name, may_create=False)  # before anything is kept
    kept = {} if dry_run else keep_if_new(given)
    hashes = digests(given, kept)
    source = known_source(source_name, may_create=not dry_run)
    if not dry_run:
        clear_dead(source)
    done = [] if period else settled(source, hashes, late_to)
    held = {file.sha256 for earlier in done for file in earlier.files.all()}
    hashes = {sha256: file for sha256, file in hashes.items() if sha256 not in held and (not done or holds_rows(file))}
    earlier = loaded_already(source, hashes, period, late_to) if hashes else done[-1]
    if earlier or (earlier := kept_already(source, hashes, late_to)):
        return _nothing_to_do(earlier, dry_run=dry_run)
    found, left_out = parts(list(hashes.values()))
    remarks += left_out
    if dry_run:
        staging = Staging(source, None, target_month=period, late_to=late_to, progress=progress)
        staging.expected = rows
        return _dry_run(staging, found, remarks, force=force)
    kept = keep(hashes, kept)
    with ExitStack() as lock:
        with transaction.atomic():  # nobody sees the import before it is locked, or it would pass for a dead one
            focus_import = stage(found, kept, source=source, sha256=digest_of(hashes), period=period, by=by)
            lock.enter_context(running(focus_import))
        try:
            staging = Staging(source, focus_import, target_month=period, late_to=late_to, progress=progress)
            staging.expected = {kept_path(kept[file].sha256): n for file, n in rows.items() if file in kept}
            return _run(staging, remarks, force=force, by=by)
        except BaseException:
            throw_away(focus_import, "the import failed")
            raise


def _nothing_to_do(earlier: FocusImport, *, dry_run: bool) -> Delivery:
    found = replace(_of(earlier), added=0, changed=0, removed=0, unchanged=earlier.loaded, is_repeated=True)
    return replace(found, focus_import=None) if dry_run else found


def _dry_run(staging: Staging, found: Sequence[Part], remarks: Sequence[str], *, force: bool) -> Delivery:
    staging.remarks.add(remarks)
    _read(staging, {part: ReceivedFile(name=part.name, member=part.member) for part in found})
    against = Comparison(staging)
    return Delivery(
        focus_import=None,
        source=staging.source.name,
        periods=_months(against),
        rows=staging.rows,
        loaded=staging.loaded,
        quarantined=staging.aside.quarantined,
        flagged=against.flagged,
        totals=staging.totals.as_text(),
        added=against.added,
        changed=against.changed,
        removed=against.removed,
        unchanged=against.unchanged,
        change_set=against.by_project,
        late=staging.late,
        late_months=against.late_months,
        warnings=[*staging.remarks.sentences, *against.remarks, *(against.replaced_accounts if force else [])],
        flags=against.flags,
        issues=staging.aside.shown,
        doubt="" if force else against.doubt,
    )


def _run(staging: Staging, remarks: Sequence[str], *, force: bool, by: Any) -> Delivery:
    before = current_deliveries(staging.source)
    staging.remarks.add(remarks)
    assert staging.focus_import is not None
    files = staging.focus_import.files.all()
    _read(staging, {Part(received_path(file), file.name, file.member): file for file in files})
    return _of(load(staging, before=before, by=by, force=force))


def _read(staging: Staging, files: Mapping[Part, ReceivedFile]) -> None:
    found = filled(list(files))
    for part in found:
        staging.learn(*part)
    for part in found:
        staging.weigh(*part)
    staging.meter.expect(part.path for part in found)
    for part in found:
        staging.read(*part, files[part])
    if not staging.rows:
        of = found[0].name if len(found) == 1 else f"any of {len(found):,} files"
        raise Refused(f"There is no row below the header of {of}: nothing to load.")
    staging.finish()


def _of(focus_import: FocusImport) -> Delivery:
    months = focus_import.scopes.values_list("period__month", flat=True).distinct()
    return Delivery(
        focus_import=focus_import,
        source=focus_import.source.name,
        periods=sorted(set(months)),
        totals=focus_import.totals,
        rows=focus_import.rows,
        loaded=focus_import.loaded,
        quarantined=focus_import.quarantined,
        flagged=focus_import.flagged,
        added=focus_import.added,
        changed=focus_import.changed,
        removed=focus_import.removed,
        unchanged=focus_import.unchanged,
        change_set=focus_import.change_set,
        late=focus_import.late,
        late_months=focus_import.late_months,
        warnings=focus_import.warnings,
        issues=list(focus_import.issues.filter(status=ImportIssue.Status.OPEN).select_related("file")[:SHOWN_ISSUES]),
    )


def _months(against: Comparison) -> list[str]:
    """The months that take charges."""
    return sorted({against.staging.places.taker(place) for place in against.places})


def _file_sums(columns: dict[str, dict[str, str]]) -> dict[str, str]:
    return {name: columns.get(column, {}).get("file", plain(ZERO)) for name, column in COST_NAMES.items()}
