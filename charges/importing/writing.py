"""Writes charges by the thousand: COPY on PostgreSQL, one prepared statement on SQLite.

Model instances would cost seven times as much for each row. Columns come as columns, and what is the same in all
rows is said once.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from charges.importing import references
from charges.importing.memo import Memo
from charges.models import Charge

FIELDS = {field.attname: field for field in Charge._meta.concrete_fields if not field.primary_key}
OF_TEXT = {
    name for name, field in FIELDS.items() if field.get_internal_type() in ("CharField", "TextField", "JSONField")
}
SPECIAL = ("\\", "\t", "\n", "\r")  # of the text format of COPY
ESCAPES = str.maketrans(dict(zip(SPECIAL, (r"\\", r"\t", r"\n", r"\r"), strict=True)))
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
    first, rows = column[0], len(column)
    is_plain = first in ("", None, "{}") or (isinstance(first, str) and first.isalnum())
    return is_plain and first == column[-1] and column.count(first) == rows > 1


def _insert(columns: Mapping[str, Sequence[Any]], fixed: Mapping[str, Any]) -> None:
    places = ", ".join([*["%s"] * len(columns), *map(_literal, fixed.values())])
    statement = f"INSERT INTO {_table()} ({_names([*columns, *fixed])}) VALUES ({places})"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.executemany(statement, list(zip(*columns.values(), strict=True)))


def _copy(columns: Mapping[str, Sequence[Any]], fixed: Mapping[str, Any]) -> None:
    """In the text format of COPY: a tab between cells. What is the same in all rows stands in the end of their lines.

    A column that is left out is NULL.
    """
    said = {name: str(value) for name, value in fixed.items() if value is not None}
    end = "".join(f"\t{value.translate(ESCAPES)}" for value in said.values()) + "\n"
    with (
        connection.cursor() as cursor,
        connection.wrap_database_errors,
        cursor.copy(f"COPY {_table()} ({_names([*columns, *said])}) FROM STDIN") as copy,
    ):
        copy.write(_lines(columns, end))


def _lines(columns: Mapping[str, Sequence[Any]], end: str) -> str:
    """Special characters are looked for once in all: hardly a text has any."""
    cells = _cells(columns)
    lines = _joined(cells, end)
    rows = len(next(iter(columns.values())))
    nulls = sum(column.count(None) for name, column in columns.items() if name not in OF_TEXT)
    expected = (nulls, rows * (len(columns) - 1 + end.count("\t")), rows)
    if "\r" not in lines and tuple(map(lines.count, SPECIAL[:-1])) == expected:
        return lines
    escaped = {name: [cell.translate(ESCAPES) for cell in column] for name, column in cells.items() if name in OF_TEXT}
    return _joined(cells | escaped, end)


def _joined(cells: Mapping[str, Sequence[str]], end: str) -> str:
    return end.join(map("\t".join, zip(*cells.values(), strict=True))) + end


def _cells(columns: Mapping[str, Sequence[Any]]) -> dict[str, Sequence[str]]:
    """Columns as text. Amounts are often the same in several of them: those are written once."""
    cells: dict[str, Sequence[str]] = {}
    for name, column in columns.items():
        twin = None if name in OF_TEXT else next((other for other in cells if columns[other] == column), None)
        cells[name] = column if name in OF_TEXT else cells[twin] if twin else _written(column)
    return cells


def _written(column: Sequence[Any]) -> Sequence[str]:
    if {*map(type, column)} == {int}:
        return list(map(repr, column))
    written: Memo[Any, str] = Memo(lambda value: r"\N" if value is None else str(value))
    return [written[value] for value in column]


def _literal(value: int | str | None) -> str:
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''").replace("%", "%%") + "'"


def _table() -> str:
    return connection.ops.quote_name(Charge._meta.db_table)


def _names(attributes: Iterable[str]) -> str:
    return ", ".join(connection.ops.quote_name(str(FIELDS[name].column)) for name in attributes)
