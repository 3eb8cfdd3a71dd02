from typing import Any

from django.db import migrations

FEW_ROWS_HAVE = ("superseded_by", "replaces", "origin", "exchange_rate", "decided_by")


def leave_to_the_guards(apps: Any, schema_editor: Any) -> None:
    """PostgreSQL queues a check for each row and foreign key, null or not: a fifth of what a loaded row costs there."""
    if schema_editor.connection.vendor == "postgresql":
        charge = apps.get_model("charges", "Charge")
        for name in FEW_ROWS_HAVE:
            for constraint in _constraints(schema_editor, charge, name):
                schema_editor.execute(schema_editor._delete_fk_sql(charge, constraint))


def check_each_row(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        charge = apps.get_model("charges", "Charge")
        for name in FEW_ROWS_HAVE:
            field = charge._meta.get_field(name)
            schema_editor.execute(schema_editor._create_fk_sql(charge, field, "_fk_%(to_table)s_%(to_column)s"))


def _constraints(schema_editor: Any, model: Any, name: str) -> list[str]:
    column = model._meta.get_field(name).column
    names: list[str] = schema_editor._constraint_names(model, [column], foreign_key=True)
    return names


class Migration(migrations.Migration):
    dependencies = [("charges", "0019_recheck_permission")]
    operations = [migrations.RunPython(leave_to_the_guards, check_each_row)]
