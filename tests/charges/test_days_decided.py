"""Decisions about days of a charge, where an end date divides them in another way, or no more."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from charges.models import Charge
from charges.review import approve, defer, exclude, reattribute
from tests.charges.end_dates import ending
from tests.charges.focus_files import TAGS
from tests.charges.folders import deliver, folder
from tests.charges.pieces import COSTS, OTHER, decide, mine, row
from tests.make import make_project

__all__ = ["folder"]

pytestmark = pytest.mark.django_db
LONG = row("62")
TAGGED = json.dumps({**TAGS, "env": "prod"})


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


def test_days_that_another_end_date_moves_from_an_excluded_part_are_asked_about(folder: Path) -> None:
    project = ending()
    deliver(folder, LONG, OTHER)
    decide(exclude, kind="part", due_amount=32)
    project.end_date = date(2025, 1, 25)
    project.save()

    deliver(folder, row("93"), OTHER)

    assert mine() == [(18, "held"), (75, "held")]


def test_all_days_that_were_excluded_are_so_by_another_end_date(folder: Path) -> None:
    project = ending()
    deliver(folder, LONG, OTHER)
    decide(exclude, kind="part")
    project.end_date = date(2025, 1, 25)
    project.save()

    deliver(folder, row("93"), OTHER)

    assert mine() == [(18, "excluded"), (75, "excluded")]


def test_a_question_about_days_is_asked_about_the_whole(folder: Path) -> None:
    project = ending()
    deliver(folder, row("62", ListCost="1"), OTHER)
    decide(approve, kind="part")
    deliver(folder, row("200", ListCost="1"), OTHER)
    project.end_date = None
    project.save()

    deliver(folder, row("201"), OTHER)

    assert mine() == [(201, "held")]
    [charge] = Charge.objects.held()
    assert list(charge.flags) == ["changed_after_approval"]


def test_a_question_whether_days_are_like_a_decided_charge_is_asked_about_the_whole(folder: Path) -> None:
    deliver(folder, row("62", Tags=TAGGED), OTHER)
    decide(exclude)
    project = ending()
    deliver(folder, LONG, OTHER)
    project.end_date = None
    project.save()

    deliver(folder, row("63"), OTHER)

    assert mine() == [(63, "held")]


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
