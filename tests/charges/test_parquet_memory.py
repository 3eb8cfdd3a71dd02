"""A Parquet file of a few kilobytes may unpack to gigabytes: reading it takes the memory that any other file takes."""

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from charges.importing.reading import opening as reading
from charges.importing.reading import pages, parquet
from periods.errors import Refused

MOST = 400  # megabytes; Django and pyarrow take half of it
ROWS = 2000
LONG = "x" * 1_000_000
PROGRAM = """
import django, pathlib, resource, sys
django.setup()
from charges.importing.reading.opening import open_rows
with open_rows(pathlib.Path(sys.argv[1]), "a") as (_, chunks):
    print(*(sum(counts) for counts in zip(*((len(chunk.rows), sum(map(len, sum(chunk.rows, [])))) for chunk in chunks))))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "linux" else 1 << 20))
"""


def write(path: Path, values: pa.Array, **options) -> Path:
    """All columns that a header needs, and one of `values`."""
    day = pa.array(["2025-01-01"] * len(values))
    table = pa.table({"BillingPeriodStart": day, "EffectiveCost": day, "x": values})
    pyarrow.parquet.write_table(table, path, compression="zstd", **options)
    return path


def read(path: Path) -> list[list[str]]:
    with reading.open_rows(path, path.name) as (_, chunks):
        return [row for chunk in chunks for row in chunk.rows]


def bomb(path: Path, value: object, kind: pa.DataType) -> Path:
    """A value for each of many rows, by small row groups, so that writing it takes little memory, too."""
    schema = pa.schema({"BillingPeriodStart": pa.string(), "EffectiveCost": pa.string(), "x": kind})
    options = {"compression": "zstd", "dictionary_pagesize_limit": 1 << 24}
    day = ["2025-01-01"] * 20
    with pyarrow.parquet.ParquetWriter(path, schema, **options) as writer:
        for _ in range(ROWS // 20):
            writer.write_table(pa.table({"BillingPeriodStart": day, "EffectiveCost": day, "x": [value] * 20}, schema))
    return path


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (LONG, pa.string()),
        (LONG.encode(), pa.binary()),
        (LONG.encode(), pa.binary(len(LONG))),
        (LONG, pa.json_(pa.string())),
    ],
)
def test_a_long_value_a_thousand_times_is_read_by_few_rows(tmp_path, value, kind):
    path = bomb(tmp_path / "a.parquet", value, kind)

    # a shell between, as a process begins with the peak of the one that starts it
    command = ["sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-c", PROGRAM, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.stderr == ""
    counts, peak = done.stdout.splitlines()
    assert (counts, done.stderr) == (f"{ROWS} {ROWS * (len(LONG) + 20)}", "")
    assert path.stat().st_size < ROWS * len(LONG) / 1000
    assert int(peak) < MOST


@pytest.mark.parametrize("dictionary", [True, False])
def test_pages_that_memory_does_not_hold_are_refused(tmp_path, monkeypatch, dictionary):
    monkeypatch.setattr(parquet, "LARGEST_PAGES", 1_000_000)
    options = {"use_dictionary": dictionary, "dictionary_pagesize_limit": 1 << 24, "data_page_size": 1 << 24}
    path = write(tmp_path / "a.parquet", pa.array(["x" * 600_000, "y" * 600_000]), **options)

    with pytest.raises(Refused) as refusal:
        read(path)

    assert str(refusal.value) == (
        "a.parquet has pages that unpack to more than 1,000,000 bytes: write it in smaller pages."
    )


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_pages_are_weighed_as_they_are_written(tmp_path, version):
    values = pa.array([f"{at:0100}" for at in range(10_000)])
    options = {"use_dictionary": False, "data_page_size": 100_000, "write_batch_size": 10, "data_page_version": version}
    path = write(tmp_path / "a.parquet", values, **options)

    with path.open("rb") as file:
        memory = pages.memory(file)

    assert 3 * 100_000 < memory < 3 * 110_000


def test_a_row_that_is_no_billing_row_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "HEAVY", 1000)
    light, heavy = (write(tmp_path / f"{size}.parquet", pa.array(["x" * size] * 3)) for size in (900, 1000))

    assert [len(row[2]) for row in read(light)] == [900] * 3
    with pytest.raises(Refused) as refusal:
        read(heavy)
    assert str(refusal.value) == "1000.parquet holds a row of more than 1,000 characters: that is no billing row."


def test_rows_that_are_read_by_few_are_the_same(tmp_path, monkeypatch):
    """Over row groups, and where a dictionary was given up for plain values amid one."""
    texts = [None if at % 7 == 0 else str(at % 300) * 9 for at in range(3000)]
    path = write(tmp_path / "a.parquet", pa.array(texts), row_group_size=700, dictionary_pagesize_limit=1000)
    monkeypatch.setattr(reading, "HEAVY", 1500)

    assert [row[2] for row in read(path)] == [text or "" for text in texts]


def test_a_page_that_claims_endless_lists_is_refused_at_once(tmp_path):
    path = write(tmp_path / "a.parquet", pa.array(["x" * 100] * 100), use_dictionary=False)
    column = pyarrow.parquet.read_metadata(path).row_group(0).column(2)
    header = (
        bytes([0x15, 0, 0x15, 0, 0x15, 0, 0x99, 0xF3]) + b"\x80" * 5 + b"\x20" + bytes(10)
    )  # 2 ** 40 bytes, one by one
    content = bytearray(path.read_bytes())
    content[column.data_page_offset : column.data_page_offset + len(header)] = header
    path.write_bytes(content)

    with pytest.raises(Refused):
        read(path)


def test_no_row_is_lost_where_a_file_lies_about_a_number(tmp_path):
    """Of rows in all, in a row group, and of values in each column: 100, written as 200 in seven bits a byte."""
    path = write(tmp_path / "a.parquet", pa.array(["x"] * 100))
    content, hundred, none = path.read_bytes(), b"\x16\xc8\x01", b"\x16\x80\x00"
    places = [at for at in range(len(content)) if content.startswith(hundred, at)]

    for at in places:
        path.write_bytes(content[:at] + none + content[at + len(none) :])
        try:
            assert len(read(path)) == 100
        except Refused:
            continue

    assert len(places) >= 5
