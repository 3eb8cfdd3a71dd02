"""Bad rows are told among others as each by itself, and no good one with them."""

from hypothesis import given
from hypothesis import strategies as st

from charges.focus import Header
from charges.importing.checking.errors import BadRow
from charges.importing.checking.rows import RowReader
from charges.importing.reading.chunk import Chunk
from charges.models import Source

NAMES = ["BillingPeriodStart", "BillingAccountId", "BillingCurrency", "BilledCost", "EffectiveCost", "ChargePeriodEnd"]
CELLS = [
    ["2025-01-01", "2025-01-01", "01/02/2025", ""],
    ["1", "1", "a" * 501, "\x00"],
    ["USD", "USD", "usd ", "Dollar"],
    ["1", "2.5", "", "$1"],
    ["1", "2.5", "NULL", "1e400"],
    ["2025-01-02", "2025-01-02", "hour 30"],
]
whole = st.tuples(*map(st.sampled_from, CELLS)).map(list)
rows = st.lists(st.one_of(whole, whole, whole, st.lists(st.just("1"), min_size=1, max_size=8)), min_size=1, max_size=12)


def sifted(chunk: Chunk) -> tuple[list[int], list[tuple[object, ...]]]:
    reader = RowReader(Header.of(NAMES), Source(), currency="USD")
    bad: list[tuple[object, ...]] = []

    def put(why: BadRow, line: int, cells: list[str]) -> None:
        bad.append((line, why.column, why.value, why.sentence, why.amounts, cells))

    return [line for good in reader.sift(chunk, put) for line in good.lines], bad


@given(rows)
def test_together_as_one_by_one(rows):
    good, bad = [], []
    for line, cells in enumerate(rows, start=2):
        found = sifted(Chunk([line], [cells]))
        good += found[0]
        bad += found[1]

    assert sifted(Chunk(range(2, 2 + len(rows)), rows)) == (good, bad)
