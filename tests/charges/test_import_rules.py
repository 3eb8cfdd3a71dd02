"""The finer rules of a delivery: what pairs with what, what comes back, what is refused."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from charges import review
from charges.carrying import carry_deferred
from charges.focus import Header
from charges.importing import Delivery, import_files, reverse
from charges.models import Charge, ExchangeRate, FocusImport, ImportIssue, PrincipalInvestigator, Project, Source
from periods.errors import PeriodNotOpen, Refused
from periods.lifecycle import close_period
from periods.models import BillingPeriod
from tests.charges.focus_files import focus_row, write_focus
from tests.make import make_fund, make_project

pytestmark = pytest.mark.django_db
REASON = "Agreed with the department"


def deliver(
    tmp_path: Path, *rows: dict[str, Any], name: str = "jan.csv", source: str = "aws", **options: Any
) -> Delivery:
    return import_files([write_focus(tmp_path / name, *rows)], source_name=source, **options)


def current(**filters: Any) -> Charge:
    return Charge.objects.current().get(**filters)


def test_a_charge_and_its_refund_keep_their_own_decisions(tmp_path: Path) -> None:
    charge, refund = focus_row(EffectiveCost="100"), focus_row(EffectiveCost="-100", ListCost="-100")
    for number in range(3):
        source = f"aws {number}"
        rows = [row | {"ResourceName": source} for row in (charge, refund)]
        deliver(tmp_path, *rows, source=source)
        mine = Charge.objects.current().filter(source__name=source)
        review.exclude(mine.filter(due_amount=-100), reason=REASON)

        deliver(tmp_path, rows[0] | {"EffectiveCost": "99"}, rows[1] | {"EffectiveCost": "-99"}, source=source)

        assert dict(mine.values_list("due_amount", "review_status")) == {99: "clear", -99: "excluded"}


def test_identity_is_all_columns_but_costs_quantities_and_prices() -> None:
    names = [
        "BillingPeriodStart",
        "BilledCost",
        "SkuPriceId",
        "PricingQuantity",
        "ListUnitPrice",
        "x_CostCenter",
        "x_UnitPrice",
    ]

    header = Header.of(names)

    assert sorted(names[index] for index in header.identity) == ["BillingPeriodStart", "SkuPriceId", "x_CostCenter"]


def test_an_approved_foreign_charge_stays_converted_or_is_held(tmp_path: Path) -> None:
    row = focus_row(BillingCurrency="EUR", EffectiveCost="0", ListCost="100")
    deliver(tmp_path, row)
    rate = ExchangeRate.objects.create(
        source=Source.objects.get(), period=BillingPeriod.objects.get(), currency="EUR", rate=2, rate_date=date(2025, 1, 31), origin="ECB"
    )  # fmt: skip
    review.approve(Charge.objects.held())

    deliver(tmp_path, row | {"ListCost": "110"})
    assert (current().review_status, current().list_amount, current().exchange_rate) == ("approved", 220, rate)

    deliver(tmp_path, row | {"ListCost": "110", "EffectiveCost": "5"})
    charge = current()
    assert (charge.review_status, charge.list_amount, charge.exchange_rate) == ("held", 110, None)
    assert sorted(charge.flags) == ["changed_after_approval", "foreign_currency"]


def test_an_approval_is_not_lost_in_silence_when_the_flag_goes(tmp_path: Path) -> None:
    row = focus_row(ListCost="0", EffectiveCost="10")
    deliver(tmp_path, row)
    review.approve(Charge.objects.held())

    deliver(tmp_path, row | {"ListCost": "2000", "EffectiveCost": "1000"})

    assert (current().review_status, list(current().flags)) == ("held", ["changed_after_approval"])


def test_a_project_that_a_reviewer_named_brings_its_own_fund_to_the_changed_row(tmp_path: Path) -> None:
    row = focus_row(tags={"fund_org": "", "project_id": "wrong"})
    deliver(tmp_path, row)
    right = make_project("right", default_fund=make_fund("DEPT"))
    review.reattribute(Charge.objects.current(), project=right, reason=REASON)

    deliver(tmp_path, row | {"EffectiveCost": "70"})

    charge = current()
    assert (charge.project, charge.funding_account.code, charge.fund_step) == (right, "DEPT", "project")
    assert (charge.due_amount, charge.review_status, charge.flags) == (70, "clear", {})


def test_a_quote_that_is_never_closed_is_refused(tmp_path: Path) -> None:
    path = write_focus(tmp_path / "jan.csv", *[focus_row(ResourceId=f"i-{n}", tags="") for n in range(9)])
    path.write_text(path.read_text().replace("i-1,", '"i-1,', 1))

    with pytest.raises(Refused, match=r"jan\.csv is no CSV file: line"):
        import_files([path], source_name="aws")


def test_rows_of_accounts_that_are_not_delivered_again_stay_in_quarantine(tmp_path: Path) -> None:
    good, bad = focus_row(BillingAccountId="1"), focus_row(BillingAccountId="2", BilledCost="x")
    deliver(tmp_path, good, bad)

    deliver(tmp_path, good | {"EffectiveCost": "5"})

    assert ImportIssue.objects.get().status == "open"


def test_reversing_brings_back_the_quarantine_of_the_delivery_before(tmp_path: Path) -> None:
    deliver(tmp_path, focus_row(), focus_row(BilledCost="x"))
    second = deliver(tmp_path, focus_row(), focus_row(EffectiveCost="5")).focus_import
    assert (ImportIssue.objects.get().status, ImportIssue.objects.get().replaced_by) == ("replaced", second)

    reverse(second, reason="The wrong file was uploaded")

    assert (ImportIssue.objects.get().status, ImportIssue.objects.get().replaced_by) == ("open", None)


def test_charges_carried_over_neither_block_nor_suffer_a_reversal(tmp_path: Path) -> None:
    deliver(tmp_path, focus_row())
    feb = focus_row(BillingPeriodStart="2025-02-01")
    latest = deliver(tmp_path, feb, name="feb.csv").focus_import
    review.defer(Charge.objects.filter(period__month="2025-01"), reason=REASON)
    [carried] = carry_deferred(BillingPeriod.objects.of_month("2025-01"))

    assert deliver(tmp_path, feb, name="feb.csv").is_repeated
    with pytest.raises(Refused, match="carries deferred charges over"):
        reverse(carried, reason="The wrong file was uploaded")
    assert reverse(latest, reason="The wrong file was uploaded").state == "reversed"
    assert current(period__month="2025-02").kind == "carried"


def test_the_same_file_twice_in_one_delivery_is_refused(tmp_path: Path) -> None:
    path = write_focus(tmp_path / "jan.csv", focus_row())
    (tmp_path / "jan (1).csv").write_bytes(path.read_bytes())

    with pytest.raises(Refused, match="are the same: they would be billed twice"):
        import_files([tmp_path], source_name="aws")
    relative = path.parent / "." / path.name
    assert import_files([path, relative], source_name="aws").rows == 1


def test_the_bytes_of_another_source_are_refused_beside_other_files_too(tmp_path: Path) -> None:
    path = write_focus(tmp_path / "jan.csv", focus_row())
    import_files([path], source_name="aws")
    other = write_focus(tmp_path / "other.csv", focus_row(ResourceId="i-9"))

    with pytest.raises(Refused, match=r"jan\.csv is loaded as a delivery of aws"):
        import_files([path, other], source_name="azure")


def test_the_same_bytes_belong_to_one_month(tmp_path: Path) -> None:
    deliver(tmp_path, focus_row(), period="2025-03")

    assert deliver(tmp_path, focus_row(), period="2025-03").is_repeated
    with pytest.raises(Refused, match="holds the same file for 2025-03"):
        deliver(tmp_path, focus_row())
    with pytest.raises(Refused, match="holds the same file for 2025-03"):
        deliver(tmp_path, focus_row(), period="2025-04")


def test_a_dry_run_of_files_loaded_already_has_no_import(tmp_path: Path) -> None:
    deliver(tmp_path, focus_row())

    found = deliver(tmp_path, focus_row(), dry_run=True).as_json()

    assert (found["import"], found["unchanged"]) == (None, 1)


@pytest.mark.parametrize("order", [1, -1])
def test_expiry_depends_neither_on_the_order_of_rows_nor_on_a_dry_run(tmp_path: Path, order: int) -> None:
    rows = [focus_row(ResourceId="a"), focus_row(ResourceId="b", tags={"end_date": "2024-12-31"})][::order]

    dry = deliver(tmp_path, *rows, dry_run=True)
    wet = deliver(tmp_path, *rows)

    assert dry.flagged == wet.flagged == 1
    assert list(current(resource_id="b").flags) == ["expired"]


def test_what_later_rows_say_of_a_payer_counts_too(tmp_path: Path) -> None:
    said = {"pi_name": "Ada Lovelace", "project_name": "The Engine", "delegates": "bob", "end_date": "2026-01-31"}

    deliver(tmp_path, focus_row(), focus_row(tags=said), focus_row(tags={"end_date": "2025-12-31"}))

    project = Project.objects.get()
    assert PrincipalInvestigator.objects.get().name == "Ada Lovelace"
    assert (project.name, project.end_date) == ("The Engine", date(2026, 1, 31))
    assert [delegate.email for delegate in project.delegates.all()] == ["bob@example.edu"]


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:00-05:00", "0000-01-01"])
def test_a_date_beyond_all_calendars_is_quarantined(tmp_path: Path, text: str) -> None:
    deliver(tmp_path, focus_row(), focus_row(ChargePeriodStart=text), focus_row(BillingPeriodStart=text))

    assert [issue.column for issue in ImportIssue.objects.all()] == ["ChargePeriodStart", "BillingPeriodStart"]


def test_an_account_too_long_for_a_key_is_quarantined(tmp_path: Path) -> None:
    deliver(tmp_path, focus_row(BillingAccountId="1"), focus_row(BillingAccountId="x" * 100_000))

    assert ImportIssue.objects.get().sentence == "BillingAccountId is longer than 500 characters."


def test_a_body_damaged_inside_a_gzip_is_refused(tmp_path: Path) -> None:
    path = write_focus(tmp_path / "a.csv.gz", *[focus_row(ResourceId=f"i-{n}") for n in range(2000)])
    content = bytearray(path.read_bytes())
    content[200:260] = bytes(60)
    path.write_bytes(content)

    with pytest.raises(Refused, match=r"a\.csv\.gz is"):
        import_files([path], source_name="aws")


def test_a_failed_delivery_leaves_no_month_behind(tmp_path: Path) -> None:
    good = write_focus(tmp_path / "a.csv", focus_row(BillingPeriodStart="2031-05-01"))
    (tmp_path / "b.csv").write_text("no,bill\n1,2\n")

    with pytest.raises(Refused, match="This is no FOCUS file"):
        import_files([good, tmp_path / "b.csv"], source_name="aws")

    assert not BillingPeriod.objects.exists()
    assert [i.state for i in FocusImport.objects.all()] == ["discarded"]


def test_usage_without_any_effective_cost_is_warned_of(tmp_path: Path) -> None:
    delivery = deliver(tmp_path, focus_row(EffectiveCost="0"), focus_row(EffectiveCost="0"))

    assert delivery.warnings[-1:] == [
        "All usage was billed but has an effective cost of 0: should this source go by billed cost?"
    ]


def test_totals_count_readable_amounts_in_readable_currencies_only(tmp_path: Path) -> None:
    row = focus_row(BillingCurrency="USD")

    found = deliver(tmp_path, row, row | {"BillingCurrency": "us dollars"}).as_json()
    assert (found["currency"], found["effective_cost"]) == ("USD", "80.00")

    nothing = deliver(tmp_path, row | {"BilledCost": "x"}, source="azure").as_json()
    assert (nothing["currency"], nothing["effective_cost"], nothing["quarantined"]) == ("USD", "0", 1)


def test_a_commitment_purchase_without_any_cost_is_quarantined(tmp_path: Path) -> None:
    purchase = focus_row(ChargeCategory="Purchase", CommitmentDiscountId="sp-1", BilledCost="", EffectiveCost="")

    assert deliver(tmp_path, focus_row(), purchase).quarantined == 1


@pytest.mark.parametrize("text", ["0E-40", "1e-31", "-0.0"])
def test_a_tiny_amount_is_rounded_and_the_difference_is_kept(tmp_path: Path, text: str) -> None:
    delivery = deliver(tmp_path, focus_row(EffectiveCost=text))

    assert (current().due_amount, Decimal(delivery.totals["USD"]["EffectiveCost"]["rounding"])) == (0, Decimal(text))


def test_files_that_closed_months_hold_unchanged_are_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    january = write_focus(tmp_path / "in" / "jan.csv", focus_row())
    import_files([tmp_path / "in"], source_name="aws")
    close_period(BillingPeriod.objects.get())

    assert import_files([tmp_path / "in"], source_name="aws").is_repeated
    write_focus(tmp_path / "in" / "feb.csv", focus_row(BillingPeriodStart="2025-02-01"))
    february = import_files([tmp_path / "in"], source_name="aws")
    assert (february.periods, february.rows) == (["2025-02"], 1)
    assert import_files([tmp_path / "in"], source_name="aws").focus_import == february.focus_import

    write_focus(january, focus_row(EffectiveCost="1"))
    with pytest.raises(PeriodNotOpen, match="January 2025 is closed"):
        import_files([tmp_path / "in"], source_name="aws")
    assert Charge.objects.current().count() == 2


def test_the_order_of_columns_is_of_no_matter_to_what_is_unchanged(tmp_path: Path) -> None:
    row = focus_row()
    deliver(tmp_path, row)

    again = deliver(tmp_path, dict(reversed(row.items())), name="reversed.csv")

    assert (again.unchanged, again.added, again.changed) == (1, 0, 0)
