"""Zip archives: which of their members are billing files, and which archives are not to be trusted."""

import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from charges.importing.reading import twins
from charges.importing.reading.manifests import in_archive, is_manifest, require_bearable
from charges.importing.reading.unpacking import DAMAGED, EMPTY_ZIP, ZIP, kind_of
from periods.errors import Refused

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
ARCHIVES = (".zip", ".7z", ".rar", ".tar", ".tar.gz", ".tgz")
SPREADSHEET = "[Content_Types].xml"  # in every .xlsx
MOST_MEMBERS = 10_000
LARGE = 10_000_000_000  # bytes: what unpacks to more, and to MOST_EXPANSION times its size, was made to do harm
MOST_EXPANSION = 200


def members(path: Path, name: str) -> tuple[list[zipfile.ZipInfo], list[str]]:
    """Of a zip archive: the files to be read, and the names of those that are left out. Raises Refused."""
    entries = [entry for entry in _entries(path, name) if not entry.is_dir() and not is_litter(entry.filename)]
    if any(entry.filename == SPREADSHEET for entry in entries):
        raise Refused(f"{name} is a spreadsheet: save it as CSV, and deliver that.")
    _refuse_unreadable(entries, name)
    _refuse_harmful(entries, path, name)
    lists = [entry for entry in entries if is_manifest(Path(entry.filename))]
    if len(lists) > 1:
        raise Refused(f"{name} holds several runs of an export: unpack it and deliver the folder; the newest counts.")
    listed = _listed(path, name, lists[0], entries) if lists else []
    wanted = {*listed} or {entry.filename for entry in entries if is_billing_file(entry.filename)}
    if not wanted:
        raise Refused(f"{name} holds no .csv or .parquet file, packed or not.")
    _refuse_twins(wanted, name, are_listed=bool(listed))
    chosen = sorted((entry for entry in entries if entry.filename in wanted), key=lambda entry: entry.filename)
    used = wanted.union(manifest.filename for manifest in lists)
    return chosen, [entry.filename for entry in entries if entry.filename not in used]


def _listed(path: Path, name: str, manifest: zipfile.ZipInfo, entries: list[zipfile.ZipInfo]) -> list[str]:
    """What the manifest in the archive lists; nothing where it lists nothing. Raises Refused where one is missing."""
    require_bearable(manifest.filename, manifest.file_size)
    with _opened(path, name) as archive:
        text = archive.read(manifest)
    found = in_archive(manifest.filename, text, {entry.filename: entry.file_size for entry in entries})
    if found is None:
        return []
    found.require_whole()
    return [file.as_posix() for file in found.files]


def is_archive(path: Path) -> bool:
    return kind_of(path) in (ZIP, EMPTY_ZIP)


def is_billing_file(name: str) -> bool:
    return name.lower().endswith((".csv", ".csv.gz", ".csv.zst", ".parquet")) and not is_litter(name)


def is_litter(name: str) -> bool:
    """What operating systems leave in archives and folders."""
    parts = PurePosixPath(name).parts
    return any((part.startswith(".") and part != "..") or part in ("__MACOSX", "lost+found") for part in parts)


def _entries(path: Path, name: str) -> list[zipfile.ZipInfo]:
    with _opened(path, name) as archive:
        return [entry for entry in archive.infolist() if entry.filename]


@contextmanager
def _opened(path: Path, name: str) -> Iterator[zipfile.ZipFile]:
    """Raises Refused for whatever of the archive turns out to be damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (*DAMAGED, ValueError, OSError) as error:  # bzip2 calls its own damage an OSError
        raise Refused(f"{name} is a damaged or incomplete zip archive.") from error


def _refuse_unreadable(entries: list[zipfile.ZipInfo], name: str) -> None:
    for entry in entries:
        if entry.flag_bits & 1:
            raise Refused(f"{name} is encrypted: unpack it and deliver what is in it.")
        if entry.compress_type not in METHODS:
            raise Refused(f"{name} is packed in a way that cannot be read: unpack it and deliver what is in it.")
        if entry.filename.lower().endswith(ARCHIVES):
            raise Refused(f"{name} holds another archive, {entry.filename}: unpack it and deliver what is in it.")


def _refuse_twins(wanted: Iterable[str], name: str, *, are_listed: bool) -> None:
    """An archive is no way around what is refused of a folder."""
    files = sorted(PurePosixPath(name, member) for member in wanted)
    twins.refuse_two_forms({file: file.as_posix() for file in files})
    if not are_listed:
        twins.refuse_runs(files)


def _refuse_harmful(entries: list[zipfile.ZipInfo], path: Path, name: str) -> None:
    for entry in entries:
        if ".." in PurePosixPath(entry.filename).parts or entry.filename.startswith("/"):
            raise Refused(f"{name} holds a file that is not in its own folder: {entry.filename}.")
    for repeated in (member for member, n in Counter(entry.filename for entry in entries).items() if n > 1):
        raise Refused(f"{name} holds {repeated} twice: it would be billed twice.")
    size = sum(entry.file_size for entry in entries)
    if len(entries) > MOST_MEMBERS:
        raise Refused(f"{name} holds {len(entries):,} files: that is no delivery.")
    if size > max(LARGE, MOST_EXPANSION * path.stat().st_size):
        raise Refused(f"{name} unpacks to {size:,} bytes, more than a delivery ever would.")
