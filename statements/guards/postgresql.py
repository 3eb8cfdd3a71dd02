"""The guards as PostgreSQL writes them: a trigger and its function per table and event.

They run once a statement, over all its rows, so that COPY of a million charges stays cheap. Each locks the months it
touches before it looks at their state: a write that began while the month was being finalized waits, then
sees that it is too late.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import Model

from charges.models import Charge, FundingShare, FundingSplit
from periods.models import AuditEntry, BillingPeriod
from statements.guards import references
from statements.guards.ways import PREFIX, WAYS, hops, tables
from statements.models import Seal

PERIODS, SEALS, AUDIT = (model._meta.db_table for model in (BillingPeriod, Seal, AuditEntry))
CHARGES, SPLITS, SHARES = (model._meta.db_table for model in (Charge, FundingSplit, FundingShare))
REFUSE = "USING ERRCODE = 'integrity_constraint_violation'"
BODY_AND_TRIGGER = "\n-- "
NEW, OLD = "NEW TABLE AS new_rows", "OLD TABLE AS old_rows"

MONTHS_ARE_OPEN = f"""
DECLARE period record;
BEGIN
  FOR period IN SELECT month, state FROM {PERIODS} WHERE id = ANY(keys) ORDER BY id FOR SHARE LOOP
    IF period.state = 'finalized' THEN
      RAISE EXCEPTION '%: % is finalized, nothing in it changes', name, period.month {REFUSE};
    END IF;
  END LOOP;
END
"""

PERIOD_MAY_CHANGE = f"""
BEGIN
  IF TG_OP <> 'INSERT' AND OLD.state = 'finalized' THEN
    RAISE EXCEPTION '{PERIODS}: % is finalized, nothing in it changes', OLD.month {REFUSE};
  END IF;
  IF TG_OP = 'DELETE' THEN
    RETURN OLD;
  END IF;
  IF NEW.state = 'finalized' AND NOT EXISTS (SELECT 1 FROM {SEALS} WHERE period_id = NEW.id) THEN
    RAISE EXCEPTION '{PERIODS}: a month without a seal cannot be finalized' {REFUSE};
  END IF;
  RETURN NEW;
END
"""

NOTHING_IS_FINALIZED = f"""
BEGIN
  IF EXISTS (SELECT 1 FROM {PERIODS} WHERE state = 'finalized') THEN
    RAISE EXCEPTION '%: it holds rows of finalized months and cannot be emptied', TG_TABLE_NAME {REFUSE};
  END IF;
  RETURN NULL;
END
"""

KEY_STAYS = f"""
BEGIN
  IF NEW.id <> OLD.id THEN
    RAISE EXCEPTION '%: a primary key never changes', TG_TABLE_NAME {REFUSE};
  END IF;
  RETURN NEW;
END
"""

PERCENTS_ADD_UP = f"""
BEGIN
  PERFORM 1 FROM {SPLITS} WHERE id = NEW.split_id FOR UPDATE;
  IF NEW.percent + (SELECT coalesce(sum(percent), 0) FROM {SHARES} WHERE split_id = NEW.split_id AND id <> NEW.id) > 100
  THEN
    RAISE EXCEPTION '{SHARES}: the shares of a split come to more than 100 percent' {REFUSE};
  END IF;
  RETURN NEW;
END
"""

NEVER = f"""
BEGIN
  RAISE EXCEPTION '%: an audit entry never changes', TG_TABLE_NAME {REFUSE};
END
"""


def wanted() -> dict[str, str]:
    """Every function by name: its body, and the trigger that calls it as PostgreSQL itself prints it."""
    called = {f"{PREFIX}months_are_open": MONTHS_ARE_OPEN + BODY_AND_TRIGGER}
    return called | dict(_triggers()) | dict(_references())


def installed(cursor: Any) -> dict[str, str]:
    cursor.execute(
        "SELECT p.proname, p.prosrc, coalesce(pg_get_triggerdef(t.oid, true), ''), coalesce(t.tgenabled, 'O') "
        "FROM pg_proc p LEFT JOIN pg_trigger t ON t.tgfoid = p.oid "
        "WHERE p.pronamespace = current_schema()::regnamespace AND starts_with(p.proname, %s)",
        [PREFIX],
    )
    return {
        name: body + BODY_AND_TRIGGER + trigger if enabled == "O" else "disabled"
        for name, body, trigger, enabled in cursor.fetchall()
    }


def create(cursor: Any, definitions: dict[str, str]) -> None:
    for name, definition in definitions.items():
        body, _, trigger = definition.rpartition(BODY_AND_TRIGGER)
        signature = "() RETURNS trigger" if trigger else "(keys bigint[], name text) RETURNS void"
        cursor.execute(f"CREATE FUNCTION {name}{signature} LANGUAGE plpgsql AS $guard${body}$guard$")
        if trigger:
            cursor.execute(trigger)


def drop(cursor: Any, names: Iterable[str]) -> None:
    for name in names:
        cursor.execute(f"DROP FUNCTION {name} CASCADE")


def _triggers() -> Iterator[tuple[str, str]]:
    for model in WAYS:
        table = model._meta.db_table
        new, old = _months(model, "new_rows"), _months(model, "old_rows")
        yield _after(f"{PREFIX}{table}_insert", _open(new), f"INSERT ON {table}", NEW)
        yield _after(f"{PREFIX}{table}_update", _open(f"{old} || {new}"), f"UPDATE ON {table}", f"{OLD} {NEW}")
        yield _after(f"{PREFIX}{table}_delete", _open(old), f"DELETE ON {table}", OLD)
    for table in tables():
        yield _before(f"{PREFIX}{table}_key", KEY_STAYS, f"UPDATE OF id ON {table}", "ROW")
        yield _before(f"{PREFIX}{table}_truncate", NOTHING_IS_FINALIZED, f"TRUNCATE ON {table}", "STATEMENT")
    yield _before(f"{PREFIX}{PERIODS}_change", PERIOD_MAY_CHANGE, f"INSERT OR DELETE OR UPDATE ON {PERIODS}", "ROW")
    yield _before(f"{PREFIX}{SHARES}_percent", PERCENTS_ADD_UP, f"INSERT OR UPDATE ON {SHARES}", "ROW")
    yield _before(f"{PREFIX}{AUDIT}_change", NEVER, f"DELETE OR UPDATE OR TRUNCATE ON {AUDIT}", "STATEMENT")


def _references() -> Iterator[tuple[str, str]]:
    # In place of the guard that looks at the months alone: each look at a thousand new rows costs as much as ten of them.
    months = f"  PERFORM {PREFIX}months_are_open(named.period_id, TG_TABLE_NAME);\n"
    yield _after(f"{PREFIX}{CHARGES}_insert", references.named_by_new(months), f"INSERT ON {CHARGES}", NEW)
    update = f"{PREFIX}{CHARGES}_update_names"
    yield _after(update, references.named_by_changed(), f"UPDATE ON {CHARGES}", f"{OLD} {NEW}")
    for parent, body in references.left_behind():
        yield _after(f"{PREFIX}{parent}_delete_named", body, f"DELETE ON {parent}", OLD)
        if parent not in tables():
            yield _before(f"{PREFIX}{parent}_key", KEY_STAYS, f"UPDATE OF id ON {parent}", "ROW")


def _after(name: str, body: str, event: str, rows: str) -> tuple[str, str]:
    trigger = f"CREATE TRIGGER {name} AFTER {event} REFERENCING {rows} FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
    return name, body + BODY_AND_TRIGGER + trigger


def _open(months: str) -> str:
    return f"\nBEGIN\n  PERFORM {PREFIX}months_are_open({months}, TG_TABLE_NAME);\n  RETURN NULL;\nEND\n"


def _before(name: str, body: str, event: str, each: str) -> tuple[str, str]:
    trigger = f"CREATE TRIGGER {name} BEFORE {event} FOR EACH {each} EXECUTE FUNCTION {name}()"
    return name, body + BODY_AND_TRIGGER + trigger


def _months(model: type[Model], rows: str) -> str:
    """The months of all rows of a transition table, as an array."""
    joins, before = f"{rows} h0", "h0"
    for number, hop in enumerate(hops(model), 1):
        joins += f" JOIN {hop.table} h{number} ON h{number}.{hop.column} = {before}.{hop.from_column}"
        before = f"h{number}"
    return f"ARRAY(SELECT DISTINCT {before}.id FROM {joins})"
