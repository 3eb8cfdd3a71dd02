import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.apps import apps

from statements import canonical, encoding
from statements.guards import WAYS
from statements.models import Seal
from tests.make import make_charge, make_period
from tests.statements.full_month import make_full_month

pytestmark = pytest.mark.django_db
CANONICAL = {"ensure_ascii": False, "sort_keys": True, "separators": (",", ":")}


def test_every_column_of_a_guarded_table_is_in_the_newest_version():
    """A new column needs a new version of the canonical fields: without it, nobody would notice it changed."""
    fields = canonical.VERSIONS[canonical.ALGORITHM]

    assert {table: set(names) for table, names in fields.items() if table != "periods.BillingPeriod"} == {
        model._meta.label: {field.attname for field in model._meta.concrete_fields}
        for model in WAYS
        if model is not Seal
    }


def test_every_version_names_columns_that_exist():
    for fields in canonical.VERSIONS.values():
        for table, names in fields.items():
            assert set(names) <= {field.attname for field in apps.get_model(table)._meta.concrete_fields}


def test_lines_stand_in_key_order_table_by_table():
    period = make_full_month("2025-01", "january")
    make_full_month("2025-02", "february")
    make_charge(period=period)

    lines = [(table, json.loads(line)["id"]) for table, line in canonical.lines(period)]

    order = list(canonical.VERSIONS[canonical.ALGORITHM])
    assert lines == sorted(lines, key=lambda pair: (order.index(pair[0]), pair[1]))
    assert {table for table, _ in lines} == set(order)
    assert sum(table == "charges.Charge" for table, _ in lines) == 2


def test_line_is_the_same_whatever_the_time_zone_and_the_order_of_keys():
    elsewhere = timezone(timedelta(hours=-6))
    charge = make_charge(
        due_amount="12.5",
        flags={"b": "two", "a": "Café"},
        charge_period_start=datetime(2024, 12, 31, 18, tzinfo=elsewhere),
        charge_period_end=datetime(2025, 1, 31, 23, 59, 59, 1, tzinfo=UTC),
    )

    (line,) = [line for table, line in canonical.lines(charge.period) if table == "charges.Charge"]

    row = json.loads(line)
    assert list(row) == sorted(row)
    assert (row["due_amount"], row["list_amount"]) == ("12.500000000", "100.000000000")
    assert row["charge_period_start"] == "2025-01-01T00:00:00.000000+00:00"
    assert row["charge_period_end"] == "2025-01-31T23:59:59.000001+00:00"
    assert '"flags":{"a":"Café","b":"two"}'.encode() in line
    assert line.endswith(b"}\n")


def test_reading_a_month_takes_a_query_a_table_and_another_a_thousand_rows(django_assert_num_queries):
    for number in range(3):
        make_charge(resource_id=f"node-{number}")

    period = make_period()

    with django_assert_num_queries(25):
        assert len(list(canonical.lines(period))) == 6  # the period, an import with its scope, three charges


@pytest.mark.parametrize("chunk", [1, 2, 1000])
def test_lines_are_the_same_whatever_the_chunks(chunk, monkeypatch):
    period = make_full_month("2025-01", "january")
    for number in range(3):
        make_charge(period=period, due_amount=f"-{number}.000000001", resource_name='A "quoted"\nname é')
    lines = [line for _, line in canonical.lines(period)]

    monkeypatch.setattr(encoding, "CHUNK", chunk)

    assert [line for _, line in canonical.lines(period)] == lines
    assert sum(b'"due_amount":"-2.000000001"' in line for line in lines) == 1
    assert all(json.dumps(json.loads(line), **CANONICAL).encode() + b"\n" == line for line in lines)
