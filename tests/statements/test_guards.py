"""The database itself refuses: every guarded table, every way of writing, on SQLite and PostgreSQL."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import call_command
from django.core.management.sql import emit_post_migrate_signal, emit_pre_migrate_signal
from django.db import DatabaseError, connection, models, transaction
from django.db.migrations import Migration
from django.db.models import F

from charges.models import Charge, FocusImport
from periods import audit
from periods.models import AuditEntry, BillingPeriod
from statements import guards
from statements.guards.upkeep import guards_stand
from statements.guards.ways import WAYS, hops, unique_keys
from statements.models import Seal, Statement
from tests.make import make_charge, make_finalized, make_period
from tests.statements.full_month import make_full_month, make_seal, row_of
from tests.statements.guarded import FINALIZED, KEY, NAMED, answer, copied, fresh, sql

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.django_db
on_sqlite = pytest.mark.skipif("connection.vendor != 'sqlite'", reason="only SQLite has REPLACE")
on_postgresql = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="only PostgreSQL has TRUNCATE")
every_model = pytest.mark.parametrize("model", WAYS, ids=lambda model: model._meta.label)


@pytest.fixture
def months() -> tuple[BillingPeriod, BillingPeriod]:
    """January, finalized, and February, open; both hold a row of every guarded table."""
    january = make_finalized(make_full_month("2025-01", "january"))
    february = make_full_month("2025-02", "february")
    make_seal(february)
    return january, february


def belongs_to(model, row) -> dict[str, int]:
    """The column that puts a row into its month, with the value of `row`; empty where only other rows do."""
    column = hops(model)[0].from_column
    return {} if column == "id" else {column: getattr(row, column)}


@every_model
def test_finalized_row_takes_no_change_and_no_deletion(months, model):
    row = row_of(model, months[0])
    table, field = model._meta.db_table, model._meta.concrete_fields[-1]
    mine = model._base_manager.filter(pk=row.pk)

    answers = {
        "save": answer(row.save),
        "update": answer(lambda: mine.update(**{field.name: F(field.name)})),
        "bulk_update": answer(lambda: model._base_manager.bulk_update([row], [field.name])),
        "delete": answer(lambda: mine._raw_delete(mine.db)),
        "raw update": answer(sql(f"UPDATE {table} SET id = id WHERE id = {row.pk}")),
        "raw delete": answer(sql(f"DELETE FROM {table} WHERE id = {row.pk}")),
    }

    assert answers == dict.fromkeys(answers, FINALIZED)


@every_model
def test_open_month_beside_a_finalized_one_stays_writable(months, model):
    row = row_of(model, months[1])
    table = model._meta.db_table

    assert answer(row.save) == "done"
    assert answer(sql(f"UPDATE {table} SET id = id WHERE id = {row.pk}")) == "done"
    is_named = model is FocusImport and connection.vendor == "postgresql"  # SQLite says so on commit only
    assert answer(sql(f"DELETE FROM {table} WHERE id = {row.pk}")) == (NAMED if is_named else "done")


@every_model
def test_no_row_is_added_to_a_finalized_month_or_moved_across_its_border(months, model):
    sealed, open_row = row_of(model, months[0]), row_of(model, months[1])
    table = model._meta.db_table
    inside, outside = belongs_to(model, sealed), belongs_to(model, open_row)
    if not inside or model is Seal:
        pytest.skip("an import has no month until its scopes have; a month has one seal")
    ((column, target),) = inside.items()

    answers = {
        "insert": answer(sql(copied(model, open_row, **fresh(model), **inside))),
        "move in": answer(sql(f"UPDATE {table} SET {column} = {target} WHERE id = {open_row.pk}")),
        "move out": answer(sql(f"UPDATE {table} SET {column} = {outside[column]} WHERE id = {sealed.pk}")),
    }

    assert answers == dict.fromkeys(answers, FINALIZED)


@every_model
def test_primary_key_never_changes(months, model):
    row = row_of(model, months[1])

    assert answer(sql(f"UPDATE {model._meta.db_table} SET id = id + 1000 WHERE id = {row.pk}")) == KEY


@on_sqlite
@every_model
def test_replace_deletes_no_finalized_row_unseen(months, model):
    sealed, open_row = row_of(model, months[0]), row_of(model, months[1])
    table = model._meta.db_table
    by_key = {
        " ".join(key): copied(model, open_row, "INSERT OR REPLACE", **{"id": 9999, **taken(model, sealed, key)})
        for key in unique_keys(model)
        if all(getattr(sealed, column) is not None for column in key)
    }

    answers = {key: answer(sql(statement)) for key, statement in by_key.items()}
    answers["update"] = answer(sql(f"UPDATE OR REPLACE {table} SET id = {sealed.pk} WHERE id = {open_row.pk}"))
    answers["rowid"] = answer(sql(f"UPDATE OR REPLACE {table} SET rowid = {sealed.pk} WHERE id = {open_row.pk}"))
    answers["ignore"] = answer(sql(f"UPDATE OR IGNORE {table} SET id = id WHERE id = {sealed.pk}"))

    assert all(said in {FINALIZED, KEY} for said in answers.values()), answers


def taken(model, row, key: list[str]) -> dict[str, str]:
    """The values of `row` under a unique key, read by the database itself."""
    return {column: f"(SELECT {column} FROM {model._meta.db_table} WHERE id = {row.pk})" for column in key}


@on_sqlite
def test_upsert_changes_no_finalized_charge(months):
    sealed = row_of(Charge, months[0])
    statement = copied(Charge, row_of(Charge, months[1]), id=sealed.pk)

    # SQLite takes `ON CONFLICT` after SELECT only where a WHERE stands before it, as one does here
    assert answer(sql(statement + " ON CONFLICT (id) DO UPDATE SET due_amount = 1")) == FINALIZED


@on_postgresql
def test_upsert_changes_no_finalized_charge_on_postgresql(months):
    sealed = row_of(Charge, months[0])
    statement = copied(Charge, row_of(Charge, months[1]), id=sealed.pk)

    assert answer(sql(statement + " ON CONFLICT (id) DO UPDATE SET due_amount = 1")) == FINALIZED


@on_postgresql
@pytest.mark.parametrize("model", [*WAYS, BillingPeriod, AuditEntry], ids=lambda model: model._meta.label)
def test_tables_with_finalized_rows_are_not_emptied(months, model):
    connection.check_constraints()  # else PostgreSQL waits for them and truncates nothing anyway

    assert "done" not in answer(sql(f"TRUNCATE {model._meta.db_table} CASCADE"))


def test_finalized_period_takes_no_change(months):
    january, february = months
    table = BillingPeriod._meta.db_table

    answers = {
        "reopen": answer(lambda: BillingPeriod.objects.filter(pk=january.pk).update(state="open")),
        "currency": answer(sql(f"UPDATE {table} SET currency = 'EUR' WHERE id = {january.pk}")),
        "delete": answer(sql(f"DELETE FROM {table} WHERE id = {january.pk}")),
        "all": answer(sql(f"UPDATE {table} SET currency = 'EUR'")),
    }

    assert answers == dict.fromkeys(answers, FINALIZED)
    assert answer(sql(f"UPDATE {table} SET currency = 'EUR' WHERE id = {february.pk}")) == "done"
    assert answer(sql(f"UPDATE {table} SET id = 9999 WHERE id = {february.pk}")) == KEY


@on_sqlite
@pytest.mark.parametrize("key", ["id", "month"])
def test_finalized_period_is_not_replaced(months, key):
    january, february = months
    values = {"id": 9999, **taken(BillingPeriod, january, [key])}

    assert answer(sql(copied(BillingPeriod, february, "INSERT OR REPLACE", **values))) == FINALIZED
    statement = f"UPDATE OR REPLACE periods_billingperiod SET month = '{january.month}' WHERE id = {february.pk}"
    assert answer(sql(statement)) == FINALIZED


def test_period_without_a_seal_is_not_finalized():
    period = make_period(state="closed")

    said = answer(sql("UPDATE periods_billingperiod SET state = 'finalized'"))
    inserted = answer(lambda: BillingPeriod.objects.create(month="2025-02", state="finalized"))

    assert "a month without a seal cannot be finalized" in said
    assert "a month without a seal cannot be finalized" in inserted
    period.refresh_from_db()
    assert period.state == "closed"


def test_audit_entry_is_written_once_and_never_changed():
    entry = audit.record(by=None, action="test", subject="a phrase")
    table = AuditEntry._meta.db_table

    answers = [
        answer(entry.save),
        answer(lambda: AuditEntry.objects.update(reason="another")),
        answer(lambda: AuditEntry.objects.filter(pk=entry.pk).delete()),
        answer(sql(f"UPDATE {table} SET id = id")),
        answer(sql(f"DELETE FROM {table}")),
    ]

    assert ["an audit entry never changes" in said for said in answers] == [True] * 5
    audit.record(by=None, action="test", subject="another phrase")
    assert AuditEntry.objects.count() == 2


@on_sqlite
def test_audit_entry_is_not_replaced():
    entry = audit.record(by=None, action="test", subject="a phrase")

    said = answer(sql(copied(AuditEntry, entry, "INSERT OR REPLACE", reason="'another'")))

    assert "an audit entry never changes" in said


def test_every_table_is_guarded_or_known_to_be_free():
    ours = [model for app in ("periods", "charges", "statements") for model in apps.get_app_config(app).get_models()]
    free = {model.__name__ for model in ours if model not in WAYS and not hasattr(model, "history_object")}

    assert free == {
        "BillingPeriod", "AuditEntry", "StatementCounter", "EmailDelivery", "EmailEvent", "Suppression", "Source", "PrincipalInvestigator",
        "PIAddress", "FundingAccount", "Project", "ProjectDelegate", "AttributionRule", "ReviewRule", "FundingSplit",
        "FundingShare", "ReviewSettings", "AllowedFund",
    }  # fmt: skip


# The guards themselves


def drop_one() -> str:
    """Take the guard away that refuses new charges; gives its name."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            name = "ocb_guard_charges_charge_insert_sealed"
            cursor.execute(f"DROP TRIGGER {name}")
        else:
            name = "ocb_guard_charges_charge_insert"
            cursor.execute(f"DROP TRIGGER {name} ON charges_charge")
    return name


def test_guards_stand_after_migrate():
    assert guards.missing() == []
    assert guards_stand(databases=["default"]) == []


def test_absent_guard_fails_the_check_and_migrate_puts_it_back():
    name = drop_one()

    assert [error.msg for error in guards_stand(databases=["default"])] == [f"The guard {name} is missing or altered."]
    call_command("migrate", verbosity=0, skip_checks=False)
    assert guards.missing() == []


@on_postgresql
def test_disabled_or_altered_guard_is_missed():
    sql("ALTER TABLE charges_charge DISABLE TRIGGER ocb_guard_charges_charge_delete")()
    sql("CREATE OR REPLACE FUNCTION ocb_guard_charges_charge_update() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RETURN NULL; END $$")()  # fmt: skip

    assert sorted(guards.missing()) == ["ocb_guard_charges_charge_delete", "ocb_guard_charges_charge_update"]


@on_sqlite
def test_altered_guard_is_missed():
    name = drop_one()
    sql(f"CREATE TRIGGER {name} BEFORE INSERT ON charges_charge WHEN 0 BEGIN SELECT 1; END")()

    assert guards.missing() == [name]


def test_check_before_the_first_migrate_asks_for_nothing(tmp_path):
    home = {"OCB_HOME": str(tmp_path), "DATABASE_URL": f"sqlite:///{tmp_path}/new.sqlite3"}

    check = subprocess.run(
        [sys.executable, "manage.py", "check", "--database", "default"],
        cwd=ROOT, env={**os.environ, **home}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (check.returncode, check.stderr) == (0, "")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("model", "field"), [(Charge, "account_code"), (BillingPeriod, "month"), (Statement, "pi_name")]
)
def test_guards_survive_a_migration_that_remakes_tables(model, field):
    """SQLite makes a new table and drops the old one, with its triggers."""
    now = model._meta.get_field(field)
    longer = models.CharField(max_length=250, unique=now.unique)
    longer.set_attributes_from_name(field)
    longer.model = model

    emit_pre_migrate_signal(
        verbosity=0, interactive=False, db="default", plan=[(Migration("0002_longer", "charges"), False)]
    )
    with connection.schema_editor() as editor:
        editor.alter_field(model, now, longer, strict=False)
    with connection.schema_editor() as editor:
        editor.alter_field(model, longer, now, strict=False)
    lifted = len(guards.missing())
    emit_post_migrate_signal(verbosity=0, interactive=False, db="default")

    assert lifted > 0
    assert guards.missing() == []


@pytest.mark.django_db(transaction=True)
def test_charge_inserted_while_its_month_is_finalized_comes_too_late():
    """The insert begins while the month looks closed, and must not land after the seal."""
    charge = make_charge(period=make_period(state="closed"))
    make_seal(charge.period)

    def insert() -> str:
        try:
            return answer(sql(copied(Charge, charge, id=9999)))
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            BillingPeriod.objects.filter(pk=charge.period_id).update(state="finalized")
            late = pool.submit(insert)
            with pytest.raises(TimeoutError):
                late.result(timeout=0.5)
        said = late.result(timeout=20)

    assert said == FINALIZED
    assert Charge.objects.count() == 1


def test_guards_are_lifted_by_name_and_installed_again():
    guards.lift()
    assert len(guards.missing()) > 50

    guards.install()

    assert guards.missing() == []


@pytest.mark.django_db(transaction=True)
def test_committed_rows_of_a_finalized_month_are_cleared_away_after_a_test():
    make_finalized(make_charge().period)

    with pytest.raises(DatabaseError):
        Charge.objects.update(due_amount=1)
