"""A charge that the provider divided over others counts once: by its parts."""

from decimal import Decimal

import pytest

from charges.importing import correct_row, import_files
from charges.models import Charge, ImportIssue
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
    return list(
        Charge.objects.current().order_by("due_amount", "review_status").values_list("due_amount", "review_status")
    )


@pytest.mark.parametrize("origin_first", [True, False])
def test_the_origin_does_not_count_beside_its_parts(deliver, origin_first):
    origin, parts = row("10"), [row("4", "cpu", AllocatedResourceId="p1"), row("6", "cpu", AllocatedResourceId="p2")]

    delivery = deliver(*([origin, *parts] if origin_first else [*parts, origin]))

    assert counted() == [(Decimal(4), "clear"), (Decimal(6), "clear"), (Decimal(10), "not_billable")]
    assert (delivery.rows, delivery.loaded, delivery.flagged) == (3, 3, 0)


@pytest.mark.parametrize(
    "costs", [("1", "0.3333333333", "0.3333333333", "0.3333333334"), ("0.3", "0.1", "0.1", "0.09999999999999998"),
              ("10", "3.333333", "3.333333", "3.333333")],
)  # fmt: skip
def test_parts_may_be_rounded(deliver, costs):
    origin, *parts = costs
    deliver(row(origin), *(row(part, "cpu") for part in parts))

    assert Charge.objects.filter(review_status="not_billable").get().effective_cost == Decimal(origin)


def test_several_origins_that_nothing_tells_apart_are_divided_together(deliver):
    deliver(row("1"), row("2"), row("0.5", "cpu"), row("0.5", "cpu"), row("2", "cpu"))

    assert counted() == [
        (Decimal("0.5"), "clear"), (Decimal("0.5"), "clear"), (Decimal(1), "not_billable"), (Decimal(2), "clear"),
        (Decimal(2), "not_billable"),
    ]  # fmt: skip


def test_parts_may_be_described_otherwise_than_their_origin(deliver):
    deliver(
        row("3", ChargeDescription="node"), row("1", "cpu", ChargeDescription="pod a"),
        row("2", "cpu", ChargeDescription="pod b"),
    )  # fmt: skip

    assert counted() == [(Decimal(1), "clear"), (Decimal(2), "clear"), (Decimal(3), "not_billable")]


def test_an_origin_that_costs_nothing_does_not_show_its_list_price_twice(deliver):
    free = {"BilledCost": "0", "EffectiveCost": "0"}
    deliver(row("3") | free, row("1", "cpu") | free, row("2", "cpu") | free)

    statuses = Charge.objects.order_by("list_amount").values_list("list_amount", "review_status")
    assert list(statuses) == [(Decimal(1), "clear"), (Decimal(2), "clear"), (Decimal(3), "not_billable")]


def test_another_charge_beside_an_origin_counts(deliver):
    deliver(row("10"), row("4", "cpu"), row("6", "cpu"), row("3"))

    assert counted() == [
        (Decimal(3), "clear"), (Decimal(4), "clear"), (Decimal(6), "clear"), (Decimal(10), "not_billable"),
    ]  # fmt: skip


@pytest.mark.parametrize("others", [("3",), ("10", "10")])
def test_what_may_be_an_origin_is_held(deliver, others):
    deliver(row("4", "cpu"), row("6", "cpu"), *map(row, others))

    held = [(Decimal(other), "held") for other in others]
    assert counted() == sorted([(Decimal(4), "clear"), (Decimal(6), "clear"), *held])
    assert {tuple(charge.flags) for charge in Charge.objects.filter(review_status="held")} == {("divided",)}


@pytest.mark.parametrize("origins", [("10",), ("3", "7")])
def test_what_may_be_the_origin_of_parts_that_name_resources_of_their_own_is_held(deliver, origins):
    """FOCUS: each repeats the resource of its origin. Without it nothing tells whose parts they are."""
    deliver(
        *(row(cost, resource=f"node-{cost}") for cost in origins), row("4", "cpu", "pod-1"), row("6", "cpu", "pod-2")
    )

    clear = [(Decimal(4), "clear"), (Decimal(6), "clear")]
    assert counted() == sorted([*clear, *((Decimal(origin), "held") for origin in origins)])
    assert {tuple(charge.flags) for charge in Charge.objects.filter(review_status="held")} == {("divided",)}


@pytest.mark.parametrize("origin", [(), (row("10", resource="node-1"), row("10", resource="node-2"))])
def test_a_charge_like_one_that_was_divided_is_billed(deliver, origin):
    parts = [row(cost, "cpu", node) for node in ("node-1", "node-2") for cost in ("4", "6")]
    deliver(*origin, *parts, row("10", resource="node-3"))

    counting = [amount for amount, status in counted() if status == "clear"]
    assert counting == [4, 4, 6, 6, 10]
    assert {status for _, status in counted()} == {"clear", *(["not_billable"] if origin else [])}


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


PART = row("4", "cpu", AllocatedResourceId="p1")
LAST_PART = row("6", "cpu", AllocatedResourceId="p2")
NEXT = row("1", resource="another")


def correct(**correction: str) -> Charge:
    return correct_row(ImportIssue.objects.get(status="open"), correction=correction, reason="As on the invoice")


def test_a_corrected_origin_is_held_until_its_parts_are_read_again(deliver):
    bad = row("10") | {"ChargePeriodEnd": "February"}
    deliver(bad, PART, LAST_PART)

    charge = correct(ChargePeriodEnd="2025-02-01")

    assert (charge.review_status, list(charge.flags)) == ("held", ["divided"])
    deliver(bad, PART, LAST_PART, NEXT, name="next.csv")
    assert counted() == [
        (Decimal(1), "clear"), (Decimal(4), "clear"), (Decimal(6), "clear"), (Decimal(10), "not_billable"),
    ]  # fmt: skip


def test_a_corrected_part_is_held_until_its_origin_is_read_again(deliver):
    bad = LAST_PART | {"EffectiveCost": "six"}
    deliver(row("10"), PART, bad)

    charge = correct(EffectiveCost="6")

    assert (charge.review_status, list(charge.flags)) == ("held", ["divided"])
    deliver(row("10"), PART, bad, NEXT, name="next.csv")
    assert counted() == [
        (Decimal(1), "clear"), (Decimal(4), "clear"), (Decimal(6), "clear"), (Decimal(10), "not_billable"),
    ]  # fmt: skip


def test_a_corrected_row_that_nothing_is_a_part_of_is_billed(deliver):
    deliver(row("10") | {"EffectiveCost": "ten"}, row("4", "cpu", resource="another"))

    assert correct(EffectiveCost="10").review_status == "clear"
