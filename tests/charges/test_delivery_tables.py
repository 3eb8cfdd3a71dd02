"""Figures of a delivery, as the preview and the import's page show them."""

import pytest

from charges.admin.delivery_tables import change, exact


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        ("1234.5", "USD", "+1,234.50"),
        ("-2400", "USD", "-2,400.00"),
        ("0.0004", "USD", "+0.0004"),
        ("-1500", "JPY", "-1,500"),
        ("0", "USD", "0"),
    ],
)
def test_a_change_has_a_sign_and_is_never_shown_as_zero(amount, currency, shown):
    assert change(amount, currency) == shown


def test_a_total_keeps_its_digits():
    assert [exact(amount) for amount in ("19086.750000000012", "0.0000", "1E+3")] == [
        "19,086.750000000012",
        "0",
        "1,000",
    ]
