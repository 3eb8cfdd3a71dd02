"""Rows of one identity: what is decided about one of them is never another's while a nearer row is there."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charges import review
from charges.importing.loading.matching import Old, pair, repeated
from charges.models import Charge
from tests.charges.focus_files import focus_row
from tests.charges.folders import deliver, folder

__all__ = ["folder"]

DUES = st.lists(st.integers(-5, 50), max_size=12)


def billed(*costs: str) -> list[dict]:
    return [focus_row(EffectiveCost=cost) for cost in costs] + [focus_row(ResourceId="other")]


def excluded() -> list[Decimal]:
    return list(Charge.objects.current().filter(review_status="excluded").values_list("due_amount", flat=True))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("before", "after", "nearest"),
    [
        (["11"], ["500", "11.01"], "11.01"),
        (["11"], ["11.01", "500"], "11.01"),
        (["11", "100"], ["95", "101", "11.5"], "11.5"),
    ],
)
def test_an_exclusion_goes_to_the_nearest_row_wherever_it_stands(
    folder: Path, before: list[str], after: list[str], nearest: str
) -> None:
    deliver(folder, *billed(*before))
    review.exclude(Charge.objects.filter(due_amount=11), reason="Our own experiment")

    deliver(folder, *billed(*after))

    assert excluded() == [Decimal(nearest)]


@pytest.mark.django_db
def test_an_exclusion_goes_to_the_same_row_when_it_comes_again_behind_another(folder: Path) -> None:
    deliver(folder, *billed("3"))
    review.exclude(Charge.objects.filter(due_amount=3), reason="Our own experiment")
    deliver(folder, *billed())

    deliver(folder, *billed("1", "3"))

    assert excluded() == [3]


@given(charges=DUES, rows=DUES)
def test_each_is_paired_once_and_no_pair_is_farther_than_one_that_both_could_have_had(
    charges: list[int], rows: list[int]
) -> None:
    old = [Old(pk, 7, due) for pk, due in enumerate(charges)]
    new = [(7, due, key) for key, due in enumerate(rows)]

    pairs = list(pair(old, new, repeated(identity for identity, *_ in new)))

    by_row, by_charge = dict(pairs), {charge: row for row, charge in pairs}
    assert len(by_row) == len(by_charge) == len(pairs) == min(len(charges), len(rows))
    for row, due in enumerate(rows):
        for charge, other in enumerate(charges):
            distances = [abs(rows[by_charge[charge]] - other)] if charge in by_charge else []
            distances += [abs(due - charges[by_row[row]])] if row in by_row else []
            assert abs(due - other) >= min(distances)
