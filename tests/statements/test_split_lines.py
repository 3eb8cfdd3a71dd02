"""A line is divided over the funds of a split to the last cent."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from statements.models import StatementLine
from tests.make import make_charge, make_fund
from tests.statements.line_figures import lines, make_split, split_charge

pytestmark = pytest.mark.django_db


def test_split_truncates_shares_and_gives_the_remainder_account_the_rest():
    make_split(("B", 40), remainder="A")
    split_charge(list_amount="0.03", due_amount="0.03")

    shares = {line.funding_account.code: (str(line.due_amount), str(line.percent)) for line in lines()}

    assert shares == {"A": ("0.02", "60.00"), "B": ("0.01", "40.00")}


def test_split_divides_the_rounded_line_not_each_charge():
    make_split(("B", 50), remainder="A")
    for _ in range(3):
        split_charge(list_amount="0.005", due_amount="0.005")

    assert [str(line.due_amount) for line in lines()] == ["0.01", "0.01"]


def test_split_of_the_service_goes_before_that_of_the_project():
    make_split(remainder="GENERAL")
    make_split(remainder="STORAGE", service_name="Storage")
    split_charge(service_name="Storage", due_amount="5")
    split_charge(service_name="Compute", due_amount="7")

    assert {line.service_name: line.funding_account.code for line in lines()} == {
        "Compute": "GENERAL",
        "Storage": "STORAGE",
    }


def test_split_holds_in_its_months_only():
    make_split(remainder="STANDING", first_month="2023-01")
    make_split(remainder="ENDED", first_month="2024-01", last_month="2024-12")
    make_split(remainder="FUTURE", first_month="2025-02")
    split_charge(due_amount="5")

    assert [line.funding_account.code for line in lines()] == ["STANDING"]


def test_split_that_began_later_wins():
    make_split(remainder="NEW", first_month="2025-01", last_month="2025-01")
    make_split(remainder="OLD", first_month="2024-01")
    split_charge(due_amount="5")

    assert [line.funding_account.code for line in lines()] == ["NEW"]


def test_split_share_takes_the_account_code_of_its_fund():
    make_fund("A", account_code="1111")
    make_fund("B", account_code="2222")
    make_split(("B", 40), remainder="A")
    split_charge(due_amount="10")

    assert {line.funding_account.code: line.account_code for line in lines()} == {"A": "1111", "B": "2222"}


def test_split_that_has_ended_leaves_the_line_without_a_fund():
    split_charge(due_amount="10")

    (line,) = lines()

    assert (line.funding_account, str(line.due_amount)) == (None, "10.00")


def test_remainder_account_of_a_full_split_has_a_line_only_for_odd_cents():
    make_split(("A", "99.99"), ("B", "0.01"), remainder="C")
    split_charge(list_amount="100", due_amount="100")
    split_charge(list_amount="0.01", due_amount="0.01", service_name="odd")

    found = {(line.service_name, line.funding_account.code): str(line.due_amount) for line in lines()}

    assert found == {
        ("HPC Cluster", "A"): "99.99",
        ("HPC Cluster", "B"): "0.01",
        ("odd", "A"): "0.00",
        ("odd", "B"): "0.00",
        ("odd", "C"): "0.01",
    }


MONEY = st.integers(-(10**14), 10**14).map(lambda billionths: Decimal(billionths).scaleb(-9)) | st.just(Decimal(0))


PERCENTS = st.lists(st.integers(1, 3300), min_size=0, max_size=3).map(
    lambda hundredths: [Decimal(number) / 100 for number in hundredths]
)


class TestAnySplit(TestCase):
    @settings(max_examples=60, deadline=None)
    @given(rows=st.lists(st.tuples(MONEY, MONEY, MONEY), min_size=1, max_size=4), percents=PERCENTS)
    def test_shares_add_up_to_the_line_and_every_share_foots(self, rows, percents):
        make_split(*[(f"F{number}", percent) for number, percent in enumerate(percents)])
        for list_amount, contracted, due in rows:
            split_charge(list_amount=list_amount, contracted_amount=contracted, due_amount=due)
            make_charge(list_amount=list_amount, contracted_amount=contracted, due_amount=due)

        found = lines()

        whole = [line for line in found if line.funding_account.code == "NSF-1"]
        shares = [line for line in found if line.funding_account.code != "NSF-1"]
        assert [each.charges for each in whole] == [len(rows)]
        for name in ("list_amount", "provider_discount", "subsidy", "due_amount"):
            assert sum(getattr(share, name) for share in shares) == getattr(whole[0], name)
        assert all(foots(line) for line in found)


def foots(line: StatementLine) -> bool:
    parts = line.list_amount + line.provider_discount + line.subsidy + line.adjustments
    return parts == line.due_amount and parts == parts.quantize(Decimal("0.01"))
