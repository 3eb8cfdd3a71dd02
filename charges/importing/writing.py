"""Writes charges by the thousand: COPY on PostgreSQL, one prepared statement on SQLite.

Model instances would cost seven times as much for each row. Columns come as columns, and what is the same in all
rows is said once.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import repeat
from typing import Any

from django.db import connection

from charges.models import Charge

FIELDS = {field.attname: field for field in Charge._meta.concrete_fields if not field.primary_key}
BLANK: Mapping[str, Any] = {name: None if field.null else field.get_default() for name, field in FIELDS.items()} | {
    "flags": "{}"
}


def write(columns: Mapping[str, Sequence[Any]], constants: Mapping[str, int | str | None]) -> None:
    """Insert rows, given as attribute → database values; amounts are billionths, instants from `instant`.

    `constants` are attribute → the value that all rows share; what neither names gets its default. Constants are
    ours, never a file's: they stand in the statement itself.
    """
    columns = {name: column for name, column in columns.items() if not _is_blank(column)}
    fixed = {name: value for name, value in {**BLANK, **constants}.items() if name not in columns}
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


def rewrite(charges: Sequence[Charge], fields: Sequence[str]) -> None:
    """Save these fields of many charges: one prepared statement, where `bulk_update` builds a case for each row."""
    written = [field for field in FIELDS.values() if field.name in fields]
    values = ", ".join(f"{_names([field.attname])} = %s" for field in written)
    rows = [
        [*(field.get_db_prep_save(getattr(charge, field.attname), connection) for field in written), charge.pk]
        for charge in charges
    ]
    with connection.cursor() as cursor:
        cursor.executemany(f"UPDATE {_table()} SET {values} WHERE id = %s", rows)  # noqa: S608


def instant(moment: datetime | None) -> Any:
    return connection.ops.adapt_datetimefield_value(moment)


def _is_blank(column: Sequence[Any]) -> bool:
    """Nothing but the default: half of the columns in most files."""
    return column[0] in ("", None) and column.count(column[0]) == len(column)


def _insert(columns: Mapping[str, Sequence[Any]], fixed: Mapping[str, int | str | None]) -> None:
    places = ", ".join([*["%s"] * len(columns), *map(_literal, fixed.values())])
    statement = f"INSERT INTO {_table()} ({_names([*columns, *fixed])}) VALUES ({places})"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.executemany(statement, list(zip(*columns.values(), strict=True)))


def _copy(columns: Mapping[str, Sequence[Any]], fixed: Mapping[str, int | str | None]) -> None:
    """As CSV text, which C code writes and reads: quoted text, and nothing between two commas for NULL."""
    names = [*columns, *fixed]
    nullable = [name for name in names if FIELDS[name].null]
    text = io.StringIO()
    rows = zip(*columns.values(), *map(repeat, fixed.values()))  # noqa: B905 - the constants have no end
    csv.writer(text, quoting=csv.QUOTE_NONNUMERIC).writerows(rows)
    options = f"FORMAT csv, FORCE_NULL ({_names(nullable)})"
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {_table()} ({_names(names)}) FROM STDIN ({options})") as copy,
    ):
        copy.write(text.getvalue())


def _literal(value: int | str | None) -> str:
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''").replace("%", "%%") + "'"


def _table() -> str:
    return connection.ops.quote_name(Charge._meta.db_table)


def _names(attributes: Iterable[str]) -> str:
    return ", ".join(connection.ops.quote_name(str(FIELDS[name].column)) for name in attributes)
