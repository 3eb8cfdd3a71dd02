"""CSV text as chunks of rows, in blocks or one by one; what no memory holds is refused."""

import csv
import io
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain, islice
from typing import IO, Any

from charges.focus import Header
from charges.importing.reading.chunk import Chunk
from charges.importing.reading.plain import Cut, cutter
from charges.importing.reading.unpacking import PIECE, stream
from periods.errors import Refused

CHUNK = 2000  # rows, where they are cut one by one
BLOCK = 4_000_000  # bytes that are cut at once, at most
CELLS = 230_000  # of a block, or nearly so
FIRST = 200_000  # bytes: how large a cell is on the average, they show
MOST_ROWS = 10_000  # of a chunk
SEPARATORS = ",;\t"
LONGEST_LINE = 64_000_000  # characters: beyond is no row but an attack, or no text
MOST_CELLS = 1_000_000  # of a line; a cell takes up to a hundred times the memory of its separator
HEAVY = 8_000_000  # characters, or bytes: a chunk of more ends, however few rows it has, and so has no more cells
STEP = 50_000  # characters: text is weighed by the step, as nearly all lines are light
MOST_BLANK_LINES = 1000  # above the header
SEPARATOR_LINE = re.compile(r'"?sep=(?P<separator>[,;\t])"?[\r\n]*', re.IGNORECASE)
LINE_END = re.compile(r"\r\n|\r|\n")
ABOVE_HEADER = re.compile(rb'(?:\xef\xbb\xbf)?[ \t]{0,1000}(?:"?sep=[,;\t]"?)?\r?\n', re.IGNORECASE)
# One line, no part of which goes on in the next, whatever the separator is.
PLAIN_HEADER = re.compile(
    rb'(?:\xef\xbb\xbf)?+(?!"?sep=)(?=[^\n]*[a-z]){cell}(?:[,;\t]{cell})++\r?\n'.replace(
        b"{cell}", rb'(?:[^",;\t\r\n\x00]++|"[^"\r\n\x00]*+"|)'
    ),
    re.IGNORECASE,
)

csv.field_size_limit(LONGEST_LINE)  # FOCUS sets no limit to the length of tags


class Empty(Refused):
    """A file without a header. Beside others that have rows it is no error."""


def read_text(
    binary: IO[bytes], name: str, *, begin: int, position: Callable[[], int]
) -> tuple[Header, Iterator[Chunk]]:
    """The header and the rows from line `begin` on, of UTF-8; `position` is that in the file, in bytes."""
    taken = _Taken(position)
    head = [] if begin else [*_up_to_header(binary)]
    if head and PLAIN_HEADER.fullmatch(head[-1]):
        return _plainly(binary, b"".join(head), name, taken)
    text = _text(b"".join(head), binary)
    header, separator, last = _header(text, name)
    skipped = max(0, begin - 1 - last)
    deque(islice(text, skipped), maxlen=0)
    return header, _row_by_row(text, last + skipped + 1, name=name, separator=separator, taken=taken)


def _plainly(binary: IO[bytes], head: bytes, name: str, taken: "_Taken") -> tuple[Header, Iterator[Chunk]]:
    """Of a header that ends with its line: no more than that is read as text."""
    header, separator, last = _header(io.StringIO(head.decode(), newline=""), name)
    by_row = partial(_row_by_row, name=name, separator=separator, taken=taken)
    return header, _by_block(binary, cutter(separator, len(header.names)), by_row, taken, last + 1)


def _up_to_header(binary: IO[bytes]) -> Iterator[bytes]:
    """What spreadsheets and people leave above the header, and the line below."""
    for line in islice(iter(partial(binary.readline, HEAVY), b""), MOST_BLANK_LINES):
        yield line
        if not ABOVE_HEADER.fullmatch(line):
            return


def _header(text: IO[str], name: str) -> tuple[Header, str, int]:
    """With the separator, and the line on which the header ends."""
    lines = iter(_Lines(text, name))
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
    return header_of(names, name), separator, reader.line_num


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


def _text(read: bytes, binary: IO[bytes]) -> IO[str]:
    """Of what was read of a file, and of the rest of it."""
    pieces = chain([read], iter(partial(binary.read, PIECE), b""))
    return io.TextIOWrapper(stream(pieces), encoding="utf-8", newline="")


class _Lines:
    """Lines of bearable length: a packed file may hold a line, or a row of many lines, that no memory holds."""

    def __init__(self, text: IO[str], name: str) -> None:
        self.text, self.name = text, name
        self.size = 0  # characters since it was set to 0

    def __iter__(self) -> Iterator[str]:
        size = 0
        for line in iter(partial(self.text.readline, LONGEST_LINE), ""):
            size += len(line)
            if size >= STEP:
                self._weigh(size, line)
                size = 0
            yield line

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


def _by_block(
    binary: IO[bytes], cut: Cut, by_row: Callable[[IO[str], int], Iterator[Chunk]], taken: _Taken, line: int
) -> Iterator[Chunk]:
    """While every line is a row; from the first block that is not so, row by row."""
    size = min(FIRST, BLOCK)
    while block := binary.read(size) + binary.readline(HEAVY):
        columns = cut(block)
        if columns is None:
            yield from by_row(_text(block, binary), line)
            return
        chunk = Chunk(range(line, line + len(columns[0])), columns=columns, size=taken())
        size = min(BLOCK, max(1, CELLS * len(block) // (len(chunk) * len(columns))))
        del block  # its memory is worth that of the rows
        yield from chunk.parts(MOST_ROWS)
        line += len(chunk)


def _row_by_row(text: IO[str], first: int, *, name: str, separator: str, taken: _Taken) -> Iterator[Chunk]:
    lines = _Lines(text, name)
    reader = csv.reader(lines, delimiter=separator, strict=True)
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
        raise Refused(f"{name} is no CSV file: line {first - 1 + reader.line_num}: {error}.") from error


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
