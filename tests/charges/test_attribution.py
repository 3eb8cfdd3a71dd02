"""Who pays: tags however they are spelled, then rules in their order, then the project's default."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from charges.attribution.deciding import Attributor, Usage, read_tags
from charges.importing import import_files
from charges.models import AttributionRule, Charge, FundingShare, FundingSplit, PIAddress, Project
from tests.charges.focus_files import focus_row, write_focus
from tests.make import make_fund, make_pi, make_project, make_source


@pytest.mark.parametrize("key", ["pi_email", "PI-Email", "user:pi_email", "aws:user:PiEmail", "labels/PI Email"])
def test_tag_is_matched_without_case_punctuation_or_prefix(key: str) -> None:
    assert read_tags(json.dumps({key: " ada "})) == {"pi_email": "ada"}


@pytest.mark.parametrize("text", ["", "{}", "null", "[1]", "a=b", "{", '{"pi_email": ""}', '{"pi_email": true}'])
def test_tags_that_say_nothing_are_no_error(text: str) -> None:
    assert read_tags(text) == {}


def test_the_unprefixed_key_wins() -> None:
    assert read_tags('{"user:fund_org": "B", "fund_org": "A"}') == {"fund_org": "A"}


def test_a_number_is_taken_as_it_is_written() -> None:
    assert read_tags('{"fund_org": 1200.10, "cost_center": 12345678901234567890}') == {
        "fund_org": "1200.10",
        "cost_center": "12345678901234567890",
    }


def load(tmp_path: Path, **row: Any) -> Charge:
    path = write_focus(tmp_path / "a.csv", focus_row(**row))
    import_files([path], source_name="cluster")
    return Charge.objects.current().get()


@pytest.mark.django_db
def test_a_bare_name_gets_the_mail_domain(tmp_path: Path) -> None:
    assert load(tmp_path, tags={"pi_email": "Ada"}).pi.email == "ada@example.edu"


@pytest.mark.django_db
def test_another_address_of_the_same_pi_is_the_same_pi(tmp_path: Path) -> None:
    ada = make_pi("ada@new.edu")
    PIAddress.objects.create(pi=ada, email="ada@example.edu")

    assert load(tmp_path).pi == ada


@pytest.mark.django_db
def test_tags_fill_the_project_and_its_delegates(tmp_path: Path) -> None:
    load(tmp_path, tags={"department": "Maths", "delegates": "bob, eve@else.edu", "end_date": "2025-06-30"})

    project = Project.objects.get()
    assert (project.department, project.end_date) == ("Maths", date(2025, 6, 30))
    assert sorted(d.email for d in project.delegates.all()) == ["bob@example.edu", "eve@else.edu"]


@pytest.mark.django_db
def test_the_first_rule_that_fills_a_gap_decides_and_tags_stay(tmp_path: Path) -> None:
    make_source("cluster")
    AttributionRule.objects.create(order=2, service_name="Compute", funding_account=make_fund("SECOND"))
    first = AttributionRule.objects.create(
        order=1, resource_prefix="node", funding_account=make_fund("FIRST"), pi=make_pi("eve@example.edu")
    )

    charge = load(tmp_path, tags={"fund_org": ""})

    assert (charge.funding_account.code, charge.fund_step, charge.rule) == ("FIRST", "rule", first)
    assert charge.pi.email == "ada@example.edu"


@pytest.mark.django_db
def test_the_first_overriding_rule_beats_tags(tmp_path: Path) -> None:
    for order, code in ((2, "SECOND"), (1, "FIRST")):
        AttributionRule.objects.create(
            order=order, mode="override", tag="env=prod", funding_account=make_fund(code), project=make_project(code)
        )

    charge = load(tmp_path, tags={"env": "prod"})

    assert (charge.funding_account.code, charge.fund_step, charge.project.code) == ("FIRST", "override", "FIRST")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("criteria", "applies"),
    [
        ({"sub_account_id": "s-1"}, True),
        ({"sub_account_id": "s-2"}, False),
        ({"service_name": "Compute"}, True),
        ({"service_name": "Comp"}, False),
        ({"resource_prefix": "i-"}, True),
        ({"tag": "Env=prod"}, True),
        ({"tag": "env=test"}, False),
        ({"service_name": "Compute", "valid_from": date(2025, 1, 2)}, False),
        ({"service_name": "Compute", "valid_until": date(2025, 1, 1)}, True),
        ({"service_name": "Compute", "sub_account_id": "other"}, False),
    ],
)
def test_a_rule_applies_where_all_it_names_matches(criteria: dict[str, Any], applies: bool) -> None:
    AttributionRule.objects.create(funding_account=make_fund("RULE"), **criteria)
    usage = Usage('{"env": "prod"}', "s-1", "i-1", "node", "Compute", date(2025, 1, 1))

    assert (Attributor(make_source()).payer(usage).fund == "RULE") is applies


@pytest.mark.django_db
def test_rules_of_another_source_do_not_apply() -> None:
    AttributionRule.objects.create(funding_account=make_fund("RULE"), source=make_source("aws"))

    assert Attributor(make_source("cluster")).payer(Usage("")).fund == ""


@pytest.mark.django_db
def test_the_project_default_comes_last(tmp_path: Path) -> None:
    make_project("engine", default_fund=make_fund("DEFAULT"))

    charge = load(tmp_path, tags={"fund_org": ""})

    assert (charge.funding_account.code, charge.fund_step, charge.review_status) == ("DEFAULT", "project", "clear")


@pytest.mark.django_db
def test_a_split_in_force_comes_before_the_tag(tmp_path: Path) -> None:
    split = FundingSplit.objects.create(
        project=make_project("engine"), first_month="2025-01", remainder_account=make_fund("A")
    )
    FundingShare.objects.create(split=split, funding_account=make_fund("B"), percent=40)

    charge = load(tmp_path)

    assert (charge.funding_account, charge.fund_step, charge.review_status) == (None, "split", "clear")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fallback", "fund", "step", "flags"),
    [
        (None, "NSF-1", "tag", {"expired": "NSF-1 could be charged until 2024-12-31."}),
        ("DEPT", "DEPT", "fallback", {}),
    ],
)
def test_usage_after_the_end_date_goes_to_the_fallback_or_is_held(
    tmp_path: Path, fallback: str | None, fund: str, step: str, flags: dict[str, str]
) -> None:
    make_project("engine", fallback_fund=make_fund(fallback) if fallback else None)

    charge = load(tmp_path, tags={"end_date": "2024-12-31"})

    assert (charge.funding_account.code, charge.fund_step, charge.flags) == (fund, step, flags)


@pytest.mark.django_db
def test_the_last_valid_day_still_counts_in_the_institutions_zone(tmp_path: Path, settings: Any) -> None:
    settings.TIME_ZONE = "America/Chicago"

    charge = load(tmp_path, tags={"end_date": "2025-01-31"}, ChargePeriodStart="2025-02-01T05:30:00Z")

    assert charge.flags == {}


@pytest.mark.django_db
def test_the_funder_comes_from_the_tag_else_from_the_source(tmp_path: Path) -> None:
    make_source("cluster", funder="Provost", subsidy_fund="PROV-1")

    charge = load(tmp_path)

    assert (charge.funder, charge.subsidy_fund) == ("Provost", "PROV-1")
