"""The guards as SQLite writes them: a trigger per table and event, before each row.

REPLACE deletes the row in its way without firing a delete trigger, so a write is also refused where a unique
key of the new row stands under a finalized month.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import Model

from charges.models import FundingShare
from periods.models import AuditEntry, BillingPeriod
from statements.guards.ways import PREFIX, WAYS, hops, unique_keys
from statements.models import Seal

SEALS = Seal._meta.db_table
MOVED = 'NEW."id" <> OLD."id"'
REFUSALS = {
    "sealed": "the month is finalized, nothing in it changes",
    "unsealed": "a month without a seal cannot be finalized",
    "key": "a primary key never changes",
    "audit": "an audit entry never changes",
    "percent": "the shares of a split come to more than 100 percent",
}


def wanted() -> dict[str, str]:
    """Every trigger by name, as the statement that makes it; SQLite keeps that text and shows it again."""
    return dict([*_of_rows(), *_of_periods(), *_of_audit(), *_of_shares()])


def installed(cursor: Any) -> dict[str, str]:
    cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE %s", [f"{PREFIX}%"])
    return dict(cursor.fetchall())


def create(cursor: Any, definitions: dict[str, str]) -> None:
    for statement in definitions.values():
        cursor.execute(statement)


def drop(cursor: Any, names: Iterable[str]) -> None:
    for name in names:
        cursor.execute(f'DROP TRIGGER "{name}"')


def _of_rows() -> Iterator[tuple[str, str]]:
    for model in WAYS:
        held = [_sealed(model, "NEW"), *_takes_key(model)]
        yield _trigger(model, "insert", "sealed", held)
        yield _trigger(model, "update", "sealed", [_sealed(model, "OLD"), *held])
        yield _trigger(model, "delete", "sealed", [_sealed(model, "OLD")])
        yield _trigger(model, "update", "key", [MOVED])


def _of_periods() -> Iterator[tuple[str, str]]:
    before, after = (_sealed(BillingPeriod, row) for row in ("OLD", "NEW"))
    unsealed = f'{after} AND NOT EXISTS (SELECT 1 FROM "{SEALS}" s WHERE s."period_id" = NEW."id")'
    taken = _takes_key(BillingPeriod)
    for event, conditions in (("insert", taken), ("update", [before, *taken]), ("delete", [before])):
        yield _trigger(BillingPeriod, event, "sealed", conditions)
    for event in ("insert", "update"):
        yield _trigger(BillingPeriod, event, "unsealed", [unsealed])
    yield _trigger(BillingPeriod, "update", "key", [MOVED])


def _of_audit() -> Iterator[tuple[str, str]]:
    taken = f'EXISTS (SELECT 1 FROM "{AuditEntry._meta.db_table}" k WHERE k."id" = NEW."id")'
    for event, condition in (("insert", taken), ("update", "1"), ("delete", "1")):
        yield _trigger(AuditEntry, event, "audit", [condition])


def _of_shares() -> Iterator[tuple[str, str]]:
    """Percents add up across rows, which no CHECK can see; the remainder account takes what is left of 100."""
    table = FundingShare._meta.db_table
    others = f'SELECT COALESCE(SUM("percent"), 0) FROM "{table}" WHERE "split_id" = NEW."split_id"'
    condition = f'ROUND(({others} AND "id" IS NOT NEW."id") + NEW."percent", 2) > 100'
    for event in ("insert", "update"):
        yield _trigger(FundingShare, event, "percent", [condition])


def _trigger(model: type[Model], event: str, why: str, conditions: list[str]) -> tuple[str, str]:
    table = model._meta.db_table
    name = f"{PREFIX}{table}_{event}_{why}"
    return name, (
        f'CREATE TRIGGER "{name}" BEFORE {event.upper()} ON "{table}" WHEN {" OR ".join(conditions)} '
        f"BEGIN SELECT RAISE(ABORT, '{table}: {REFUSALS[why]}'); END"
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
