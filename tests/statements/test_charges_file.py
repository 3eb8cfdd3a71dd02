"""The file inside the PDF: it adds up to the statement, whatever was rounded, divided or corrected."""

import csv
from decimal import Decimal
from io import BytesIO, StringIO

import pikepdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from charges.adjusting import adjust
from charges.models import FundingSplit
from statements.issuing import compute
from statements.lines import Books
from statements.rendering import preview
from statements.rendering.charges_file import charges_file
from statements.rendering.composing import charges_of
from tests.make import make_charge, make_fund, make_period, make_pi, make_project, make_source

AMOUNTS = ("list_amount", "provider_discount", "subsidy", "adjustments", "due_amount")


def rows_of(found):
    with pikepdf.open(BytesIO(preview(found.statement, found.lines))) as document:
        content = document.attachments["charges-2025-01.csv"].get_file().read_bytes()
    return list(csv.DictReader(StringIO(content.decode())))


def draft():
    (found,) = compute(make_period())
    return found


def sums(rows):
    amounts = [[Decimal(row[name]) for name in AMOUNTS] for row in rows]
    return dict(zip(AMOUNTS, map(sum, zip(*amounts, strict=True)), strict=True))


def figures(statement):
    return {name: getattr(statement, name) for name in AMOUNTS}


def split(percent="60"):
    made = FundingSplit.objects.create(
        project=make_project(), first_month="2025-01", remainder_account=make_fund("NSF-2")
    )
    made.shares.create(funding_account=make_fund("NSF-1"), percent=Decimal(percent))


@pytest.mark.django_db
def test_every_charge_stands_in_it_exactly_and_each_line_with_its_rounding():
    make_charge(list_amount="0.004", due_amount="0.001", pricing_quantity="4", pricing_unit="GB", resource_id="=1+1")
    make_charge(list_amount="1.004", due_amount="1.004", contracted_amount="1.004")
    found = draft()

    rows = rows_of(found)

    assert [(row["row"], row["list_amount"], row["due_amount"], row["fund"]) for row in rows] == [
        ("charge", "0.004", "0.001", "NSF-1"),
        ("charge", "1.004", "1.004", "NSF-1"),
        ("rounding", "0.002", "0.005", "NSF-1"),
    ]
    assert rows[0]["resource_id"] == "'=1+1"
    assert sums(rows) == figures(found.statement)


@pytest.mark.django_db
def test_a_divided_charge_has_a_row_for_each_fund():
    split()
    make_charge(list_amount="0.03", due_amount="0.03", fund_step="split", funding_account=None)
    found = draft()

    rows = rows_of(found)

    assert [(row["row"], row["fund"], row["percent"], row["due_amount"]) for row in rows] == [
        ("charge", "NSF-1", "60", "0.018"),
        ("charge", "NSF-2", "40", "0.012"),
        ("rounding", "NSF-1", "60", "-0.008"),
        ("rounding", "NSF-2", "40", "0.008"),
    ]
    assert sums(rows) == figures(found.statement)


@pytest.mark.django_db
def test_adjustments_and_corrections_of_earlier_months_are_in_it():
    make_charge(list_amount="50", due_amount="40")
    make_charge(list_amount="-20.005", due_amount="-20.005", late_month="2024-12", kind="reversal")
    adjust(
        period=make_period(),
        kind="credit",
        pi=make_pi(),
        project=make_project(),
        description="Outage",
        reason="Down for nine hours",
        due_amount=-7,
        funding_account=make_fund(),
    )
    found = draft()

    rows = rows_of(found)

    assert [(row["row"], row["description"], row["due_amount"]) for row in rows] == [
        ("charge", "", "40"),
        ("charge", "Correction of 2024-12", "-20.005"),
        ("rounding", "", "0"),
        ("rounding", "Correction of 2024-12", "-0.005"),
        ("adjustment", "Outage", "-7"),
    ]
    assert sums(rows) == figures(found.statement)


billionths = st.integers(min_value=-(10**12), max_value=10**12).map(lambda number: Decimal(number).scaleb(-9))


class Sums(TestCase):
    @settings(max_examples=40, deadline=None)
    @given(
        st.lists(st.tuples(billionths, st.sampled_from(["cpu", "gpu"]), st.booleans()), min_size=1, max_size=6),
        st.integers(min_value=1, max_value=9999),
    )
    def test_the_file_adds_up_to_the_statement(self, charges, hundredths):
        split(str(Decimal(hundredths).scaleb(-2)))
        for amount, service, is_split in charges:
            how = {"fund_step": "split", "funding_account": None} if is_split else {}
            make_charge(list_amount=amount, due_amount=amount, service_name=service, source=make_source(), **how)
        found = draft()

        charges, books = charges_of(found.statement).billable(), Books(found.statement.period)
        content = charges_file(found.statement, found.lines, charges, books).decode()
        assert sums(csv.DictReader(StringIO(content))) == figures(found.statement)
