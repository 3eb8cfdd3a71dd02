"""Writes charges by the thousand: COPY on PostgreSQL, one prepared statement on SQLite.

Model instances would cost seven times as much for each row. Columns come as columns, and what is the same in all
rows is said once.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from charges.importing import references
from charges.importing.copying import copied
from charges.importing.reading.coded import said_by
from charges.models import Charge

FIELDS = {field.attname: field for field in Charge._meta.concrete_fields if not field.primary_key}
Block = tuple[Mapping[str, Sequence[Any]], Mapping[str, Any]]
BLANK: Mapping[str, Any] = {name: None if field.null else field.get_default() for name, field in FIELDS.items()} | {
    "flags": "{}"
}


def write(blocks: Sequence[Block]) -> None:
    """Insert blocks of rows, all or none. Raises IntegrityError where a row names another that is not there.

    Of each, attribute → database values, amounts as billionths, instants from `instant`; and attribute → the value
    that all of its rows share. What neither names gets its default.
    """
    with connection.constraint_checks_disabled(), transaction.atomic():
        for columns, constants in blocks:
            _write(columns, constants)
        references.check(blocks)


def _write(columns: Mapping[str, Sequence[Any]], constants: Mapping[str, Any]) -> None:
    said = {name: column[0] for name, column in columns.items() if _is_said_once(column)}
    fixed = {**BLANK, **constants, **said}
    columns = {name: column for name, column in columns.items() if name not in said}
    fixed = {name: value for name, value in fixed.items() if name not in columns}
    if connection.vendor == "postgresql":
        _copy(columns, fixed)
    else:
        _insert(columns, fixed)


def link(field: str, pairs: Sequence[tuple[int, int]]) -> None:
    """Let charges refer to others: `pairs` are (key, key that it refers to)."""
    name = _names([f"{field}_id"])
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            keys, referred = map(list, zip(*pairs, strict=True))
            given = "unnest(%s::bigint[], %s::bigint[]) AS given(key, referred)"
            cursor.execute(
                f"UPDATE {_table()} SET {name} = given.referred FROM {given} WHERE id = given.key",  # noqa: S608
                [keys, referred],
            )
        else:
            cursor.executemany(f"UPDATE {_table()} SET {name} = %s WHERE id = %s", [pair[::-1] for pair in pairs])  # noqa: S608


def instant(moment: datetime | None) -> Any:
    return connection.ops.adapt_datetimefield_value(moment)


def _is_said_once(column: Sequence[Any]) -> bool:
    """The same in all rows, as half of the columns in most files, and fit to stand in the statement itself.

    A text of a file is that only where it has nothing but letters and digits.
    """
    values = said_by(column)
    first = values[0]
    is_plain = first in ("", None, "{}") or (isinstance(first, str) and first.isalnum())
    return is_plain and first == values[-1] and values.count(first) == len(values) and len(column) > 1


def _insert(columns: Mapping[str, Sequence[Any]], fixed: Mapping[str, Any]) -> None:
    places = ", ".join([*["%s"] * len(columns), *map(_literal, fixed.values())])
    statement = f"INSERT INTO {_table()} ({_names([*columns, *fixed])}) VALUES ({places})"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.executemany(statement, list(zip(*columns.values(), strict=True)))


def _copy(columns: Mapping[str, Sequence[Any]], fixed: Mapping[str, Any]) -> None:
    names, text = copied(columns, fixed)
    with (
        connection.cursor() as cursor,
        connection.wrap_database_errors,
        cursor.copy(f"COPY {_table()} ({_names(names)}) FROM STDIN") as copy,
    ):
        copy.write(text)


def _literal(value: int | str | None) -> str:
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''").replace("%", "%%") + "'"


def _table() -> str:
    return connection.ops.quote_name(Charge._meta.db_table)


def _names(attributes: Iterable[str]) -> str:
    return ", ".join(connection.ops.quote_name(str(FIELDS[name].column)) for name in attributes)
