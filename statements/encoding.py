"""Rows as canonical lines of JSON, a chunk at a time and column by column: a million of them in half a minute.

Values come as the database holds them, where Django would make a Decimal or datetime of each only for us to print it;
what a column says often is written once a chunk.
"""

import json
from array import array
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any

from django.db.models import DateTimeField, ExpressionWrapper, F, Field, JSONField, QuerySet, TextField
from django.utils.dateparse import parse_datetime

from charges.money import MoneyField

CHUNK = 1000
BILLION = 10**9


def encode(rows: QuerySet[Any], table: str, fields: list[str]) -> Iterator[bytes]:
    """A line for each row, in key order. Only the keys are sorted and held: whole rows would fill disk or memory."""
    known = {field.attname: field for field in rows.model._meta.concrete_fields}
    columns = [known[name] for name in sorted(fields)]
    template = _template(table, fields)
    keys = array("q", rows.order_by("pk").values_list("pk", flat=True).iterator())
    for start in range(0, len(keys), CHUNK):
        chunk = rows.model._base_manager.filter(pk__in=keys[start : start + CHUNK]).order_by("pk")
        values = zip(*chunk.values_list(*map(_raw, columns)), strict=True)
        written = (map(Memo(_writer(field)).__getitem__, column) for field, column in zip(columns, values, strict=True))
        for line in zip(*written, strict=True):
            yield (template % line).encode()


class Memo(dict[Any, str]):
    """What was written already; forgotten with its chunk, so that memory does not grow with the month."""

    def __init__(self, write: Callable[[Any], str]) -> None:
        self.write = write

    def __missing__(self, value: Any) -> str:
        self[value] = written = self.write(value)
        return written


def _template(table: str, fields: list[str]) -> str:
    said = {**dict.fromkeys(fields, "%s"), "table": f'"{table}"'}
    return "{" + ",".join(f'"{name}":{said[name]}' for name in sorted(said)) + "}\n"


def _raw(field: "Field[Any, Any]") -> Any:
    is_converted = isinstance(field, MoneyField | DateTimeField | JSONField)
    return ExpressionWrapper(F(field.attname), output_field=TextField()) if is_converted else F(field.attname)


def _writer(field: "Field[Any, Any]") -> Callable[[Any], str]:
    if isinstance(field, MoneyField):
        return _amount
    if isinstance(field, DateTimeField):
        return _moment
    return _document if isinstance(field, JSONField) else _value


def _value(value: Any) -> str:
    if type(value) is str:
        return encode_basestring(value)
    return str(value) if type(value) is int else ENCODER.encode(value)


def _amount(value: Any) -> str:
    """Billionths with nine decimals."""
    if not isinstance(value, int):
        return ENCODER.encode(value)
    whole, rest = divmod(abs(value), BILLION)
    return f'"{"-" if value < 0 else ""}{whole}.{rest:09d}"'


def _moment(value: Any) -> str:
    """SQLite holds instants as text, in UTC."""
    parsed = parse_datetime(value) if isinstance(value, str) else value
    return ENCODER.encode(parsed or value)


def _document(value: Any) -> str:
    return ENCODER.encode(json.loads(value) if isinstance(value, str) else value)


def plain(value: Any) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return aware.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{value!r} has no canonical form.")


ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=plain)
