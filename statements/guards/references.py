"""Foreign keys of charges on PostgreSQL, looked at once a statement.

PostgreSQL itself runs a query for every row and key: fifty of the seventy microseconds that a loaded charge cost. A key
that is null costs half a microsecond still, as its check is queued until the commit. These triggers do what its foreign keys do at READ COMMITTED, which Django uses: lock the rows that new charges name, so that nobody deletes them
meanwhile, and refuse to delete a row that a charge names.
"""

from collections.abc import Iterator

from django.db.models import ForeignKey

from charges.models import Charge

KEYS = [field for field in Charge._meta.concrete_fields if isinstance(field, ForeignKey)]
VIOLATION = "USING ERRCODE = 'foreign_key_violation'"

STANDS = f"""
  IF named.{{column}} IS NOT NULL THEN
    PERFORM 1 FROM {{parent}} WHERE id IN (SELECT unnest(named.{{column}})) ORDER BY id FOR KEY SHARE;
    GET DIAGNOSTICS found = ROW_COUNT;
    IF found <> cardinality(named.{{column}}) THEN
      RAISE EXCEPTION 'a charge names a row that {{parent}} does not hold' {VIOLATION};
    END IF;
  END IF;
"""


def named_by_new(first: str) -> str:
    """The body of a trigger on charges: all that its new rows name must be there. `first` is done before, with the keys."""
    return _named("new_rows n", "n.{0} IS NOT NULL", first)


def named_by_changed() -> str:
    """The same for an update: what a row named before is there."""
    return _named("new_rows n JOIN old_rows o USING (id)", "n.{0} IS NOT NULL AND n.{0} IS DISTINCT FROM o.{0}")


def left_behind() -> Iterator[tuple[str, str]]:
    """Tables that charges name, each with the body of its delete trigger."""
    charges = Charge._meta.db_table
    for parent, columns in _parents().items():
        is_named = " OR ".join(
            f"EXISTS (SELECT 1 FROM {charges} c JOIN old_rows o ON c.{column} = o.id)" for column in columns
        )
        sentence = f"RAISE EXCEPTION '{parent}: a charge names this row' {VIOLATION}"
        yield parent, f"\nBEGIN\n  IF {is_named} THEN\n    {sentence};\n  END IF;\n  RETURN NULL;\nEND\n"


def _named(rows: str, is_new: str, first: str = "") -> str:
    keys = ", ".join(
        f"array_agg(DISTINCT n.{key.column}) FILTER (WHERE {is_new.format(key.column)}) AS {key.column}" for key in KEYS
    )
    checks = "".join(
        STANDS.format(column=column, parent=parent) for parent, columns in _parents().items() for column in columns
    )
    return f"\nDECLARE named record; found bigint;\nBEGIN\n  SELECT {keys} INTO named FROM {rows};\n{first}{checks}  RETURN NULL;\nEND\n"


def _parents() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key in KEYS:
        found.setdefault(key.related_model._meta.db_table, []).append(key.column)
    return found
