"""Money is exact, rounds once, and is divided without a cent lost or made."""

from decimal import Decimal

import pytest
from django.db.models import Sum
from hypothesis import given
from hypothesis import strategies as st

from charges.importing.checking.billionths import whole_billionths
from charges.models import Charge
from charges.money import divide, from_billionths, minor_unit, parse_amount, round_to_currency, to_billionths
from tests.make import make_charge

amounts = st.decimals(min_value=-(10**9), max_value=10**9, places=9)


@pytest.mark.parametrize(
    ("text", "amount"),
    [("2.323760000E-9", "0.00000000232376"), ("-0", "0"), ("5.64902E-05", "0.0000564902"), ("35e2", "3500")],
)
def test_amount_is_read_exactly(text: str, amount: str) -> None:
    assert parse_amount(text) == Decimal(amount)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "$5",
        "1,000",
        "1_000",
        "NaN",
        "Infinity",
        "+1",
        " 1",
        "1 ",
        "1.",
        ".5",
        "0x1",
        "١",
        "1e999999999",
        "1" * 61,
        "2E-" + "7" * 20,
    ],
)
def test_amount_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_amount(text)


@given(amounts)
def test_billionths_hold_every_amount_of_nine_decimals(amount: Decimal) -> None:
    assert from_billionths(to_billionths(amount)) == amount


@pytest.mark.parametrize(("text", "kept"), [("0.0000000005", "0"), ("0.0000000015", "0.000000002")])
def test_a_tenth_decimal_is_rounded_half_to_even(text: str, kept: str) -> None:
    assert from_billionths(to_billionths(Decimal(text))) == Decimal(kept)


def test_amount_beyond_the_field_is_refused() -> None:
    with pytest.raises(ValueError, match="beyond"):
        to_billionths(Decimal(9300000000))


@pytest.mark.parametrize(
    ("amount", "currency", "printed"),
    [("0.005", "USD", "0.01"), ("-0.005", "USD", "-0.01"), ("0.5", "JPY", "1"), ("0.0005", "KWD", "0.001")],
)
def test_line_is_rounded_half_away_from_zero_to_the_coin(amount: str, currency: str, printed: str) -> None:
    assert round_to_currency(Decimal(amount), currency) == Decimal(printed)


def test_shares_are_truncated_and_the_remainder_takes_the_odd_cent() -> None:
    assert divide(Decimal("0.03"), [Decimal(60), Decimal(40)], 0, "USD") == [Decimal("0.02"), Decimal("0.01")]
    assert divide(Decimal("-0.03"), [Decimal(60), Decimal(40)], 0, "USD") == [Decimal("-0.02"), Decimal("-0.01")]


@given(
    st.decimals(min_value=-(10**9), max_value=10**9, places=2),
    st.lists(st.decimals(min_value="0.01", max_value="99.99", places=2), min_size=1, max_size=6),
    st.data(),
)
def test_shares_always_sum_to_the_amount(amount: Decimal, percents: list[Decimal], data: st.DataObject) -> None:
    remainder = data.draw(st.integers(0, len(percents) - 1))

    shares = divide(amount, percents, remainder, "USD")

    assert sum(shares) == amount
    assert all(share == share.quantize(minor_unit("USD")) for share in shares)


@pytest.mark.django_db
def test_sum_in_the_database_is_exact_where_a_float_is_not() -> None:
    for amount in ("0.1", "0.2", "123456.789012345", "-123456.789012345"):
        make_charge(list_amount="200000", due_amount=amount)

    assert Charge.objects.aggregate(due=Sum("due_amount"))["due"] == Decimal("0.3")
    assert Charge.objects.filter(due_amount=Decimal("123456.789012345")).count() == 1


@pytest.mark.django_db
def test_ten_decimals_are_never_stored_silently() -> None:
    with pytest.raises(ValueError, match="nine decimals"):
        make_charge(due_amount="0.0000000001")


plain_amounts = st.from_regex(r"-?[0-9]{1,9}(\.[0-9]{1,9})?", fullmatch=True).filter(str.isascii)


@given(st.lists(plain_amounts, min_size=1, max_size=20))
def test_plain_amounts_are_read_together_as_each_by_itself(texts):
    assert whole_billionths(texts) == [to_billionths(parse_amount(text)) for text in texts]


@pytest.mark.parametrize("text", ["", " 1", "1.", ".5", "+1", "1e3", "NULL", "1234567890", "0.1234567890", "1\n2", "٣"])
def test_where_one_is_not_plain_none_is_read_so(text):
    assert whole_billionths(["1", text]) is None
