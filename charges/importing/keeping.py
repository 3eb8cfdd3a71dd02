"""Copies the files of a delivery into the store, and hashes what it copies: a single new file is read once.

A file that was here before comes again every night: one of a size that is kept already is hashed first, and copied only
if its bytes are others. So are archives and several files, as these may be refused before anything is kept.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from charges.importing.reading.archives import is_archive
from charges.models import ReceivedFile
from periods import storage
from periods.errors import Refused


def keep_if_new(files: Sequence[Path]) -> dict[Path, storage.Kept]:
    """A single file that can be none of those kept before. Raises Refused."""
    return {path: _copied(path) for path in files if len(files) == 1 and _is_new(path)}


def keep(hashes: Mapping[str, Path], already: Mapping[Path, storage.Kept]) -> dict[Path, storage.Kept]:
    """All of them, before anything is written to the database. Raises Refused for one that still changes."""
    kept = {path: already.get(path) or _copied(path) for path in hashes.values()}
    for sha256, path in hashes.items():
        if kept[path].sha256 != sha256:
            raise _changing(path)
    return kept


def _is_new(path: Path) -> bool:
    with _in_a_sentence(path):
        return not (is_archive(path) or ReceivedFile.objects.filter(size=path.stat().st_size).exists())


def _copied(path: Path) -> storage.Kept:
    return storage.keep(_bytes(path), folder="received", suffix="")


def _bytes(path: Path) -> Iterator[bytes]:
    """Raises Refused where the file is not afterwards what it was before: somebody is still writing it."""
    with _in_a_sentence(path), path.open("rb") as file:
        before = _state(file.fileno())
        while chunk := file.read(1 << 20):
            yield chunk
        if _state(file.fileno()) != before:
            raise _changing(path)


@contextmanager
def _in_a_sentence(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Refused(f"{path.name} cannot be read: {error.strerror}.") from error


def _state(descriptor: int) -> tuple[int, int, int]:
    found = os.fstat(descriptor)
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _changing(path: Path) -> Refused:
    return Refused(f"{path.name} changed while it was read: import it when it is whole.")
