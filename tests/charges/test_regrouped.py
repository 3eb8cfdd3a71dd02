"""Decisions about charges that come in other pieces: divided by the provider or by days, and whole again."""

from collections.abc import Callable
from pathlib import Path

import pytest

from charges.importing import correct_row
from charges.models import Charge, ImportIssue
from charges.review import approve, defer, exclude, reattribute, undo
from tests.charges.end_dates import ending
from tests.charges.focus_files import focus_row
from tests.charges.folders import deliver, folder
from tests.make import make_pi, make_project

__all__ = ["folder"]

pytestmark = pytest.mark.django_db
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


def asked() -> set[str]:
    flags = Charge.objects.held().values_list("flags", flat=True)
    return {reason for each in flags for reason in each.values()}


@pytest.mark.parametrize(("decision", "word"), [(exclude, "excluded"), (defer, "deferred")])
def test_parts_of_a_decided_charge_are_asked_about(folder: Path, decision: Callable, word: str) -> None:
    deliver(folder, ORIGIN, OTHER)
    decide(decision)

    deliver(folder, ORIGIN, *PARTS, OTHER)
    deliver(folder, row("11"), row("4", "cpu"), row("7", "cpu"), OTHER)

    assert mine() == [(4, "held"), (7, "held"), (11, "not_billable")]
    assert asked() == {f"A charge like this one, which is billed no more in that form, was {word}: {REASON}"}


def test_parts_of_a_charge_that_another_pays_for_are_asked_about(folder: Path) -> None:
    deliver(folder, ORIGIN, OTHER)
    reattribute(Charge.objects.filter(resource_id="c"), pi=make_pi("grace@example.edu"), reason=REASON)

    deliver(folder, ORIGIN, *PARTS, OTHER)

    assert mine() == [(4, "held"), (6, "held"), (10, "not_billable")]


@pytest.mark.parametrize("decisions", [(), (exclude, undo)])
def test_parts_of_a_charge_about_which_no_decision_stands_are_billed(folder: Path, decisions: tuple) -> None:
    deliver(folder, ORIGIN, OTHER)
    for decision in decisions:
        decide(decision)

    deliver(folder, ORIGIN, *PARTS, OTHER)

    assert mine() == [(4, "clear"), (6, "clear"), (10, "not_billable")]


def test_other_charges_than_parts_are_billed(folder: Path) -> None:
    deliver(folder, ORIGIN, OTHER)
    decide(exclude)

    deliver(folder, ORIGIN, *PARTS, row("3", ChargePeriodStart="2025-01-02"), OTHER, focus_row(ResourceId="new"))

    assert mine() == [(3, "clear"), (4, "held"), (6, "held"), (10, "not_billable")]
    assert Charge.objects.current().get(resource_id="new").review_status == "clear"


@pytest.mark.parametrize("nights", [1, 3])
def test_a_decision_holds_when_the_provider_divides_a_charge_no_more(folder: Path, nights: int) -> None:
    deliver(folder, ORIGIN, OTHER)
    decide(exclude)
    for cost in range(nights):
        deliver(folder, row(str(10 + cost)), row("4", "cpu"), row(str(6 + cost), "cpu"), OTHER)

    deliver(folder, row("20"), OTHER)

    assert mine() == [(20, "excluded")]


def test_an_approval_holds_over_the_division_only_while_due_hardly_moves(folder: Path) -> None:
    unpriced = {"ListCost": "1"}
    deliver(folder, row("10", **unpriced), OTHER)
    approve(Charge.objects.current().filter(resource_id="c"))
    deliver(
        folder,
        row("10", **unpriced),
        *(part | {"ListCost": cost} for part, cost in zip(PARTS, ("0.4", "0.6"), strict=True)),
        OTHER,
    )

    deliver(folder, row("20", **unpriced), OTHER)

    assert mine() == [(20, "held")]
    assert "Due was 10 when it was approved." in asked()


def test_a_charge_comes_again_after_the_division_and_a_delivery_that_lacked_it(folder: Path) -> None:
    deliver(folder, ORIGIN, OTHER)
    decide(exclude)
    deliver(folder, ORIGIN, *PARTS, OTHER)
    deliver(folder, OTHER)

    deliver(folder, ORIGIN, OTHER)

    assert mine() == [(10, "excluded")]


def test_the_origin_of_excluded_parts_is_asked_about_when_it_is_divided_no_more(folder: Path) -> None:
    deliver(folder, ORIGIN, *PARTS, OTHER)
    decide(exclude)

    deliver(folder, ORIGIN, OTHER)

    assert mine() == [(10, "held")]


def test_the_origin_of_undecided_parts_is_billed_when_it_is_divided_no_more(folder: Path) -> None:
    deliver(folder, ORIGIN, *PARTS, OTHER)

    deliver(folder, ORIGIN, OTHER)

    assert mine() == [(10, "clear")]


LONG = row("62")


@pytest.mark.parametrize("decision", [exclude, defer])
def test_what_was_decided_of_all_days_holds_for_the_whole(folder: Path, decision: Callable) -> None:
    project = ending()
    deliver(folder, LONG, OTHER)
    decide(decision, kind="part")
    [(_, status), _] = mine()
    project.end_date = None
    project.save()

    deliver(folder, row("63"), OTHER)

    assert mine() == [(63, status)]


def test_what_was_decided_of_some_days_is_asked_about_the_whole(folder: Path) -> None:
    project = ending()
    deliver(folder, LONG, OTHER)
    decide(exclude, kind="part", due_amount=32)
    project.end_date = None
    project.save()

    deliver(folder, row("63"), OTHER)

    assert mine() == [(63, "held")]


def test_a_whole_of_which_no_days_were_decided_is_billed(folder: Path) -> None:
    project = ending()
    deliver(folder, LONG, OTHER)
    project.end_date = None
    project.save()

    deliver(folder, row("63"), OTHER)

    assert mine() == [(63, "clear")]


def test_what_was_decided_of_days_that_a_reviewer_divided_holds(folder: Path) -> None:
    ending()
    lost = row("62", Tags='{"pi_email": "ada@example.edu", "project_id": "lost", "fund_org": "NSF-1"}')
    deliver(folder, lost, OTHER)
    reattribute(Charge.objects.filter(resource_id="c"), project=make_project(), reason="The tag named none of theirs")
    decide(exclude, kind="part", due_amount=32)

    deliver(folder, lost | dict.fromkeys(COSTS, "93"), OTHER)

    assert mine() == [(45, "clear"), (48, "excluded")]


def test_parts_of_excluded_days_that_the_provider_divides_are_asked_about(folder: Path) -> None:
    ending()
    deliver(folder, LONG, OTHER)
    decide(exclude, kind="part")

    deliver(folder, LONG, row("31", "cpu"), row("31", "cpu", ChargeDescription="b"), OTHER)

    assert {status for due, status in mine() if due != 62} == {"held"}


def test_an_origin_that_is_corrected_is_excluded_as_it_was_before_its_division(folder: Path) -> None:
    deliver(folder, ORIGIN, OTHER)
    decide(exclude)
    deliver(folder, ORIGIN, *PARTS, OTHER)
    deliver(folder, row("ten"), OTHER)

    charge = correct_row(ImportIssue.objects.get(), correction=dict.fromkeys(COSTS, "10"), reason="In figures")

    assert charge.review_status == "excluded"
