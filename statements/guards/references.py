"""Foreign keys of charges on PostgreSQL, looked at once a statement.

PostgreSQL itself runs a query for every row and key: fifty of the seventy microseconds that a loaded charge cost.
These triggers do what its foreign keys do at READ COMMITTED, which Django uses: lock the rows that new charges name, so that nobody deletes them
meanwhile, and refuse to delete a row that a charge names.
"""

from collections.abc import Iterator
from typing import Any

from charges.models import Charge

NAMES = ("period", "source", "loaded_by", "file", "pi", "project", "funding_account", "rule")
VIOLATION = "USING ERRCODE = 'foreign_key_violation'"

ROWS_STAND = f"""
DECLARE found bigint;
BEGIN
  EXECUTE format('SELECT 1 FROM %I WHERE id = ANY($1) ORDER BY id FOR KEY SHARE', name) USING keys;
  GET DIAGNOSTICS found = ROW_COUNT;
  IF found <> cardinality(keys) THEN
    RAISE EXCEPTION 'a charge names a row that % does not hold', name {VIOLATION};
  END IF;
END
"""


def named(function: str) -> str:
    """The body of a trigger on charges: all that its new rows name must be there. One look at the rows, for all keys."""
    columns = [column for columns in _parents().values() for column in columns]
    keys = ", ".join(f"array_agg(DISTINCT {name}) FILTER (WHERE {name} IS NOT NULL) AS {name}" for name in columns)
    checks = "\n".join(
        f"  PERFORM {function}(coalesce(named.{column}, '{{}}'), '{parent}');"
        for parent, columns in _parents().items()
        for column in columns
    )
    return (
        "\nDECLARE named record;\nBEGIN\n"
        f"  SELECT {keys} INTO named FROM (SELECT DISTINCT {', '.join(columns)} FROM new_rows) r;\n"
        f"{checks}\n  RETURN NULL;\nEND\n"
    )


def left_behind() -> Iterator[tuple[str, str]]:
    """Tables that charges name, each with the body of its delete trigger."""
    charges = Charge._meta.db_table
    for parent, columns in _parents().items():
        is_named = " OR ".join(
            f"EXISTS (SELECT 1 FROM {charges} c JOIN old_rows o ON c.{column} = o.id)" for column in columns
        )
        sentence = f"RAISE EXCEPTION '{parent}: a charge names this row' {VIOLATION}"
        yield parent, f"\nBEGIN\n  IF {is_named} THEN\n    {sentence};\n  END IF;\n  RETURN NULL;\nEND\n"


def _parents() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in NAMES:
        field: Any = Charge._meta.get_field(name)
        found.setdefault(field.related_model._meta.db_table, []).append(field.column)
    return found
