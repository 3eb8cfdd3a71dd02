"""What a delivery says is held for review is held once it is loaded, whatever people decided before."""

from collections.abc import Callable
from pathlib import Path

import pytest

from charges.models import Charge
from charges.review import approve, defer, exclude, reattribute, undo
from tests.charges.focus_files import focus_row
from tests.charges.folders import deliver, folder
from tests.make import make_fund, make_rate, make_source

__all__ = ["folder"]

pytestmark = pytest.mark.django_db
REASON = "Our own experiment"


def give_fund(charges: object, *, reason: str) -> int:
    return reattribute(charges, funding_account=make_fund("F-2"), reason=reason)


def exclude_and_undo(charges: object, *, reason: str) -> int:
    return exclude(charges, reason=reason) + undo(charges, reason=reason)


KINDS = {
    "clear": {},
    "flagged": {"ListCost": "1", "ContractedCost": "1"},
    "without a fund": {"tags": {"fund_org": ""}},
    "foreign": {"BillingCurrency": "EUR"},
    "free": {"EffectiveCost": "0", "BilledCost": "0", "tags": {"pi_email": ""}},
}


def rows(cents: str) -> list[dict]:
    of_kinds = [{"EffectiveCost": f"80.{cents}", **columns} for columns in KINDS.values()]
    return [focus_row(ResourceId=name, **columns) for name, columns in zip(KINDS, of_kinds, strict=True)]


@pytest.mark.parametrize("decision", [approve, exclude, defer, give_fund, exclude_and_undo])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cents", ["01", "99"])
def test_it_is_as_many_as_the_delivery_says(folder: Path, decision: Callable, kind: str, cents: str) -> None:
    deliver(folder, *rows("00"))
    source = make_source("aws")
    source.approval_threshold = "0.5"
    source.save()
    make_rate("2", source=source)
    charges = Charge.objects.current().filter(resource_id=kind)
    if decision == approve:
        charges = charges.exclude(resource_id__in=["without a fund", "free"])  # what lacks a payer cannot be approved
    decision(charges, reason=REASON)

    preview = deliver(folder, *rows(cents), dry_run=True)
    loaded = deliver(folder, *rows(cents))

    assert preview.flagged == loaded.flagged == Charge.objects.held().count()


@pytest.mark.parametrize("decision", [give_fund, exclude_and_undo])
@pytest.mark.parametrize("costs", [("20", "1"), ("1", "20")])
def test_a_flag_that_comes_or_goes_counts_where_no_decision_answers_it(
    folder: Path, decision: Callable, costs: tuple[str, str]
) -> None:
    """Nobody knows the list price where it is below what is due."""
    before, after = costs
    deliver(folder, focus_row(EffectiveCost="10", ListCost=before), focus_row(ResourceId="other"))
    decision(Charge.objects.filter(resource_id="i-1"), reason=REASON)

    delivery = deliver(folder, focus_row(EffectiveCost="11", ListCost=after), focus_row(ResourceId="other"))

    assert delivery.flagged == Charge.objects.held().count() == (after == "1")
