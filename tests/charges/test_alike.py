"""A row that is like a decided charge, but for other tags or columns, is asked about until somebody answers."""

from pathlib import Path

import pytest

from charges import review
from charges.importing import Delivery
from charges.models import Charge
from tests.charges.focus_files import focus_row
from tests.charges.folders import deliver, folder

__all__ = ["folder"]

pytestmark = pytest.mark.django_db
REASON = "Our own experiment"
A, B = (focus_row(ResourceId=name) for name in "ab")
TAGGED = focus_row(ResourceId="a", tags={"env": "prod"})


@pytest.fixture
def excluded(folder: Path) -> Path:
    deliver(folder, A, B)
    review.exclude(Charge.objects.filter(resource_id="a"), reason=REASON)
    return folder


def statuses() -> list[tuple[str, str]]:
    return list(Charge.objects.current().order_by("resource_id", "pk").values_list("resource_id", "review_status"))


def told(delivery: Delivery) -> list[str]:
    return [sentence for sentence in delivery.warnings if "decided" in sentence]


@pytest.mark.parametrize("dry_run", [True, False])
def test_it_is_held_and_counted(excluded: Path, dry_run: bool) -> None:
    delivery = deliver(excluded, TAGGED, B, dry_run=dry_run)

    deliver(excluded, TAGGED, B)

    assert delivery.flagged == 1
    assert statuses() == [("a", "held"), ("b", "clear")]


@pytest.mark.parametrize("between", [[TAGGED, B], [B]])
def test_it_is_held_until_somebody_answers(excluded: Path, between: list[dict]) -> None:
    deliver(excluded, *between)

    deliver(excluded, TAGGED | {"EffectiveCost": "80.01"}, B)

    assert statuses() == [("a", "held"), ("b", "clear")]


def test_once_answered_it_is_not_asked_about_again(excluded: Path) -> None:
    deliver(excluded, TAGGED, B)
    review.approve(Charge.objects.current().filter(resource_id="a"))

    deliver(excluded, TAGGED, B | {"EffectiveCost": "81"})

    assert statuses() == [("a", "approved"), ("b", "clear")]


def test_a_change_after_approval_is_asked_about_until_somebody_answers(folder: Path) -> None:
    row = focus_row(ResourceId="a", ListCost="1")
    deliver(folder, row, B)
    review.approve(Charge.objects.filter(resource_id="a"))
    dearer = row | {"ListCost": "9000", "EffectiveCost": "8000"}
    deliver(folder, dearer, B)

    deliver(folder, dearer | {"EffectiveCost": "8000.01"}, B)

    assert statuses() == [("a", "held"), ("b", "clear")]
    [charge] = Charge.objects.current().filter(resource_id="a")
    assert charge.flags == {"changed_after_approval": "Due was 80 when it was approved."}


def test_all_rows_that_are_like_it_are_held(excluded: Path) -> None:
    halves = [focus_row(ResourceId="a", EffectiveCost="40", tags={"env": env}) for env in ("prod", "dev")]

    delivery = deliver(excluded, *halves, B)

    assert statuses() == [("a", "held"), ("a", "held"), ("b", "clear")]
    assert told(delivery)[1:] == [
        "2 rows are like a decided charge that is billed no more in that form, and held for review."
    ]


def test_parts_of_a_row_that_is_like_one_with_excluded_parts_are_held(folder: Path) -> None:
    tags = {"end_date": "2025-01-15"}
    deliver(folder, focus_row(ResourceId="a", ChargePeriodEnd="2025-02-01", tags=tags), B)
    review.exclude(Charge.objects.current().filter(kind="part"), reason=REASON)

    delivery = deliver(folder, focus_row(ResourceId="a", ChargePeriodEnd="2025-02-01", tags=tags | {"env": "prod"}), B)

    parts = Charge.objects.current().filter(kind="part")
    assert [(part.review_status, "like_decided" in part.flags) for part in parts] == [("held", True)] * 2
    assert len(told(delivery)) == 2


def test_an_exclusion_that_was_undone_asks_nothing(excluded: Path) -> None:
    review.undo(Charge.objects.current().filter(resource_id="a"), reason="It is theirs after all")

    delivery = deliver(excluded, TAGGED, B)

    assert statuses() == [("a", "clear"), ("b", "clear")]
    assert told(delivery) == []
