"""A rule tried out: what it would match and change in the open months, by the rule's own words."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.urls import reverse

from charges.attribution.trying import Effect, effects
from charges.models import AttributionRule, Charge
from periods.errors import Refused
from tests.make import (
    make_charge,
    make_closed,
    make_fund,
    make_period,
    make_pi,
    make_project,
    make_rate,
    make_source,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def period():
    return make_period()


def charge(period, resource: str, due: str, **columns) -> Charge:
    return make_charge(period=period, source=make_source(), resource_id=resource, due_amount=due, **columns)


def test_what_is_missing_is_filled(period):
    charge(period, "vm-1", "10")
    charge(period, "vm-2", "5", pi=None, project=None, funding_account=None, review_status="held")
    charge(period, "VM-3", "7")
    charge(period, "disk-1", "3")

    found = effects(AttributionRule(resource_prefix="vm-", project=make_project("other")))

    assert found == [Effect("USD", 2, Decimal(15), 1, Decimal(5))]


def test_what_is_other_is_overridden_but_for_decisions(period):
    charge(period, "vm-1", "10")
    charge(period, "vm-2", "5", pi=make_pi("grace@example.edu"))
    charge(period, "vm-3", "2", fund_step=Charge.FundStep.DECISION)
    rule = AttributionRule(resource_prefix="vm-", mode="override", pi=make_pi("grace@example.edu"))

    assert effects(rule) == [Effect("USD", 3, Decimal(17), 1, Decimal(10))]


def test_dates_are_those_of_the_usage(period):
    for day in (9, 10, 11, 12):
        charge(period, f"vm-{day}", str(day), charge_period_start=datetime(2025, 1, day, tzinfo=UTC))
    rule = AttributionRule(
        resource_prefix="vm-",
        valid_from=date(2025, 1, 10),
        valid_until=date(2025, 1, 11),
        funding_account=make_fund("B"),
    )

    assert effects(rule) == [Effect("USD", 2, Decimal(21), 0, Decimal(0))]


def test_closed_months_and_what_is_not_billable_are_left_out(period):
    charge(period, "vm-1", "10", review_status="not_billable")
    charge(make_period("2024-12"), "vm-1", "10")
    make_closed(make_period("2024-12"))

    assert effects(AttributionRule(resource_prefix="vm-", pi=make_pi())) == []


def test_tags_are_not_kept(period):
    with pytest.raises(Refused):
        effects(AttributionRule(tag="team=blue", pi=make_pi()))


def test_it_stands_on_the_page_of_the_rule(client, billing_admin, period):
    charge(period, "vm-1", "4120.55", funding_account=None, fund_step="", review_status="held")
    rule = AttributionRule.objects.create(resource_prefix="vm-", funding_account=make_fund("B"))
    client.force_login(billing_admin)

    page = client.get(reverse("admin:charges_attributionrule_change", args=[rule.pk])).content.decode()

    assert "It would match 1 charge, $4,120.55 due; 1 of them would change, $4,120.55 due." in page


def test_a_converted_charge_is_told_in_the_currency_of_its_month(period):
    rate = make_rate("1.1")
    charge(period, "vm-1", "11", billing_currency="EUR", exchange_rate=rate)
    charge(period, "vm-2", "5", billing_currency="EUR", review_status="held")
    rule = AttributionRule(resource_prefix="vm-", project=make_project("other"))

    for one in (rule, AttributionRule(resource_prefix="vm-", valid_until=date(2025, 12, 31), project=rule.project)):
        assert [(found.currency, found.due) for found in effects(one)] == [("EUR", 5), ("USD", 11)]


def test_what_corrects_another_month_follows_no_rule(period):
    charge(period, "vm-1", "-10", kind="reversal", late_month="2024-12")
    charge(period, "vm-1", "10", kind="rebill", late_month="2024-12")

    assert effects(AttributionRule(resource_prefix="vm-", project=make_project("other"))) == []


def test_a_filling_fund_leaves_a_split_as_it_is(period):
    charge(period, "vm-1", "10", funding_account=None, fund_step="split")

    assert effects(AttributionRule(resource_prefix="vm-", funding_account=make_fund("NSF-9"))) == [
        Effect("USD", 1, Decimal(10), 0, Decimal(0))
    ]
