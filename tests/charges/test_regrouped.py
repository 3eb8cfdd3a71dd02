"""Decisions about charges that the provider begins to divide, or divides no more (FOCUS 1.3)."""

from collections.abc import Callable
from pathlib import Path

import pytest

from charges.importing import correct_row
from charges.models import Charge, ImportIssue
from charges.review import approve, defer, exclude, reattribute, undo
from tests.charges.focus_files import focus_row
from tests.charges.folders import deliver, folder
from tests.charges.pieces import COSTS, ORIGIN, OTHER, PARTS, REASON, decide, mine, row
from tests.make import make_pi

__all__ = ["folder"]

pytestmark = pytest.mark.django_db


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


def test_a_later_decision_about_the_parts_is_asked_about_when_there_are_none_any_more(folder: Path) -> None:
    deliver(folder, ORIGIN, OTHER)
    decide(exclude)
    deliver(folder, ORIGIN, *PARTS, OTHER)
    approve(Charge.objects.held())

    deliver(folder, ORIGIN, OTHER)

    assert mine() == [(10, "held")]


def test_a_later_decision_about_the_charge_is_asked_about_when_the_same_parts_come_again(folder: Path) -> None:
    deliver(folder, ORIGIN, *PARTS, OTHER)
    decide(exclude)
    deliver(folder, ORIGIN, OTHER)
    approve(Charge.objects.held())

    deliver(folder, ORIGIN, *PARTS, OTHER)

    assert mine() == [(4, "held"), (6, "held"), (10, "not_billable")]


def test_a_decision_that_went_along_and_was_undone_asks_nothing(folder: Path) -> None:
    deliver(folder, ORIGIN, OTHER)
    decide(defer)
    deliver(folder, ORIGIN, *PARTS, OTHER)
    deliver(folder, ORIGIN, OTHER)
    decide(undo)
    deliver(folder, ORIGIN, row("3", "mem"), row("7", "mem", ChargeDescription="b"), OTHER)

    deliver(folder, row("12"), OTHER)

    assert mine() == [(12, "clear")]


def test_further_parts_are_asked_about_while_the_decision_about_the_charge_is_open(folder: Path) -> None:
    deliver(folder, ORIGIN, OTHER)
    decide(exclude)
    deliver(folder, ORIGIN, *PARTS, OTHER)
    approve(Charge.objects.current().filter(due_amount=4))

    deliver(folder, ORIGIN, row("4", "cpu"), row("5", "cpu"), row("1", "cpu", ChargeDescription="another"), OTHER)

    assert mine() == [(1, "held"), (4, "approved"), (5, "held"), (10, "not_billable")]


def test_further_parts_of_a_charge_of_which_one_part_is_excluded_are_billed(folder: Path) -> None:
    deliver(folder, ORIGIN, *PARTS, OTHER)
    decide(exclude, due_amount=4)

    deliver(folder, ORIGIN, row("4", "cpu"), row("5", "cpu"), row("1", "cpu", ChargeDescription="another"), OTHER)

    assert mine() == [(1, "clear"), (4, "excluded"), (5, "clear"), (10, "not_billable")]


def test_parts_that_were_decided_about_once_are_asked_about(folder: Path) -> None:
    deliver(folder, ORIGIN, *PARTS, OTHER)
    decide(exclude)
    decide(undo)
    deliver(folder, ORIGIN, OTHER)
    decide(exclude)

    deliver(folder, ORIGIN, *PARTS, OTHER)

    assert mine() == [(4, "held"), (6, "held"), (10, "not_billable")]


@pytest.mark.parametrize("parts", [[row("4", "cpu"), row("5", "cpu")], [row("4", "cpu"), row("six", "cpu")]])
def test_parts_that_do_not_add_up_to_an_excluded_charge_are_asked_about(folder: Path, parts: list[dict]) -> None:
    deliver(folder, ORIGIN, OTHER)
    decide(exclude)

    deliver(folder, ORIGIN, *parts, OTHER)
    deliver(folder, ORIGIN, *parts, row("0.5", "cpu", ChargeDescription="another"), OTHER)

    assert {status for due, status in mine() if due < 10} == {"held"}
    assert mine()[-1] == (10, "excluded")


@pytest.mark.parametrize("origin", [[], [row("ten")]])
def test_parts_without_an_excluded_charge_are_asked_about(folder: Path, origin: list[dict]) -> None:
    deliver(folder, ORIGIN, OTHER)
    decide(exclude)

    deliver(folder, *origin, *PARTS, OTHER)

    assert mine() == [(4, "held"), (6, "held")]


def test_an_approved_charge_is_not_billed_beside_its_parts(folder: Path) -> None:
    """FOCUS 1.3: they do not add up, and a person looks at both."""
    deliver(folder, row("10", ListCost="1"), OTHER)
    decide(approve)

    deliver(folder, row("10", ListCost="1"), row("4", "cpu"), row("5", "cpu"), OTHER)

    assert mine() == [(4, "held"), (5, "held"), (10, "held")]


@pytest.mark.parametrize("between", [[OTHER], [row("ten"), *PARTS, OTHER]])
def test_the_origin_of_excluded_parts_is_asked_about_after_other_deliveries(folder: Path, between: list[dict]) -> None:
    deliver(folder, ORIGIN, *PARTS, OTHER)
    decide(exclude)
    deliver(folder, *between)
    for issue in ImportIssue.objects.all():
        correct_row(issue, correction=dict.fromkeys(COSTS, "10"), reason="In figures")

    deliver(folder, ORIGIN, OTHER)

    assert mine() == [(10, "held")]


def test_an_excluded_purchase_that_was_prepaid_for_a_day_is_excluded_and_another_is_billed(folder: Path) -> None:
    purchase = row("10", ChargeCategory="Purchase")
    deliver(folder, purchase, OTHER)
    decide(exclude)

    deliver(
        folder, purchase | {"EffectiveCost": "0"}, row("7", ChargeCategory="Purchase", ChargeDescription="b"), OTHER
    )
    prepaid = mine()
    deliver(folder, purchase, row("7", ChargeCategory="Purchase", ChargeDescription="b"), OTHER)

    assert prepaid == [(0, "not_billable"), (7, "clear")]
    assert mine() == [(7, "clear"), (10, "excluded")]


def test_what_is_asked_is_told(folder: Path) -> None:
    deliver(folder, ORIGIN, OTHER)
    decide(exclude)

    preview = deliver(folder, ORIGIN, *PARTS, OTHER, dry_run=True)
    loaded = deliver(folder, ORIGIN, *PARTS, OTHER)

    assert preview.flagged == loaded.flagged == Charge.objects.held().count() == 2
    sentence = "2 rows are like a decided charge that is billed no more in that form, and held for review."
    assert [told for told in loaded.warnings if "decided" in told] == [sentence]


def test_the_origin_of_excluded_parts_is_asked_about_when_it_is_divided_no_more(folder: Path) -> None:
    deliver(folder, ORIGIN, *PARTS, OTHER)
    decide(exclude)

    deliver(folder, ORIGIN, OTHER)

    assert mine() == [(10, "held")]


def test_the_origin_of_undecided_parts_is_billed_when_it_is_divided_no_more(folder: Path) -> None:
    deliver(folder, ORIGIN, *PARTS, OTHER)

    deliver(folder, ORIGIN, OTHER)

    assert mine() == [(10, "clear")]


def test_an_origin_that_is_corrected_is_excluded_as_it_was_before_its_division(folder: Path) -> None:
    deliver(folder, ORIGIN, OTHER)
    decide(exclude)
    deliver(folder, ORIGIN, *PARTS, OTHER)
    deliver(folder, row("ten"), OTHER)

    charge = correct_row(ImportIssue.objects.get(), correction=dict.fromkeys(COSTS, "10"), reason="In figures")

    assert charge.review_status == "excluded"
