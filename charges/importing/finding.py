"""The files of a delivery: as given, in folders searched downwards, by patterns; with a manifest, what it lists."""

import glob
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from charges.importing import manifests
from charges.importing.archives import is_billing_file
from periods.errors import Refused

CONTAINERS = (".zip", ".parquet")


class Found(NamedTuple):
    """Files in the order of their names, and what people should know about those that were left out."""

    files: list[Path]
    remarks: list[str]


def find_files(given: Sequence[str | Path]) -> Found:
    """Each file once. Raises Refused where nothing is there, or a manifest lists a file that is not."""
    files: dict[Path, None] = {}
    remarks: list[str] = []
    for item in given:
        found = _find(Path(item))
        if not found.files:
            raise Refused(
                f"There is no FOCUS file at {item}: give a .csv (also .gz or .zst), .zip or .parquet file, a folder, "
                "or a pattern."
            )
        files |= dict.fromkeys(found.files)
        remarks += found.remarks
    return Found(list(files), remarks)


def _find(path: Path) -> Found:
    if path.is_file() and manifests.is_manifest(path):
        return _listed([path], _under(_root(path)))
    if path.is_dir():
        everything = [*_under(path)]
        lists = [file for file in everything if manifests.is_manifest(file)]
        return _listed(lists, everything) if lists else Found(_billing(everything), [])
    if path.is_file():
        return Found([path.resolve()], [])
    matches = glob.iglob(str(path), recursive=True)  # noqa: PTH207 - absolute patterns
    return Found(sorted(Path(match).resolve() for match in matches if Path(match).is_file()), [])


def _listed(lists: list[Path], everything: Iterable[Path]) -> Found:
    """What the newest manifests list; files beside them are no part of the delivery."""
    billing = _billing(everything)
    chosen, older = manifests.newest(manifests.read(lists, billing))
    if not chosen:
        return Found(billing, [])
    wanted = dict.fromkeys(file for manifest in chosen for file in manifest.files)
    replaced = {file for manifest in older for file in manifest.files} - wanted.keys()
    remarks = [f"{manifest.path.name} of an earlier run of the same export is left out." for manifest in older]
    unlisted = [file.name for file in billing if file not in wanted and file not in replaced]
    if unlisted:
        remarks.append(f"No manifest lists {_names(unlisted)}: left out.")
    return Found(sorted(wanted), remarks)


def _billing(files: Iterable[Path]) -> list[Path]:
    return sorted(file for file in files if is_billing_file(file.name) or _is_container(file))


def _is_container(file: Path) -> bool:
    return file.name.lower().endswith(CONTAINERS) and not file.name.startswith(".")


def _under(folder: Path) -> list[Path]:
    return [file.resolve() for file in folder.rglob("*") if file.is_file()]


def _root(manifest: Path) -> Path:
    """AWS keeps manifests in `metadata` beside `data`: the delivery is the folder of both."""
    for parent in manifest.resolve().parents:
        if parent.name == "metadata":
            return parent.parent
    return manifest.resolve().parent


def _names(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""  # noqa: PLR2004
    return ", ".join(names[:3]) + more
