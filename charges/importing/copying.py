"""The text of PostgreSQL's COPY, put together by the column: a tab between cells, a line a row."""

from array import array
from collections.abc import Mapping, Sequence
from typing import Any

from charges.importing.reading.coded import Coded, as_arrow
from charges.models import Charge

FIELDS = Charge._meta.concrete_fields
OF_TEXT = {field.attname for field in FIELDS if field.get_internal_type() in ("CharField", "TextField", "JSONField")}
OF_TIME = {field.attname for field in FIELDS if field.get_internal_type() == "DateTimeField"}
NULL = r"\N"
SPECIAL = ("\\", "\t", "\n", "\r")
ESCAPES = str.maketrans(dict(zip(SPECIAL, (r"\\", r"\t", r"\n", r"\r"), strict=True)))


def copied(columns: Mapping[str, Sequence[Any]], fixed: Mapping[str, Any]) -> tuple[list[str], memoryview]:
    """The names of the columns in the order of the text, and the text in UTF-8.

    What is `fixed`, the same in all rows, stands in the end of their lines. A column that is left out is NULL.
    """
    said = {name: str(value).translate(ESCAPES) for name, value in fixed.items() if value is not None}
    groups = _together(columns)
    cells = [cell for group in groups for cell in _cells({name: columns[name] for name in group})]
    lines = _joined([*cells, "\t".join(said.values()) + "\n"])
    return [*(name for group in groups for name in group), *said], memoryview(lines.buffers()[2])


def _together(columns: Mapping[str, Sequence[Any]]) -> list[list[str]]:
    """The names of columns that vary together: what these say is put together once, however many rows say it."""
    groups: dict[Any, list[str]] = {}
    for name, column in columns.items():
        codes = column.codes if isinstance(column, Coded) else column
        is_each = isinstance(column, Coded) and isinstance(codes, range)  # as in all amounts: these are equal
        groups.setdefault(codes if is_each else id(codes), []).append(name)
    return list(groups.values())


def _cells(columns: Mapping[str, Any]) -> list[Any]:
    """Of columns that vary together, what stands in each line."""
    first = next(iter(columns.values()))
    if not isinstance(first, Coded):
        return [_texts(*item) for item in columns.items()]
    texts: list[tuple[Sequence[Any], Any]] = []  # of amounts, several are often the same
    for name, column in columns.items():
        twin = next((text for values, text in texts if values == column.values), None)
        texts.append((column.values, _texts(name, column.values) if twin is None else twin))
    told = [text for _, text in texts]
    return told if isinstance(first.codes, range) else [_joined(told).take(_numbers(first.codes))]


def _texts(name: str, values: Sequence[Any]) -> Any:
    import pyarrow as pa  # noqa: PLC0415 - a quarter of a second that other commands need not wait

    if name in OF_TEXT:
        return pa.array(_escaped(values), pa.string())
    if name in OF_TIME:
        return pa.array([value and str(value) for value in values], pa.string())
    return _numbers(values).cast(pa.string())


def _escaped(texts: Sequence[str]) -> Sequence[str]:
    """Special characters are looked for once in all: hardly a text has any."""
    said = "".join(texts)
    return [text.translate(ESCAPES) for text in texts] if any(map(said.__contains__, SPECIAL)) else texts


def _numbers(values: Any) -> Any:
    import pyarrow as pa  # noqa: PLC0415

    if isinstance(values, list):  # perhaps with None
        return pa.array(values, pa.int64())
    return as_arrow(array("q", values) if isinstance(values, range) else values)


def _joined(cells: Sequence[Any]) -> Any:
    from pyarrow import compute  # noqa: PLC0415

    if len(cells) == 1:
        return cells[0]
    return compute.binary_join_element_wise(*cells, "\t", null_handling="replace", null_replacement=NULL)
