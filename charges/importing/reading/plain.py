"""CSV in which every line is a row, as nearly all is: Arrow cuts it into columns, each value once.

It takes two thirds of what the csv module takes for bare cells. Arrow forgives what nobody should guess about, as text
after a closing quote; so only text that is well-formed to the letter gets there, and all else goes to the csv module.
"""

from collections.abc import Callable
from typing import Any

import re2

from charges.importing.reading.coded import Coded

MOST_COLUMNS = 1000
MARK = "\ufeff".encode()  # Arrow takes it for no text where it stands first
Cut = Callable[[bytes], "list[Coded[str]] | None"]


def cutter(separator: str, width: int) -> Cut:
    """From whole lines to `width` columns; None for lines that are not all plain rows of that many cells."""
    import pyarrow as pa  # noqa: PLC0415 - a quarter of a second that other commands need not wait
    from pyarrow import csv  # noqa: PLC0415

    names = [str(at) for at in range(width)]
    dictionary = pa.dictionary(pa.int32(), pa.string())
    parsing = csv.ParseOptions(delimiter=separator)
    converting = csv.ConvertOptions(
        check_utf8=False, strings_can_be_null=False, column_types=dict.fromkeys(names, dictionary)
    )
    rows = _rows(separator)

    def cut(lines: bytes) -> list[Coded[str]] | None:
        if width > MOST_COLUMNS or lines.startswith(MARK) or not rows.fullmatch(lines):
            return None
        reading = csv.ReadOptions(use_threads=False, block_size=len(lines) + 1, column_names=names)
        try:
            table = csv.read_csv(pa.BufferReader(lines), reading, parsing, converting, pa.system_memory_pool())
            return _columns([column.chunk(0) for column in table.columns])
        except (pa.ArrowInvalid, UnicodeDecodeError):  # rows of more cells or fewer; no text, which is told elsewhere
            return None

    return cut


def _columns(arrays: list[Any]) -> list[Coded[str]]:
    """Columns that say the same, as costs often do, are one: what follows from its values is worked out once."""
    columns: list[Coded[str]] = []
    seen: dict[tuple[int, int], list[tuple[Any, Coded[str]]]] = {}
    for array in arrays:
        alike = seen.setdefault((len(array.dictionary), array.dictionary.nbytes), [])
        column = next((column for other, column in alike if other.equals(array)), None) or _coded(array)
        alike.append((array, column))
        columns.append(column)
    return columns


def _coded(column: Any) -> Coded[str]:
    """Of a dictionary array without nulls, whose values are all used."""
    indices = column.indices
    codes = memoryview(indices.buffers()[1]).cast("i")[indices.offset : indices.offset + len(indices)]
    return Coded(column.dictionary.to_pylist(), codes)


def _rows(separator: str) -> Any:
    """Two cells or more to the line; quotes only around cells, doubled within; no line end within; no NUL."""
    options = re2.Options()
    options.encoding, options.never_capture = re2.Options.Encoding.LATIN1, True
    cell = rf'(?:[^"{separator}\r\n\x00]*|"(?:[^"\r\n\x00]|"")*")'
    return re2.compile(rf"(?:{cell}(?:{separator}{cell})+\r?\n)*".encode(), options)
