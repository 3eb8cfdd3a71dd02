"""A provider that writes the same charges in another way bills them once, and keeps what people decided."""

from decimal import Decimal
from typing import Any

import pytest

from charges.importing import Delivery, import_files
from charges.models import AttributionRule, Charge
from charges.review import approve, exclude, reattribute
from tests.charges.focus_files import focus_row, write_focus
from tests.make import make_fund, make_pi, make_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def deliver(tmp_path):
    def run(*rows: dict, name: str = "jan.csv", **options: Any) -> Delivery:
        return import_files([write_focus(tmp_path / name, *rows)], source_name="azure", **options)

    return run


@pytest.fixture
def other_payer():
    return {
        "pi": make_pi("grace@example.edu"),
        "project": make_project("compiler"),
        "funding_account": make_fund("NAVY-2"),
    }


def current() -> list[tuple[str, Decimal, str]]:
    charges = Charge.objects.current().order_by("resource_id", "due_amount")
    return list(charges.values_list("resource_id", "due_amount", "review_status"))


@pytest.mark.parametrize("first", ["/Subscriptions/ABC", " /subscriptions/abc "])
def test_an_account_is_one_in_capitals_and_in_small_letters(deliver, first):
    deliver(focus_row(BillingAccountId=first, EffectiveCost="10"))
    delivery = deliver(focus_row(BillingAccountId="/subscriptions/abc", EffectiveCost="11"))

    assert current() == [("i-1", Decimal(11), "clear")]
    assert [scope.billing_account_id for scope in delivery.focus_import.scopes.all()] == ["/subscriptions/abc"]


@pytest.mark.parametrize("none", ["NULL", "", "(null)"])
def test_no_account_is_one_however_it_is_written(deliver, none):
    deliver(focus_row(BillingAccountId="", EffectiveCost="10"))
    deliver(focus_row(BillingAccountId=none, EffectiveCost="12"))

    assert current() == [("i-1", Decimal(12), "clear")]


@pytest.mark.parametrize(
    "respelt",
    [
        {"ChargePeriodStart": "2025-01-01T00:00Z", "BillingPeriodStart": "2025-01-01T00:00:00Z"},
        {"BillingAccountId": "ABC"},
        {"RegionId": "NULL", "ChargeClass": "(null)"},
    ],
)
def test_a_row_in_another_spelling_is_the_same_row(deliver, respelt):
    rows = [
        focus_row(ResourceId=resource, BillingAccountId="Abc", RegionId="", ChargeClass="", EffectiveCost="80")
        for resource in "abc"
    ]
    deliver(*rows)
    exclude(Charge.objects.filter(resource_id__in="ab"), reason="Our own experiment")

    delivery = deliver(rows[0] | respelt, rows[1] | respelt, rows[2])

    assert (delivery.added, delivery.changed, delivery.removed, delivery.unchanged) == (0, 0, 0, 3)
    assert [status for *_, status in current()] == ["excluded", "excluded", "clear"]


def test_a_new_column_without_a_word_changes_nothing(deliver):
    rows = [focus_row(ResourceId=resource, EffectiveCost="80") for resource in "abc"]
    deliver(*rows)

    delivery = deliver(*({"x_New": ""} | row for row in rows))

    assert (delivery.added, delivery.changed, delivery.removed, delivery.unchanged) == (0, 0, 0, 3)
    assert [remark for remark in delivery.warnings if "named as" in remark] == []


def test_columns_without_a_latin_letter_are_told_apart(deliver):
    rows = [focus_row(Отдел="a", Проект="b"), focus_row(Отдел="c", Проект="c")]
    deliver(*rows)

    delivery = deliver(rows[0] | {"Отдел": "b", "Проект": "a"}, rows[1])

    assert (delivery.added, delivery.changed, delivery.removed, delivery.unchanged) == (1, 0, 1, 1)


@pytest.mark.parametrize("dry_run", [True, False])
def test_decisions_hold_when_every_row_is_written_anew(deliver, dry_run):
    rows = [focus_row(ResourceId=resource, EffectiveCost="80") for resource in "abc"]
    deliver(*rows)
    exclude(Charge.objects.filter(resource_id="b"), reason="Our own experiment")

    anew_rows = [row | {"x_New": "of another team"} for row in rows]
    delivery = deliver(*anew_rows, dry_run=dry_run)
    deliver(*anew_rows)

    assert (delivery.added, delivery.changed, delivery.removed, delivery.unchanged) == (0, 3, 0, 0)
    assert [status for *_, status in current()] == ["clear", "excluded", "clear"]
    assert [remark[:26] for remark in delivery.warnings if "named as" in remark] == ["Not one row is named as in"]


@pytest.mark.parametrize("anew", [{}, {"x_New": "1"}])
def test_a_row_with_other_tags_is_another_row_and_billed_to_whom_they_name(deliver, anew):
    deliver(focus_row(tags={"pi_email": "wrong@example.edu"}))
    exclude(Charge.objects.all(), reason="Another PI's usage")

    delivery = deliver(focus_row(tags={"pi_email": "right@example.edu"}) | anew)

    assert (delivery.added, delivery.changed, delivery.removed) == (1, 0, 1)
    [charge] = Charge.objects.current()
    assert (charge.pi.email, charge.review_status, charge.decision_reason) == ("right@example.edu", "clear", "")


def test_who_pays_by_decision_pays_for_the_row_written_anew(deliver, other_payer):
    deliver(focus_row())
    reattribute(Charge.objects.all(), reason="Of another group", **other_payer)

    deliver(focus_row() | {"x_New": "1"})

    [charge] = Charge.objects.current()
    assert (charge.pi, charge.project, charge.funding_account) == tuple(other_payer.values())


def test_a_row_that_is_another_replaces_nothing_and_is_looked_at(deliver):
    deliver(focus_row(ResourceId="a", x_Job="6"), focus_row(ResourceId="b", x_Job="7"))
    exclude(Charge.objects.filter(resource_id="b"), reason="Our own experiment")

    delivery = deliver(focus_row(ResourceId="a", x_Job="6"), focus_row(ResourceId="b", x_Job="8"))
    gone = deliver(focus_row(ResourceId="c", x_Job="1"), focus_row(ResourceId="d", x_Job="2"))

    assert (delivery.added, delivery.changed, delivery.removed, delivery.unchanged) == (1, 0, 1, 1)
    assert delivery.flagged == 1
    assert [sentence for sentence in delivery.warnings if "decided" in sentence] == [
        "1 charge that somebody decided about is in this delivery no more; what was decided holds when it comes again.",
        "1 row is like a decided charge that is billed no more in that form, and held for review.",
    ]
    assert Charge.objects.get(loaded_by=delivery.focus_import).flags == {
        "like_decided": "A charge like this one, which is billed no more in that form, was excluded: Our own experiment"
    }
    assert (gone.added, gone.changed, gone.removed, gone.unchanged) == (2, 0, 2, 0)
    assert [status for *_, status in current()] == ["clear", "clear"]


def test_a_row_is_the_same_whatever_stands_beside_it(deliver):
    rows = [
        focus_row(ResourceId="NULL", SubAccountName="NULL", ChargeCategory="Tax"),
        focus_row(ResourceId="b", SubAccountName="NULL", ChargeCategory="Usage"),
    ]
    deliver(*rows)
    exclude(Charge.objects.filter(resource_id="b"), reason="Our own experiment")

    delivery = deliver(rows[0] | {"EffectiveCost": "x"}, rows[1])

    assert (delivery.added, delivery.changed, delivery.removed, delivery.unchanged) == (0, 0, 1, 1)
    assert current() == [("b", Decimal(80), "excluded")]


def test_who_pays_is_carried_whole_or_not_at_all(deliver):
    deliver(focus_row(ListCost="1", EffectiveCost="80"))
    approve(Charge.objects.all())
    before = Charge.objects.get()
    AttributionRule.objects.create(
        mode="override",
        service_name=before.service_name,
        project=make_project("new"),
        funding_account=make_fund("F-NEW"),
    )

    deliver(focus_row(ListCost="1", EffectiveCost="81"))

    [charge] = Charge.objects.current()
    assert (charge.project, charge.funding_account, charge.fund_step) == (
        before.project,
        before.funding_account,
        before.fund_step,
    )


@pytest.mark.parametrize("decided", [0, 1, 2])
def test_of_equal_rows_the_one_that_vanishes_is_one_that_nobody_decided_about(deliver, decided):
    rows = [focus_row()] * 3
    deliver(*rows)
    exclude(Charge.objects.filter(pk=Charge.objects.order_by("pk")[decided].pk), reason="Our own experiment")

    delivery = deliver(*rows[:2], name="two.csv")

    assert (delivery.unchanged, delivery.removed) == (2, 1)
    assert sorted(status for *_, status in current()) == ["clear", "excluded"]
