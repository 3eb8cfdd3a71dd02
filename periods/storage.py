"""Files that are kept for ever, named by the hash of their bytes: the same file is kept once, and no name lies."""

import hashlib
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from periods.errors import Refused


@dataclass(frozen=True, slots=True)
class Kept:
    path: str  # within OCB_HOME
    sha256: str
    size: int


def keep(chunks: Iterable[bytes], *, folder: str, suffix: str) -> Kept:
    """Write to OCB_HOME/folder/ab/abcd….suffix, complete or not at all. Raises Refused where the disk refuses."""
    target = home() / folder
    try:
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target, prefix=".incoming-", delete=False) as file:
            try:
                return _fill(file, chunks, folder, suffix)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise Refused(f"The file could not be kept in {target}: {error.strerror}.") from error


def locate(path: str) -> Path:
    return home() / path


def read(path: str, sha256: str) -> bytes | None:
    """The bytes as they were kept; None where they are gone, or others."""
    try:
        content = locate(path).read_bytes()
    except OSError:
        return None
    return content if hashlib.sha256(content).hexdigest() == sha256 else None


def home() -> Path:
    return Path(settings.OCB_HOME)


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fill(file: "tempfile._TemporaryFileWrapper[bytes]", chunks: Iterable[bytes], folder: str, suffix: str) -> Kept:
    hasher, size = hashlib.sha256(), 0
    for chunk in chunks:
        hasher.update(chunk)
        size += len(chunk)
        file.write(chunk)
    file.flush()
    os.fsync(file.fileno())
    sha256 = hasher.hexdigest()
    path = f"{folder}/{sha256[:2]}/{sha256}{suffix}"
    destination = home() / path
    destination.parent.mkdir(exist_ok=True)
    Path(file.name).replace(destination)
    return Kept(path=path, sha256=sha256, size=size)
