"""Manifests of providers: the list of files that make a delivery whole.

AWS Data Exports write `metadata/…-Manifest.json` with `dataFiles` (the older reports `reportKeys`), Azure Cost
Management `manifest.json` with `blobs`. A delivery with a file missing would be billed as a month with a hole.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from periods.errors import Refused

LARGEST = 20_000_000  # bytes
TIMES = ("submittedTime", "generatedTime", "createdTime", "creationTime", "endTime")


@dataclass(slots=True)
class Manifest:
    """`files` are as found on this machine. `scope` is what the manifest speaks for: one folder of one month."""

    path: Path
    scope: str
    written: tuple[str, float]  # by its own word, else by the file's time
    files: dict[Path, int | None] = field(default_factory=dict)  # with the size, where it says one


def is_manifest(path: Path) -> bool:
    return path.name.lower().endswith("manifest.json")


def read(paths: Sequence[Path], found: Sequence[Path]) -> list[Manifest]:
    """The manifests among the paths that list billing files. Raises Refused where a listed file is not there."""
    return [manifest for path in paths if (manifest := _read(path, found))]


def newest(manifests: Sequence[Manifest]) -> tuple[list[Manifest], list[Manifest]]:
    """Of each scope the latest, and the others: each run of an export holds the whole month again."""
    latest: dict[str, Manifest] = {}
    for manifest in sorted(manifests, key=lambda manifest: manifest.written):
        latest[manifest.scope] = manifest
    chosen = list(latest.values())
    return chosen, [manifest for manifest in manifests if manifest not in chosen]


def _read(path: Path, found: Sequence[Path]) -> Manifest | None:
    content = _json(path)
    listed = list(_listed(content))
    if not listed:
        return None
    manifest = Manifest(path, _scope(path, listed), (_written(content), path.stat().st_mtime))
    missing = []
    for name, size in listed:
        file = _locate(name, found)
        if file is None or (size is not None and file.stat().st_size != size):
            missing.append(PurePosixPath(name).name)
        else:
            manifest.files[file] = size
    if missing:
        names = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")  # noqa: PLR2004
        raise Refused(
            f"The delivery is not whole: {path.name} lists {len(listed)} files, and of these are missing or cut short: {names}."
        )
    return manifest


def _json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > LARGEST:
            raise Refused(f"{path.name} is too large for a manifest.")
        content = json.loads(path.read_text("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise Refused(f"{path.name} is no readable manifest.") from error
    except OSError as error:
        raise Refused(f"{path.name} cannot be read: {error.strerror}.") from error
    return content if isinstance(content, dict) else {}


def _listed(content: dict[str, Any]) -> Iterator[tuple[str, int | None]]:
    """Names of files with their sizes, where the manifest knows them."""
    for key in ("dataFiles", "reportKeys"):
        for name in _list(content.get(key)):
            if isinstance(name, str):
                yield name, None
    for blob in _list(content.get("blobs")):
        if isinstance(blob, dict) and isinstance(blob.get("blobName"), str):
            size = blob.get("byteCount")
            yield blob["blobName"], size if isinstance(size, int) else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _locate(name: str, found: Sequence[Path]) -> Path | None:
    """The found file whose path ends like the listed one's, in most of its parts."""
    wanted = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", "..")]
    matches = [(file, _shared(wanted, file)) for file in found if wanted and file.name == wanted[-1]]
    return max(matches, key=lambda match: match[1])[0] if matches else None


def _shared(wanted: list[str], file: Path) -> int:
    parts = list(file.parts)
    shared = 0
    while shared < min(len(parts), len(wanted)) and parts[-1 - shared] == wanted[-1 - shared]:
        shared += 1
    return shared


def _scope(path: Path, listed: list[tuple[str, int | None]]) -> str:
    """The listed folder without the part that names the run."""
    parts = PurePosixPath(listed[0][0].replace("\\", "/")).parent.parts
    stable = [part for part in parts if "=" in part or not _names_a_run(part)]
    return "/".join(stable) or str(path.parent)


def _names_a_run(part: str) -> bool:
    """A GUID, or a time with one: AWS and Azure give each run a folder of its own."""
    plain = part.replace("-", "").replace("_", "").lower()
    is_run = sum(character in "0123456789abcdef" for character in plain) >= 12  # noqa: PLR2004
    return is_run and any(map(str.isdigit, plain)) and not _is_range(part)


def _is_range(part: str) -> bool:
    """`20250101-20250131`: the month of an Azure export."""
    first, _, last = part.partition("-")
    return len(first) == len(last) == 8 and first.isdigit() and last.isdigit()  # noqa: PLR2004


def _written(content: dict[str, Any]) -> str:
    info = content.get("runInfo") if isinstance(content.get("runInfo"), dict) else {}
    given = (place.get(name) for place in (content, info or {}) for name in TIMES)
    return next((time for time in given if isinstance(time, str)), "")
