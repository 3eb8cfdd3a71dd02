"""A correction of one row never makes a delivery speak for a month, or an account, that no other row of it names."""

from pathlib import Path

import pytest

from charges.importing import correct_row
from charges.models import Charge, ImportIssue, Source
from periods.errors import Refused
from tests.charges.focus_files import focus_row
from tests.charges.folders import deliver, folder
from tests.make import make_source

__all__ = ["folder"]

pytestmark = pytest.mark.django_db
JANUARY = [focus_row(ResourceId=name) for name in "ab"]
FEBRUARY = focus_row(ResourceId="c", BillingPeriodStart="2025-02-01")
LOST = focus_row(ResourceId="d", BillingPeriodStart="01/01/2025")
FOUND = {"BillingPeriodStart": "2025-01-01"}


def correct(**correction: str) -> Charge:
    return correct_row(ImportIssue.objects.get(status="open"), correction=correction, reason="As on the invoice")


def held() -> dict[str, str]:
    """Resources, by month."""
    charges = Charge.objects.current().order_by("resource_id").values_list("period__month", "resource_id")
    found: dict[str, str] = {}
    for month, resource in charges:
        found[month] = found.get(month, "") + resource
    return found


def test_a_row_is_not_corrected_into_a_month_that_its_delivery_does_not_name(folder: Path) -> None:
    deliver(folder, *JANUARY)
    deliver(folder, FEBRUARY, LOST)

    with pytest.raises(Refused) as refusal:
        correct(**FOUND)

    assert str(refusal.value) == (
        f"{ImportIssue.objects.get().focus_import} has no other row of 2025-01, and speaks for months and accounts as a "
        "whole. Discard this row, and have it delivered with the others."
    )
    assert held() == {"2025-01": "ab", "2025-02": "c"}


def test_nor_into_an_account(folder: Path) -> None:
    deliver(folder, *(row | {"BillingAccountId": "111"} for row in JANUARY))
    deliver(folder, focus_row(ResourceId="c", BillingAccountId="222"), LOST | {"BillingAccountId": "222"}, name="b.csv")

    with pytest.raises(Refused):
        correct(**FOUND, BillingAccountId="111")

    correct(**FOUND)
    assert held() == {"2025-01": "abcd"}


@pytest.mark.parametrize("first", [True, False])
def test_it_waits_again_in_a_delivery_that_does_not_name_the_month(folder: Path, first: bool) -> None:
    deliver(folder, *JANUARY, FEBRUARY, LOST)
    correct(**FOUND)
    both = [LOST, FEBRUARY | {"EffectiveCost": "81"}]

    delivery = deliver(folder, *(both if first else reversed(both)))

    assert (delivery.loaded, delivery.quarantined, delivery.removed) == (1, 1, 0)
    assert held() == {"2025-01": "abd", "2025-02": "c"}
    assert ImportIssue.objects.latest("pk").status == "open"


@pytest.mark.parametrize("first", [True, False])
def test_it_is_loaded_again_in_one_that_does(folder: Path, first: bool) -> None:
    deliver(folder, *JANUARY, FEBRUARY, LOST)
    correct(**FOUND)
    rows = [*JANUARY, FEBRUARY | {"EffectiveCost": "81"}]

    delivery = deliver(folder, *([LOST, *rows] if first else [*rows, LOST]))

    assert (delivery.loaded, delivery.quarantined, delivery.unchanged, delivery.changed) == (4, 0, 3, 1)
    assert held() == {"2025-01": "abd", "2025-02": "c"}


def test_rows_of_a_source_that_appends_go_to_any_month(folder: Path) -> None:
    make_source("aws", delivery=Source.Delivery.APPEND, reference_column="SkuId")
    deliver(folder, FEBRUARY | {"SkuId": "1"}, LOST | {"SkuId": "2"})

    correct(**FOUND)

    assert held() == {"2025-01": "d", "2025-02": "c"}
