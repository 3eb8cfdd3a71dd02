"""Rows that run past the last day of their fund."""

from datetime import date

import pytest

from charges.importing import import_files
from charges.models import Charge
from statements.reconciling import reconcile
from tests.charges.focus_files import write_focus
from tests.make import make_fund, make_project


@pytest.fixture
def deliver(tmp_path):
    def run(*rows, **options):
        return import_files([write_focus(tmp_path / "bill.csv", *rows)], source_name="aws", **options)

    return run


def ending(day="2025-01-15", fallback="OPS-1", **fund):
    """A project that ends within January."""
    other = make_fund(fallback, **fund) if fallback else None
    project = make_project()
    project.end_date, project.fallback_fund = date.fromisoformat(day), other
    project.save()
    return project


def parts(**which):
    found = Charge.objects.current().filter(kind="part", **which).order_by("charge_period_start", "pk")
    return [
        (f"{part.charge_period_start:%m-%d}", f"{part.charge_period_end:%m-%d}", str(part.funding_account),
         part.fund_step, str(part.due_amount.normalize()), part.review_status)
        for part in found
    ]  # fmt: skip


def whole():
    return Charge.objects.current().get(kind="delivered")


def adds_up(period):
    steps = [step for part in reconcile(period).parts for step in part.steps if step.title != "In journals"]
    return {str(step.verdict) for step in steps}
