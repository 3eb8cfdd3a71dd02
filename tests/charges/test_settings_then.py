"""A change of a source's settings is for open months: closed ones are compared as they were loaded."""

from decimal import Decimal

import pytest

from charges.importing import Delivery, correct_row, import_files
from charges.models import Charge, ImportIssue, Source
from periods.errors import PeriodNotOpen
from tests.charges.focus_files import focus_row, write_focus
from tests.make import make_closed, make_period

pytestmark = pytest.mark.django_db


def of(month: str, effective: str, resource: str = "a", billed: str = "80", **columns) -> dict:
    return focus_row(
        BillingPeriodStart=f"{month}-01", ResourceId=resource, EffectiveCost=effective, BilledCost=billed, **columns
    )


@pytest.fixture
def folder(tmp_path):
    """Writes the files of a folder and imports it whole, as cron does every night."""

    def deliver(late_to: str | None = None, **files: list[dict]) -> Delivery:
        home = tmp_path / "export"
        home.mkdir(exist_ok=True)
        for name, rows in files.items():
            write_focus(home / f"{name}.csv", *rows)
        return import_files([home], source_name="aws", late_to=late_to)

    return deliver


@pytest.fixture
def january(folder) -> list[dict]:
    """Loaded by effective cost and closed, before the source goes by billed cost."""
    rows = [of("2025-01", "70"), of("2025-01", "7", "b", billed="")]
    folder(jan=rows, feb=[of("2025-02", "70")])
    make_closed(make_period("2025-01"))
    Source.objects.update(basis="billed_cost")
    return rows


def dues(month: str) -> list[tuple[str, str, Decimal]]:
    charges = Charge.objects.current().filter(period__month=month).order_by("kind", "pk")
    return [(charge.kind, charge.resource_id, charge.due_amount) for charge in charges]


def test_the_open_month_goes_by_the_new_basis_and_the_closed_one_holds_the_same(folder, january):
    deliveries = [folder(), *(folder(feb=[of("2025-02", "1", billed=due)]) for due in ("81", "82"))]

    assert [(d.changed, d.unchanged, d.late) for d in deliveries] == [(1, 2, 0)] * 3
    assert dues("2025-01") == [("delivered", "a", Decimal(70)), ("delivered", "b", Decimal(7))]
    assert dues("2025-02") == [("delivered", "a", Decimal(82))]


def test_a_difference_of_the_closed_month_is_one_still(folder, january):
    with pytest.raises(PeriodNotOpen):
        folder(jan=[of("2025-01", "71"), january[1]])


def test_late_differences_are_due_by_the_basis_of_their_month(folder, january):
    delivery = folder(jan=[of("2025-01", "71"), january[1]], late_to="2025-02")
    again = folder(feb=[of("2025-02", "1", billed="83")])

    assert delivery.late_months == [
        {"month": "2025-01", "to": "2025-02", "currency": "USD", "rows": 2, "list": "0", "due": "1"}
    ]
    assert (again.changed, again.unchanged, again.late) == (1, 2, 0)
    assert dues("2025-02") == [
        ("delivered", "a", Decimal(83)), ("late", "a", Decimal(71)), ("reversal", "a", Decimal(-70)),
    ]  # fmt: skip


def test_a_late_row_is_corrected_by_the_basis_of_its_month(folder, january):
    folder(jan=[*january, of("2025-01", "much", "c")], late_to="2025-02")

    charge = correct_row(ImportIssue.objects.get(), correction={"EffectiveCost": "50"}, reason="As on the invoice")
    again = folder(feb=[of("2025-02", "1", billed="83")])

    assert charge.due_amount == Decimal(50)
    assert (again.changed, again.unchanged, again.late) == (1, 3, 0)


def test_every_account_is_compared_as_it_was_loaded(folder, tmp_path):
    rows = {name: [of("2025-01", "70", BillingAccountId=name)] for name in ("x", "y")}
    import_files([write_focus(tmp_path / "x.csv", *rows["x"])], source_name="aws")
    Source.objects.update(basis="billed_cost")
    import_files([write_focus(tmp_path / "y.csv", *rows["y"])], source_name="aws")
    make_closed(make_period("2025-01"))

    delivery = folder(jan=rows["x"] + rows["y"], feb=[of("2025-02", "1")])

    assert (delivery.added, delivery.unchanged) == (1, 2)


def test_period_ends_of_a_closed_month_are_read_as_then(folder):
    folder(jan=[of("2025-01", "70")], feb=[of("2025-02", "70")])
    make_closed(make_period("2025-01"))
    Source.objects.update(has_inclusive_ends=True)

    assert (folder(feb=[of("2025-02", "71")]).unchanged, folder(feb=[of("2025-02", "72")]).unchanged) == (1, 1)
