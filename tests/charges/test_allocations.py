"""A charge that the provider divided over others counts once: by its parts."""

from decimal import Decimal

import pytest

from charges.importing import import_files
from charges.models import Charge
from tests.charges.focus_files import focus_row, write_focus

pytestmark = pytest.mark.django_db
COSTS = ("ListCost", "ContractedCost", "BilledCost", "EffectiveCost")


def row(cost: str, method: str = "", resource: str = "cluster", **columns) -> dict:
    return focus_row(AllocatedMethodId=method, ResourceId=resource, **dict.fromkeys(COSTS, cost), **columns)


@pytest.fixture
def deliver(tmp_path):
    def run(*rows, name="a.csv", **options):
        return import_files([write_focus(tmp_path / name, *rows)], source_name="aws", **options)

    return run


def counted() -> list[tuple[Decimal, str]]:
    return list(Charge.objects.current().order_by("due_amount").values_list("due_amount", "review_status"))


@pytest.mark.parametrize("origin_first", [True, False])
def test_the_origin_does_not_count_beside_its_parts(deliver, origin_first):
    origin, parts = row("10"), [row("4", "cpu", AllocatedResourceId="p1"), row("6", "cpu", AllocatedResourceId="p2")]

    delivery = deliver(*([origin, *parts] if origin_first else [*parts, origin]))

    assert counted() == [(Decimal(4), "clear"), (Decimal(6), "clear"), (Decimal(10), "not_billable")]
    assert (delivery.rows, delivery.loaded, delivery.flagged) == (3, 3, 0)


def test_another_charge_of_the_same_resource_counts(deliver):
    deliver(row("4", "cpu"), row("6", "cpu"), row("3"))

    assert counted() == [(Decimal(3), "clear"), (Decimal(4), "clear"), (Decimal(6), "clear")]


def test_an_origin_that_is_divided_only_later_stops_counting(deliver):
    deliver(row("10"), row("1", resource="other"))
    delivery = deliver(row("10"), row("1", resource="other"), row("4", "cpu"), row("6", "cpu"), name="b.csv")

    assert counted() == [
        (Decimal(1), "clear"), (Decimal(4), "clear"), (Decimal(6), "clear"), (Decimal(10), "not_billable"),
    ]  # fmt: skip
    assert (delivery.unchanged, delivery.changed, delivery.added) == (1, 1, 2)


def test_parts_and_origin_may_stand_in_several_files(tmp_path):
    one = write_focus(tmp_path / "1.csv", row("10"))
    two = write_focus(tmp_path / "2.csv", row("4", "cpu"), row("6", "cpu"))

    import_files([one, two], source_name="aws")

    assert [status for _, status in counted()] == ["clear", "clear", "not_billable"]
