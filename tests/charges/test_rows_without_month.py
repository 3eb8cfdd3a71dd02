"""A row whose month cannot be read says nothing about any month: it changes none, wherever it stands in its file."""

from itertools import permutations

import pytest

from charges.importing import Delivery, import_files
from charges.models import Charge, ImportIssue, ImportScope
from tests.charges.focus_files import focus_row, write_focus
from tests.make import make_closed, make_period

pytestmark = pytest.mark.django_db


def of(month: str, account: str, resource: str, **columns) -> dict:
    return focus_row(
        **{"BillingPeriodStart": f"{month}-01", "BillingAccountId": account, "ResourceId": resource, **columns}
    )


JANUARY = [of("2025-01", "a", "a"), of("2025-01", "x", "x1"), of("2025-01", "x", "x2")]
NEXT = [JANUARY[0], of("2025-02", "x", "f1"), of("2025-02", "x", "f2", BillingPeriodStart="02/01/2025")]
ORDERS = [list(rows) for rows in permutations(NEXT)]


@pytest.fixture
def deliver(tmp_path):
    def run(*rows: dict, **options) -> Delivery:
        return import_files([write_focus(tmp_path / "x.csv", *rows)], source_name="aws", **options)

    return run


def current() -> list[tuple[str, str, str]]:
    charges = Charge.objects.current().order_by("period__month", "resource_id")
    return [(charge.period.month, charge.kind, charge.resource_id) for charge in charges]


def waiting() -> list[tuple[str, int]]:
    issues = ImportIssue.objects.filter(status="open").order_by("period__month", "pk")
    return [(issue.period.month, issue.focus_import_id) for issue in issues]


@pytest.mark.parametrize("rows", ORDERS)
def test_an_account_keeps_its_rows_of_a_month_that_the_bad_row_does_not_name(deliver, rows):
    deliver(*JANUARY)

    delivery = deliver(*rows)

    assert (delivery.added, delivery.removed, delivery.unchanged, delivery.quarantined) == (1, 0, 1, 1)
    assert current() == [
        ("2025-01", "delivered", "a"), ("2025-01", "delivered", "x1"), ("2025-01", "delivered", "x2"),
        ("2025-02", "delivered", "f1"),
    ]  # fmt: skip
    scopes = ImportScope.objects.filter(focus_import=delivery.focus_import).order_by("billing_account_id")
    assert list(scopes.values_list("period__month", "billing_account_id", "rows")) == [
        ("2025-01", "a", 1), ("2025-02", "x", 1),
    ]  # fmt: skip
    assert [month for month, _ in waiting()] == ["2025-01"]


@pytest.mark.parametrize("rows", ORDERS)
def test_nothing_of_a_closed_month_is_reversed_for_a_row_that_does_not_name_it(deliver, rows):
    deliver(*JANUARY)
    make_closed(make_period("2025-01"))

    delivery = deliver(*rows, late_to="2025-02")

    assert (delivery.added, delivery.removed, delivery.late_months) == (1, 0, [])
    assert [kind for _, kind, _ in current()] == ["delivered"] * 4


def test_the_month_of_a_bad_row_that_can_be_read_is_spoken_for(deliver):
    deliver(*JANUARY)

    delivery = deliver(JANUARY[0], of("2025-01", "x", "x1", EffectiveCost="much"))

    assert (delivery.removed, delivery.quarantined) == (2, 1)
