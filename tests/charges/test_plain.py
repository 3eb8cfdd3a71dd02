"""Text that Arrow cuts by the block is read as the csv module reads it, to the letter; Arrow gets nothing else."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charges.importing.reading import plain, text
from charges.importing.reading.opening import open_rows
from charges.importing.reading.plain import cutter
from periods.errors import Refused

HEADER = "BillingPeriodStart{0}BilledCost{0}Tags"
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


@given(lines, st.sampled_from(["\n", "\r\n"]), st.sampled_from(",;\t"), st.booleans(), st.integers(1, 60))
@settings(max_examples=600, deadline=None)
def test_any_text_is_read_as_the_csv_module_reads_it(rows, end, separator, is_ended, block):
    body = end.join([HEADER.format(separator), *(row.replace(",", separator) for row in rows)]) + end * is_ended
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder) / "a.csv"
        path.write_bytes(body.encode())
        patch.setattr(text, "BLOCK", block)
        by_the_block = read(path)
        patch.setattr(plain, "MOST_COLUMNS", 0)

        assert by_the_block == read(path)


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
    columns = cutter(",", 2)(lines)

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
    assert cutter(",", 2)("x,y\n" + lines) is None


def test_a_byte_order_mark_within_the_file_is_text():
    assert cutter(",", 2)("\ufeffa,b\n") is None
