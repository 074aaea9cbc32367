"""Money as people read it, and the price of one credit."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credits.money import Money, UnitPrice


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (19900, "USD", "$199.00"),
        (189900, "USD", "$1,899.00"),
        (1, "EUR", "€0.01"),
        (1500, "JPY", "JPY 1,500"),
        (1500, "KWD", "KWD 1.500"),
        (123456, "CHF", "CHF 1,234.56"),
    ],
)
def test_money_is_written_with_its_currencys_decimals(amount: int, currency: str, text: str) -> None:
    assert Money(amount, currency).formatted == text


@pytest.mark.parametrize(
    ("total", "count", "minor", "text"),
    [
        (89900, 500, "179.8", "$1.798"),
        (19900, 100, "199", "$1.99"),
        (10000, 100, "100", "$1.00"),
        (100, 3, "33.333333", "$0.33333333"),
        (100000, 1, "100000", "$1,000.00"),
    ],
)
def test_a_unit_price_has_no_more_decimals_than_it_needs(total: int, count: int, minor: str, text: str) -> None:
    price = UnitPrice.of(Money(total, "USD"), count)

    assert f"{price.amount_minor:f}" == minor
    assert price.formatted == text


@given(st.integers(1, 10**9), st.integers(1, 10**6))
def test_a_unit_price_is_right_to_the_sixth_decimal(total: int, count: int) -> None:
    price = UnitPrice.of(Money(total, "USD"), count)

    assert abs(price.amount_minor * count - total) <= Decimal("0.0000005") * count
