"""Deliveries in all forms in which providers send them."""

import csv
import io
import zipfile
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from charges.importing import Delivery, import_files
from periods.errors import Refused
from tests.charges.focus_files import focus_row


def load(*paths: Path, **options) -> Delivery:
    return import_files(list(paths), source_name="aws", **options)


def write_parquet(path: Path, **columns) -> Path:
    pyarrow.parquet.write_table(pa.table(columns), path)
    return path


def a_table(**columns) -> dict:
    pairs = [("pi_email", "ada@example.edu"), ("project_id", "engine"), ("fund_org", "NSF-1")]
    return {
        "BillingPeriodStart": pa.array([datetime(2025, 1, 1, tzinfo=UTC)] * 2, pa.timestamp("ms", "UTC")),
        "EffectiveCost": pa.array([Decimal("0.123456789012"), Decimal("-2.5")], pa.decimal128(38, 12)),
        "ListCost": pa.array([0.1, 1e-7]),
        "ResourceId": pa.array(["a", None]).dictionary_encode(),
        "Tags": pa.array([pairs, pairs], pa.map_(pa.string(), pa.string())),
        **columns,
    }


def text_of(*rows: dict, separator: str = ",") -> str:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0]), delimiter=separator)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def three() -> str:
    return text_of(*(focus_row(ResourceId=f"i-{n}", EffectiveCost=f"{n}.50") for n in (1, 2, 3)))


def refusal_of(*paths: Path) -> str:
    with pytest.raises(Refused) as refusal:
        load(*paths)
    return str(refusal.value)


def zipped(path: Path, method: int = zipfile.ZIP_DEFLATED, **members: bytes | str) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path
