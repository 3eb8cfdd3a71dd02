"""The same file through an unmodified django-import-export resource, for comparison: a program of its own.

`python -m ocb_project.bench.stock FILE` loads it into a table of text columns with an index on the key, in memory.
"""

import os
import sys
from pathlib import Path

import django


def main(file: Path) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ocb_project.settings")
    django.setup()
    from django.db import connection, models  # noqa: PLC0415 - only after the setup
    from import_export.resources import modelresource_factory  # noqa: PLC0415
    from tablib import Dataset  # noqa: PLC0415

    data = Dataset().load(file.read_text("utf-8"), format="csv")
    columns: dict[str, models.Field] = {name: models.TextField(blank=True) for name in data.headers}
    columns["number"] = models.IntegerField(unique=True)
    meta = type("Meta", (), {"app_label": "charges"})
    row = type("StockRow", (models.Model,), {"__module__": __name__, "Meta": meta, **columns})
    data.append_col(range(len(data)), header="number")
    with connection.schema_editor() as editor:
        editor.create_model(row)
    resource = modelresource_factory(row)()
    resource._meta.import_id_fields = ["number"]
    result = resource.import_data(data, dry_run=False, raise_errors=True)
    if result.totals["new"] != len(data):
        sys.exit(f"Only {result.totals['new']} of {len(data)} rows were loaded.")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
