"""From paths to rows: finds the files of a delivery and streams their cells; memory does not grow with a file."""

import csv
import glob
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from charges.focus import Header
from periods.errors import Refused

ENDINGS = (".csv", ".csv.gz")
SEPARATORS = ",;\t"
GZIP_MAGIC = b"\x1f\x8b"

csv.field_size_limit(2**31 - 1)  # tags have no length limit in FOCUS


class RawRow(NamedTuple):
    """`line` is where the row begins in the file, counted from 1, the header included."""

    line: int
    cells: list[str]


class Chunk(NamedTuple):
    lines: Sequence[int]
    rows: list[list[str]]


def find_files(given: Sequence[str | Path]) -> list[Path]:
    """Files as given, folders searched downwards, globs expanded; each once, in the order of names."""
    found: dict[Path, None] = {}
    for item in given:
        paths = [path.resolve() for path in _expand(Path(item))]
        if not paths:
            raise Refused(f"There is no FOCUS file at {item}: give a .csv or .csv.gz file, a folder, or a pattern.")
        found |= dict.fromkeys(paths)
    return list(found)


@contextmanager
def open_rows(path: Path, name: str) -> Iterator[tuple[Header, Iterator[Chunk]]]:
    """The header and the rows of a file that people know as `name`. Raises Refused for what is unreadable, saying why and where."""
    try:
        with path.open("rb") as raw:
            packed = raw.peek(2)[:2] == GZIP_MAGIC
            binary = gzip.GzipFile(fileobj=raw) if packed else raw
            text = io.TextIOWrapper(binary, encoding="utf-8-sig", newline="")
            first = text.readline()
            if not first.strip():
                raise Refused(f"{name} is empty.")
            separator = max(SEPARATORS, key=first.count)
            header = Header.of(next(csv.reader([first], delimiter=separator)))
            # strict: a quote that is never closed would swallow the rest of the file in silence
            yield header, _rows(csv.reader(text, delimiter=separator, strict=True), name)
    except UnicodeDecodeError as error:
        raise Refused(f"{name} is not UTF-8 text.") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise Refused(f"{name} is a damaged or incomplete gzip file.") from error
    except OSError as error:
        raise Refused(f"{name} cannot be read: {error.strerror or error}.") from error


def _rows(reader: Any, name: str) -> Iterator[Chunk]:
    before = 0
    try:
        while rows := list(islice(reader, 5000)):
            yield Chunk(range(before + 2, reader.line_num + 2), rows)
            before = reader.line_num
    except csv.Error as error:
        raise Refused(f"{name} is no CSV file: line {reader.line_num + 1}: {error}.") from error


def _expand(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.name.lower().endswith(ENDINGS) and file.is_file())
    return sorted(
        Path(match)
        for match in glob.iglob(str(path), recursive=True)  # noqa: PTH207 - absolute patterns
        if Path(match).is_file()
    )
