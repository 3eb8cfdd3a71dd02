"""From a kept file to its rows: streams cells by the chunk; memory does not grow with the file."""

import csv
import hashlib
import io
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import chain, islice
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import IO, Any, NamedTuple

from charges.focus import Header
from charges.importing import parquet
from charges.importing.unpacking import DAMAGED, OLD_OFFICE, PARQUET, PDF, encoding_of, kind_of, open_binary, unpacked
from periods.errors import Refused

CHUNK = 2000  # rows
SEPARATORS = ",;\t"
LONGEST_LINE = 64_000_000  # characters: beyond is no row but an attack, or no text
MOST_CELLS = 1_000_000  # of a line; a cell takes up to a hundred times the memory of its separator
HEAVY = 8_000_000  # characters: a chunk of more ends, however few rows it has, and so has no more cells than that
STEP = 50_000  # characters: text is weighed by the step, as nearly all lines are light
MOST_BLANK_LINES = 1000  # above the header
NO_DATA = {
    OLD_OFFICE: "a spreadsheet: save it as CSV",
    PDF: "a PDF document, not billing data: export the same as CSV or Parquet",
}
UNREADABLE = re.compile("[\udc80-\udcff]")  # as Python marks bytes that are no text
SEPARATOR_LINE = re.compile(r'"?sep=(?P<separator>[,;\t])"?[\r\n]*', re.IGNORECASE)
LINE_END = re.compile(r"\r\n|\r|\n")

csv.field_size_limit(LONGEST_LINE)  # FOCUS sets no limit to the length of tags


class Chunk(NamedTuple):
    """Rows as cells, and the lines on which they begin, counted from 1, the header included."""

    lines: Sequence[int]
    rows: list[list[str]]
    size: float = 0  # bytes of the file, as packed, that were read for them


class Empty(Refused):
    """A file without a header. Beside others that have rows it is no error."""


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
        return _header(table.names, file.name), _numbered(table, size)
    text = io.TextIOWrapper(binary, encoding=encoding_of(start, file.encoding), newline="")
    return _read_text(opened.enter_context(text), file, lambda: raw.tell() - begin)


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


def _header(names: Sequence[str], name: str) -> Header:
    try:
        return Header.of(names)
    except Refused as refusal:
        raise Refused(f"{name}: {refusal}") from refusal


def _read_text(text: IO[str], file: _File, position: Callable[[], int]) -> tuple[Header, Iterator[Chunk]]:
    name, source = file.name, _Lines(text, file.name)
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
    skipped = max(0, file.begin - 1 - reader.line_num)
    deque(islice(text, skipped), maxlen=0)
    return _header(names, name), _chunks(reader, source, position, skipped)


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
        self.size = 0  # characters since it was set to 0

    def __iter__(self) -> Iterator[str]:
        read, size = self.text.readline, 0
        while line := read(LONGEST_LINE):
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


def _chunks(reader: Any, lines: _Lines, position: Callable[[], int], skipped: int) -> Iterator[Chunk]:
    before, place = reader.line_num, 0
    try:
        while rows := _some(reader, lines):
            is_plain = reader.line_num - before == len(rows) and all(rows)
            at: Sequence[int] = range(skipped + before + 1, skipped + reader.line_num + 1)
            if not is_plain:
                at, rows = _without_blanks(rows, skipped + before + 1)
            if rows:
                yield Chunk(at, rows, position() - place)
            before, place = reader.line_num, position()
    except csv.Error as error:
        raise Refused(f"{lines.name} is no CSV file: line {skipped + reader.line_num}: {error}.") from error


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


def _numbered(table: parquet.Table, size: int) -> Iterator[Chunk]:
    """A Parquet file has no lines: its first row counts as line 2, as in its CSV sibling."""
    line = 2
    for rows in table.batches:
        yield Chunk(range(line, line + len(rows)), rows, size * len(rows) / table.length)
        line += len(rows)
