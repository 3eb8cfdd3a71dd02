"""Saves fields of charges by the thousand: `bulk_update` builds a case for each row and field, and takes minutes."""

from collections.abc import Sequence
from typing import Any

from django.db import connection

from charges.models import Charge


def rewrite(charges: Sequence[Charge], fields: Sequence[str]) -> None:
    """Save these fields of the charges by one prepared statement."""
    written: list[Any] = [Charge._meta.get_field(name) for name in fields]
    quote = connection.ops.quote_name
    values = ", ".join(f"{quote(field.column)} = %s" for field in written)
    rows = [
        [*(field.get_db_prep_save(getattr(charge, field.attname), connection) for field in written), charge.pk]
        for charge in charges
    ]
    with connection.cursor() as cursor:
        cursor.executemany(f"UPDATE {quote(Charge._meta.db_table)} SET {values} WHERE id = %s", rows)  # noqa: S608
