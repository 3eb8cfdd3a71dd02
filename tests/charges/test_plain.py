"""Text that Arrow cuts by the block is read as the csv module reads it, to the letter; Arrow gets nothing else."""

import csv
import gzip
import io
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charges.importing.reading import text
from charges.importing.reading.opening import open_rows
from charges.importing.reading.plain import cutter
from periods.errors import Refused

HEADER = "BillingPeriodStart{0}BilledCost{0}Tags"
QUOTED = '"BillingPeriodStart"{0}"BilledCost"{0}"Tags"'
HEADERS = [HEADER, QUOTED, "\ufeff" + HEADER, "\ufeff" + QUOTED, "\n" + HEADER, "sep={0}\n" + HEADER]
HEADERS += ['"BillingPeriodStart"{0}"BilledCost\n"{0}Tags', HEADER + ' "', HEADER + '"', HEADER + '{0}"x', "ä" + HEADER]
NEVER = re.compile(b"(?!)")
PIECES = ["a", "ä", "€", '"', '""', "'", "\\", " ", ",", ";", "\t", "\n", "\r\n", "\r", "\x00", "NULL", "\ufeff", "#"]

well_formed = st.lists(st.text(st.sampled_from('ab"ü, ;')), min_size=3, max_size=3).map(
    lambda cells: ",".join(
        f'"{cell.replace(chr(34), chr(34) * 2)}"' if set(cell) & set('," ') else cell for cell in cells
    )
)
anything = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)
lines = st.lists(st.one_of(well_formed, well_formed, anything), max_size=8)


def read(path: Path) -> list[tuple[int, list[str]]] | str:
    """Lines and cells, or why not."""
    try:
        with open_rows(path, "a.csv") as (_, chunks):
            return [row for chunk in chunks for row in zip(chunk.lines, chunk.rows, strict=True)]
    except Refused as refusal:
        return str(refusal)


@given(
    header=st.sampled_from(HEADERS),
    rows=lines,
    end=st.sampled_from(["\n", "\r\n"]),
    separator=st.sampled_from(",;\t"),
    is_ended=st.booleans(),
    block=st.integers(1, 60),
)
@settings(max_examples=600, deadline=None)
def test_any_text_is_read_as_the_csv_module_reads_it(*, header, rows, end, separator, is_ended, block):
    body = end.join([header.format(separator), *(row.replace(",", separator) for row in rows)]) + end * is_ended
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder) / "a.csv"
        path.write_bytes(body.encode())
        patch.setattr(text, "BLOCK", block)
        by_the_block = read(path)
        patch.setattr(text, "PLAIN_HEADER", NEVER)

        assert by_the_block == read(path)


@pytest.mark.parametrize("header", HEADERS[:4])
def test_below_a_plain_header_text_is_cut_by_the_block(tmp_path, monkeypatch, header):
    path = tmp_path / "a.csv"
    path.write_text(header.format(",") + "\na,b,c\n")
    monkeypatch.setattr(text, "_text", None)

    assert read(path) == [(2, ["a", "b", "c"])]


@pytest.mark.parametrize(
    ("lines", "rows"),
    [
        ("a,b\n", [["a", "b"]]),
        ('a,"b"\r\n"c ""d"", e",\n', [["a", "b"], ['c "d", e', ""]]),
        ("ä,\ufeff\n", [["ä", "\ufeff"]]),
        (" a,NULL\n", [[" a", "NULL"]]),
    ],
)
def test_plain_rows_are_cut_into_columns(lines, rows):
    columns = cutter(",", 2)(lines.encode())

    assert columns is not None
    assert [list(row) for row in zip(*columns, strict=True)] == rows


@pytest.mark.parametrize(
    "lines",
    [
        "a,b",  # the last line may go on
        "a,b\n\n",
        "a\n",
        "a,b,c\n",
        'a,"b\nc"\n',
        'a,"b"c\n',
        'a,b"c\n',
        'a,"b\n',
        "a,b\rc,d\n",
        "a,b\x00\n",
    ],
)
def test_what_is_not_plain_is_left_to_the_csv_module(lines):
    assert cutter(",", 2)(("x,y\n" + lines).encode()) is None


def test_a_byte_order_mark_within_the_file_is_text():
    assert cutter(",", 2)(("\ufeffa,b\n").encode()) is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, lambda data: pa.compress(data, "zstd", asbytes=True)])
def test_a_long_file_is_whole_in_any_encoding_and_packing(tmp_path, monkeypatch, encoding, pack):
    cells = [[str(at), "ü" * (at % 97), "line\nend" if at == 2500 else "é"] for at in range(5000)]
    path = tmp_path / "a.csv"
    with io.StringIO(newline="") as body:
        csv.writer(body).writerows([HEADER.format(",").split(","), *cells])
        path.write_bytes(pack(body.getvalue().encode(encoding)))
    monkeypatch.setattr(text, "BLOCK", 50_000)

    with open_rows(path, "a.csv", encoding="latin-1" if encoding == "latin-1" else "") as (_, chunks):
        assert [row for chunk in chunks for row in chunk.rows] == cells
