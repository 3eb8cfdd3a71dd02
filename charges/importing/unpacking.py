"""From a kept file to its text: plain, gzip, Zstandard, in any Unicode that shows itself or the encoding declared."""

import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from periods.errors import Refused

GZIP, ZSTANDARD, ZIP, PARQUET = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04", b"PAR1"
EMPTY_ZIP = b"PK\x05\x06"
MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error, zipfile.BadZipFile, lzma.LZMAError)


@contextmanager
def open_binary(path: Path, member: str = "") -> Iterator[Any]:
    """The unpacked bytes of a file, or of a member of an archive; packings may be nested. Streams."""
    with path.open("rb") as raw:
        if member:
            with zipfile.ZipFile(raw) as archive, archive.open(member) as inner, _unpacked(inner) as binary:
                yield binary
        else:
            with _unpacked(raw) as binary:
                yield binary


def kind_of(path: Path) -> bytes:
    """The first bytes, which tell a container whatever its name says."""
    with path.open("rb") as file:
        return file.read(4)


def encoding_of(start: bytes, declared: str) -> str:
    """By the file's own mark; else as declared for the source; else UTF-8, or UTF-16 where every second byte is 0."""
    for mark, encoding in MARKS:
        if start.startswith(mark):
            return encoding
    if start[1:2] == start[3:4] == b"\x00":
        return "utf-16-le"
    if start[0:1] == start[2:3] == b"\x00":
        return "utf-16-be"
    return declared or "utf-8"


@contextmanager
def _unpacked(binary: Any) -> Iterator[Any]:
    start = binary.peek(4)[:4]
    if start.startswith(GZIP):
        with gzip.GzipFile(fileobj=binary) as inner:
            yield inner
    elif start == ZSTANDARD:
        with io.BufferedReader(_zstandard(binary)) as inner:
            yield inner
    else:
        yield binary


def _zstandard(binary: Any) -> Any:
    import pyarrow as pa  # noqa: PLC0415 - a quarter of a second that other files need not wait

    class Frames(io.RawIOBase):
        """Arrow's reader where Python's is wanted; damaged frames are told like those of gzip."""

        def __init__(self) -> None:
            self.stream = pa.CompressedInputStream(pa.PythonFile(binary, mode="r"), "zstd")

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            try:
                data = self.stream.read(len(buffer))
            except OSError as error:
                raise EOFError(str(error)) from error
            buffer[: len(data)] = data
            return len(data)

    return Frames()


def members(path: Path, name: str) -> tuple[list[str], list[str]]:
    """Of a zip archive: the files to be read, and those that are left out. Raises Refused."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if any(entry.flag_bits & 1 for entry in entries):
                raise Refused(f"{name} is encrypted: unpack it and deliver what is in it.")
    except DAMAGED as error:
        raise Refused(f"{name} is a damaged or incomplete zip archive.") from error
    wanted = [entry.filename for entry in entries if is_billing_file(entry.filename)]
    if not wanted:
        raise Refused(f"{name} holds no .csv file, packed or not.")
    others = [e.filename for e in entries if e.filename not in wanted and not _is_litter(e.filename)]
    return sorted(wanted), others


def is_billing_file(name: str) -> bool:
    lower = name.lower()
    return lower.endswith((".csv", ".csv.gz", ".csv.zst")) and not _is_litter(name)


def _is_litter(name: str) -> bool:
    """What operating systems leave in archives and folders."""
    return name.startswith("__MACOSX/") or name.rpartition("/")[2].startswith(".")
