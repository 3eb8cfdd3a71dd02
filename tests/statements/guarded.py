"""What the database says to a way of writing, and statements in SQL that write."""

from django.db import IntegrityError, connection, transaction

from statements.guards.ways import hops

FINALIZED = "finalized, nothing in it changes"
KEY = "a primary key never changes"
NAMED = "a charge names this row"


def answer(action) -> str:
    """`done` (and undone), or what the database said."""
    try:
        with transaction.atomic():
            action()
            transaction.set_rollback(True)
    except IntegrityError as error:
        return next((known for known in (FINALIZED, KEY, NAMED) if known in str(error)), str(error))
    return "done"


def sql(statement: str):
    def execute() -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement)

    return execute


def copied(model, row, verb: str = "INSERT", **expressions) -> str:
    """A statement that writes a copy of the row, with some columns computed otherwise."""
    columns = [field.column for field in model._meta.concrete_fields]
    chosen = ", ".join(str(expressions.get(column, f'"{column}"')) for column in columns)
    names = ", ".join(f'"{column}"' for column in columns)
    table = model._meta.db_table
    return f"{verb} INTO {table} ({names}) SELECT {chosen} FROM {table} WHERE id = {row.pk}"


def fresh(model) -> dict[str, str]:
    """Values that collide with no unique key."""
    own = {field.column for field in model._meta.concrete_fields} - {hops(model)[0].from_column} | {"id"}
    changed = {
        "id": "id + 1000",
        "number": "number + 1000",
        "template": "template || 'x'",
        "adjustment_id": "NULL",
        "original_id": "original_id + 1000",
    }
    return {column: expression for column, expression in changed.items() if column in own}
