"""Append sources: each delivery adds rows, and a reference is billed once."""

from decimal import Decimal

import pytest

from charges.importing import Delivery, correct_row, import_files, reverse
from charges.models import Charge, ImportIssue, Source
from periods.errors import Refused
from tests.charges.focus_files import focus_row, write_focus

pytestmark = pytest.mark.django_db


@pytest.fixture
def deliver(tmp_path):
    def run(*rows: dict, name: str = "a.csv", source: str = "oci", **options) -> Delivery:
        return import_files([write_focus(tmp_path / name, *rows)], source_name=source, **options)

    return run


def row(reference: str, cost: str = "5", **columns) -> dict:
    return focus_row(oci_ReferenceNumber=reference, EffectiveCost=cost, BilledCost=cost, **columns)


def dues() -> list[tuple[str, Decimal]]:
    return list(Charge.objects.current().order_by("reference").values_list("reference", "due_amount"))


def test_a_header_with_a_reference_number_starts_an_append_source(deliver):
    deliver(row("r1"))

    source = Source.objects.get()
    assert (source.delivery, source.reference_column) == ("append", "oci_ReferenceNumber")


def test_a_source_that_has_delivered_snapshots_stays_one(deliver):
    deliver(focus_row(), name="first.csv")
    deliver(row("r1"))

    assert Source.objects.get().delivery == "snapshot"


def test_each_delivery_adds_rows_and_known_ones_stay(deliver):
    deliver(row("r1"), row("r2"))
    delivery = deliver(row("r2"), row("r3"), name="b.csv")

    assert (delivery.added, delivery.unchanged, delivery.changed, delivery.removed) == (1, 1, 0, 0)
    assert (delivery.rows, delivery.loaded, delivery.quarantined) == (2, 2, 0)
    assert dues() == [("r1", Decimal(5)), ("r2", Decimal(5)), ("r3", Decimal(5))]


def test_blanks_around_a_reference_are_no_part_of_it(deliver):
    deliver(row("r1"), row(" r2"))
    delivery = deliver(row(" r1 "), row("r2"), row("r3\t"), row(" "), name="b.csv")

    assert (delivery.added, delivery.unchanged, delivery.quarantined) == (1, 2, 1)
    assert ImportIssue.objects.get().sentence == "oci_ReferenceNumber is empty: the row cannot be told from others."
    assert dues() == [("r1", Decimal(5)), ("r2", Decimal(5)), ("r3", Decimal(5))]


def test_a_correction_is_a_row_of_its_own(deliver):
    deliver(row("r1"))
    deliver(row("r2", "-5", oci_BackReferenceNumber="r1"), row("r3", "4", oci_BackReferenceNumber="r1"), name="b.csv")

    assert dues() == [("r1", Decimal(5)), ("r2", Decimal(-5)), ("r3", Decimal(4))]


def test_a_known_reference_with_other_amounts_is_put_aside(deliver):
    deliver(row("r1"))
    delivery = deliver(row("r1", "6"), row("r2"), name="b.csv")

    issue = ImportIssue.objects.get()
    assert (delivery.loaded, delivery.quarantined) == (1, 1)
    assert (issue.column, issue.raw_value) == ("oci_ReferenceNumber", "r1")
    assert issue.sentence == "oci_ReferenceNumber r1 is loaded already, with other amounts."
    assert (issue.effective_cost, issue.line_number) == (Decimal(6), 2)
    assert delivery.totals["USD"]["EffectiveCost"] == {
        "file": "11", "loaded": "5", "quarantined": "6", "rounding": "0",
    }  # fmt: skip


def test_of_two_rows_of_a_reference_the_first_in_the_file_counts_whatever_their_months(deliver):
    february = {"BillingPeriodStart": "2025-02-01", "BillingPeriodEnd": "2025-03-01"}
    deliver(row("r1"), row("r2", "2", **february), row("r2", "3"))

    assert dues() == [("r1", Decimal(5)), ("r2", Decimal(2))]
    assert ImportIssue.objects.get().line_number == 4


def test_a_reference_that_comes_twice_in_a_delivery_is_loaded_once(deliver):
    delivery = deliver(row("r1"), row("r1"))

    assert (delivery.rows, delivery.loaded, delivery.quarantined) == (2, 1, 1)
    assert ImportIssue.objects.get().sentence == "oci_ReferenceNumber r1 appears twice in this delivery."


def test_a_row_without_a_reference_is_put_aside(deliver):
    delivery = deliver(row("r1"), row(""))

    assert (delivery.loaded, delivery.quarantined) == (1, 1)
    assert ImportIssue.objects.get().sentence == "oci_ReferenceNumber is empty: the row cannot be told from others."


def test_a_file_without_the_reference_column_is_refused(deliver):
    deliver(row("r1"))

    with pytest.raises(Refused) as refusal:
        deliver(focus_row(), name="b.csv")

    assert str(refusal.value) == (
        "The file has no column oci_ReferenceNumber, which tells the rows of this source apart."
    )


def test_an_issue_of_an_earlier_delivery_stays_until_its_own_row_comes_again(deliver):
    bad = row("r2", "five")
    deliver(row("r1"), bad)
    deliver(row("r3"), name="b.csv")
    assert ImportIssue.objects.get().status == "open"

    deliver(row("r4"), bad, name="c.csv")

    assert list(ImportIssue.objects.order_by("pk").values_list("status", flat=True)) == ["replaced", "open"]


def test_a_row_is_corrected_after_later_files_of_its_month(deliver):
    deliver(row("1"), row("2", cost="much"))
    deliver(row("3"), name="next.csv")
    costs = dict.fromkeys(("ListCost", "ContractedCost", "BilledCost", "EffectiveCost"), "7")

    charge = correct_row(ImportIssue.objects.get(), correction=costs, reason="As on the invoice")
    deliver(row("4"), name="last.csv")

    assert dues() == [("1", Decimal(5)), ("2", Decimal(7)), ("3", Decimal(5)), ("4", Decimal(5))]
    issue = ImportIssue.objects.get()
    assert (issue.status, issue.charge) == ("corrected", charge)


def test_a_correction_does_not_bill_a_reference_twice(deliver):
    deliver(row("r1"))
    deliver(row("r1", "6"), row("r2"), name="b.csv")
    issue = ImportIssue.objects.get()

    for reference in ("r1", "r2"):
        with pytest.raises(Refused, match=f"oci_ReferenceNumber {reference} is loaded already: it would be billed"):
            correct_row(
                issue, correction={"BilledCost": "7", "oci_ReferenceNumber": reference}, reason="As on the invoice"
            )
    correct_row(issue, correction={"oci_ReferenceNumber": "r3"}, reason="As on the invoice")

    deliver(row("r1", "6"), row("r2"), row("r4"), name="c.csv")
    assert dues() == [(name, Decimal(due)) for name, due in (("r1", 5), ("r2", 5), ("r3", 6), ("r4", 5))]
    assert list(ImportIssue.objects.order_by("pk").values_list("status", flat=True)) == ["corrected", "corrected"]


def test_the_latest_delivery_can_be_reversed_and_loaded_again(deliver):
    deliver(row("r1"))
    second = deliver(row("r2"), name="b.csv").focus_import
    reverse(second, reason="The wrong tenancy")
    assert dues() == [("r1", Decimal(5))]

    deliver(row("r2", "7"), name="c.csv")

    assert dues() == [("r1", Decimal(5)), ("r2", Decimal(7))]


def test_a_dry_run_gives_the_same_numbers_and_makes_no_source(deliver):
    delivery = deliver(row("r1"), row("r1"), dry_run=True)

    assert (delivery.loaded, delivery.quarantined) == (1, 1)
    assert not Source.objects.exists()
