"""Files in the manner of each provider, with the oddities that their real exports have."""

from decimal import Decimal
from pathlib import Path

import pytest
from django.conf import settings
from django.db.models import Sum

from charges.importing import Delivery, import_files
from charges.models import Charge, ImportIssue, Source
from tests.charges.focus_files import TAGS, focus_row, write_focus

pytestmark = pytest.mark.django_db
SAVINGS_PLAN = Path(settings.BASE_DIR).parent / "shared" / "data" / "spec_aws_savings_plan_partial_upfront.csv"
SAMPLE = SAVINGS_PLAN.with_name("focus_sample_1000.csv")


@pytest.fixture
def deliver(tmp_path):
    def run(*rows: dict, name: str = "a.csv", source: str = "cloud", separator: str = ",", **options) -> Delivery:
        path = write_focus(tmp_path / name, *rows, separator=separator)
        return import_files([path], source_name=source, **options)

    return run


def file_totals(delivery: Delivery) -> dict[str, Decimal]:
    found = delivery.as_json()
    return {name: Decimal(found[name]) for name in ("billed_cost", "effective_cost", "list_cost")}


def aws(**columns) -> dict:
    return focus_row(
        BillingAccountId="000401122908", BillingPeriodStart="2025-01-01T00:00:00.000Z",
        BillingPeriodEnd="2025-02-01T00:00:00.000Z", ChargePeriodStart="2025-01-03T00:00:00.000Z",
        ChargePeriodEnd="2025-01-04T00:00:00.000Z", ChargeCategory="Usage", ProviderName="AWS", x_Operation="None",
        x_Discounts="{}", **columns,
    )  # fmt: skip


def test_aws_writes_exponents_and_keeps_the_word_none(deliver):
    delivery = deliver(
        aws(BilledCost="6.123E-7", EffectiveCost="6.123E-7", ListCost="2.323760000E-9", ContractedCost="5.64902E-05"),
        aws(BilledCost="0.012264277499950943", EffectiveCost="0.012264277499950943", ListCost="1", ContractedCost="1"),
        name="a.csv.gz",
    )

    assert file_totals(delivery)["effective_cost"] == Decimal("6.123E-7") + Decimal("0.012264277499950943")
    first = Charge.objects.order_by("pk").first()
    assert (first.effective_cost, first.billing_account_id) == (Decimal("0.000000612"), "000401122908")
    assert delivery.totals["USD"]["EffectiveCost"]["rounding"] == "0.000000000799950943"


def test_aws_tax_has_a_list_price_of_zero_and_shows_no_discount(deliver):
    tax = {"ChargeCategory": "Tax", "Tags": "{}", "ListCost": "0", "ContractedCost": "0", "EffectiveCost": "7.25"}
    deliver(aws() | tax)

    charge = Charge.objects.get()
    assert (charge.list_amount, charge.due_amount) == (Decimal("7.25"), Decimal("7.25"))
    assert charge.flags.keys() == {"missing_pi", "missing_project", "missing_fund"}


@pytest.mark.parametrize("corrections", [["-300", "300"], ["-1500", "1200", "300"]], ids=["delta", "ledger"])
def test_corrections_come_to_the_same_in_either_style(deliver, corrections):
    """A row of January, 1,500 at first: 300 of it belonged to another project. The correction is billed in March."""
    rows = [
        aws(ChargeClass="Correction", ResourceId=f"c{n}", **dict.fromkeys(("ListCost", "ContractedCost", "BilledCost", "EffectiveCost"), cost))
        | {"BillingPeriodStart": "2025-03-01", "BillingPeriodEnd": "2025-04-01"}
        for n, cost in enumerate(corrections)
    ]  # fmt: skip
    rows[-1]["Tags"] = rows[-1]["Tags"].replace("engine", "loom")
    deliver(*rows)

    sums = Charge.objects.billable().values_list("project__code").annotate(Sum("due_amount"), Sum("list_amount"))
    assert sorted(sums) == [
        ("engine", Decimal(-300), Decimal(-300)),
        ("loom", Decimal(300), Decimal(300)),
    ]
    assert {(c.period.month, c.charge_period_start.month) for c in Charge.objects.all()} == {("2025-03", 1)}


def test_azure_leaves_seconds_out_and_prices_at_zero(deliver):
    rows = [
        focus_row(
            BillingPeriodStart="2025-01-08T00:00Z", BillingPeriodEnd="2025-02-08T00:00Z",
            ChargePeriodStart="2025-01-09T00:00Z", ChargePeriodEnd="2025-01-10T00:00Z", PublisherName="",
            ListCost="0", ContractedCost="0", BilledCost=cost, EffectiveCost=cost, x_BilledCostInUsd=cost,
        )
        for cost in ("5.5", "2.25", "-2.25")
    ]  # fmt: skip

    delivery = deliver(*rows)

    assert (delivery.periods, delivery.loaded) == (["2025-01"], 3)
    assert [charge.list_amount for charge in Charge.objects.order_by("pk")] == [
        Decimal("5.5"), Decimal("2.25"), Decimal("-2.25"),
    ]  # fmt: skip


def test_google_leaves_out_what_others_call_mandatory(deliver):
    row = focus_row(
        BillingPeriodEnd="", ChargePeriodEnd="", ServiceName="", ResourceName=None,
        Tags='{"labels": {"pi_email": "ada@example.edu", "project-id": "engine", "fund_org": "NSF-1"}}',
    )  # fmt: skip

    delivery = deliver(row)

    assert (delivery.loaded, delivery.flagged) == (1, 0)
    assert "BillingPeriodEnd, ChargePeriodEnd, ServiceName has no value, where FOCUS 1.0 wants one (1 row)." in (
        delivery.warnings
    )


def test_oracle_has_older_names_and_adds_rows(deliver):
    def row(reference: str, cost: str, back: str = "") -> dict:
        return {
            "Provider": "Oracle", "Publisher": "Oracle", "InvoiceIssuer": "Oracle", "Region": "us-ashburn-1",
            "BillingPeriodStart": "2025-01-01T00:00:00Z", "ChargePeriodStart": "2025-01-03T07:00Z",
            "ChargePeriodEnd": "2025-01-03T08:00:00Z", "BilledCost": cost, "EffectiveCost": cost, "ListCost": cost,
            "ChargeCategory": "Usage", "ChargeSubCategory": "On-Demand", "UsageQuantity": "1", "UsageUnit": "HOURS",
            "Tags": '{"pi_email": "ada@example.edu", "project_id": "engine", "fund_org": "NSF-1"}',
            "oci_ReferenceNumber": reference, "oci_BackReferenceNumber": back,
        }  # fmt: skip

    first = deliver(row("r1", "0.000123456789012345"), row("r2", "1"), name="0001.csv.gz")
    second = deliver(row("r2", "1"), row("r3", "-1", "r2"), name="0002.csv.gz")

    assert first.focus_import.focus_version == "1.0-preview"
    assert Source.objects.get().delivery == "append"
    assert (second.added, second.unchanged) == (1, 1)
    assert Charge.objects.current().aggregate(due=Sum("due_amount"))["due"] == Decimal("0.000123457")
    assert {charge.provider_name for charge in Charge.objects.all()} == {"Oracle"}


def test_a_home_made_file_needs_twelve_columns_and_no_currency(deliver):
    row = {
        "BillingPeriodStart": "2025-01-01", "BillingPeriodEnd": "2025-01-31", "ChargePeriodStart": "2025-01-01",
        "ChargePeriodEnd": "2025-01-31", "ListCost": "2400", "BilledCost": "0", "EffectiveCost": "0",
        "ContractedCost": "0", "ResourceId": "n1", "ResourceName": "n1", "ServiceName": "HPC",
        "Tags": ";".join(f"{name}={value}" for name, value in TAGS.items()).replace(";", ","),
    }  # fmt: skip

    delivery = deliver(row, separator=";")

    charge = Charge.objects.billable().get()
    assert (charge.list_amount, charge.due_amount, charge.billing_currency) == (Decimal(2400), Decimal(0), "USD")
    assert delivery.warnings[-1] == (
        "The billing period ends on the last day of its month (1 row): FOCUS ends it on the first of the next. "
        "If this source names last days, say so in its settings."
    )


def test_inclusive_ends_are_moved_where_the_source_says_so(deliver):
    row = focus_row(BillingPeriodEnd="2025-01-31", ChargePeriodEnd="2025-01-31")
    deliver(row, name="first.csv")
    Source.objects.update(has_inclusive_ends=True)

    delivery = deliver(row | {"ChargePeriodEnd": "2025-01-31T23:59:59Z"})

    assert str(Charge.objects.current().get().charge_period_end) == "2025-02-01 00:00:00+00:00"
    assert not [warning for warning in delivery.warnings if "last day" in warning]


def test_a_null_token_is_a_name_where_nothing_may_be_null(deliver):
    deliver(focus_row(ServiceName="NULL", ResourceId="NULL", ResourceName="(null)", ChargeCategory="usage"))

    charge = Charge.objects.get()
    assert (charge.service_name, charge.resource_id, charge.resource_name) == ("NULL", "", "")
    assert charge.charge_category == "Usage"


@pytest.mark.skipif(not SAVINGS_PLAN.exists(), reason="the shared data are not here")
def test_a_savings_plan_is_billed_by_what_was_used():
    delivery = import_files([SAVINGS_PLAN], source_name="aws")

    billable = Charge.objects.exclude(review_status="not_billable").aggregate(Sum("due_amount"), Sum("list_amount"))
    assert billable == {"due_amount__sum": Decimal("1246.63"), "list_amount__sum": Decimal("1860.31")}
    assert file_totals(delivery)["billed_cost"] == Decimal("131463.72")


@pytest.mark.skipif(not SAMPLE.exists(), reason="the shared data are not here")
def test_the_public_sample_goes_in_whole():
    delivery = import_files([SAMPLE], source_name="sample")

    assert (delivery.rows, delivery.loaded, delivery.quarantined) == (1000, 1000, 0)
    assert file_totals(delivery)["billed_cost"] == Decimal("20.28022672899") + Decimal("0.24")
    assert not ImportIssue.objects.exists()
