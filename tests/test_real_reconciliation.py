"""Real files reconcile to the totals that are known of them."""

from decimal import Decimal
from pathlib import Path

import pytest

from periods.models import BillingPeriod
from statements.reconciling import reconcile
from statements.reconciling.result import Reconciliation, Verdict
from tests.test_real_january import SOURCES, journal, run  # noqa: F401 - `journal` is a fixture: January, finalized

pytestmark = pytest.mark.django_db


@pytest.fixture
def files(shared_data) -> dict[str, Path]:
    return {name: shared_data / "openchargeback" / f"{name}_2025-01.csv" for name in SOURCES}


def figures(found: Reconciliation, source: str, title: str) -> dict[str, str]:
    (step,) = (step for part in found.parts for step in part.steps if (part.source, step.title) == (source, title))
    return {line.label: f"{line.amount:.2f}" for line in (*step.lines, step.result)}


def test_january_adds_up_from_the_bills_to_the_journal(journal):  # noqa: F811
    found = reconcile(BillingPeriod.objects.get(month="2025-01"))

    assert (found.verdict, found.wrong, found.waiting) == (Verdict.RIGHT, 0, 0)
    assert {name: figures(found, name, "From the bill to the basis") for name in SOURCES} == {
        name: {"Billed": due, "Basis amount": due} for name, (_, _, due) in SOURCES.items()
    }
    assert figures(found, "All sources", "On statements") == {"Billable": "20227.00", "Statements": "20227.00"}
    assert figures(found, "All sources", "In journals") == {"Statements": "20227.00", "Journals": "20227.00"}


def test_a_savings_plan_is_prepaid_and_amortised(shared_data):
    run("import_focus", str(shared_data / "spec_aws_savings_plan_partial_upfront.csv"), "--source", "aws")

    found = reconcile(BillingPeriod.objects.get(month="2026-02"))

    assert found.wrong == 0
    assert figures(found, "aws", "From the bill to the basis") == {
        "Billed": "131463.72",
        "Prepaid": "131444.45",
        "Amortised": "1227.36",
        "Basis amount": "1246.63",
    }
    assert figures(found, "aws", "What became of it") == {
        "Billable": "0.00",
        "Held for review": "1246.63",
        "Not billable": "0.00",
        "Basis amount": "1246.63",
    }
    (plan,) = found.prepaid
    assert (plan.commitment.billed, plan.commitment.used, plan.commitment.balance) == (
        Decimal("131444.45"),
        Decimal("1227.36"),
        Decimal("130217.09"),
    )


def test_clouds_whose_costs_differ_for_no_reason_are_told_in_red(shared_data):
    run("import_focus", str(shared_data / "focus_sample_1000.csv"), "--source", "clouds")

    found = reconcile(BillingPeriod.objects.get(month="2024-10"))

    (wrong,) = (step for part in found.parts for step in part.steps if step.verdict == Verdict.WRONG)
    assert (wrong.title, wrong.difference) == ("From the bill to the basis", Decimal("-0.24"))
