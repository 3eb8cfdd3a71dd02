"""Parquet files as rows of text, so that one reader judges all formats; a part of a file at a time."""

import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, NamedTuple

from charges.importing.reading import pages
from charges.importing.reading.coded import Coded
from periods.errors import Refused

LARGEST_PAGES = 256_000_000  # bytes, unpacked, of all columns of a row group: writers make pages of about one million


class Table(NamedTuple):
    names: list[str]
    length: int  # rows, as the file says
    batches: Iterator[list[Coded[str]]]  # each the columns of some rows


def open_table(source: Path | IO[bytes], name: str, *, size: int, heavy: int) -> Table:
    """Streams rows in batches of `size`, fewer where they hold more than `heavy` characters or cells.

    Raises Refused for a damaged file, and for one that memory does not hold.
    """
    from pyarrow import ArrowException  # noqa: PLC0415 - a quarter of a second that other files need not wait

    damaged = (ArrowException, OSError, ValueError)
    sentence = f"{name} is a damaged or incomplete Parquet file."
    try:
        file = _open(source, name)
    except damaged as error:
        raise Refused(sentence) from error

    def batches() -> Iterator[list[Coded[str]]]:
        rows = 0
        try:
            for batch in file.iter_batches(batch_size=_bearable(file, size, heavy), use_threads=False):
                rows += batch.num_rows
                for part in _parts(batch, name, heavy):
                    yield list(map(_coded, part.columns))
        except damaged as error:
            raise Refused(sentence) from error
        if rows != file.metadata.num_rows:
            raise Refused(sentence)

    return Table(list(file.schema_arrow.names), file.metadata.num_rows, batches())


def _open(source: Path | IO[bytes], name: str) -> Any:
    """Text is read as it is kept, each value once: a million times the same may take no more bytes in the file."""
    from pyarrow import parquet  # noqa: PLC0415

    metadata = parquet.read_metadata(source)
    with source.open("rb") if isinstance(source, Path) else nullcontext(source) as binary:
        if pages.memory(binary) > LARGEST_PAGES:
            raise Refused(
                f"{name} has pages that unpack to more than {LARGEST_PAGES:,} bytes: write it in smaller pages."
            )
    columns = [at for at in map(metadata.schema.column, range(metadata.num_columns)) if at.path == at.name]
    texts = [at.path for at in columns if at.physical_type == "BYTE_ARRAY" and at.logical_type.type != "DECIMAL"]
    is_json = any(at.logical_type.type == "JSON" for at in columns)  # as a type of its own it is not read so
    return parquet.ParquetFile(
        source, metadata=metadata, read_dictionary=texts, pre_buffer=False, arrow_extensions_enabled=not is_json
    )


def _bearable(file: Any, size: int, heavy: int) -> int:
    """Rows of a batch, by their number of columns and by the bytes that the file keeps for them."""
    groups = [file.metadata.row_group(at) for at in range(file.metadata.num_row_groups)]
    by_bytes = [heavy * group.num_rows // group.total_byte_size for group in groups if group.total_byte_size > heavy]
    fixed = sum(column.length for column in map(file.schema.column, range(len(file.schema))) if column.length > 0)
    return max(1, min(size, heavy // (fixed + file.metadata.num_columns), *by_bytes))


def _parts(batch: Any, name: str, heavy: int) -> Iterator[Any]:
    if sum(map(_weight, batch.columns)) <= heavy:
        yield batch
    elif batch.num_rows == 1:
        raise Refused(f"{name} holds a row of more than {heavy:,} characters: that is no billing row.")
    else:
        half = batch.num_rows // 2
        yield from _parts(batch.slice(0, half), name, heavy)
        yield from _parts(batch.slice(half), name, heavy)


def _weight(column: Any) -> int:
    """Characters and cells that a column of a batch comes to, told before it is written out."""
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import compute  # noqa: PLC0415

    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    if not (pa.types.is_string(column.type.value_type) or pa.types.is_binary(column.type.value_type)):
        return len(column)
    lengths = compute.binary_length(column.dictionary).take(column.indices)
    return len(column) + (compute.sum(lengths.cast(pa.int64())).as_py() or 0)


def _coded(column: Any) -> Coded[str]:
    """One column of a batch, its values told once where the file does so."""
    import pyarrow as pa  # noqa: PLC0415

    if not pa.types.is_dictionary(column.type):
        return Coded.of(_texts(column))
    used = Coded.of(column.indices.to_pylist())
    texts = _texts(column.dictionary.take(pa.array(used.values, pa.int32())))
    return Coded(texts, used.codes)


def _texts(column: Any) -> list[str]:
    """One column of a batch as a CSV export would write it."""
    import pyarrow as pa  # noqa: PLC0415

    kind = column.type
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
