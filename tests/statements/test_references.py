"""What a charge names is there and stays there: by foreign keys on SQLite, by the guards on PostgreSQL."""

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import ProtectedError

from charges.importing.writing import write
from charges.models import AttributionRule, Charge, ReceivedFile
from statements.guards.references import KEYS
from tests.make import make_charge, make_import, make_rate

pytestmark = pytest.mark.django_db(transaction=True)
every_name = pytest.mark.parametrize("name", [key.name for key in KEYS])
on_postgresql = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has one writer")
NOBODY = 987_654
FIELDS = [field for field in Charge._meta.concrete_fields if not field.primary_key and field.name != "flags"]


def execute(statement: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def column_and_parent(name: str) -> tuple[str, str]:
    field = Charge._meta.get_field(name)
    return field.column, field.related_model._meta.db_table


def make_charge_that_names_all() -> Charge:
    earlier = make_charge()
    file = ReceivedFile.objects.create(focus_import=earlier.loaded_by, position=0, name="a", sha256="a", size=0)
    return make_charge(
        superseded_by=make_import(earlier.period, earlier.source),
        replaces=earlier,
        origin=make_charge(),
        file=file,
        exchange_rate=make_rate("1.1"),
        rule=AttributionRule.objects.create(source=earlier.source, sub_account_id="1", pi=earlier.pi),
        decided_by=User.objects.create(username="ada"),
    )


@every_name
def test_a_new_charge_names_no_row_that_is_not_there(name: str) -> None:
    charge = make_charge()
    column, _ = column_and_parent(name)
    columns = [field.column for field in Charge._meta.concrete_fields if not field.primary_key]
    copied = ", ".join(str(NOBODY) if other == column else f'"{other}"' for other in columns)
    names = ", ".join(f'"{other}"' for other in columns)
    with pytest.raises(IntegrityError):
        execute(f"INSERT INTO charges_charge ({names}) SELECT {copied} FROM charges_charge WHERE id = {charge.pk}")
    assert Charge.objects.count() == 1


@every_name
@pytest.mark.parametrize("is_same_in_all_rows", [False, True])
def test_of_rows_written_by_the_thousand_none_names_a_row_that_is_not_there(
    name: str, is_same_in_all_rows: bool
) -> None:
    charge = make_charge()
    column, _ = column_and_parent(name)
    constants = {field.attname: field.get_db_prep_save(getattr(charge, field.attname), connection) for field in FIELDS}
    columns = {"line_number": [2, 3]}
    if is_same_in_all_rows:
        constants[column] = NOBODY
    else:
        columns[column] = [constants.pop(column), NOBODY]
    with pytest.raises(IntegrityError):
        write([(columns, constants)])
    assert Charge.objects.count() == 1
    with pytest.raises(IntegrityError):  # as before: each row by itself
        execute(f"UPDATE charges_charge SET {column} = {NOBODY}")


@every_name
def test_a_charge_is_never_made_to_name_a_row_that_is_not_there(name: str) -> None:
    charge = make_charge()
    column, _ = column_and_parent(name)
    with pytest.raises(IntegrityError):
        execute(f"UPDATE charges_charge SET {column} = {NOBODY}")
    assert getattr(Charge.objects.get(), column) == getattr(charge, column)


@every_name
def test_a_row_that_a_charge_names_stays(name: str) -> None:
    charge = make_charge_that_names_all()
    column, parent = column_and_parent(name)
    with pytest.raises(IntegrityError):
        execute(f"DELETE FROM {parent} WHERE id = {getattr(charge, column)}")


def test_charges_go_together_with_those_that_name_them() -> None:
    charge = make_charge()
    make_charge(replaces=charge, origin=charge)
    execute("DELETE FROM charges_charge")
    assert not Charge.objects.exists()


def test_django_says_so_before_the_database_does() -> None:
    charge = make_charge()
    with pytest.raises(ProtectedError):
        charge.project.delete()


def test_rows_that_nothing_names_go() -> None:
    charge = make_charge()
    project, charge.project, charge.review_status = charge.project, None, "held"
    charge.save()
    project.delete()
    assert Charge.objects.get().project_id is None


@on_postgresql
def test_a_row_is_not_deleted_while_a_charge_that_names_it_is_on_its_way() -> None:
    project = make_charge().project
    Charge.objects.update(project=None, review_status="held")
    other = connection.copy()
    try:
        with transaction.atomic():
            Charge.objects.update(project=project)
            with other.cursor() as cursor:
                cursor.execute("SET lock_timeout = '200ms'")
                with pytest.raises(OperationalError, match="lock timeout"):
                    cursor.execute("DELETE FROM charges_project WHERE id = %s", [project.pk])
    finally:
        other.close()
    with pytest.raises(IntegrityError):
        execute(f"DELETE FROM charges_project WHERE id = {project.pk}")
