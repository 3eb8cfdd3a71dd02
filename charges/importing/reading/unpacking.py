"""From a kept file to its text: plain, gzip, Zstandard, in any Unicode that shows itself or the encoding declared."""

import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any

GZIP, ZSTANDARD, ZIP, PARQUET = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04", b"PAR1"
EMPTY_ZIP = b"PK\x05\x06"
OLD_OFFICE, PDF = b"\xd0\xcf\x11\xe0", b"%PDF"
SKIPPED_FRAME = b"\x2a\x4d\x18"  # after a first byte of 0x50 to 0x5f; some packers of Zstandard begin with one
MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
BLANKS = b"\x00\t\n\r \xef\xbb\xbf\xfe\xff"  # marks, and the halves of blanks in UTF-16
PIECE = 1 << 16  # bytes or characters that are unpacked at once
DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error, zipfile.BadZipFile, lzma.LZMAError, NotImplementedError)


@contextmanager
def open_binary(path: Path, member: str = "") -> Iterator[Any]:
    """The unpacked bytes of a file, or of a member of an archive; packings may be nested. Streams."""
    with path.open("rb") as raw, unpacked(raw, member) as binary:
        yield binary


@contextmanager
def unpacked(raw: IO[bytes], member: str = "") -> Iterator[Any]:
    """The same of a file that is open: its position shows how much of it was read."""
    if member:
        with zipfile.ZipFile(raw) as archive, _opened(archive, member) as inner, _unpacked(inner) as binary:
            yield binary
    else:
        with _unpacked(raw) as binary:
            yield binary


def _opened(archive: zipfile.ZipFile, member: str) -> Any:
    try:
        return archive.open(member)
    except ValueError as error:  # its name is written in two ways, one of which is no text
        raise zipfile.BadZipFile(str(error)) from error


def kind_of(path: Path) -> bytes:
    """The first bytes, which tell a container whatever its name says."""
    with path.open("rb") as file:
        return file.read(4)


def is_blank(path: Path, member: str = "") -> bool:
    """Whether a file holds nothing at all: AWS delivers such parts beside full ones."""
    try:
        with open_binary(path, member) as binary:
            return not binary.read(1000).strip(BLANKS) and not binary.read(1)
    except (*DAMAGED, OSError):
        return False


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
def in_utf8(binary: Any, encoding: str) -> Iterator[Any]:
    """The same text as UTF-8."""
    if encoding in ("utf-8", "utf-8-sig"):
        yield binary
        return
    with io.TextIOWrapper(binary, encoding=encoding, newline="") as text:
        yield stream(map(str.encode, iter(partial(text.read, PIECE), "")))


@contextmanager
def _unpacked(binary: Any) -> Iterator[Any]:
    start = binary.peek(4)[:4]
    if start.startswith(GZIP):
        with gzip.GzipFile(fileobj=binary) as inner:
            yield inner
    elif start == ZSTANDARD or (start[1:] == SKIPPED_FRAME and start[0] >> 4 == 5):  # noqa: PLR2004
        frames = _zstandard(binary)  # closes the file when it goes
        with stream(_whole(frames)) as inner:
            yield inner
    else:
        yield binary


def _zstandard(binary: Any) -> Any:
    import pyarrow as pa  # noqa: PLC0415 - a quarter of a second that other files need not wait

    return pa.CompressedInputStream(pa.PythonFile(binary, mode="r"), "zstd")


def _whole(frames: Any) -> Iterator[bytes]:
    """Damaged frames are told like those of gzip."""
    try:
        yield from iter(partial(frames.read, PIECE), b"")
    except OSError as error:
        raise EOFError(str(error)) from error


def stream(pieces: Iterable[bytes]) -> IO[bytes]:
    """A file of these bytes."""
    return io.BufferedReader(_Pieces(pieces), PIECE)


class _Pieces(io.RawIOBase):
    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.pieces = filter(None, pieces)
        self.rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self.rest = self.rest or memoryview(next(self.pieces, b""))
        size = min(len(buffer), len(self.rest))
        buffer[:size], self.rest = self.rest[:size], self.rest[size:]
        return size
