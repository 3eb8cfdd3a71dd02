"""Why a charge is held: each flag, and that a clean row has none."""

from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from charges.flags import Reviewer
from charges.importing import import_files
from charges.models import Charge, ReviewRule
from tests.charges.focus_files import focus_row, write_focus
from tests.make import make_source

pytestmark = pytest.mark.django_db


def flags(tmp_path: Path, **row: Any) -> list[str]:
    import_files([write_focus(tmp_path / "a.csv", focus_row(**row))], source_name="cluster")
    charge = Charge.objects.current().get()
    assert (charge.review_status == "held") is bool(charge.flags)
    return list(charge.flags)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({}, []),
        ({"tags": {"pi_email": ""}}, ["missing_pi"]),
        ({"tags": {"pi_email": "not an address"}}, ["missing_pi"]),
        ({"tags": {"project_id": ""}}, ["missing_project"]),
        ({"tags": {"fund_org": ""}}, ["missing_fund"]),
        ({"tags": {"fund_org": ""}, "EffectiveCost": "0"}, []),
        ({"tags": ""}, ["missing_pi", "missing_project", "missing_fund"]),
        ({"BillingCurrency": "EUR"}, ["foreign_currency"]),
        ({"ListCost": "0"}, ["no_list_price"]),
        ({"ListCost": "0", "ChargeCategory": "Tax"}, []),
        ({"ListCost": None}, []),
    ],
)
def test_flags_of_a_row(tmp_path: Path, row: dict[str, Any], expected: list[str]) -> None:
    assert sorted(flags(tmp_path, **row)) == sorted(expected)


@pytest.mark.parametrize(("pattern", "expected"), [(r"^[A-Z]+-\d$", []), (r"^\d+$", ["fund_format"])])
def test_fund_format_is_checked_once_it_is_configured(tmp_path: Path, pattern: str, expected: list[str]) -> None:
    ReviewRule.objects.create(kind="fund_format", pattern=pattern)

    assert flags(tmp_path) == expected


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"pattern": "comp"}, ["pattern"]),
        ({"pattern": "NODE-1"}, ["pattern"]),
        ({"pattern": "gpu"}, []),
        ({"pattern": "comp", "is_active": False}, []),
    ],
)
def test_names_that_match_a_pattern_are_held(tmp_path: Path, rule: dict[str, Any], expected: list[str]) -> None:
    ReviewRule.objects.create(kind="pattern", **rule)

    assert flags(tmp_path) == expected


def test_no_pattern_takes_for_ever():
    ReviewRule.objects.create(kind="pattern", pattern=r"(a+)+$")

    reviewer = Reviewer(make_source())

    assert reviewer.pattern.found_in(("a" * 100_000 + "b", "", "")) == ""


@pytest.mark.parametrize("wrong", ["(", r"(?=a)b", r"(a)\1"])
def test_a_pattern_that_cannot_be_matched_in_bounded_time_is_refused(wrong):
    with pytest.raises(ValidationError) as refusal:
        ReviewRule(kind="pattern", pattern=wrong).full_clean()

    assert refusal.value.messages[0].startswith("This is no regular expression of RE2: ")
