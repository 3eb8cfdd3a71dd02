"""Unusual change: a service that costs a project far more than in the three months before is held whole."""

from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from charges import review
from charges.importing import import_files
from charges.importing.delivery import Delivery
from charges.merging import merge
from charges.models import Charge, Project, ReviewSettings
from tests.charges.focus_files import focus_row, write_focus

pytestmark = pytest.mark.django_db
numbers = count()
BEFORE = ("2024-10", "2024-11", "2024-12")


def deliver(folder: Path, month: str, *rows: dict[str, Any], **options: Any) -> Delivery:
    """Rows give due; each is a resource of its own."""
    of_month = {
        "BillingPeriodStart": f"{month}-01",
        "ChargePeriodStart": f"{month}-01",
        "ChargePeriodEnd": f"{month}-28",
    }
    written = [
        focus_row(
            **{
                "ResourceId": f"i-{at}",
                "ListCost": "99999",
                **of_month,
                **{"EffectiveCost" if name == "due" else name: value for name, value in row.items()},
            }
        )
        for at, row in enumerate(rows)
    ]
    return import_files([write_focus(folder / f"{next(numbers)}.csv", *written)], source_name="aws", **options)


@pytest.fixture
def usual(tmp_path):
    """Three months of 100 for Compute, and of 100 for Storage."""
    for month in BEFORE:
        deliver(tmp_path, month, {"due": 60}, {"due": 40}, {"due": 100, "ServiceName": "Storage"})


def held() -> list[tuple[str, Decimal, str]]:
    charges = Charge.objects.held().order_by("pk")
    return [(charge.service_name, charge.due_amount, " ".join(charge.flags)) for charge in charges]


def test_a_service_that_more_than_triples_is_held_and_no_other(tmp_path, usual):
    delivery = deliver(tmp_path, "2025-01", {"due": 300}, {"due": "0.01"}, {"due": 300, "ServiceName": "Storage"})

    assert held() == [("Compute", 300, "unusual_change"), ("Compute", Decimal("0.01"), "unusual_change")]
    assert Charge.objects.held().first().flags["unusual_change"] == (
        "This service comes to $300.01 for the project; the three months before, to $100.00 on average."
    )
    assert delivery.flagged == delivery.focus_import.flagged == 2


@pytest.mark.parametrize(
    ("thresholds", "due", "is_held"),
    [
        ({}, 300, False),
        ({}, 301, True),
        ({}, -301, True),
        ({}, 0, False),
        ({"unusual_times": None}, 9999, False),
        ({"unusual_times": 1}, 200, True),
        ({"unusual_times": 1}, 199, False),
        ({"unusual_times": 1, "unusual_amount": 5}, 105, True),
        ({"unusual_amount": 1000}, 1099, False),
    ],
)
def test_thresholds_are_those_of_the_settings(tmp_path, usual, thresholds, due, is_held):
    ReviewSettings.objects.create(**thresholds)

    deliver(tmp_path, "2025-01", {"due": due})

    assert bool(held()) is is_held


@pytest.mark.parametrize("months", [BEFORE[1:], ("2024-09", *BEFORE[1:])])
def test_without_each_of_the_three_months_before_nothing_is_unusual(tmp_path, months):
    for month in months:
        deliver(tmp_path, month, {"due": 100})

    deliver(tmp_path, "2025-01", {"due": 5000})

    assert held() == []


def test_a_service_or_project_without_a_past_is_not_unusual(tmp_path, usual):
    deliver(tmp_path, "2025-01", {"due": 5000, "ServiceName": "New"}, {"due": 5000, "tags": {"project_id": "loom"}})

    assert held() == []


def test_what_nobody_is_billed_for_is_no_past(tmp_path, usual):
    review.exclude(Charge.objects.filter(service_name="Storage", period__month="2024-12"), reason="A test of ours")

    deliver(tmp_path, "2025-01", {"due": 5000, "ServiceName": "Storage"})

    assert held() == []


def test_the_preview_counts_them_and_changes_nothing(tmp_path, usual):
    rows = [{"due": 301}, {"due": 5, "tags": {"fund_org": ""}}, {"due": 1, "ServiceName": "Storage"}]

    preview = deliver(tmp_path, "2025-01", *rows, dry_run=True)
    loaded = deliver(tmp_path, "2025-01", *rows)

    assert preview.flags_in_words == [("Unusual change", 2), ("No fund", 1)]
    assert preview.flagged == loaded.flagged == 2
    assert [flags for *_, flags in held()] == ["unusual_change", "missing_fund unusual_change"]


def test_a_later_snapshot_is_judged_by_what_the_month_comes_to_then(tmp_path, usual):
    """Unchanged rows stay as they are: only what is new or changed is held."""
    deliver(tmp_path, "2025-01", {"due": 200}, {"due": 90})
    assert held() == []

    delivery = deliver(tmp_path, "2025-01", {"due": 200}, {"due": 101})

    assert held() == [("Compute", 101, "unusual_change")]
    assert (delivery.changed, delivery.unchanged, delivery.flagged) == (1, 1, 1)


def test_an_approval_survives_the_next_snapshot(tmp_path, usual):
    deliver(tmp_path, "2025-01", {"due": 400}, {"due": 1})
    review.approve(Charge.objects.held())

    deliver(tmp_path, "2025-01", {"due": 400, "ListCost": "500"}, {"due": 1})

    assert held() == []


def test_a_merged_project_has_the_past_of_both(tmp_path, usual):
    deliver(tmp_path, "2025-02", {"due": 1, "tags": {"project_id": "motor"}})
    merge(Project.objects.get(code="engine"), Project.objects.get(code="motor"), reason="One project, two codes")

    deliver(tmp_path, "2025-01", {"due": 500, "tags": {"project_id": "engine"}})

    assert held() == [("Compute", 500, "unusual_change")]


def test_the_number_of_queries_does_not_grow_with_the_rows(tmp_path, usual):
    counts = []
    for month, rows in (("2025-01", 5), ("2025-02", 400)):
        with CaptureQueriesContext(connection) as queries:
            assert deliver(tmp_path, month, *[{"due": 1000}] * rows).flagged == rows
        counts.append(len(queries))

    assert counts[0] == counts[1]
