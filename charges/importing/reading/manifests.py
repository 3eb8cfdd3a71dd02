"""Manifests of providers: the list of files that make a delivery whole.

AWS Data Exports write `metadata/…-Manifest.json` with `dataFiles` (the older reports `reportKeys`), Azure Cost
Management `manifest.json` with `blobs`. A delivery with a file missing would be billed as a month with a hole, and
one of two runs as two months.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

from periods.blockers import counted
from periods.errors import Refused

LARGEST = 20_000_000  # bytes
TIMES = ("submittedTime", "generatedTime", "createdTime", "creationTime", "endTime")
TO_THE_SECOND = 14  # digits
NAMED = 5
GUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
TIME = r"\d{4}-\d\d-\d\dT[\d:._-]+Z?|\d{8}T\d{6}Z|20\d{10}(\d\d)?"
RUN = re.compile(rf"(?P<time>{TIME})(-{GUID})?|{GUID}", re.IGNORECASE)  # AWS and Azure give each run a folder
RANGE = re.compile(r"(?P<first>\d{8})-\d{8}")  # the days that an export is about

DIGITS = re.compile(r"[0-9]{1,18}")


@dataclass(slots=True)
class Manifest:
    """`files` are as found on this machine, `missing` what was not. Of one `export` only the latest run counts."""

    path: Path
    export: tuple[str, ...]
    written: tuple[str, float, Path]  # by its own word, else by the name of its folder, else by the file's time
    files: list[Path] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    rows: dict[Path, int] = field(default_factory=dict)  # below the header, where it says how many

    def require_whole(self) -> None:
        if self.missing:
            more = len(self.missing) - NAMED
            names = ", ".join(self.missing[:NAMED]) + (f" and {more} more" if more > 0 else "")
            raise Refused(
                f"The delivery is not whole: {self.path.name} lists "
                f"{counted(len(self.files) + len(self.missing), 'file', 'files')}, and of these are missing or cut short: {names}."
            )


def is_manifest(path: Path) -> bool:
    return path.name.lower().endswith("manifest.json")


def require_bearable(name: str, size: int) -> None:
    """Before a manifest is read into memory. Raises Refused."""
    if size > LARGEST:
        raise Refused(f"{name} is too large for a manifest.")


def beside(folder: PurePath) -> PurePath | None:
    """What the runs of one export and month have in common; None for a folder that is no run.

    A run is named by its time, by a GUID within a range of days, or by the range: of those that begin on one day, as
    month-to-date exports do, the later holds all of the earlier.
    """
    if days := RANGE.fullmatch(folder.name):
        return folder.with_name(f"{days['first']}-")
    run = RUN.fullmatch(folder.name)
    return folder.parent if run and (run["time"] or RANGE.fullmatch(folder.parent.name)) else None


def read(paths: Iterable[Path], found: Iterable[Path]) -> list[Manifest]:
    """The manifests among the paths that list files; the files are looked for among the found ones. Raises Refused."""
    by_name = _by_name(found)
    return [manifest for path in paths if (manifest := _of(path, _json(path), by_name, _size))]


def in_archive(member: str, text: bytes, sizes: Mapping[str, int]) -> Manifest | None:
    """The manifest that a member of an archive is, where it lists files; `sizes` are those of all members."""
    path = Path(member)
    by_path = {Path(name): size for name, size in sizes.items()}
    return _of(path, _parsed(path, text), _by_name(by_path), by_path.__getitem__)


def newest(manifests: Sequence[Manifest]) -> tuple[list[Manifest], list[Manifest]]:
    """Of each export the latest run, and the others. Raises Refused where the latest is not whole."""
    latest = {manifest.export: manifest for manifest in sorted(manifests, key=lambda manifest: manifest.written)}
    for manifest in latest.values():
        manifest.require_whole()
    chosen = list(latest.values())
    return chosen, [manifest for manifest in manifests if manifest not in chosen]


def territory(manifest: Path) -> Path:
    """The folder of all runs and months of the export, in which a file must be listed to count."""
    folder = manifest.parent
    while _is_marked(folder.name):
        folder = folder.parent
    return folder.parent if folder.name == "metadata" else folder  # AWS: beside `data`


def _by_name(files: Iterable[Path]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for file in files:
        found.setdefault(file.name, []).append(file)
    return found


def _size(file: Path) -> int:
    return file.stat().st_size


def _of(
    path: Path, content: dict[str, Any], by_name: Mapping[str, list[Path]], size_of: Callable[[Path], int]
) -> Manifest | None:
    try:
        listed = list(_listed(content))
    except (TypeError, KeyError, AttributeError) as error:
        raise Refused(f"{path.name} is no readable manifest.") from error
    if not listed:
        return None
    folders = _folders(listed[0][0])
    manifest = Manifest(path, _export(content, folders, path), _written(content, folders, path))
    for name, size, rows in listed:
        file = _locate(name, path, [file for file in by_name.get(_parts(name)[-1], ()) if file not in manifest.files])
        if file is None or (size is not None and size_of(file) != size):
            manifest.missing.append(_parts(name)[-1])
        else:
            manifest.files.append(file)
            if rows is not None:
                manifest.rows[file] = rows
    return manifest


def _json(path: Path) -> dict[str, Any]:
    try:
        require_bearable(path.name, path.stat().st_size)
        return _parsed(path, path.read_bytes())
    except OSError as error:
        raise Refused(f"{path.name} cannot be read: {error.strerror}.") from error


def _parsed(path: Path, text: bytes) -> dict[str, Any]:
    try:
        content = json.loads(text.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise Refused(f"{path.name} is no readable manifest.") from error
    return content if isinstance(content, dict) else {}


def _listed(content: dict[str, Any]) -> Iterator[tuple[str, int | None, int | None]]:
    """Names of files, with their bytes and rows where the manifest knows them. Raises TypeError and its kin."""
    for key in ("dataFiles", "reportKeys"):
        for name in _list(content, key):
            yield _name(name), None, None
    for blob in _list(content, "blobs"):
        yield _name(blob["blobName"]), _number(blob.get("byteCount")), _number(blob.get("dataRowCount"))


def _number(value: Any) -> int | None:
    """Some exports write their numbers as texts."""
    if isinstance(value, str) and DIGITS.fullmatch(value):
        return int(value)
    return value if isinstance(value, int) else None


def _list(content: dict[str, Any], key: str) -> list[Any]:
    value = content.get(key, [])
    if not isinstance(value, list):
        raise TypeError(key)
    return value


def _name(value: Any) -> str:
    if not isinstance(value, str) or not _parts(value):
        raise TypeError(value)
    return value


def _parts(name: str) -> list[str]:
    """Nothing of a name leads upwards: files are looked for in the delivery's own folder only."""
    return [part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", "..")]


def _folders(name: str) -> tuple[list[str], list[str]]:
    """The folders of a listed file, and below them those that name its run."""
    lasting = _parts(name)[:-1]
    runs: list[str] = []
    while lasting and RUN.fullmatch(lasting[-1]):
        runs.append(lasting.pop())
    return lasting, runs


def _locate(name: str, manifest: Path, found: Sequence[Path]) -> Path | None:
    """The file whose path ends like the listed one's in most of its parts; of several the one next to the manifest."""
    matches = [(_shared(_parts(name), file), _nearness(file, manifest), file) for file in found]
    return max((match for match in matches if match[0]), default=(0, 0, None))[2]


def _shared(wanted: list[str], file: Path) -> int:
    """How many parts agree, from the end; 0 where they end in another run or month."""
    shared = 0
    for theirs, ours in zip(reversed(wanted), reversed(file.parts), strict=False):
        if _plain(theirs) != _plain(ours):
            return 0 if _is_marked(theirs) and _is_marked(ours) else shared
        shared += 1
    return shared


def _plain(part: str) -> str:
    """Not every file system knows the colons of a time."""
    return re.sub(r"[:_]", "-", part)


def _nearness(file: Path, manifest: Path) -> int:
    return sum(1 for theirs, ours in zip(file.parts, manifest.parts, strict=False) if theirs == ours)


def _is_marked(part: str) -> bool:
    """Whether a folder is named for a run, a month (`BILLING_PERIOD=2025-01`) or a range of days."""
    return "=" in part or bool(RUN.fullmatch(part) or RANGE.fullmatch(part))


def _export(content: dict[str, Any], folders: tuple[list[str], list[str]], path: Path) -> tuple[str, ...]:
    """What tells one export and month from others: two ranges that begin on one day are of the same month."""
    config = content.get("exportConfig")
    known_as = config.get("resourceId") if isinstance(config, dict) else None
    lasting, runs = folders
    if not (lasting or runs):  # names without folders
        lasting = list(path.parent.parts)
    days = [found["first"] if (found := RANGE.fullmatch(part)) else part for part in lasting]
    return (str(known_as or ""), *days)


def _written(content: dict[str, Any], folders: tuple[list[str], list[str]], path: Path) -> tuple[str, float, Path]:
    """Digits of the time to the second."""
    info = content.get("runInfo")
    given = [place.get(name) for place in (content, info) if isinstance(place, dict) for name in TIMES]
    told = [found["time"] for run in folders[1] if (found := RUN.fullmatch(run))]
    time = next((time for time in (*given, *told) if isinstance(time, str)), "")
    return re.sub(r"\D", "", time)[:TO_THE_SECOND], path.stat().st_mtime if path.is_file() else 0, path
