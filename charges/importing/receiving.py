"""Tells the files of a delivery and what they hold, and makes the record that they came."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from charges.importing.reading.archives import is_archive, is_billing_file, members
from charges.importing.reading.opening import digest, has_rows
from charges.importing.reading.unpacking import is_blank
from charges.models import FocusImport, ReceivedFile, Source
from periods import audit, storage
from periods.errors import Refused

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


def digests(files: Sequence[Path], kept: Mapping[Path, storage.Kept] = MappingProxyType({})) -> dict[str, Path]:
    """Files by SHA-256, known of those that are kept already. Raises Refused for one with rows that is there twice: it would be billed twice."""
    found: dict[str, Path] = {}
    for file in files:
        try:
            sha256 = kept[file].sha256 if file in kept else storage.digest(file)
        except OSError as error:
            raise Refused(f"{file.name} cannot be read: {error.strerror}.") from error
        if sha256 in found and holds_rows(file):
            raise Refused(f"{found[sha256].name} and {file.name} are the same: they would be billed twice.")
        found[sha256] = file
    return found


def digest_of(hashes: Mapping[str, Path]) -> str:
    """Of one file its own SHA-256; of several, that of the sorted hashes: order and names are of no matter."""
    return next(iter(hashes)) if len(hashes) == 1 else hashlib.sha256("".join(sorted(hashes)).encode()).hexdigest()


class Part(NamedTuple):
    """One text of rows: a file, or a member of an archive."""

    path: Path
    name: str
    member: str = ""


def parts(files: Sequence[Path]) -> tuple[list[Part], list[str]]:
    """The texts of the files in order, and remarks on members that are left out. Raises Refused for a bad archive."""
    sizes: dict[Part, int] = {}
    remarks = []
    for file in files:
        name = _printable(file.name)
        if is_archive(file):
            wanted, others = members(file, name)
            sizes |= {Part(file, f"{name}/{entry.filename}", entry.filename): entry.file_size for entry in wanted}
            remarks += [f"{name}/{other} is {_why_left_out(other)}: left out." for other in others]
        else:
            sizes[Part(file, name)] = file.stat().st_size
    if len(sizes) > MOST_PARTS:
        raise Refused(f"A delivery of {len(sizes):,} files is too much for one: give at most {MOST_PARTS:,} at once.")
    _refuse_same_members(sizes)
    return list(sizes), remarks


def _refuse_same_members(sizes: Mapping[Part, int]) -> None:
    """What `digests` refuses of files, within archives and beside them. Only parts of one size are looked into."""
    of_members = {size for part, size in sizes.items() if part.member}
    often = Counter(sizes.values())
    seen: dict[str, Part] = {}
    for part in (part for part, size in sizes.items() if size in of_members and often[size] > 1):
        first = seen.setdefault(digest(*part), part)
        if first is not part and has_rows(*part):
            raise Refused(f"{first.name} and {part.name} are the same: they would be billed twice.")


def _why_left_out(member: str) -> str:
    return "in no manifest" if is_billing_file(member) else "no billing file"


def filled(found: Sequence[Part]) -> Sequence[Part]:
    """Without those that hold nothing at all, as some providers deliver beside full ones; all, where all are so."""
    return [part for part in found if not is_blank(part.path, part.member)] or found


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


def holds_rows(file: Path) -> bool:
    """A header alone is a month without usage: nothing to bill, and no fault."""
    return is_archive(file) or has_rows(file, file.name)
