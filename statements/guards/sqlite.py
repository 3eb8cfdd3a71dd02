"""The guards as SQLite writes them: a trigger per table and event, before each row.

REPLACE deletes the row in its way without firing a delete trigger, so a write is also refused where a unique
key of the new row stands under a finalized month.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import Model

from periods.models import AuditEntry, BillingPeriod
from statements.guards.ways import WAYS, hops, unique_keys
from statements.models import Seal

SEALS = Seal._meta.db_table
MOVED = 'NEW."id" <> OLD."id"'


def wanted(prefix: str) -> dict[str, str]:
    """Every trigger by name, as the statement that makes it; SQLite keeps that text and shows it again."""
    return dict(_triggers(prefix))


def installed(cursor: Any, prefix: str) -> dict[str, str]:
    cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE %s", [f"{prefix}%"])
    return dict(cursor.fetchall())


def create(cursor: Any, definitions: dict[str, str]) -> None:
    for statement in definitions.values():
        cursor.execute(statement)


def drop(cursor: Any, names: Iterable[str]) -> None:
    for name in names:
        cursor.execute(f'DROP TRIGGER "{name}"')


def _triggers(prefix: str) -> Iterator[tuple[str, str]]:
    for model in WAYS:
        held = [_sealed(model, "NEW"), *_takes_key(model)]
        yield _trigger(prefix, model, "insert", held)
        yield _trigger(prefix, model, "update", [_sealed(model, "OLD"), MOVED, *held])
        yield _trigger(prefix, model, "delete", [_sealed(model, "OLD")])
    entering = [_finalized_without_seal(), *_takes_key(BillingPeriod)]
    yield _trigger(prefix, BillingPeriod, "insert", entering)
    yield _trigger(prefix, BillingPeriod, "update", ["OLD.\"state\" = 'finalized'", MOVED, *entering])
    yield _trigger(prefix, BillingPeriod, "delete", ["OLD.\"state\" = 'finalized'"])
    taken = f'EXISTS (SELECT 1 FROM "{AuditEntry._meta.db_table}" k WHERE k."id" = NEW."id")'
    yield _trigger(prefix, AuditEntry, "insert", [taken])
    yield _trigger(prefix, AuditEntry, "update", ["1"])
    yield _trigger(prefix, AuditEntry, "delete", ["1"])


def _trigger(prefix: str, model: type[Model], event: str, conditions: list[str]) -> tuple[str, str]:
    table = model._meta.db_table
    name = f"{prefix}{table}_{event}"
    refusal = "an audit entry never changes" if model is AuditEntry else "the month is finalized, nothing in it changes"
    return name, (
        f'CREATE TRIGGER "{name}" BEFORE {event.upper()} ON "{table}" WHEN {" OR ".join(conditions)} '
        f"BEGIN SELECT RAISE(ABORT, '{table}: {refusal}'); END"
    )


def _sealed(model: type[Model], row: str) -> str:
    """Whether `row` (NEW, OLD or an alias) belongs to a finalized month."""
    if model is BillingPeriod:
        return f"{row}.\"state\" = 'finalized'"
    first, *others = hops(model)
    before, joins = "h0", ""
    for number, hop in enumerate(others, 1):
        joins += f' JOIN "{hop.table}" h{number} ON h{number}."{hop.column}" = {before}."{hop.from_column}"'
        before = f"h{number}"
    return (
        f'EXISTS (SELECT 1 FROM "{first.table}" h0{joins} '
        f'WHERE h0."{first.column}" = {row}."{first.from_column}" AND {before}."state" = \'finalized\')'
    )


def _takes_key(model: type[Model]) -> list[str]:
    """Whether a unique key of NEW already stands under a finalized month."""
    matches = [" AND ".join(f'k."{column}" = NEW."{column}"' for column in key) for key in unique_keys(model)]
    sealed = _sealed(model, "k")
    return [f'EXISTS (SELECT 1 FROM "{model._meta.db_table}" k WHERE {match} AND {sealed})' for match in matches]


def _finalized_without_seal() -> str:
    return f'NEW."state" = \'finalized\' AND NOT EXISTS (SELECT 1 FROM "{SEALS}" s WHERE s."period_id" = NEW."id")'
