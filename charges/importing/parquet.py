"""Parquet files as rows of text, so that one reader judges all formats; a part of a file at a time."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, NamedTuple

from periods.errors import Refused


class Table(NamedTuple):
    names: list[str]
    length: int  # rows, as the file says
    batches: Iterator[list[list[str]]]


def open_table(source: Path | IO[bytes], name: str, size: int) -> Table:
    """Streams rows in batches of `size`. Raises Refused for a damaged file."""
    from pyarrow import ArrowException, parquet  # noqa: PLC0415 - a quarter of a second that other files need not wait

    damaged = (ArrowException, OSError, ValueError)
    sentence = f"{name} is a damaged or incomplete Parquet file."
    try:
        file = parquet.ParquetFile(source, pre_buffer=False)
    except damaged as error:
        raise Refused(sentence) from error

    def batches() -> Iterator[list[list[str]]]:
        try:
            for batch in file.iter_batches(batch_size=size, use_threads=False):
                yield [list(row) for row in zip(*map(_texts, batch.columns), strict=True)]
        except damaged as error:
            raise Refused(sentence) from error

    return Table(list(file.schema_arrow.names), file.metadata.num_rows, batches())


def _texts(column: Any) -> list[str]:
    """One column of a batch as a CSV export would write it."""
    import pyarrow as pa  # noqa: PLC0415

    kind = column.type
    if pa.types.is_dictionary(kind):
        return _texts(column.dictionary_decode())
    if pa.types.is_float16(kind):
        return _texts(column.cast(pa.float32()))
    if pa.types.is_float32(kind):
        return _texts(column.cast(pa.string()))  # as a double it would have digits that nobody wrote
    if pa.types.is_timestamp(kind):
        column = _in_utc(column)
    is_map = pa.types.is_map(kind)
    return [_text({} if is_map and value == [] else value) for value in _values(column)]


def _in_utc(column: Any) -> Any:
    """In a precision that Python has."""
    import pyarrow as pa  # noqa: PLC0415

    unit, zone = column.type.unit, column.type.tz and "UTC"
    column = column.cast(pa.timestamp(unit, zone))
    return column.cast(pa.timestamp("us", zone), safe=False) if unit == "ns" else column


def _values(column: Any) -> list[Any]:
    import pyarrow as pa  # noqa: PLC0415

    try:
        return list(column.to_pylist())
    except (OverflowError, ValueError):  # a date in the year 292,277: its text is put aside like any bad date
        return list(column.cast(pa.string()).to_pylist())


def _text(value: Any) -> str:
    """Numbers to their last digit, instants in UTC, structures as JSON."""
    if value is None or isinstance(value, str):
        return value or ""
    for kind, write in WRITERS:
        if isinstance(value, kind):
            return write(value)
    return str(value)


def _instant(value: datetime) -> str:
    """FOCUS instants are UTC; one without a zone does not claim to be."""
    if value.tzinfo is None:
        return value.isoformat()
    return f"{value.astimezone(UTC).replace(tzinfo=None).isoformat()}Z"


def _json(value: Any) -> str:
    return json.dumps(_plain(value), ensure_ascii=False, default=_text)


def _plain(value: Any) -> Any:
    """A MAP comes as a list of pairs: as JSON it is an object."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list) and value and all(isinstance(item, tuple) for item in value):
        return {_text(key): _plain(item) for key, item in value}
    return [_plain(item) for item in value] if isinstance(value, list) else value


# bool before int, and datetime before date: each is a kind of the other. A float's repr is the shortest text that
# gives the same number: never more digits than were meant.
WRITERS: tuple[tuple[type, Callable[[Any], str]], ...] = (
    (bool, lambda value: str(value).lower()),
    (float, repr),
    (Decimal, lambda value: f"{value:f}"),
    (int, str),
    (datetime, _instant),
    (date, date.isoformat),
    (bytes, lambda value: value.decode("utf-8", "backslashreplace")),
    (dict, _json),
    (list, _json),
)
