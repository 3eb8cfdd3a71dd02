"""Files of a public generator, in the manner of three providers: whole, exact, and restated for a month."""

import csv
import importlib
import io
from collections import Counter
from decimal import Decimal, localcontext
from pathlib import Path

import pytest

from charges import review
from charges.importing import import_files
from charges.models import Charge
from tests.make import make_fund, make_pi, make_project

pytestmark = pytest.mark.django_db
COSTS = {"BilledCost": "billed_cost", "EffectiveCost": "effective_cost", "ListCost": "list_cost"}
PENDING = "pending"
REASON = "Decided while the month was young"


def generated(provider: str, version: str, seed: int, rows: int = 120) -> list[dict[str, str]]:
    module = importlib.import_module(f"focus_data_toolkit.generators.generate_{provider}_focus_{version}")
    return list(csv.DictReader(io.StringIO(module.generate_csv_bytes(rows, seed).decode())))


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def total(rows: list[dict[str, str]], column: str) -> Decimal:
    with localcontext(prec=60):
        return sum((Decimal(row[column]) for row in rows), Decimal(0))


@pytest.mark.parametrize("seed", [1, 7])
@pytest.mark.parametrize("version", ["1_2", "1_3"])
@pytest.mark.parametrize("provider", ["aws", "azure", "gcp"])
def test_a_generated_delivery_goes_in_whole_and_exact(tmp_path, provider, version, seed):
    rows = generated(provider, version, seed)

    delivery = import_files([write(tmp_path / "month.csv", rows)], source_name=provider)

    assert (delivery.rows, delivery.loaded, delivery.quarantined) == (len(rows), len(rows), 0)
    assert delivery.focus_import.focus_version == version.replace("_", ".")
    found = delivery.as_json()
    assert {field: Decimal(found[field]) for field in COSTS.values()} == {
        field: total(rows, column) for column, field in COSTS.items()
    }


def on_day(rows: list[dict[str, str]], day: int) -> list[dict[str, str]]:
    """The month as it is exported on a day: more rows, some amounts mended, one gone; invoiced at the end.

    One day a fifth of the rows is left out, another day a fifth has no amount yet.
    """
    seen = [dict(row) for number, row in enumerate(rows) if number * 30 < day * len(rows) and number != 100 + day]
    if day == 12:
        seen = [row for number, row in enumerate(seen) if number % 5]
    for number, row in enumerate(seen):
        if number % 17 == day % 17:
            row["EffectiveCost"] = str(Decimal(row["EffectiveCost"]) + Decimal(day) / 1000)
        row["InvoiceId"] = "INV-1" if day == 30 else ""
        if day == 15 and number % 5 == 1:
            row["EffectiveCost"] = PENDING
    return seen


def test_thirty_days_of_the_same_month_leave_every_decision_where_it_was(tmp_path):
    rows = generated("aws", "1_2", 3, rows=150)
    lasting = {}

    for day in range(1, 31):
        import_files([write(tmp_path / f"day-{day}.csv", on_day(rows, day))], source_name="aws")
        current = Charge.objects.current()
        assert Counter(current.values_list("effective_cost", flat=True)) == Counter(
            Decimal(row["EffectiveCost"]).quantize(Decimal("1e-9"))
            for row in on_day(rows, day)
            if row["EffectiveCost"] != PENDING
        )
        if day == 5:
            lasting = decide(alone(current))

    assert {key: status_of(key) for key in lasting} == lasting


def alone(current) -> list[Charge]:
    """Six charges that no other row of the month resembles."""
    keys = Counter(map(key_of, current))
    return [charge for charge in current.order_by("line_number") if keys[key_of(charge)] == 1][-6:]


def key_of(charge: Charge) -> tuple[str, ...]:
    return charge.resource_id, charge.sku_id, str(charge.charge_period_start), charge.charge_description


def status_of(key: tuple[str, ...]) -> tuple[str, str]:
    charges = [charge for charge in Charge.objects.current() if key_of(charge) == key]
    return charges[0].review_status, str(charges[0].project)


def decide(charges: list[Charge]) -> dict[tuple[str, ...], tuple[str, str]]:
    review.exclude(Charge.objects.filter(pk__in=[charge.pk for charge in charges[:2]]), reason=REASON)
    review.defer(Charge.objects.filter(pk__in=[charge.pk for charge in charges[2:4]]), reason=REASON)
    review.reattribute(
        Charge.objects.filter(pk__in=[charge.pk for charge in charges[4:]]),
        pi=make_pi(), project=make_project(), funding_account=make_fund(), reason=REASON,
    )  # fmt: skip
    decided = Charge.objects.filter(pk__in=[charge.pk for charge in charges])
    return {key_of(charge): (charge.review_status, str(charge.project)) for charge in decided}
