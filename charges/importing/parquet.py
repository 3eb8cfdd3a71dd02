"""Parquet files as rows of text, so that one reader judges all formats; a part of a file at a time."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from periods.errors import Refused


def names_and_batches(path: Path, name: str, size: int) -> tuple[list[str], Iterator[list[list[str]]]]:
    """Column names, and the rows in batches of `size`. Raises Refused for a damaged file."""
    import pyarrow as pa  # noqa: PLC0415 - a quarter of a second that other files need not wait

    try:
        file = pa.parquet.ParquetFile(path, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        raise Refused(f"{name} is a damaged or incomplete Parquet file.") from error

    def batches() -> Iterator[list[list[str]]]:
        try:
            for batch in file.iter_batches(batch_size=size, use_threads=False):
                columns = [[_text(value) for value in column.to_pylist()] for column in batch.columns]
                yield [list(row) for row in zip(*columns, strict=True)]
        except (pa.ArrowException, OSError) as error:
            raise Refused(f"{name} is a damaged or incomplete Parquet file.") from error

    return list(file.schema_arrow.names), batches()


def _text(value: Any) -> str:
    """As a CSV export would write it: numbers to their last digit, instants in UTC, structures as JSON."""
    if value is None or isinstance(value, str):
        return value or ""
    for kind, write in WRITERS:
        if isinstance(value, kind):
            return str(write(value))
    return json.dumps(_plain(value), ensure_ascii=False, default=_text)


def _instant(value: datetime) -> str:
    text = (value.astimezone(UTC) if value.tzinfo else value).replace(tzinfo=None).isoformat()
    return f"{text}Z"


def _plain(value: Any) -> Any:
    """A MAP comes as a list of pairs: as JSON it is an object."""
    if isinstance(value, list) and value and all(isinstance(item, tuple) and len(item) == 2 for item in value):  # noqa: PLR2004
        return {str(key): item for key, item in value}
    return value


# bool before int, and datetime before date: each is a kind of the other. A float's repr is the shortest text that
# gives the same number: never more digits than were meant.
WRITERS: tuple[tuple[type, Callable[[Any], object]], ...] = (
    (bool, lambda value: str(value).lower()),
    (float, repr),
    (Decimal, lambda value: f"{value:f}"),
    (int, str),
    (datetime, _instant),
    (date, date.isoformat),
    (bytes, lambda value: value.decode("utf-8", "replace")),
)
