"""The files of a delivery: as given, in folders searched downwards, by patterns; with a manifest, what it lists."""

import glob
import os
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from charges.importing.reading import manifests, twins
from charges.importing.reading.archives import is_billing_file, is_litter
from periods.blockers import counted
from periods.errors import Refused

NAMED = 3


class Found(NamedTuple):
    """Files in the order of their names, and what people should know about those that were left out."""

    files: list[Path]
    remarks: list[str]
    rows: Mapping[Path, int] = MappingProxyType({})  # that manifests say the files have


def find_files(given: Sequence[str | Path]) -> Found:
    """Each file once. Raises Refused where nothing is there or may be read, or a manifest lists a file that is not."""
    files: dict[Path, Path] = {}
    remarks: list[str] = []
    rows: dict[Path, int] = {}
    for item in given:
        found = _seen(Path(item))
        if not found.files:
            raise Refused(
                f"There is no FOCUS file at {item}: give a .csv (also .gz or .zst), .zip or .parquet file, a folder, "
                "or a pattern."
            )
        for file in found.files:
            files.setdefault(file.resolve(), file)
        remarks += found.remarks
        rows |= found.rows
    twins.refuse_two_forms({file: file.name for file in files.values()})
    _require_all_listed([*files.values()], [Path(item).absolute() for item in given])
    return Found(list(files.values()), remarks, rows)


def _seen(path: Path) -> Found:
    try:
        return _find(path)
    except OSError as error:
        raise Refused(f"{error.filename or path} cannot be read: {error.strerror}.") from error


def _find(path: Path) -> Found:
    if path.is_dir():
        everything = _under(path.absolute())
        return _listed([file for file in everything if manifests.is_manifest(file)], everything)
    if path.is_file():
        return _by_manifest(path.absolute()) if manifests.is_manifest(path) else Found([path.absolute()], [])
    if path.is_symlink() or path.exists():  # leads nowhere; a pipe or a device
        return Found([], [])
    return _matched({Path(match).absolute() for match in glob.iglob(str(path), recursive=True)})  # noqa: PTH207


def _matched(paths: set[Path]) -> Found:
    """What a pattern meets; a file within a folder that it meets too belongs to the folder."""
    topmost = sorted(path for path in paths if paths.isdisjoint(path.parents))
    found = [_find(path) for path in topmost if path.is_dir() or not manifests.is_manifest(path)]
    files = [file for one in found for file in one.files]
    remarks = [remark for one in found for remark in one.remarks]
    return Found(files, remarks, dict(ChainMap(*(dict(one.rows) for one in found))))


def _by_manifest(manifest: Path) -> Found:
    """A manifest that was named stands for its own files, whatever lies beside them."""
    read = manifests.read([manifest], _billing(_under(manifests.territory(manifest))))
    chosen, _ = manifests.newest(read)
    if not chosen:
        raise Refused(f"{manifest.name} lists no files.")
    return Found(sorted(chosen[0].files), [], chosen[0].rows)


def _require_all_listed(files: Sequence[Path], given: Sequence[Path]) -> None:
    """Who names files, meets them by a pattern, or gives the data without the lists, gets no half of a month."""
    for path in sorted({path for file in files for path in _lists_of(file, given)}):
        for manifest in manifests.read([path], _billing(_under(manifests.territory(path)))):
            if set(manifest.files).isdisjoint(files):
                continue
            manifest.require_whole()
            if absent := [file for file in manifest.files if file not in files]:
                listed = f"{path.name} lists {counted(len(manifest.files), 'file', 'files')}"
                folder = manifests.territory(path)
                raise Refused(f"{listed}, and {_names(absent)} would be left out: give all, or the folder {folder}.")


def _lists_of(file: Path, given: Sequence[Path]) -> Iterator[Path]:
    """Manifests beside the file, as Azure has them, or beside the data, as AWS; those of a given folder were heeded."""
    if {item for item in given if item.is_dir()}.isdisjoint(file.parents):
        yield from filter(manifests.is_manifest, file.parent.iterdir())
    for export in (folder.parent for folder in file.parents if folder.name == "data"):
        if any(export in item.parents for item in given) and (export / "metadata").is_dir():
            yield from filter(manifests.is_manifest, _under(export / "metadata"))


def _listed(lists: list[Path], everything: Sequence[Path]) -> Found:
    """What the newest manifests list, and what lies where no manifest speaks."""
    billing = _billing(everything)
    known = manifests.read(lists, billing)
    chosen, older = manifests.newest(known)
    wanted = {file for manifest in chosen for file in manifest.files}
    replaced = {file for manifest in older for file in manifest.files} - wanted
    territories = {manifests.territory(manifest.path) for manifest in known}
    elsewhere = {file for file in billing if territories.isdisjoint(file.parents)} - replaced
    unlisted = [file for file in billing if file not in wanted | replaced | elsewhere]
    remarks = [
        f"{_short(manifest.path)} is of an earlier run of the same export: left out."
        for manifest in older
        if not set(manifest.files) <= wanted
    ]
    if unlisted:
        remarks.append(f"No manifest lists {_names(unlisted)}: left out.")
    if others := sorted({*everything}.difference(billing, lists)):
        remarks.append(f"{_names(others)}: no billing file by its name, left out.")
    twins.refuse_runs(sorted(elsewhere))
    rows = ChainMap(*(manifest.rows for manifest in chosen))
    return Found(sorted(wanted | elsewhere), remarks, dict(rows))


def _billing(files: Iterable[Path]) -> list[Path]:
    return sorted(file for file in files if is_billing_file(file.name) or file.name.lower().endswith(".zip"))


def _under(folder: Path) -> list[Path]:
    """Every file that is not hidden; no link is followed to another folder."""
    files = []
    for at, folders, names in os.walk(folder, onerror=_complain):
        folders[:] = [name for name in folders if not is_litter(name)]
        files += [Path(at, name) for name in names if not is_litter(name)]
    return sorted(file for file in files if file.is_file())


def _complain(error: OSError) -> None:
    """A folder that may not be read might hold a bill: it is not passed over."""
    raise error


def _short(file: Path) -> str:
    return "/".join(file.parts[-2:])


def _names(files: list[Path]) -> str:
    more = f" and {len(files) - NAMED} more" if len(files) > NAMED else ""
    return ", ".join(map(_short, files[:NAMED])) + more
