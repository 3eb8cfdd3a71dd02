"""What rows are told by: the same however a file writes them, another for all that is not the same."""

from hypothesis import given
from hypothesis import strategies as st

from charges.focus import Header
from charges.importing.checking.digests import Digests
from charges.importing.reading.coded import Coded
from charges.models import Source

NAMES = ["BillingPeriodStart", "ResourceId", "ResourceName", "ServiceName", "BilledCost", "EffectiveCost", "ListCost"]

texts = st.sampled_from(["", "a", "b", "1", "2", "1.0"])
rows = st.lists(st.tuples(st.just("2025-01-01"), *[texts] * 6), min_size=1, max_size=8)


def digests(rows: list[tuple[str, ...]], names: list[str]) -> list[tuple[int, int]]:
    columns = [Coded.of(column) for column in zip(*rows, strict=True)]
    return list(zip(*Digests(Header.of(names), Source()).of(columns), strict=True))


@given(rows)
def test_each_row_has_a_digest_of_its_own(rows):
    found = digests(rows, NAMES)

    assert len({content for _, content in found}) == len(set(rows))
    assert len({identity for identity, _ in found}) == len({row[:4] for row in rows})


@given(rows, st.permutations(range(7)))
def test_neither_the_order_of_columns_nor_an_empty_one_matters(rows, order):
    moved = [(*(row[at] for at in order), "") for row in rows]

    assert digests(moved, [*(NAMES[at] for at in order), "RegionName"]) == digests(rows, NAMES)


@given(rows)
def test_columns_that_are_one_are_told_like_two_that_say_the_same(rows):
    """As what cuts a file gives them."""
    same = [(*row[:4], row[4], row[4], row[4]) for row in rows]
    costs = Coded.of(row[4] for row in same)
    columns = [*(Coded.of(column) for column in list(zip(*same, strict=True))[:4]), costs, costs, costs]

    found = Digests(Header.of(NAMES), Source()).of(columns)

    assert list(zip(*found, strict=True)) == digests(same, NAMES)
