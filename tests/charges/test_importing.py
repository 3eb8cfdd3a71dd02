"""A delivery goes in whole or not at all; nothing disappears; a restated month supersedes its predecessor."""

from decimal import Decimal
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from charges.importing import discard, import_files
from charges.models import Charge, FocusImport, ImportIssue, ReceivedFile, Source
from periods import storage
from periods.errors import NotPermitted, PeriodNotOpen, Refused
from periods.lifecycle import close_period
from periods.models import BillingPeriod
from tests.charges.focus_files import focus_row, write_focus
from tests.charges.folders import deliver, folder

__all__ = ["folder"]

pytestmark = pytest.mark.django_db


def test_a_clean_file_needs_no_registration(folder: Path) -> None:
    delivery = deliver(folder, focus_row(tags={"pi_name": "Ada Lovelace", "project_name": "The Engine"}))

    charge = Charge.objects.billable().get()
    assert (charge.pi.email, charge.pi.name) == ("ada@example.edu", "Ada Lovelace")
    assert (charge.project.code, charge.project.name) == ("engine", "The Engine")
    assert (charge.funding_account.code, charge.fund_step) == ("NSF-1", "tag")
    assert (charge.list_amount, charge.due_amount, charge.flags) == (Decimal(100), Decimal(80), {})
    assert (charge.period.month, charge.source.name, charge.billing_currency) == ("2025-01", "aws", "USD")
    assert delivery.focus_import.state == "loaded"


def test_json_is_the_contract(folder: Path) -> None:
    bad = focus_row(EffectiveCost="$1.00")
    delivery = deliver(folder, focus_row(), focus_row(tags={"pi_email": ""}, BilledCost="0.00000000001"), bad)

    assert delivery.as_json() == {
        "import": delivery.focus_import.pk,
        "source": "aws",
        "periods": ["2025-01"],
        "rows": 3,
        "loaded": 2,
        "quarantined": 1,
        "flagged": 1,
        "added": 2,
        "changed": 0,
        "removed": 0,
        "unchanged": 0,
        "billed_cost": "80.00000000001",
        "effective_cost": "160.00",
        "list_cost": "200.00",
        "currency": "USD",
    }


def test_currencies_are_never_added_together(folder: Path) -> None:
    row = focus_row(BillingCurrency="USD")

    found = deliver(folder, row, row | {"BillingCurrency": "EUR"}).as_json()

    sums = {"billed_cost": "80.00", "effective_cost": "80.00", "list_cost": "100.00"}
    assert (found["currency"], found["billed_cost"]) == (None, None)
    assert found["by_currency"] == {"USD": sums, "EUR": sums}
    assert list(Charge.objects.held()[0].flags) == ["foreign_currency"]


@pytest.mark.parametrize(
    ("row", "column", "value"),
    [
        (focus_row(BilledCost="$10,000.00 "), "BilledCost", "$10,000.00 "),
        (focus_row(ListCost="NaN"), "ListCost", "NaN"),
        (focus_row(EffectiveCost="1_000"), "EffectiveCost", "1_000"),
        (focus_row(EffectiveCost="99999999999"), "EffectiveCost", "99999999999"),
        (focus_row(EffectiveCost="", BilledCost="NULL"), "EffectiveCost", ""),
        (focus_row(BillingPeriodStart="01/31/2025"), "BillingPeriodStart", "01/31/2025"),
        (focus_row(ChargePeriodStart="2025-01-01T30:00:00Z"), "ChargePeriodStart", "2025-01-01T30:00:00Z"),
        (focus_row(ChargePeriodEnd="2025-02-31"), "ChargePeriodEnd", "2025-02-31"),
        (focus_row(BillingPeriodStart=""), "BillingPeriodStart", ""),
        (focus_row(BillingCurrency="Dollars"), "BillingCurrency", "Dollars"),
    ],
)
def test_a_row_that_cannot_be_used_is_put_aside_with_its_place(
    folder: Path, row: dict, column: str, value: str
) -> None:
    delivery = deliver(folder, focus_row(BillingCurrency="USD"), row)

    issue = ImportIssue.objects.get()
    assert (delivery.rows, delivery.loaded, delivery.quarantined) == (2, 1, 1)
    assert (issue.column, issue.raw_value, issue.line_number, issue.status) == (column, value, 3, "open")
    assert issue.raw_row["ResourceId"] == "i-1"
    assert issue.period.month == "2025-01"


def test_a_row_of_another_length_is_put_aside(folder: Path) -> None:
    path = write_focus(folder / "a.csv", focus_row())
    path.write_text(path.read_text() + "1,2,3\n")

    import_files([path], source_name="aws")

    assert ImportIssue.objects.get().sentence == "The row has 3 cells, the header 12."


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "jan.csv is empty."),
        (
            "a,b\n1,2\n",
            "jan.csv: This is no FOCUS file: it has no column BillingPeriodStart, its first line is “a, b”.",
        ),
        (
            "BillingPeriodStart,ListCost\n2025-01-01,5\n",
            "jan.csv: The file has neither of the columns EffectiveCost and BilledCost: there is nothing to bill.",
        ),
        (
            "BillingPeriodStart,BilledCost,billed cost\n2025-01-01,5,6\n",
            "jan.csv: The header names a column twice: BilledCost.",
        ),
        (
            "BillingPeriodStart,BilledCost\n",
            "There is no row below the header of jan.csv: nothing to load.",
        ),
    ],
)
def test_a_file_that_is_no_bill_is_refused(folder: Path, content: str, sentence: str) -> None:
    (folder / "jan.csv").write_text(content)

    with pytest.raises(Refused) as refusal:
        import_files([folder / "jan.csv"], source_name="aws")

    assert str(refusal.value) == sentence
    assert [i.state for i in FocusImport.objects.all()] == ["discarded"]
    assert not BillingPeriod.objects.exists()


def test_damaged_gzip_and_other_encodings_are_refused(folder: Path) -> None:
    whole = write_focus(folder / "a.csv.gz", *[focus_row(ResourceId=f"i-{n}") for n in range(500)])
    (folder / "cut.csv.gz").write_bytes(whole.read_bytes()[:-100])
    (folder / "latin.csv").write_bytes(
        write_focus(folder / "l.csv", focus_row(ServiceName="Rechnér")).read_text().encode("latin-1")
    )

    with pytest.raises(Refused, match=r"cut\.csv\.gz is a damaged or incomplete file"):
        import_files([folder / "cut.csv.gz"], source_name="aws")
    with pytest.raises(Refused, match=r"latin\.csv is not UTF-8 text"):
        import_files([folder / "latin.csv"], source_name="aws")
    assert not Charge.objects.exists()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.csv.gz", {}),
        ("a.csv", {"encoding": "utf-8-sig"}),
        ("a.csv", {"separator": ";"}),
        ("a.csv", {"separator": "\t"}),
    ],
)
def test_containers_and_separators_do_not_matter(folder: Path, name: str, options: dict) -> None:
    path = write_focus(folder / name, focus_row(), **options)

    assert import_files([path], source_name="aws").loaded == 1


def test_header_is_matched_without_case_order_spaces_and_by_older_names(folder: Path) -> None:
    path = folder / "old.csv"
    path.write_text(" tags ,Amortized Cost,BILLINGPERIODSTART,Provider\n{},1.5,2025-01-01T00:00Z,Oracle\n")

    import_files([path], source_name="oci")

    charge = Charge.objects.get()
    assert (charge.effective_cost, charge.provider_name) == (Decimal("1.5"), "Oracle")


def test_folder_is_searched_downwards_and_globs_expand(folder: Path) -> None:
    (folder / "deep").mkdir()
    write_focus(folder / "deep" / "a.csv", focus_row())
    write_focus(folder / "b.csv", focus_row(ResourceId="i-2"))
    (folder / "notes.txt").write_text("not a bill")

    assert import_files([folder], source_name="aws").loaded == 2
    assert import_files([str(folder / "**" / "*.csv")], source_name="aws").is_repeated
    with pytest.raises(Refused, match="There is no FOCUS file at"):
        import_files([folder / "none*.csv"], source_name="aws")


def test_the_file_is_kept_byte_for_byte(folder: Path) -> None:
    path = write_focus(folder / "jan.csv", focus_row())

    import_files([path], source_name="aws")

    kept = ReceivedFile.objects.get()
    assert storage.locate(f"received/{kept.sha256[:2]}/{kept.sha256}").read_bytes() == path.read_bytes()
    assert (kept.name, kept.size) == ("jan.csv", path.stat().st_size)


def test_several_months_in_one_file_go_to_their_own(folder: Path) -> None:
    feb = focus_row(BillingPeriodStart="2025-02-01T00:00:00Z", ChargePeriodStart="2025-02-01")

    assert deliver(folder, focus_row(), feb).periods == ["2025-01", "2025-02"]


def test_period_takes_all_rows_and_flags_those_that_say_otherwise(folder: Path) -> None:
    feb = focus_row(BillingPeriodStart="2025-02-01", ResourceId="late")

    delivery = deliver(folder, focus_row(), feb, period="2025-01")

    assert delivery.periods == ["2025-01"]
    assert Charge.objects.held().get().flags == {"period_mismatch": "The file says 2025-02."}


def test_a_closed_month_is_refused_and_nothing_of_the_file_is_loaded(folder: Path) -> None:
    deliver(folder, focus_row())
    close_period(BillingPeriod.objects.get())
    feb = focus_row(BillingPeriodStart="2025-02-01")

    with pytest.raises(PeriodNotOpen, match="January 2025 is closed"):
        deliver(folder, feb, focus_row(EffectiveCost="1"), name="both.csv")
    with pytest.raises(PeriodNotOpen):
        deliver(folder, focus_row(EffectiveCost="2"), dry_run=True, name="dry.csv")
    assert Charge.objects.current().get().due_amount == 80


def test_an_amount_with_a_line_end_in_it_is_put_aside_alone(folder: Path) -> None:
    rows = [focus_row(ResourceId="i-1"), focus_row(ResourceId="i-2", BilledCost="1\n2")]
    import_files([write_focus(folder / "a.csv", *rows)], source_name="cloud")

    assert Charge.objects.values_list("resource_id", flat=True).get() == "i-1"
    issue = ImportIssue.objects.get()
    assert (issue.line_number, issue.column) == (3, "BilledCost")


def test_a_staged_import_counts_for_nothing_and_can_be_discarded(folder: Path) -> None:
    staged = FocusImport.objects.create(source=Source.objects.create(name="aws"))

    assert discard(staged).state == "discarded"


def test_only_those_permitted_may_load(folder: Path, auditor: User, billing_admin: User) -> None:
    with pytest.raises(NotPermitted):
        deliver(folder, focus_row(), by=auditor)

    assert deliver(folder, focus_row(), by=billing_admin).focus_import.created_by == billing_admin


def test_a_prepaid_purchase_is_kept_and_billed_to_nobody(folder: Path) -> None:
    purchase = focus_row(
        tags="", ChargeCategory="Purchase", BilledCost="1000", EffectiveCost="0", CommitmentDiscountId="sp"
    )
    odd = purchase | {"EffectiveCost": "1000"}

    deliver(folder, purchase, odd)

    assert sorted(Charge.objects.values_list("review_status", flat=True)) == ["held", "not_billable"]
    assert "purchase_costs" in Charge.objects.held().get().flags


def test_hostile_tags_and_texts_do_no_harm(folder: Path) -> None:
    nested = '{"a":' * 50_000
    rows = [
        focus_row(tags=nested),
        focus_row(tags='{"pi_email": "a@b.edu\\nBcc: all@x.edu", "project_id": "\\ud800"}'),
        focus_row(tags={"project_id": "x" * 5000}, ResourceName="y" * 200_000),
        focus_row(tags={"pi_email": True, "project_id": None, "fund_org": {"deep": 1}}),
        focus_row(tags='["pi_email"]', ServiceName="=cmd()"),
    ]

    delivery = deliver(folder, *rows)

    assert (delivery.loaded, delivery.flagged) == (5, 5)
    assert all("missing_project" in charge.flags for charge in Charge.objects.held())


def test_what_is_not_billable_changes_nothing_for_a_project(tmp_path):
    purchase = focus_row(ChargeCategory="Purchase", BilledCost="500", EffectiveCost="0", ListCost="500", ResourceId="p")
    usage = focus_row(ChargeCategory="Usage")
    first = write_focus(tmp_path / "first.csv", usage, purchase)
    again = write_focus(tmp_path / "again.csv", usage)

    loaded = import_files([first], source_name="aws")
    without = import_files([again], source_name="aws")

    assert loaded.change_set == [
        {"currency": "USD", "project": "engine", "rows": 1, "gone": 0, "list": "100", "due": "80"}
    ]
    assert (without.removed, without.change_set) == (1, [])


@pytest.mark.parametrize("name", ["a\tb", "a\nb", "a\r\nb", r"a\b", r"\N", r"\.", "a\\", '"', "'", "%s", "é 計"])
def test_special_characters_are_stored_as_they_came(tmp_path, name):
    path = write_focus(tmp_path / "jan.csv", focus_row(ResourceName=name, ListCost=""), focus_row(ResourceId="i-2"))

    import_files([path], source_name="aws")

    charges = Charge.objects.order_by("resource_id")
    assert list(charges.values_list("resource_name", "list_cost")) == [(name, None), ("node-1", Decimal(100))]
