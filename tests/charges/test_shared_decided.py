"""Decisions about costs that are shared among projects hold, or are asked about, as any other's."""

from collections.abc import Callable
from pathlib import Path

import pytest

from charges.models import Charge, Source
from charges.review import approve, defer, exclude
from tests.charges.folders import deliver, folder
from tests.charges.pieces import OTHER, decide, mine, row
from tests.make import make_source

__all__ = ["folder"]

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def pro_rata() -> None:
    make_source("aws", shared_costs=Source.SharedCosts.PRO_RATA)


def tax(cost: str, method: str = "", category: str = "Tax", **columns: str) -> dict:
    return row(cost, method, **{"Tags": "{}", "ChargeCategory": category, **columns})


PARTS = (tax("4", "cpu"), tax("6", "cpu"))


@pytest.mark.parametrize(("decision", "status"), [(exclude, "excluded"), (defer, "deferred")])
def test_one_that_was_prepaid_for_a_day_is_as_it_was_decided(folder: Path, decision: Callable, status: str) -> None:
    purchase = tax("10", category="Purchase")
    deliver(folder, purchase, OTHER)
    decide(decision)
    deliver(folder, purchase | {"EffectiveCost": "0"}, OTHER)

    deliver(folder, purchase, OTHER)

    assert mine() == [(10, status)]


def test_parts_of_an_excluded_one_are_asked_about_and_the_whole_is_excluded_again(folder: Path) -> None:
    deliver(folder, tax("10"), OTHER)
    decide(exclude)

    divided = deliver(folder, tax("10"), *PARTS, OTHER)
    parts = mine()
    deliver(folder, tax("11"), OTHER)

    assert parts == [(4, "held"), (6, "held"), (10, "not_billable")]
    assert divided.flagged == 2
    assert mine() == [(11, "excluded")]


def test_the_origin_of_excluded_parts_is_asked_about(folder: Path) -> None:
    deliver(folder, tax("10"), *PARTS, OTHER)
    decide(exclude)

    deliver(folder, tax("10"), OTHER)

    assert mine() == [(10, "held")]


def test_one_that_is_like_an_excluded_one_is_asked_about_and_shared_once_approved(folder: Path) -> None:
    deliver(folder, tax("10"), OTHER)
    decide(exclude)

    deliver(folder, tax("10", Tags='{"env": "prod"}'), OTHER)
    held = mine()
    approve(Charge.objects.held())

    assert (held, mine()) == ([(10, "held")], [(10, "shared")])
