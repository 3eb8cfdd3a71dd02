"""What a delivery, or an archive in it, would bill twice: one file in two forms, two runs of an export."""

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePath

from charges.importing.reading import manifests
from periods.errors import Refused

FORMAT = re.compile(r"(\.(csv|txt|parquet|gz|zst|zip))+$")


def refuse_two_forms(files: Mapping[PurePath, str]) -> None:
    """January packed and unpacked would be billed twice. The texts are what people know the files as."""
    seen: dict[tuple[PurePath, str], PurePath] = {}
    for file in sorted(files):
        bare = file.parent, FORMAT.sub("", file.name.lower())
        if bare in seen:
            raise Refused(
                f"{files[seen[bare]]} and {files[file]} seem to be one file in two forms, and would be billed twice: "
                "deliver the one that counts, or give them names of their own."
            )
        seen[bare] = file


def refuse_runs(files: Iterable[PurePath]) -> None:
    """Two runs of an export hold the same month; without a manifest nothing says which one counts."""
    seen: dict[PurePath, str] = {}
    for folder in (folder for file in files for folder in file.parents):
        common = manifests.beside(folder)
        if common and seen.setdefault(common, folder.name) != folder.name:
            raise Refused(
                f"{folder.parent.name} holds several runs of an export, and no manifest says which one counts: "
                f"{seen[common]}, {folder.name}. Give the folder of the latest."
            )
