"""Writes charges by the thousand: COPY on PostgreSQL, one prepared statement on SQLite.

Model instances would cost seven times as much for each row.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from operator import itemgetter
from typing import Any

from django.db import connection

from charges.models import Charge

FIELDS = [field for field in Charge._meta.concrete_fields if not field.primary_key]
NAMES = [field.attname for field in FIELDS]
BLANK: Mapping[str, Any] = {field.attname: None if field.null else field.get_default() for field in FIELDS} | {
    "flags": "{}"
}
pick = itemgetter(*NAMES)


def write(rows: Iterable[Mapping[str, Any]]) -> None:
    """Insert rows given as column → database value; amounts are billionths, instants from `instant`."""
    table = connection.ops.quote_name(Charge._meta.db_table)
    columns = ", ".join(connection.ops.quote_name(str(field.column)) for field in FIELDS)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(pick(row))
        else:
            places = ", ".join(["%s"] * len(FIELDS))
            cursor.executemany(f"INSERT INTO {table} ({columns}) VALUES ({places})", [pick(row) for row in rows])  # noqa: S608


@lru_cache(maxsize=10_000)
def instant(moment: datetime | None) -> Any:
    return connection.ops.adapt_datetimefield_value(moment)


def flags(found: dict[str, str]) -> str:
    return json.dumps(found) if found else "{}"
