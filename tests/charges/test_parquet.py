"""Parquet files are read to the last digit, whatever the types of their columns."""

import subprocess
import sys
from collections import deque
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charges.importing.reading import opening as reading
from charges.models import Charge, ImportIssue
from periods.errors import Refused
from tests.charges.packed_files import a_table, load, write_parquet

pytestmark = pytest.mark.django_db
patient = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_parquet_is_exact_to_the_last_digit(tmp_path):
    delivery = load(write_parquet(tmp_path / "a.parquet", **a_table()))

    assert delivery.totals["USD"]["EffectiveCost"]["file"] == "-2.376543210988"
    assert delivery.totals["USD"]["ListCost"]["file"] == "0.1000001"
    assert [(c.effective_cost, c.list_cost, c.resource_id, c.pi.email) for c in Charge.objects.order_by("pk")] == [
        (Decimal("0.123456789"), Decimal("0.1"), "a", "ada@example.edu"),
        (Decimal("-2.5"), Decimal("0.0000001"), "", "ada@example.edu"),
    ]


@pytest.mark.parametrize(
    "tags",
    [
        pa.array(['{"pi_email": "ada@example.edu"}'] * 2),
        pa.array([{"pi_email": "ada@example.edu"}] * 2),
        pa.array([[{"key": "pi_email", "value": "ada@example.edu"}]] * 2),
    ],
)
def test_tags_of_any_type_are_read(tmp_path, tags):
    load(write_parquet(tmp_path / "a.parquet", **a_table(Tags=tags)))

    assert {charge.pi.email for charge in Charge.objects.all()} == {"ada@example.edu"}


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_instants_of_any_resolution_are_read(tmp_path, unit):
    at = pa.array([datetime(2025, 1, 3, 7, tzinfo=UTC)] * 2, pa.timestamp("us", "UTC")).cast(pa.timestamp(unit, "UTC"))
    load(write_parquet(tmp_path / "a.parquet", **a_table(ChargePeriodStart=at)))

    assert {str(charge.charge_period_start) for charge in Charge.objects.all()} == {"2025-01-03 07:00:00+00:00"}


def test_a_float_that_is_no_number_is_put_aside(tmp_path):
    load(write_parquet(tmp_path / "a.parquet", **a_table(ListCost=pa.array([float("nan"), 1.5]))))

    issue = ImportIssue.objects.get()
    assert (issue.column, issue.raw_value, issue.line_number) == ("ListCost", "nan", 2)


def test_a_parquet_file_that_is_cut_is_refused(tmp_path):
    path = write_parquet(tmp_path / "a.parquet", **a_table())
    path.write_bytes(path.read_bytes()[:-20])

    with pytest.raises(Refused) as refusal:
        load(path)

    assert str(refusal.value) == "a.parquet is a damaged or incomplete Parquet file."


def test_a_parquet_file_without_rows_is_none_of_a_delivery(tmp_path):
    full = a_table()
    write_parquet(tmp_path / "a.parquet", **full)
    write_parquet(tmp_path / "b.parquet", **{name: values[:0] for name, values in full.items()})

    delivery = load(tmp_path)

    assert (delivery.rows, delivery.loaded) == (2, 2)
    with pytest.raises(Refused) as refusal:
        load(tmp_path / "b.parquet")
    assert str(refusal.value) == "There is no row below the header of b.parquet: nothing to load."


def test_a_parquet_file_that_contradicts_itself_is_refused(tmp_path):
    """Of what a column is: pyarrow, asked for a column's size, ends the process."""
    path = write_parquet(tmp_path / "a.parquet", **a_table())
    text, other = b"\x15\x0c\x25\x02", b"\x15\x06\x25\x02"
    assert text in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(text, other))

    with pytest.raises(Refused) as refusal:
        load(path)

    assert str(refusal.value) == "a.parquet is a damaged or incomplete Parquet file."


@patient
@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4), st.booleans())
def test_whatever_bytes_are_changed_the_file_is_read_or_refused(tmp_path, changes, in_contents):
    path = write_parquet(tmp_path / "a.parquet", **a_table())
    content = bytearray(path.read_bytes())
    length = int.from_bytes(content[-8:-4], "little")  # of the table of contents, in which most can go wrong
    begin, places = (len(content) - 8 - length, length) if in_contents else (0, len(content))
    for at, byte in changes:
        content[begin + at % places] = byte
    path.write_bytes(content)

    with suppress(Refused), reading.open_rows(path, path.name) as (_, chunks):  # anything else that is raised fails
        deque(chunks)


def test_parquet_needs_nothing_that_the_caller_imports(tmp_path):
    path = write_parquet(tmp_path / "a.parquet", **a_table())
    program = (
        "import django, pathlib, sys; django.setup(); from charges.importing.reading.opening import open_rows\n"
        "with open_rows(pathlib.Path(sys.argv[1]), 'a') as (_, chunks): print(len(next(chunks).rows))"
    )

    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False)

    assert (done.stdout, done.stderr) == ("2\n", "")


def rows_of(path: Path, **options) -> list[list[str]]:
    with reading.open_rows(path, path.name, **options) as (_, chunks):
        return [row for chunk in chunks for row in chunk.rows]


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (pa.array([0.1, 1e-7, None], pa.float32()), ["0.1", "1e-7", ""]),
        (pa.array([0.1, float("inf"), -0.0]), ["0.1", "inf", "-0.0"]),
        (pa.array([Decimal("1E-12"), Decimal("12345678901234567890.5"), None], pa.decimal256(60, 12)),
         ["0.000000000001", "12345678901234567890.500000000000", ""]),
        (pa.array([1, -2, None]), ["1", "-2", ""]),
        (pa.array([True, False, None]), ["true", "false", ""]),
        (pa.array([datetime(2025, 1, 1, 5, tzinfo=UTC)] * 3, pa.timestamp("ns", "America/New_York")),
         ["2025-01-01T05:00:00Z"] * 3),
        (pa.array([datetime(2025, 1, 1)] * 3, pa.timestamp("s")), ["2025-01-01T00:00:00"] * 3),  # noqa: DTZ001
        (pa.array([date(2025, 1, 1), None, None], pa.date32()), ["2025-01-01", "", ""]),
        (pa.array([200_000_000] * 3, pa.date32()), ["<value out of range: 200000000>"] * 3),
        (pa.array([[("a", "b")], [], None], pa.map_(pa.string(), pa.string())), ['{"a": "b"}', "{}", ""]),
        (pa.array([{"a": [{"b": Decimal("1.50")}]}, None, {"a": []}]), ['{"a": [{"b": "1.50"}]}', "", '{"a": []}']),
        (pa.array([timedelta(1), None, None]), ["1 day, 0:00:00", "", ""]),
        (pa.array([b"\xff1", b"text", b""]), ["\\xff1", "text", ""]),
        (pa.nulls(3), ["", "", ""]),
    ],
)  # fmt: skip
def test_every_type_has_its_text(tmp_path, values, texts):
    start = pa.array(["2025-01-01"] * 3)
    path = write_parquet(tmp_path / "a.parquet", BillingPeriodStart=start, EffectiveCost=start, x=values)

    assert [row[2] for row in rows_of(path)] == texts
