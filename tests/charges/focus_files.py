"""Writes small FOCUS files for tests: a row says only what the test is about."""

import csv
import gzip
import json
from pathlib import Path
from typing import Any

DEFAULTS: dict[str, Any] = {
    "BillingPeriodStart": "2025-01-01",
    "BillingPeriodEnd": "2025-02-01",
    "ChargePeriodStart": "2025-01-01",
    "ChargePeriodEnd": "2025-02-01",
    "ListCost": "100.00",
    "ContractedCost": "100.00",
    "BilledCost": "80.00",
    "EffectiveCost": "80.00",
    "ResourceId": "i-1",
    "ResourceName": "node-1",
    "ServiceName": "Compute",
}
TAGS = {"pi_email": "ada@example.edu", "project_id": "engine", "fund_org": "NSF-1"}


def focus_row(tags: Any = None, **columns: Any) -> dict[str, Any]:
    """A clean row of ada's; a column given as None is left out of the file."""
    text = tags if isinstance(tags, str) else json.dumps({**TAGS, **(tags or {})})
    return {**DEFAULTS, "Tags": text, **columns}


def write_focus(path: Path, *rows: dict[str, Any], encoding: str = "utf-8", separator: str = ",") -> Path:
    names = list(dict.fromkeys(name for row in rows for name, value in row.items() if value is not None))
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", encoding=encoding, newline="") as file:  # type: ignore[operator]
        writer = csv.DictWriter(file, names, delimiter=separator, extrasaction="ignore", restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path
