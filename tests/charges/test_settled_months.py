"""A folder keeps the files of all months: a closed month in which nothing differs is no obstacle to the open ones."""

from decimal import Decimal

import pytest
from django.db.models import Sum

from charges.importing import Delivery, import_files, reverse
from charges.importing.correcting import correct_row
from charges.importing.quarantine import discard_issues
from charges.models import Charge, ImportIssue, Source
from periods.errors import PeriodNotOpen, Refused
from periods.lifecycle import reopen_period
from periods.models import BillingPeriod
from tests.charges.focus_files import focus_row, write_focus
from tests.make import make_closed, make_period

pytestmark = pytest.mark.django_db


def of(month: str, due: str, resource: str = "a", **columns) -> dict:
    return focus_row(
        BillingPeriodStart=f"{month}-01", ResourceId=resource, ListCost=due, ContractedCost=due, BilledCost=due,
        EffectiveCost=due, **columns,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """Writes the files of a folder and imports it whole, as cron does every night."""

    def deliver(source: str = "aws", late_to: str | None = None, **files: list[dict]) -> Delivery:
        home = tmp_path / "export"
        home.mkdir(exist_ok=True)
        for name, rows in files.items():
            write_focus(home / f"{name}.csv", *rows)
        return import_files([home], source_name=source, late_to=late_to)

    return deliver


def close(month: str) -> BillingPeriod:
    return make_closed(make_period(month))


def reopen(month: str) -> None:
    reopen_period(BillingPeriod.objects.get(month=month), reason="A mistake in the rates")


def due(month: str) -> Decimal | None:
    return Charge.objects.current().filter(period__month=month).aggregate(sum=Sum("due_amount"))["sum"]


def test_the_open_month_of_a_folder_loads_after_the_other_is_closed(folder):
    folder(jan=[of("2025-01", "1")])
    folder(feb=[of("2025-02", "2")])
    close("2025-01")

    delivery = folder(feb=[of("2025-02", "3")])

    assert (delivery.rows, delivery.loaded, delivery.late, delivery.changed, delivery.unchanged) == (2, 2, 0, 1, 1)
    assert delivery.periods == ["2025-02"]
    assert delivery.totals["USD"]["EffectiveCost"] == {
        "file": "4", "loaded": "4", "quarantined": "0", "rounding": "0",
    }  # fmt: skip
    assert (due("2025-01"), due("2025-02")) == (Decimal(1), Decimal(3))
    assert folder().is_repeated


def test_a_difference_in_the_closed_month_is_refused_still(folder):
    folder(jan=[of("2025-01", "1"), of("2025-01", "5", "b")])
    folder(feb=[of("2025-02", "2")])
    close("2025-01")

    for january in ([of("2025-01", "1")], [of("2025-01", "1"), of("2025-01", "6", "b")]):
        with pytest.raises(PeriodNotOpen, match=r"January 2025 is closed, and this delivery differs.*reopen"):
            folder(jan=january, feb=[of("2025-02", "3")])

    assert due("2025-02") == Decimal(2)


def test_only_rows_of_months_that_differ_count_as_late(folder):
    folder(jan=[of("2025-01", "1")], feb=[of("2025-02", "2")], mar=[of("2025-03", "3")])
    close("2025-01")
    close("2025-02")
    Source.objects.update(late_policy="keep")

    delivery = folder(feb=[of("2025-02", "2.5")], mar=[of("2025-03", "4")])

    assert (delivery.rows, delivery.loaded, delivery.late) == (3, 2, 1)
    assert [late["month"] for late in delivery.late_months] == ["2025-02"]
    assert delivery.totals["USD"]["EffectiveCost"] == {
        "file": "7.5", "loaded": "5.0", "quarantined": "0", "late": "2.5", "rounding": "0",
    }  # fmt: skip


def test_an_append_source_goes_on_after_a_close(folder):
    Source.objects.create(name="oci", delivery="append", reference_column="Ref")
    folder(source="oci", jan=[of("2025-01", "1", Ref="1")], feb=[of("2025-02", "2", Ref="2")])
    close("2025-01")

    delivery = folder(source="oci", feb=[of("2025-02", "2", Ref="2"), of("2025-02", "4", Ref="3")])

    assert (delivery.added, delivery.unchanged, delivery.loaded) == (1, 2, 3)
    with pytest.raises(PeriodNotOpen):
        folder(source="oci", jan=[of("2025-01", "1", Ref="1"), of("2025-01", "9", Ref="4")])


def test_decided_rows_of_the_closed_month_are_no_difference(folder):
    bad = [of("2025-01", "1"), of("2025-01", "soon", "b"), of("2025-01", "never", "c")]
    folder(jan=bad, feb=[of("2025-02", "2")])
    corrected, discarded = ImportIssue.objects.order_by("line_number")
    costs = dict.fromkeys(("ListCost", "ContractedCost", "BilledCost", "EffectiveCost"), "7")
    correct_row(corrected, correction=costs, reason="As on the invoice")
    discard_issues(ImportIssue.objects.filter(pk=discarded.pk), reason="A row of a test")
    close("2025-01")

    delivery = folder(feb=[of("2025-02", "3")])

    assert (delivery.loaded, delivery.late, delivery.quarantined) == (3, 1, 0)
    assert ImportIssue.objects.count() == 2
    with pytest.raises(PeriodNotOpen):
        folder(jan=[*bad, of("2025-01", "at times", "d")])


def test_what_was_settled_is_read_again_once_the_month_is_open(folder):
    first = [of("2025-01", "1")]
    folder(jan=first, feb=[of("2025-02", "2")])
    close("2025-01")
    folder(feb=[of("2025-02", "3")])
    reopen("2025-01")
    folder(jan=[of("2025-01", "10")])

    back = folder(jan=first)

    assert not back.is_repeated
    assert due("2025-01") == Decimal(1)


def test_a_reversal_in_between_makes_settled_bytes_count_again(folder):
    january = folder(jan=[of("2025-01", "1"), of("2025-01", "2", "b")]).focus_import
    close("2025-01")
    folder(jan=[of("2025-01", "2", "b"), of("2025-01", "1")])  # the same rows in another order
    reopen("2025-01")
    assert january is not None
    reverse(january, reason="The wrong account")
    close("2025-01")

    with pytest.raises(PeriodNotOpen):
        folder()


def test_a_kept_file_is_loaded_once_its_month_is_open_again(folder):
    Source.objects.create(name="aws", late_policy="keep")
    folder(jan=[of("2025-01", "1")])
    close("2025-01")
    assert folder(jan=[of("2025-01", "5")]).late == 1
    assert folder().is_repeated
    reopen("2025-01")

    delivery = folder()

    assert (delivery.is_repeated, delivery.loaded, due("2025-01")) == (False, 1, Decimal(5))


def test_a_kept_month_beside_an_open_one_is_loaded_with_late_to(folder):
    Source.objects.create(name="aws", late_policy="keep")
    folder(jan=[of("2025-01", "1")])
    close("2025-01")
    folder(jan=[of("2025-01", "5")], feb=[of("2025-02", "2")])

    delivery = folder(late_to="2025-02")

    assert delivery.late_months[0]["due"] == "4"
    assert due("2025-02") == Decimal(6)


def test_differences_go_to_a_later_month(folder):
    folder(jan=[of("2025-02", "1")])
    close("2025-02")

    with pytest.raises(Refused, match="Differences of 2025-02 belong in a later month, not in 2025-01"):
        folder(jan=[of("2025-02", "5")], late_to="2025-01")

    assert not BillingPeriod.objects.filter(month="2025-01").exists()


@pytest.mark.parametrize(
    ("setting", "value", "expected"), [("basis", "billed_cost", Decimal(9)), ("has_inclusive_ends", True, Decimal(3))]
)
def test_the_same_file_is_read_anew_under_other_settings(folder, setting, value, expected):
    row = of("2025-01", "3") | {"BilledCost": "9"}
    folder(jan=[row])
    Source.objects.update(**{setting: value})

    delivery = folder()

    assert (delivery.is_repeated, delivery.changed, delivery.unchanged) == (False, 1, 0)
    assert due("2025-01") == expected
    assert folder().is_repeated


def test_how_rows_are_told_apart_cannot_change_under_what_is_loaded(folder):
    folder(jan=[of("2025-01", "1", Ref="1")])
    source = Source.objects.get()
    source.delivery, source.reference_column = "append", "Ref"

    with pytest.raises(Exception, match="cannot be told from what comes"):
        source.full_clean()


def test_a_bad_row_that_is_kept_late_is_part_of_the_file(folder):
    Source.objects.create(name="aws", late_policy="keep")
    folder(jan=[of("2025-01", "1")])
    close("2025-01")

    delivery = folder(jan=[of("2025-01", "2"), of("2025-01", "5") | {"ChargePeriodStart": "01/02/2025"}])

    assert (delivery.rows, delivery.loaded, delivery.late) == (2, 0, 2)
    assert delivery.totals["USD"]["EffectiveCost"] == {
        "file": "7", "loaded": "0", "quarantined": "0", "late": "7", "rounding": "0",
    }  # fmt: skip


@pytest.mark.parametrize("policy", ["refuse", "keep"])
def test_a_row_without_a_month_is_a_difference_where_all_months_are_closed(folder, policy):
    Source.objects.create(name="aws", late_policy=policy)
    folder(jan=[of("2025-01", "1")])
    close("2025-01")
    files = {"jan": [of("2025-01", "1"), of("2025-01", "5") | {"BillingPeriodStart": "January"}]}

    if policy == "refuse":
        with pytest.raises(PeriodNotOpen):
            folder(**files)
        return
    delivery = folder(**files)

    assert (delivery.rows, delivery.loaded, delivery.late, delivery.quarantined) == (2, 0, 2, 0)
    assert delivery.totals["USD"]["EffectiveCost"]["late"] == "6"
    assert delivery.focus_import
    assert delivery.focus_import.state == "late"
