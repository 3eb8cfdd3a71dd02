"""From a kept file to its rows: streams cells by the chunk; memory does not grow with the file."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple

from charges.focus import Header
from charges.importing import parquet
from charges.importing.unpacking import DAMAGED, PARQUET, encoding_of, kind_of, open_binary
from periods.errors import Refused

CHUNK = 5000  # rows
SEPARATORS = ",;\t"
LONGEST_LINE = 64_000_000  # characters: beyond is no row but an attack, or no text
LINE_END = re.compile(r"\r\n|\r|\n")

csv.field_size_limit(LONGEST_LINE)  # FOCUS sets no limit to the length of tags


class Chunk(NamedTuple):
    """Rows as cells, and the lines on which they begin, counted from 1, the header included."""

    lines: Sequence[int]
    rows: list[list[str]]


@contextmanager
def open_rows(
    path: Path, name: str, *, member: str = "", encoding: str = ""
) -> Iterator[tuple[Header, Iterator[Chunk]]]:
    """The header and the rows of a file that people know as `name`.

    `encoding` is what the source declares; a file's own mark wins. Raises Refused for what is unreadable, saying why.
    """
    try:
        if not member and kind_of(path) == PARQUET:
            names, batches = parquet.names_and_batches(path, name, CHUNK)
            yield Header.of(names), _numbered(batches)
        else:
            with open_binary(path, member) as binary:
                spelling = encoding_of(binary.peek(4)[:4], encoding)
                with io.TextIOWrapper(binary, encoding=spelling, newline="") as text:
                    yield _read_text(text, name)
    except UnicodeError as error:
        raise Refused(
            f"{name} is not UTF-8 text. If its source writes another encoding, say so in the source's settings."
        ) from error
    except DAMAGED as error:
        raise Refused(f"{name} is a damaged or incomplete file: it ends too early or cannot be unpacked.") from error
    except OSError as error:
        raise Refused(f"{name} cannot be read: {error.strerror or error}.") from error


def _read_text(text: IO[str], name: str) -> tuple[Header, Iterator[Chunk]]:
    first = text.readline(LONGEST_LINE).removeprefix("\ufeff")
    if not first.strip():
        raise Refused(f"{name} is empty.")
    separator = max(SEPARATORS, key=first.count)
    lines = _bounded(text, name)
    # strict: a quote that is never closed would swallow the rest of the file in silence
    reader = csv.reader(_with(first, lines), delimiter=separator, strict=True)
    try:
        header = Header.of(next(reader))
    except csv.Error as error:
        raise Refused(f"{name} is no CSV file: its header cannot be read: {error}.") from error
    return header, _chunks(reader, name)


def _with(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _bounded(text: IO[str], name: str) -> Iterator[str]:
    """Lines of bearable length: a packed file may hold a line that no memory holds."""
    for line in iter(lambda: text.readline(LONGEST_LINE), ""):
        if len(line) >= LONGEST_LINE:
            raise Refused(f"{name} holds a line of more than {LONGEST_LINE:,} characters: that is no billing row.")
        yield line


def _chunks(reader: Any, name: str) -> Iterator[Chunk]:
    before = reader.line_num
    try:
        while rows := list(islice(reader, CHUNK)):
            is_plain = reader.line_num - before == len(rows) and all(rows)
            lines: Sequence[int] = range(before + 1, reader.line_num + 1)
            if not is_plain:
                lines, rows = _without_blanks(rows, before + 1)
            if rows:
                yield Chunk(lines, rows)
            before = reader.line_num
    except csv.Error as error:
        raise Refused(f"{name} is no CSV file: line {reader.line_num}: {error}.") from error


def _without_blanks(rows: list[list[str]], line: int) -> tuple[list[int], list[list[str]]]:
    """A cell may hold line ends, and a line nothing at all."""
    lines = []
    for cells in rows:
        lines.append(line)
        line += 1 + sum(len(LINE_END.findall(cell)) for cell in cells if "\n" in cell or "\r" in cell)
    kept = [(at, cells) for at, cells in zip(lines, rows, strict=True) if cells]
    return [at for at, _ in kept], [cells for _, cells in kept]


def _numbered(batches: Iterator[list[list[str]]]) -> Iterator[Chunk]:
    """A Parquet file has no lines: its first row counts as line 2, as in its CSV sibling."""
    line = 2
    for rows in batches:
        yield Chunk(range(line, line + len(rows)), rows)
        line += len(rows)
