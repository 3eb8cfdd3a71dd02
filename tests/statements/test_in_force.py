"""What rules, splits and rates said is sealed with the month; they themselves stay editable."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.urls import reverse as url
from django.utils.html import strip_tags
from time_machine import travel

from charges.models import (
    AttributionRule,
    Charge,
    ExchangeRate,
    FundingSplit,
    ReviewRule,
    ReviewSettings,
)
from periods import storage
from statements import canonical, guards
from statements.archiving import finalize_period, verify_ledger
from statements.models import RuleInForce, Seal
from tests.make import make_charge, make_fund, make_period, make_pi, make_project, make_rate, make_source
from tests.statements.sealed import make_ready

pytestmark = pytest.mark.django_db


def said(kind: str) -> list[dict[str, str]]:
    return [rule.says for rule in RuleInForce.objects.filter(kind=kind)]


def seal(**charge: Any) -> Seal:
    return finalize_period(make_ready(**charge))


def on_day(day: int) -> Any:
    return travel(datetime(2025, 1, day, tzinfo=UTC), tick=False)


def change(rule: AttributionRule, tag: str) -> None:
    rule.tag = tag
    rule.save()


def make_rule(**values: Any) -> AttributionRule:
    return AttributionRule.objects.create(
        **{"source": make_source(), "service_name": "HPC Cluster", "project": make_project(), **values}
    )


def test_rule_that_decided_is_sealed_with_every_version_since_the_first_delivery() -> None:
    with on_day(1):
        rule, other = make_rule(tag="lab=x"), make_rule(service_name="Storage")
    with on_day(2):
        change(rule, "lab=y")
    with on_day(3):
        charge = make_charge(rule=rule, resource_id="node-2")
    with on_day(4):  # it may have been applied anew
        change(rule, "lab=z")

    seal(rule=rule)

    assert [(found["tag"], found["project"]) for found in said("attribution rule")] == [
        ("lab=y", f"engine ({charge.project_id})"),
        ("lab=z", f"engine ({charge.project_id})"),
    ]
    found = RuleInForce.objects.filter(kind="attribution rule").order_by("pk")
    assert [rule.version for rule in found] == list(
        rule.history.order_by("history_id").values_list("history_id", flat=True)
    )[1:]
    assert other.pk not in {rule.rule_id for rule in found}


def test_review_rules_and_settings_are_sealed_and_removed_ones_too() -> None:
    make_charge()
    ReviewRule.objects.create(kind="pattern", pattern="gpu").delete()
    ReviewSettings.objects.create(aging_days=30)

    seal()

    assert said("review rule") == [{"kind": "pattern", "pattern": "gpu", "is_active": "True"}]
    assert [found["aging_days"] for found in said("review settings")] == ["30"]


def test_split_is_sealed_with_its_shares() -> None:
    split = FundingSplit.objects.create(
        project=make_project(), first_month="2024-01", remainder_account=make_fund("NSF-2")
    )
    split.shares.create(funding_account=make_fund("NIH-1"), percent=60)
    FundingSplit.objects.create(project=make_project("other"), first_month="2024-01", remainder_account=make_fund())

    seal(fund_step="split", funding_account=None)

    assert [found["shares"] for found in said("funding split")] == ["NIH-1: 60 %; NSF-2: 40 %"]


def test_rate_of_another_month_is_sealed_where_a_charge_was_converted_by_it() -> None:
    rate = make_rate("1.1", period=make_period("2024-12"))
    make_rate("1.2", source=make_source("unused"), period=make_period("2024-12"))

    seal(exchange_rate=rate, billing_currency="EUR")

    assert [(found["rate"], found["currency"]) for found in said("exchange rate")] == [("1.100000", "EUR")]


def test_month_without_any_rule_has_no_record() -> None:
    seal()

    assert not RuleInForce.objects.exists()


def test_rules_may_change_after_the_seal_and_the_sealed_lines_say_what_they_said() -> None:
    rule = make_rule(tag="lab=x")
    sealed = seal(rule=rule)
    rule.tag, rule.pi = "lab=y", make_pi()
    rule.save()
    ReviewRule.objects.create(kind="pattern", pattern="gpu")

    lines = map(json.loads, storage.locate(canonical.path_of(sealed)).read_bytes().splitlines())
    assert [line["says"]["tag"] for line in lines if line["table"] == "statements.RuleInForce"] == ["lab=x"]
    assert verify_ledger() == []


def test_forged_record_of_a_rule_is_named() -> None:
    seal(rule=make_rule(tag="lab=x"))
    guards.lift()
    found = RuleInForce.objects.get()
    RuleInForce.objects.update(says=found.says | {"tag": "lab=y"})

    (sentence,) = [said for said in verify_ledger() if not said.startswith("The guard ")]

    assert sentence.startswith(f"rule in force {found.pk} of January 2025 was changed: says {{")


def test_rates_of_the_month_itself_are_guarded_rows() -> None:
    rate = ExchangeRate.objects.create(
        source=make_source(),
        period=make_period(),
        currency="EUR",
        rate="1.1",
        rate_date=date(2025, 1, 31),
        origin="ECB",
    )
    seal()
    guards.lift()
    ExchangeRate.objects.update(rate="1.2")

    assert verify_ledger()[-1] == f"exchange rate {rate.pk} of January 2025 was changed: rate 1.10 → 1.20."
    assert Charge.objects.count() == 1


def test_the_page_of_a_seal_says_its_sums_and_rows_in_words(client: Any, auditor: Any) -> None:
    sealed = seal(list_amount="1000", due_amount="12.5")
    client.force_login(auditor)

    page = client.get(url("admin:statements_seal_change", args=[sealed.pk])).content.decode()

    told = " ".join(strip_tags(page.replace("<", " <")).split())
    figures = told.partition("Of all statements Amount ")[2].partition(" Rows sealed ")[0]
    assert figures == "List price $1,000.00 Discount -$987.50 Amount due $12.50"
    assert told.partition("Kind Rows ")[2].partition(" Rules in force ")[0] == (
        "Charge 1 FOCUS import 1 Import scope 1 Billing period 1 Archived document 2 Journal 1 Journal line 2 "
        "Statement 1 Statement line 1"
    )
