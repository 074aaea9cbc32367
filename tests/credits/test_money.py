"""Money as people read it, and the price of one credit."""

import re
from decimal import Decimal
from fractions import Fraction

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


PRICES = st.decimals(min_value=Decimal("0.000001"), max_value=99_999_999, places=6)
COUNTS = st.integers(1, 1_000_000_000)


@given(PRICES, COUNTS)
def test_a_total_at_an_agreed_price_is_within_half_a_unit_of_the_exact_product(price: Decimal, count: int) -> None:
    unit = UnitPrice.agreed(price, "USD")

    total = unit.total(count).amount_minor

    difference = Fraction(total) - Fraction(price) * count
    assert -Fraction(1, 2) < difference <= Fraction(1, 2)


@given(PRICES, COUNTS, COUNTS)
def test_more_credits_at_an_agreed_price_never_cost_less(price: Decimal, one: int, another: int) -> None:
    unit = UnitPrice.agreed(price, "USD")
    fewer, more = sorted((one, another))

    assert unit.total(fewer).amount_minor <= unit.total(more).amount_minor


@given(PRICES)
def test_an_agreed_price_is_the_same_without_the_zeros_at_its_end(price: Decimal) -> None:
    unit = UnitPrice.agreed(price, "USD")

    assert unit.exact
    assert unit.amount_minor == price
    assert not re.fullmatch(r".*\.\d*0", f"{unit.amount_minor}")


@pytest.mark.parametrize(
    ("text", "exact"), [("1.5", True), ("1.500000000", True), ("0.0000001", False), ("1E-30", False)]
)
def test_a_price_with_more_than_six_decimals_is_not_exact(text: str, exact: bool) -> None:
    assert UnitPrice(Decimal(text), "USD").exact is exact
