"""CSV text as chunks of rows, in blocks or one by one; what no memory holds is refused."""

import csv
import re
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial
from itertools import chain, islice
from operator import itemgetter
from typing import IO, Any

from charges.focus import Header
from charges.importing.reading.chunk import Chunk
from charges.importing.reading.plain import Cut, cutter
from periods.errors import Refused

CHUNK = 2000  # rows, where they are cut one by one
BLOCK = 1_500_000  # characters that are cut at once
MOST_ROWS = 10_000  # of a chunk
SEPARATORS = ",;\t"
LONGEST_LINE = 64_000_000  # characters: beyond is no row but an attack, or no text
MOST_CELLS = 1_000_000  # of a line; a cell takes up to a hundred times the memory of its separator
HEAVY = 8_000_000  # characters: a chunk of more ends, however few rows it has, and so has no more cells than that
STEP = 50_000  # characters: text is weighed by the step, as nearly all lines are light
MOST_BLANK_LINES = 1000  # above the header
SEPARATOR_LINE = re.compile(r'"?sep=(?P<separator>[,;\t])"?[\r\n]*', re.IGNORECASE)
LINE_END = re.compile(r"\r\n|\r|\n")
LINE = re.compile(r"[^\r\n]*+(?:\r\n|\r|\n)|[^\r\n]++")

csv.field_size_limit(LONGEST_LINE)  # FOCUS sets no limit to the length of tags


class Empty(Refused):
    """A file without a header. Beside others that have rows it is no error."""


def read_text(text: IO[str], name: str, *, begin: int, position: Callable[[], int]) -> tuple[Header, Iterator[Chunk]]:
    """The header and the rows from line `begin` on; `position` is that in the file, in bytes."""
    source = _Lines(text, name)
    lines = iter(source)
    leading = list(_up_to_text(lines))
    if not leading:
        raise Empty(f"{name} is empty.")
    separator = max(SEPARATORS, key=leading[-1].count)
    if told := SEPARATOR_LINE.fullmatch(leading[-1]):  # as spreadsheets write it above the header
        separator, leading[-1] = told["separator"], "\n"
    # strict: a quote that is never closed would swallow the rest of the file in silence
    reader = csv.reader(chain(leading, lines), delimiter=separator, strict=True)
    try:
        names = next((cells for cells in reader if any(map(str.strip, cells))), [])
    except csv.Error as error:
        raise Refused(f"{name} is no CSV file: its header cannot be read: {error}.") from error
    header = header_of(names, name)
    skipped = max(0, begin - 1 - reader.line_num)
    deque(islice(text, skipped), maxlen=0)
    return header, _chunks(source, separator, len(names), _Taken(position), reader.line_num + skipped + 1)


def header_of(names: Sequence[str], name: str) -> Header:
    try:
        return Header.of(names)
    except Refused as refusal:
        raise Refused(f"{name}: {refusal}") from refusal


def _up_to_text(lines: Iterator[str]) -> Iterator[str]:
    """Blank lines and the first that says something; nothing where none does."""
    blank: list[str] = []
    for line in lines:
        if line.strip("\ufeff \t\r\n"):
            yield from (*blank, line.removeprefix("\ufeff"))
            return
        if len(blank) == MOST_BLANK_LINES:
            return
        blank.append("\n")


class _Lines:
    """Lines of bearable length: a packed file may hold a line, or a row of many lines, that no memory holds."""

    def __init__(self, text: IO[str], name: str) -> None:
        self.text, self.name = text, name
        self.given_back = ""
        self.size = 0  # characters since it was set to 0

    def __iter__(self) -> Iterator[str]:
        size = 0
        for line in chain(self._again(), iter(partial(self.text.readline, LONGEST_LINE), "")):
            size += len(line)
            if size >= STEP:
                self._weigh(size, line)
                size = 0
            yield line

    def _again(self) -> Iterator[str]:
        """The lines of what was read too soon, which may end within one."""
        for line in map(itemgetter(0), LINE.finditer(self.given_back)):
            yield line if line.endswith(("\r", "\n")) else line + self.text.readline(LONGEST_LINE)

    def _weigh(self, size: int, last: str) -> None:
        self.size += size
        if len(last) >= LONGEST_LINE:
            raise Refused(f"{self.name} holds a line of more than {LONGEST_LINE:,} characters: that is no billing row.")
        if len(last) > MOST_CELLS and max(map(last.count, SEPARATORS)) > MOST_CELLS:
            raise Refused(f"{self.name} holds a line of more than {MOST_CELLS:,} cells: that is no billing row.")
        if self.size - len(last) > 2 * HEAVY:  # a chunk ends before, unless its last row does not
            raise Refused(f"{self.name} holds a row of more than {HEAVY:,} characters: that is no billing row.")


class _Taken:
    """Bytes of the file, as packed, since it was asked last."""

    def __init__(self, position: Callable[[], int]) -> None:
        self.position, self.before = position, 0

    def __call__(self) -> int:
        before, self.before = self.before, self.position()
        return self.before - before


def _chunks(lines: _Lines, separator: str, width: int, taken: _Taken, line: int) -> Iterator[Chunk]:
    """By the block while every line is a row; from the first block that is not so, row by row."""
    line, lines.given_back = yield from _blocks(lines.text, cutter(separator, width), taken, line)
    yield from _row_by_row(csv.reader(lines, delimiter=separator, strict=True), lines, taken, line)


def _blocks(text: IO[str], cut: Cut, taken: _Taken, line: int) -> Generator[Chunk, None, tuple[int, str]]:
    """Returns the line that it came to, and what it read and did not cut."""
    while block := text.read(BLOCK) + text.readline(HEAVY):
        columns = cut(block)
        if columns is None:
            return line, block
        del block  # its memory is worth that of the rows
        chunk = Chunk(range(line, line + len(columns[0])), columns=columns, size=taken())
        yield from chunk.parts(MOST_ROWS)
        line += len(chunk)
    return line, ""


def _row_by_row(reader: Any, lines: _Lines, taken: _Taken, first: int) -> Iterator[Chunk]:
    before = 0
    try:
        while rows := _some(reader, lines):
            is_plain = reader.line_num - before == len(rows) and all(rows)
            at: Sequence[int] = range(first + before, first + reader.line_num)
            if not is_plain:
                at, rows = _without_blanks(rows, first + before)
            if rows:
                yield Chunk(at, rows, size=taken())
            before = reader.line_num
    except csv.Error as error:
        raise Refused(f"{lines.name} is no CSV file: line {first - 1 + reader.line_num}: {error}.") from error


def _some(reader: Any, lines: _Lines) -> list[list[str]]:
    """The next rows: CHUNK of them, fewer where they are heavy."""
    rows, most = [], HEAVY
    lines.size = 0
    for cells in islice(reader, CHUNK):
        rows.append(cells)
        if lines.size > most:
            break
    return rows


def _without_blanks(rows: list[list[str]], line: int) -> tuple[list[int], list[list[str]]]:
    """A cell may hold line ends, and a line nothing at all."""
    lines = []
    for cells in rows:
        lines.append(line)
        line += 1 + sum(len(LINE_END.findall(cell)) for cell in cells if "\n" in cell or "\r" in cell)
    kept = [(at, cells) for at, cells in zip(lines, rows, strict=True) if cells]
    return [at for at, _ in kept], [cells for _, cells in kept]
