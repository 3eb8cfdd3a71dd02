"""Begins the history of rows that were just made, by one statement for all of them."""

from collections.abc import Sequence
from typing import Any

from django.db import connection
from django.db.models import Model, Value
from django.utils import timezone


def begin(rows: Sequence[Model]) -> None:
    """As `bulk_history_create`, whose instance of each entry costs twice as much as the row itself. Rows of one model."""
    if not rows:
        return
    model: Any = type(rows[0])
    history = model.history.model
    user = history.get_default_history_user(rows[0])
    entry = {"date": timezone.now(), "type": "+", "change_reason": "", "user": user and user.pk}
    said = {history._meta.get_field(f"history_{name}"): value for name, value in entry.items()}
    made = model._base_manager.filter(pk__in=[row.pk for row in rows]).order_by("pk")
    copied = made.values_list(
        *(field.attname for field in history.tracked_fields), *(Value(value, field) for field, value in said.items())
    )
    columns = ", ".join(connection.ops.quote_name(field.column) for field in [*history.tracked_fields, *said])
    select, parameters = copied.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {history._meta.db_table} ({columns}) {select}", parameters)
