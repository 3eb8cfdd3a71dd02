"""A provider that writes the same charges in another way bills them once, and keeps what people decided."""

from decimal import Decimal

import pytest

from charges.importing import Delivery, import_files
from charges.models import Charge
from charges.review import exclude
from tests.charges.focus_files import focus_row, write_focus

pytestmark = pytest.mark.django_db


@pytest.fixture
def deliver(tmp_path):
    def run(*rows: dict, name: str = "jan.csv") -> Delivery:
        return import_files([write_focus(tmp_path / name, *rows)], source_name="azure")

    return run


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
    "anew",
    [
        {"x_New": ""},
        {"x_New": "of another team"},
        {"ChargePeriodStart": "2025-01-01T00:00Z", "BillingPeriodStart": "2025-01-01T00:00:00Z"},
    ],
)
def test_decisions_hold_when_every_row_is_written_anew(deliver, anew):
    rows = [focus_row(ResourceId=resource, EffectiveCost="80") for resource in "abc"]
    deliver(*rows)
    exclude(Charge.objects.filter(resource_id="b"), reason="Our own experiment")

    delivery = deliver(*(row | anew for row in rows))

    assert (delivery.added, delivery.changed, delivery.removed, delivery.unchanged) == (0, 3, 0, 0)
    assert [status for *_, status in current()] == ["clear", "excluded", "clear"]
    assert [remark[:26] for remark in delivery.warnings if "named as" in remark] == ["Not one row is named as in"]


def test_a_row_that_is_another_replaces_nothing(deliver):
    deliver(focus_row(ResourceId="a", x_Job="6"), focus_row(ResourceId="b", x_Job="7"))
    exclude(Charge.objects.filter(resource_id="b"), reason="Our own experiment")

    delivery = deliver(focus_row(ResourceId="a", x_Job="6"), focus_row(ResourceId="b", x_Job="8"))
    gone = deliver(focus_row(ResourceId="c", x_Job="1"), focus_row(ResourceId="d", x_Job="2"))

    assert (delivery.added, delivery.changed, delivery.removed, delivery.unchanged) == (1, 0, 1, 1)
    assert (gone.added, gone.changed, gone.removed, gone.unchanged) == (2, 0, 2, 0)
    assert [status for *_, status in current()] == ["clear", "clear"]
