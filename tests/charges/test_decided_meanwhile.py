"""Decisions go along before a delivery is loaded; what is decided after that, and before it counts, does too."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from charges import review
from charges.models import Charge, FocusImport
from periods.errors import Refused
from tests.charges.focus_files import focus_row
from tests.charges.folders import deliver, folder
from tests.make import make_project

__all__ = ["folder"]

pytestmark = pytest.mark.django_db
REASON = "Our own experiment"


def rows(cost: str) -> Iterator[dict]:
    for name in ("decided", "other"):
        yield focus_row(ResourceId=name, EffectiveCost=cost)


def charge() -> Charge:
    return Charge.objects.current().get(resource_id="decided", kind="delivered")


def decide(decision: Callable, **answer: Any) -> None:
    decision(Charge.objects.current().filter(resource_id="decided"), reason=REASON, **answer)


@contextmanager
def just_before_it_counts(click: Callable) -> Iterator[None]:
    """When decisions went along: scopes are the first that is written as a delivery is loaded."""
    waiting = [click]

    def interfere(execute: Any, sql: str, *rest: Any) -> Any:
        if waiting and sql.startswith('INSERT INTO "charges_importscope"'):
            waiting.pop()()
        return execute(sql, *rest)

    with connection.execute_wrapper(interfere):
        yield
    assert not waiting


def test_a_first_decision_goes_along(folder: Path) -> None:
    deliver(folder, *rows("80"))

    with just_before_it_counts(lambda: decide(review.exclude)):
        deliver(folder, *rows("81"))

    assert (charge().due_amount, charge().review_status, charge().decision_reason) == (81, "excluded", REASON)


def test_a_project_that_ends_within_the_days_divides_the_new_row(folder: Path) -> None:
    deliver(folder, *rows("80"))
    ended = make_project("short", end_date="2025-01-15")
    ended.refresh_from_db()

    with just_before_it_counts(lambda: decide(review.reattribute, project=ended)):
        deliver(folder, *rows("81"))

    assert charge().review_status == "divided"
    parts = Charge.objects.current().filter(kind="part")
    assert sum(part.due_amount for part in parts) == 81
    assert {part.project for part in parts} == {ended}


@pytest.mark.parametrize("decision", [review.undo, review.defer])
def test_where_an_earlier_decision_is_changed_the_import_is_refused_and_the_next_run_follows(
    folder: Path, decision: Callable
) -> None:
    deliver(folder, *rows("80"))
    decide(review.exclude)

    with just_before_it_counts(lambda: decide(decision)), pytest.raises(Refused) as refusal:
        deliver(folder, *rows("81"))
    decide(decision)  # the refusal took it back with everything else
    held = charge().due_amount, charge().superseded_by_id
    deliver(folder, *rows("81"))

    assert str(refusal.value) == (
        "Somebody changed what was decided about 1 charge that this delivery replaces, while it was loaded. Run it again."
    )
    assert held == (80, None)
    assert (charge().due_amount, charge().review_status) == (81, "clear" if decision == review.undo else "deferred")
    assert not FocusImport.objects.filter(state="staged").exists()
