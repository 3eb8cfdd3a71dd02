"""The stage functions: import the files of a delivery, discard a staged one, reverse the latest."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from django.db import transaction

from charges.flags import LABELS
from charges.importing.liveness import is_running, running
from charges.importing.loading import change_set, counts, current_deliveries, load
from charges.importing.reading import find_files
from charges.importing.staging import Progress, Staging
from charges.importing.totals import plain
from charges.models import Charge, FocusImport, ImportIssue, ImportScope, ReceivedFile, Source
from charges.money import ZERO
from periods import audit, storage
from periods.errors import PeriodNotOpen, Refused
from periods.lifecycle import require_permission, require_reason, run_transition
from periods.models import BillingPeriod

LONGEST_SOURCE = 60
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
    is_repeated: bool = False
    flags: Counter[str] = field(default_factory=Counter)  # of the rows that are new or changed
    issues: list[ImportIssue] = field(default_factory=list)  # the first ones of a dry run

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
        }

    def _costs(self) -> dict[str, Any]:
        by_currency = {currency: _file_sums(columns) for currency, columns in self.totals.items()}
        if len(by_currency) == 1:
            [(currency, sums)] = by_currency.items()
            return {**sums, "currency": currency}
        return {**dict.fromkeys(COST_NAMES), "currency": None, "by_currency": by_currency}


def import_files(
    paths: Sequence[str | Path],
    *,
    source_name: str,
    period: str | None = None,
    force: bool = False,
    dry_run: bool = False,
    by: Any = None,
    progress: Progress | None = None,
) -> Delivery:
    """Load the files as one delivery of the source. `period` (YYYY-MM) takes all rows, whatever they say.

    Raises Refused and its kin; whatever is raised, nothing of the delivery counts.
    """
    require_permission(by, "charges.load_focusimport", "load FOCUS files")
    files = find_files(paths)
    source = _source(source_name, may_create=not dry_run)
    sha256 = _digest(files)
    if repeated := _repeated(source, sha256, period):
        return repeated
    if dry_run:
        return _dry_run(files, source, period, progress)
    _clear_dead(source)
    focus_import = _receive(files, source, sha256, by)
    with running(focus_import):
        try:
            return _run(focus_import, period, force=force, by=by, progress=progress)
        except BaseException:
            _throw_away(focus_import, "the import failed")
            raise


@transaction.atomic
def discard(focus_import: FocusImport, *, by: Any = None, reason: str = "") -> FocusImport:
    """Give a staged import up: its rows never counted. The received file is kept."""
    discarded = run_transition(focus_import, "discard", by=by, reason=reason)
    _delete_staged(discarded)
    return discarded


@transaction.atomic
def reverse(focus_import: FocusImport, *, reason: str, by: Any = None) -> FocusImport:
    """Take the latest delivery of its months back: what it superseded is current again."""
    scopes = ImportScope.objects.filter(focus_import=focus_import)
    for pk in sorted(set(scopes.values_list("period", flat=True))):
        BillingPeriod.objects.lock_open(pk)
    if any(_is_overtaken(scope) for scope in scopes):
        raise Refused(f"Only the latest delivery can be reversed; {focus_import} was followed by another.")
    reversed_import = run_transition(focus_import, "reverse", by=by, reason=require_reason(reason))
    Charge.objects.filter(superseded_by=focus_import).update(superseded_by=None)
    ImportIssue.objects.filter(focus_import=focus_import, status=ImportIssue.Status.OPEN).update(
        status=ImportIssue.Status.REPLACED
    )
    return reversed_import


def _source(name: str, *, may_create: bool) -> Source:
    name = name.strip()
    if not (name.isprintable() and 0 < len(name) <= LONGEST_SOURCE):
        raise Refused(f"Name the source in 1 to {LONGEST_SOURCE} printable characters.")
    source = Source.objects.filter(name=name).first()
    if source or not may_create:
        return source or Source(name=name)
    return Source.objects.get_or_create(name=name)[0]


def _digest(files: Sequence[Path]) -> str:
    """Of one file its own SHA-256; of several, that of the sorted hashes: order and names are of no matter."""
    try:
        hashes = sorted(storage.digest(file) for file in files)
    except OSError as error:
        raise Refused(f"{error.filename} cannot be read: {error.strerror}.") from error
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()


def _repeated(source: Source, sha256: str, period: str | None) -> Delivery | None:
    """The earlier import, where the same bytes are current already. Raises Refused for another source's bytes."""
    same = FocusImport.objects.loaded().filter(sha256=sha256).select_related("source")
    for other in same.exclude(source_id=source.pk):
        raise Refused(f"The same file is loaded as a delivery of {other.source}: it would be billed twice.")
    earlier = same.filter(source_id=source.pk).first()
    if earlier is None:
        return None
    scopes = list(earlier.scopes.select_related("period"))
    months = sorted({scope.period.month for scope in scopes})
    if any(_is_overtaken(scope) for scope in scopes) or (period and months != [period]):
        return None
    for scope in scopes:
        if scope.period.state != BillingPeriod.State.OPEN:
            raise PeriodNotOpen(
                f"{scope.period} is {scope.period.get_state_display().lower()}, and holds this file already: "
                "nothing was loaded, and nothing needs to be done."
            )
    return replace(_of(earlier), added=0, changed=0, removed=0, unchanged=earlier.loaded, is_repeated=True)


def _is_overtaken(scope: ImportScope) -> bool:
    return (
        ImportScope.objects.filter(
            focus_import__source=scope.focus_import.source_id,
            focus_import__state=FocusImport.State.LOADED,
            focus_import__loaded_at__gt=scope.focus_import.loaded_at,
            period=scope.period_id,
            billing_account_id=scope.billing_account_id,
        )
        .exclude(focus_import=scope.focus_import_id)
        .exists()
    )


def _dry_run(files: Sequence[Path], source: Source, period: str | None, progress: Progress | None) -> Delivery:
    staging = Staging(source, None, target_month=period, progress=progress)
    for path in files:
        staging.read(path, None)
    staging.finish()
    against = counts(staging)
    return Delivery(
        focus_import=None,
        source=source.name,
        periods=sorted(staging.places),
        rows=staging.rows,
        loaded=staging.loaded,
        quarantined=staging.quarantined,
        flagged=staging.flagged,
        totals=staging.totals.as_text(),
        added=against.added,
        changed=against.changed,
        removed=against.removed,
        unchanged=against.unchanged,
        change_set=change_set(staging),
        warnings=list(staging.warnings),
        flags=staging.flags,
        issues=staging.issues,
    )


def _receive(files: Sequence[Path], source: Source, sha256: str, by: Any) -> FocusImport:
    kept = [(file.name, storage.keep(_bytes(file), folder="received", suffix="")) for file in files]
    with transaction.atomic():
        focus_import = FocusImport.objects.create(source=source, sha256=sha256, created_by=by)
        for position, (name, file) in enumerate(kept):
            ReceivedFile.objects.create(
                focus_import=focus_import, position=position, name=name, sha256=file.sha256, size=file.size
            )
        audit.record(by=by, action="receive", subject=focus_import, after={"files": [name for name, _ in kept]})
    return focus_import


def _run(focus_import: FocusImport, period: str | None, *, force: bool, by: Any, progress: Progress | None) -> Delivery:
    source = focus_import.source
    before = current_deliveries(source, BillingPeriod.objects.all())
    staging = Staging(source, focus_import, target_month=period, progress=progress)
    for file in focus_import.files.all():
        staging.read(received_path(file), file)
    staging.finish()
    return _of(load(staging, before=before, by=by, force=force))


def received_path(file: ReceivedFile) -> Path:
    return storage.locate(f"received/{file.sha256[:2]}/{file.sha256}")


def _clear_dead(source: Source) -> None:
    """What a killed process left behind counts for nothing, and would only keep the month from closing."""
    for staged in FocusImport.objects.filter(source=source, state=FocusImport.State.STAGED):
        if not is_running(staged):
            _throw_away(staged, "its process died")


def _throw_away(focus_import: FocusImport, reason: str) -> None:
    """Nothing of a failed run stays but the received file and the record that it came."""
    with transaction.atomic():
        focus_import = FocusImport.objects.get(pk=focus_import.pk)
        if focus_import.state == FocusImport.State.STAGED:
            discard(focus_import, reason=reason)


def _delete_staged(focus_import: FocusImport) -> None:
    staged = Charge.objects.filter(loaded_by=focus_import)
    staged._raw_delete(staged.db)  # noqa: SLF001 - no row refers to a staged one; `delete()` would load all to see that
    ImportIssue.objects.filter(focus_import=focus_import).delete()


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
        warnings=focus_import.warnings,
    )


def _file_sums(columns: dict[str, dict[str, str]]) -> dict[str, str]:
    return {name: columns.get(column, {}).get("file", plain(ZERO)) for name, column in COST_NAMES.items()}


def _bytes(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            yield chunk
