"""Decisions go along before a delivery is loaded; what is decided after that, and before it counts, does too."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from charges import review
from charges.merging import merge
from charges.models import Charge, FocusImport, PrincipalInvestigator
from periods.errors import Refused
from tests.charges import pieces
from tests.charges.focus_files import focus_row
from tests.charges.folders import deliver, folder
from tests.charges.pieces import ORIGIN, OTHER, PARTS
from tests.make import make_fund, make_pi, make_project, make_source

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


@pytest.mark.parametrize(("decision", "status"), [(review.undo, "clear"), (review.defer, "deferred")])
def test_an_earlier_decision_that_is_changed_is_followed(folder: Path, decision: Callable, status: str) -> None:
    deliver(folder, *rows("80"))
    decide(review.exclude)

    with just_before_it_counts(lambda: decide(decision)):
        deliver(folder, *rows("81"))

    assert (charge().due_amount, charge().review_status) == (81, status)


def test_who_pays_by_a_later_decision_pays_for_all_days(folder: Path) -> None:
    """The first divided the new row by days, before the second was made."""
    ended, other = make_project("short", end_date="2025-01-15"), make_project("long")
    ended.refresh_from_db()
    deliver(folder, *rows("80"))
    decide(review.reattribute, project=ended, pi=make_pi("grace@example.edu"))
    review.exclude(Charge.objects.current().filter(kind="part"), reason=REASON)

    with just_before_it_counts(lambda: decide(review.reattribute, project=other, funding_account=make_fund("F-2"))):
        deliver(folder, *rows("81"))

    parts = Charge.objects.current().filter(kind="part").order_by("pk")
    assert [(part.project, part.review_status, str(part.funding_account)) for part in parts] == [
        (other, "excluded", "F-2"),
        (other, "excluded", "F-2"),
    ]
    assert (charge().review_status, sum(part.due_amount for part in parts)) == ("divided", 81)


def test_a_question_that_is_answered_is_asked_no_more(folder: Path) -> None:
    deliver(folder, *rows("80"))
    Charge.objects.update(review_status="held", flags={"late": "late"})
    decide(review.approve)
    deliver(folder, *rows("81"))
    assert charge().review_status == "held"

    with just_before_it_counts(lambda: decide(review.approve)):
        deliver(folder, *rows("81.000"), focus_row(ResourceId="third"))
        deliver(folder, *rows("81"), focus_row(ResourceId="fourth"))

    assert charge().review_status == "approved"


def test_where_a_charge_that_is_gone_was_decided_about_the_import_is_refused_and_the_next_run_knows(
    folder: Path,
) -> None:
    """Which of the new rows are like it is looked at before."""
    deliver(folder, *rows("80"))
    new = [focus_row(ResourceId="decided", tags={"env": "prod"}), [*rows("80")][1]]

    with just_before_it_counts(lambda: decide(review.exclude)), pytest.raises(Refused) as refusal:
        deliver(folder, *new)
    decide(review.exclude)  # the refusal took it back with everything else
    held = charge().due_amount, charge().superseded_by_id
    deliver(folder, *new)

    assert str(refusal.value) == (
        "While this delivery was loaded, somebody decided about 1 charge that it has no more. Run it again."
    )
    assert held == (80, None)
    assert charge().review_status == "held"
    assert not FocusImport.objects.filter(state="staged").exists()


def test_where_a_charge_that_is_divided_now_was_decided_about_the_import_is_refused_and_the_next_run_asks(
    folder: Path,
) -> None:
    deliver(folder, ORIGIN, OTHER)

    with just_before_it_counts(lambda: pieces.decide(review.exclude)), pytest.raises(Refused):
        deliver(folder, ORIGIN, *PARTS, OTHER)
    pieces.decide(review.exclude)
    deliver(folder, ORIGIN, *PARTS, OTHER)

    assert pieces.mine() == [(4, "held"), (6, "held"), (10, "not_billable")]


def test_decisions_about_charges_that_another_delivery_was_to_supersede_go_along(folder: Path) -> None:
    """It is refused in the end, and lets them go."""
    deliver(folder, *rows("80"))
    Charge.objects.update(review_status="held", flags={"late": "late"})
    decide(review.approve)
    deliver(folder, *rows("90"))  # held: it changed after approval
    other = FocusImport.objects.create(source=make_source("elsewhere"))
    waiting = [other]

    def interfere(execute: Any, sql: str, *rest: Any) -> Any:
        found = execute(sql, *rest)
        if waiting and sql.startswith('UPDATE "charges_charge" SET "superseded_by_id"'):
            Charge.objects.filter(superseded_by__state="staged").update(superseded_by=waiting.pop())
        return found

    with connection.execute_wrapper(interfere):
        deliver(folder, *rows("91"))

    assert (charge().due_amount, charge().review_status) == (91, "held")


def test_a_merge_while_decisions_go_along_waits_or_is_followed(folder: Path) -> None:
    into = make_pi("grace@example.edu")
    deliver(folder, *rows("80"))
    decide(review.reattribute, project=make_project("long"))

    with just_before_it_counts(
        lambda: merge(PrincipalInvestigator.objects.get(email="ada@example.edu"), into, reason=REASON)
    ):
        deliver(folder, *rows("81"))

    assert (charge().pi, charge().project) == (into, make_project("long"))
