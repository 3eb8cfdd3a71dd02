"""A charge that comes whole, or in pieces, with another beside it."""

from collections.abc import Callable

from charges.models import Charge
from tests.charges.focus_files import focus_row

COSTS = ("ListCost", "ContractedCost", "BilledCost", "EffectiveCost")
REASON = "Our own experiment"
OTHER = focus_row(ResourceId="other", EffectiveCost="1")


def row(cost: str, method: str = "", **columns: str) -> dict:
    """`method` is that of a part, which is described in other words than its origin."""
    columns = {"ChargeDescription": "part" if method else "cluster", **dict.fromkeys(COSTS, cost), **columns}
    return focus_row(AllocatedMethodId=method, ResourceId="c", **columns)


ORIGIN, PARTS = row("10"), (row("4", "cpu"), row("6", "cpu"))


def mine() -> list[tuple[int, str]]:
    """Due of what is billed of the resource, or would be but for a decision."""
    charges = Charge.objects.current().filter(resource_id="c").exclude(review_status="divided")
    return [
        (int(due), status)
        for due, status in charges.order_by("due_amount", "pk").values_list("due_amount", "review_status")
    ]


def decide(decision: Callable, **which: object) -> None:
    decision(Charge.objects.current().filter(resource_id="c", **which), reason=REASON)
