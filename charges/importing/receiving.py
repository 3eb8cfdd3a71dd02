"""Keeps the files of a delivery as they came, and knows bytes that were loaded before."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from django.db.models import Q

from charges.importing.archives import is_billing_file, members
from charges.importing.reading import has_rows
from charges.importing.unpacking import EMPTY_ZIP, ZIP, is_blank, kind_of
from charges.models import Charge, FocusImport, ImportScope, ReceivedFile, Source
from periods import audit, storage
from periods.errors import Refused
from periods.models import BillingPeriod

LONGEST_SOURCE = 60
MOST_PARTS = 10_000


def known_source(name: str, *, may_create: bool) -> Source:
    name = name.strip()
    if not (name.isprintable() and 0 < len(name) <= LONGEST_SOURCE):
        raise Refused(f"Name the source in 1 to {LONGEST_SOURCE} printable characters.")
    named = Source.objects.filter(name__iexact=name)
    source = named.filter(name=name).first() or named.first()
    if source or not may_create:
        return source or Source(name=name)
    return Source.objects.get_or_create(name=name)[0]


def digests(files: Sequence[Path]) -> dict[str, Path]:
    """Files by SHA-256. Raises Refused for one with rows that is there twice: it would be billed twice."""
    found: dict[str, Path] = {}
    for file in files:
        try:
            sha256 = storage.digest(file)
        except OSError as error:
            raise Refused(f"{file.name} cannot be read: {error.strerror}.") from error
        if sha256 in found and holds_rows(file):
            raise Refused(f"{found[sha256].name} and {file.name} are the same: they would be billed twice.")
        found[sha256] = file
    return found


def digest_of(hashes: Mapping[str, Path]) -> str:
    """Of one file its own SHA-256; of several, that of the sorted hashes: order and names are of no matter."""
    return next(iter(hashes)) if len(hashes) == 1 else hashlib.sha256("".join(sorted(hashes)).encode()).hexdigest()


def loaded_already(
    source: Source, hashes: Mapping[str, Path], period: str | None, late_to: str | None
) -> FocusImport | None:
    """The import that holds these very bytes for the same months. Raises Refused where they are billed elsewhere."""
    refuse_other_source(source, hashes)
    same = FocusImport.objects.loaded().filter(source_id=source.pk, sha256=digest_of(hashes))
    earlier = same.select_related("source").first()
    if earlier is None or not _is_read_alike(earlier, source):
        return None
    scopes = list(earlier.scopes.select_related("period"))
    if any(is_overtaken(scope) for scope in scopes) or not _agrees_still(earlier) or _may_take_kept(earlier, late_to):
        return None
    _refuse_other_month(earlier, scopes, period)
    return earlier


def settled(source: Source, hashes: Mapping[str, Path], late_to: str | None) -> list[FocusImport]:
    """Whole deliveries among the files that closed months hold unchanged: a folder keeps the files of all months."""
    candidates = FocusImport.objects.loaded().filter(source_id=source.pk, files__sha256__in=list(hashes)).distinct()
    return [
        earlier
        for earlier in candidates.order_by("pk")
        if {file.sha256 for file in earlier.files.all()} <= hashes.keys()
        and _is_settled(earlier)
        and not _may_take_kept(earlier, late_to)
    ]


def _is_settled(earlier: FocusImport) -> bool:
    scopes = list(earlier.scopes.select_related("period"))
    is_open = BillingPeriod.State.OPEN
    if any((scope.period.state == is_open and not scope.late_month) or is_overtaken(scope) for scope in scopes):
        return False
    return _agrees_still(earlier)


def _agrees_still(earlier: FocusImport) -> bool:
    """Whether the closed months that held the same as the delivery can have changed since; a doubt is a no."""
    months = earlier.settled_months
    if not months:
        return True
    of_months = ImportScope.objects.filter(
        Q(late_month__in=months) | Q(late_month="", period__month__in=months), focus_import__source=earlier.source_id
    ).exclude(focus_import=earlier)
    loaded_since = Q(focus_import__state=FocusImport.State.LOADED, focus_import__loaded_at__gt=earlier.loaded_at)
    has_changed = of_months.filter(loaded_since | Q(focus_import__state=FocusImport.State.REVERSED)).exists()
    return not has_changed and not _open_months(months)


def _open_months(months: Iterable[str]) -> bool:
    return BillingPeriod.objects.filter(month__in=list(months), state=BillingPeriod.State.OPEN).exists()


def _is_read_alike(earlier: FocusImport, source: Source) -> bool:
    return not earlier.read_as or earlier.read_as == source.reading


def kept_already(source: Source, hashes: Mapping[str, Path], late_to: str | None) -> FocusImport | None:
    """The import that holds these very bytes of months that are closed still, kept and not loaded."""
    kept = FocusImport.objects.filter(source_id=source.pk, state=FocusImport.State.LATE, sha256=digest_of(hashes))
    for earlier in kept.select_related("source"):
        if _is_read_alike(earlier, source) and not _may_take_kept(earlier, late_to):
            return earlier
    return None


def _may_take_kept(earlier: FocusImport, late_to: str | None) -> bool:
    """Whether rows that were kept, for want of an open month, have one now."""
    kept = [late["month"] for late in earlier.late_months if not late["to"]]
    return bool(kept) and (late_to is not None or _open_months(kept))


def refuse_other_source(source: Source, hashes: Mapping[str, Path]) -> None:
    """Raises Refused for bytes that count as a delivery of another source."""
    elsewhere = ReceivedFile.objects.filter(sha256__in=list(hashes), focus_import__state=FocusImport.State.LOADED)
    for file in elsewhere.exclude(focus_import__source_id=source.pk).select_related("focus_import__source"):
        if holds_rows(received_path(file)):
            raise Refused(
                f"{hashes[file.sha256].name} is loaded as a delivery of {file.focus_import.source}: "
                "it would be billed twice."
            )


def _refuse_other_month(earlier: FocusImport, scopes: list[ImportScope], period: str | None) -> None:
    """The same bytes belong to one month only, whether the file says so or `--period` did."""
    months = sorted({scope.late_month or scope.period.month for scope in scopes})
    if period:
        is_elsewhere = months != [period]
    else:
        moved = Charge.objects.filter(loaded_by=earlier, flags__has_key="period_mismatch")
        is_elsewhere = bool(earlier.target_month) and moved.exists()
    if is_elsewhere:
        raise Refused(
            f"{earlier} holds the same file for {', '.join(months)}: it would be billed twice. "
            "Reverse that import first."
        )


def is_overtaken(scope: ImportScope) -> bool:
    """Whether a later delivery spoke for the same month and account, or loaded differences of that month."""
    month = scope.late_month or scope.period.month
    later = ImportScope.objects.filter(
        Q(late_month=month) | Q(late_month="", period__month=month),
        focus_import__source=scope.focus_import.source_id,
        focus_import__kind=FocusImport.Kind.DELIVERY,
        focus_import__state=FocusImport.State.LOADED,
        focus_import__loaded_at__gt=scope.focus_import.loaded_at,
        billing_account_id=scope.billing_account_id,
    )
    return later.exclude(focus_import=scope.focus_import_id).exists()


class Part(NamedTuple):
    """One text of rows: a file, or a member of an archive."""

    path: Path
    name: str
    member: str = ""


def parts(files: Sequence[Path]) -> tuple[list[Part], list[str]]:
    """The texts of the files in order, and remarks on members that are left out. Raises Refused for a bad archive."""
    found, remarks = [], []
    for file in files:
        name = _printable(file.name)
        if _is_archive(file):
            wanted, others = members(file, name)
            found += [Part(file, f"{name}/{member}", member) for member in wanted]
            remarks += [f"{name}/{other} is {_why_left_out(other)}: left out." for other in others]
        else:
            found.append(Part(file, name))
    if len(found) > MOST_PARTS:
        raise Refused(f"A delivery of {len(found):,} files is too much for one: give at most {MOST_PARTS:,} at once.")
    return found, remarks


def _why_left_out(member: str) -> str:
    return "in no manifest" if is_billing_file(member) else "no billing file"


def filled(found: Sequence[Part]) -> Sequence[Part]:
    """Without those that hold nothing at all, as some providers deliver beside full ones; all, where all are so."""
    return [part for part in found if not is_blank(part.path, part.member)] or found


def keep(hashes: Mapping[str, Path]) -> dict[Path, storage.Kept]:
    """The files, copied before anything is written to the database. Raises Refused for one that still changes."""
    kept = {path: storage.keep(_bytes(path), folder="received", suffix="") for path in hashes.values()}
    for sha256, path in hashes.items():
        if kept[path].sha256 != sha256:
            raise Refused(f"{path.name} changed while it was read: import it when it is whole.")
    return kept


def stage(
    found: Sequence[Part],
    kept: Mapping[Path, storage.Kept],
    *,
    source: Source,
    sha256: str,
    period: str | None,
    by: Any,
) -> FocusImport:
    """The import that the kept files are the delivery of; nothing of it counts yet."""
    focus_import = FocusImport.objects.create(
        source=source, sha256=sha256, target_month=period or "", read_as=source.reading, created_by=by
    )
    ReceivedFile.objects.bulk_create(
        ReceivedFile(
            focus_import=focus_import,
            position=position,
            name=part.name,
            member=part.member,
            sha256=kept[part.path].sha256,
            size=kept[part.path].size,
        )
        for position, part in enumerate(found)
    )
    audit.record(by=by, action="receive", subject=focus_import, after={"files": [part.name for part in found]})
    return focus_import


def received_path(file: ReceivedFile) -> Path:
    return kept_path(file.sha256)


def kept_path(sha256: str) -> Path:
    return storage.locate(f"received/{sha256[:2]}/{sha256}")


def _printable(name: str) -> str:
    """A file's name may hold bytes that are no text at all."""
    return name.encode("utf-8", "replace").decode()


def _is_archive(file: Path) -> bool:
    return kind_of(file) in (ZIP, EMPTY_ZIP)


def holds_rows(file: Path) -> bool:
    """A header alone is a month without usage: nothing to bill, and no fault."""
    return _is_archive(file) or has_rows(file, file.name)


def _bytes(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                yield chunk
    except OSError as error:
        raise Refused(f"{path.name} cannot be read: {error.strerror}.") from error
