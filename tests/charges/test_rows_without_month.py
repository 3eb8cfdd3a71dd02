"""A row whose month cannot be read says nothing about any month: it changes none, wherever it stands in its file."""

from itertools import permutations

import pytest

from charges.importing import Delivery, discard_issues, import_files
from charges.models import Charge, FocusImport, ImportIssue, ImportScope
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
    """The month of each, and which of the deliveries it came with, counted from one."""
    imports = list(FocusImport.objects.order_by("pk").values_list("pk", flat=True))
    issues = ImportIssue.objects.filter(status="open").order_by("period__month", "pk")
    return [(issue.period.month, imports.index(issue.focus_import_id) + 1) for issue in issues]


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

    delivery = deliver(JANUARY[0], of("2025-01", "x", "x1", EffectiveCost="much"), force=True)

    assert (delivery.removed, delivery.quarantined) == (2, 1)


@pytest.fixture
def folder(tmp_path):
    """January with a row that is cut short, and February, imported together."""

    def deliver(february: str, *, short: int = 1, **options) -> Delivery:
        path = write_focus(tmp_path / "jan.csv", *JANUARY)
        path.write_text(path.read_text() + "only,two\n" * short)
        write_focus(tmp_path / "feb.csv", of("2025-02", "a", "a", EffectiveCost=february))
        return import_files([tmp_path], source_name="aws", **options)

    return deliver


def test_a_row_that_waits_in_a_closed_month_does_not_wait_in_an_open_one_too(folder):
    folder("1")
    make_closed(make_period("2025-01"))

    deliveries = [folder(due) for due in ("2", "3")]

    assert [(d.changed, d.quarantined, d.late) for d in deliveries] == [(1, 0, 1)] * 2
    assert waiting() == [("2025-01", 1)]


def test_a_row_that_was_discarded_in_a_closed_month_is_not_discarded_again(folder):
    folder("1")
    discard_issues(ImportIssue.objects.all(), reason="A line of totals")
    make_closed(make_period("2025-01"))

    folder("2")

    assert ImportIssue.objects.count() == 1


def test_one_more_such_row_waits_in_the_open_month(folder):
    folder("1")
    make_closed(make_period("2025-01"))

    delivery = folder("2", short=2)

    assert (delivery.quarantined, delivery.late) == (1, 1)
    assert waiting() == [("2025-01", 1), ("2025-02", 2)]


def test_late_differences_take_the_row_along(folder):
    folder("1")
    make_closed(make_period("2025-01"))

    folder("2", late_to="2025-02")

    assert waiting() == [("2025-02", 2)]
