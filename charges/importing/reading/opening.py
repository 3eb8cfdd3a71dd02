"""From a kept file to its rows: streams cells by the chunk; memory does not grow with the file."""

import hashlib
import io
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import IO, NamedTuple

from charges.focus import Header
from charges.importing.reading import parquet
from charges.importing.reading.chunk import Chunk
from charges.importing.reading.text import CHUNK, HEAVY, LONGEST_LINE, Empty, header_of, read_text
from charges.importing.reading.unpacking import (
    DAMAGED,
    OLD_OFFICE,
    PARQUET,
    PDF,
    encoding_of,
    in_utf8,
    kind_of,
    open_binary,
    unpacked,
)
from periods.errors import Refused

NO_DATA = {
    OLD_OFFICE: "a spreadsheet: save it as CSV",
    PDF: "a PDF document, not billing data: export the same as CSV or Parquet",
}
UNREADABLE = re.compile("[\udc80-\udcff]")  # as Python marks bytes that are no text


class _File(NamedTuple):
    path: Path
    name: str
    member: str
    encoding: str  # as declared
    begin: int = 0  # the line of a row


@contextmanager
def open_rows(
    path: Path, name: str, *, member: str = "", encoding: str = "", begin: int = 0
) -> Iterator[tuple[Header, Iterator[Chunk]]]:
    """The header and the rows of a file that people know as `name`.

    `encoding` is what the source declares; a file's own mark wins. `begin` is the line of a row: text before it is not
    taken apart. Raises Refused for what is unreadable, saying why.
    """
    file = _File(path, name, member, encoding, begin)
    with ExitStack() as opened:
        with _in_sentences(file):
            header, chunks = _open(opened, file)
        yield header, _told(chunks, file)


def has_rows(path: Path, name: str, member: str = "") -> bool:
    """Whether anything follows the header. Raises Refused for what cannot be read in any encoding."""
    try:
        with open_rows(path, name, member=member, encoding="latin-1") as (_, chunks):
            return next(chunks, None) is not None
    except Empty:
        return False


def digest(path: Path, name: str, member: str = "") -> str:
    """SHA-256 of what a file, or a member of an archive, unpacks to. Raises Refused for a damaged one."""
    with _in_sentences(_File(path, name, member, "")), open_binary(path, member) as binary:
        return hashlib.file_digest(binary, "sha256").hexdigest()


def _open(opened: ExitStack, file: _File) -> tuple[Header, Iterator[Chunk]]:
    raw = opened.enter_context(file.path.open("rb"))
    binary = opened.enter_context(unpacked(raw, file.member))
    start = binary.peek(4)[:4]
    if start in NO_DATA:
        raise Refused(f"{file.name} is {NO_DATA[start]}, and deliver that.")
    begin = raw.tell() if file.member else 0
    if start == PARQUET:  # has its table of contents at the end, so that a packed one is laid aside first
        is_plain = not file.member and kind_of(file.path) == PARQUET
        source = file.path if is_plain else opened.enter_context(_laid_aside(binary))
        table = parquet.open_table(source, file.name, size=CHUNK, heavy=HEAVY)
        size = file.path.stat().st_size if is_plain else raw.tell() - begin
        return header_of(table.names, file.name), _numbered(table, size)
    text = opened.enter_context(in_utf8(binary, encoding_of(start, file.encoding)))
    return read_text(text, file.name, begin=file.begin, position=lambda: raw.tell() - begin)


@contextmanager
def _laid_aside(binary: IO[bytes]) -> Iterator[IO[bytes]]:
    with TemporaryFile() as file:
        copyfileobj(binary, file, 1 << 20)
        file.seek(0)
        yield file


def _told(chunks: Iterator[Chunk], file: _File) -> Iterator[Chunk]:
    """What goes wrong in here is the file's fault; what goes wrong with its rows elsewhere is not."""
    with _in_sentences(file):
        yield from chunks


@contextmanager
def _in_sentences(file: _File) -> Iterator[None]:
    try:
        try:
            yield
        except UnicodeError as error:
            raise Refused(
                f"{file.name} is not {_wrong_text(file)}. "
                "If its source writes another encoding, say so in the source's settings."
            ) from error
    except DAMAGED as error:
        raise Refused(
            f"{file.name} is a damaged or incomplete file: it ends too early or cannot be unpacked."
        ) from error
    except OSError as error:
        raise Refused(f"{file.name} cannot be read: {error.strerror or error}.") from error


def _wrong_text(file: _File) -> str:
    """Encoding and line. A second look: text is decoded by blocks, and errors do not say in which line."""
    with open_binary(file.path, file.member) as binary:
        encoding = encoding_of(binary.peek(4)[:4], file.encoding)
        words = f"{encoding.removesuffix('-sig').removesuffix('-le').removesuffix('-be').upper()} text"
        with io.TextIOWrapper(binary, encoding=encoding, errors="surrogateescape", newline="") as text:
            try:
                lines = enumerate(iter(partial(text.readline, LONGEST_LINE), ""), 1)
                line = next((at for at, line in lines if UNREADABLE.search(line)), 0)
            except UnicodeError:
                line = 0
            while binary.read(1 << 20):  # up to its checksum: text may be wrong because the file is damaged
                pass
    return f"{words}, as line {line} shows" if line else words


def _numbered(table: parquet.Table, size: int) -> Iterator[Chunk]:
    """A Parquet file has no lines: its first row counts as line 2, as in its CSV sibling."""
    line = 2
    for columns in table.batches:
        rows = len(columns[0])
        yield Chunk(range(line, line + rows), columns=columns, size=size * rows / max(rows, table.length))
        line += rows
