"""Triggers with which the database itself refuses to change a finalized month or an audit entry, or to oversplit."""

from typing import Any

from django.db import connections, transaction
from django.db.utils import DEFAULT_DB_ALIAS

from periods.models import AuditEntry
from statements.guards import postgresql, sqlite
from statements.guards.ways import WAYS, tables

__all__ = ["WAYS", "install", "lift", "missing"]

DIALECTS: dict[str, Any] = {"sqlite": sqlite, "postgresql": postgresql}


def install(using: str = DEFAULT_DB_ALIAS) -> None:
    """Put every guard in its place. Does nothing where they stand, or where the tables are not made yet."""
    if missing(using):
        with transaction.atomic(using):
            lift(using)
            dialect = DIALECTS[connections[using].vendor]
            with connections[using].cursor() as cursor:
                dialect.create(cursor, dialect.wanted())


def lift(using: str = DEFAULT_DB_ALIAS) -> None:
    """Take all guards away: SQLite remakes no table that a trigger names, and tests empty theirs."""
    dialect = DIALECTS[connections[using].vendor]
    with transaction.atomic(using), connections[using].cursor() as cursor:
        dialect.drop(cursor, dialect.installed(cursor))


def missing(using: str = DEFAULT_DB_ALIAS) -> list[str]:
    """The guards that are absent, altered or disabled; none before the first migrate."""
    connection = connections[using]
    if not {*tables(), AuditEntry._meta.db_table} <= set(connection.introspection.table_names()):
        return []
    dialect = DIALECTS[connection.vendor]
    with connection.cursor() as cursor:
        standing = dialect.installed(cursor)
    return [name for name, definition in dialect.wanted().items() if standing.get(name) != definition]
