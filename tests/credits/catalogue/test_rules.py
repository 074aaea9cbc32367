"""Prices and suggestions, against counting through every purchase there could be."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credits.catalogue.rules import (
    MAX_TOTAL_MINOR,
    Agreement,
    PackageView,
    PriceTier,
    fewest_agreed,
    quote,
    smallest_purchase,
)
from credits.errors import Refusal, RefusalCode
from credits.money import Money, UnitPrice


def package(
    code: str, size: int | None, price: int | None, *tiers: tuple[int, int], active: bool = True
) -> PackageView:
    return PackageView(
        code=code,
        name=code.title(),
        credits=size,
        price=None if price is None else Money(price, "USD"),
        currency="USD",
        minimum_credits=None if size else 1000,
        valid_for_days=None,
        tiers=tuple(PriceTier(minimum_quantity=least, price=Money(each, "USD")) for least, each in tiers),
        active=active,
    )


STARTER = package("STARTER", 100, 19900)
PROFESSIONAL = package("PROFESSIONAL", 500, 89900)
CUSTOM = package("ENTERPRISE", None, None)


def test_tiers_lower_the_price_of_every_package_from_their_quantity_on() -> None:
    tiered = package("T", 10, 1000, (5, 900), (10, 800))

    totals = {
        count: quote(tiered, quantity=count, credits_wanted=None).total.amount_minor for count in (1, 4, 5, 9, 10)
    }

    assert totals == {1: 1000, 4: 4000, 5: 4500, 9: 8100, 10: 8000}


AGREEMENT = Agreement(minimum_credits=2000, unit=UnitPrice(Decimal("149.5"), "USD"), valid_until=None, lapsed=False)
# Everything is wrong with it; each row mends one fault, and what is refused next is another.
WRONG: dict[str, Any] = {
    "package": replace(CUSTOM, active=False),
    "quantity": 0,
    "credits_wanted": None,
    "agreement": None,
}
INVALID, BELOW = RefusalCode.INVALID, RefusalCode.BELOW_MINIMUM
UNPRICED = RefusalCode.CUSTOM_PRICE_REQUIRED
MENDS: list[tuple[dict[str, Any], RefusalCode, str, str]] = [
    ({}, RefusalCode.UNKNOWN_PACKAGE, "packageCode", "no such package"),
    ({"package": CUSTOM}, INVALID, "quantity", "Between 1 and 10,000"),
    ({"quantity": 2}, INVALID, "quantity", "the quantity is then 1"),
    ({"quantity": 1}, INVALID, "credits", "1,000 or more"),
    ({"credits_wanted": 999}, BELOW, "credits", "starts at 1,000"),
    ({"credits_wanted": 1000}, UNPRICED, "packageCode", "has none yet. Ask for a price with requestQuote."),
    (
        {"agreement": replace(AGREEMENT, unit=UnitPrice(Decimal(1), "EUR"), lapsed=True)},
        UNPRICED,
        "packageCode",
        "laps",
    ),
    ({"agreement": replace(AGREEMENT, unit=UnitPrice(Decimal(1), "EUR"))}, UNPRICED, "packageCode", "EUR, not in USD"),
    ({"agreement": AGREEMENT}, BELOW, "credits", "starts at 2,000"),
    ({"credits_wanted": 700_000}, INVALID, "credits", "at most $999,999.99"),
]


@pytest.mark.parametrize("row", range(len(MENDS)))
def test_a_purchase_at_an_agreed_price_is_refused_for_its_first_fault(row: int) -> None:
    asked = dict(WRONG)
    for mended, *_ in MENDS[: row + 1]:
        asked |= mended
    _, code, field, words = MENDS[row]

    with pytest.raises(Refusal) as refused:
        quote(**asked)

    assert (refused.value.code, refused.value.field) == (code, field)
    assert words in refused.value.message


def test_an_agreed_price_is_one_line_with_the_whole_total() -> None:
    found = quote(CUSTOM, quantity=1, credits_wanted=2001, agreement=AGREEMENT)

    # 2001 times 149.5 is 299149.5, and a half is rounded up.
    assert (found.quantity, found.credits, found.unit, found.total) == (
        1,
        2001,
        Money(299150, "USD"),
        Money(299150, "USD"),
    )


def test_the_packages_minimum_holds_where_the_agreements_is_lower() -> None:
    lower = replace(AGREEMENT, minimum_credits=1)

    with pytest.raises(Refusal) as refused:
        quote(CUSTOM, quantity=1, credits_wanted=999, agreement=lower)

    assert refused.value.code is BELOW
    assert quote(CUSTOM, quantity=1, credits_wanted=1000, agreement=lower).total == Money(149500, "USD")


def test_nothing_is_sold_for_nothing() -> None:
    next_to_nothing = replace(AGREEMENT, minimum_credits=1, unit=UnitPrice(Decimal("0.000001"), "USD"))

    with pytest.raises(Refusal) as refused:
        quote(CUSTOM, quantity=1, credits_wanted=499_999, agreement=next_to_nothing)

    assert (refused.value.code, refused.value.field) == (INVALID, "credits")
    assert quote(CUSTOM, quantity=1, credits_wanted=500_000, agreement=next_to_nothing).total == Money(1, "USD")


def test_an_agreement_is_not_for_packages_with_a_price_of_their_own() -> None:
    with_it = quote(STARTER, quantity=30, credits_wanted=None, agreement=AGREEMENT)

    assert with_it == quote(STARTER, quantity=30, credits_wanted=None)


def test_prices_are_agreed_from_the_lowest_minimum_of_what_is_for_sale_on() -> None:
    larger = replace(CUSTOM, code="LARGER", minimum_credits=5000)

    assert fewest_agreed([STARTER, larger, CUSTOM]) == 1000
    assert fewest_agreed([STARTER, larger, replace(CUSTOM, active=False)]) == 5000
    assert fewest_agreed([STARTER]) == 1


def test_what_one_payment_does_not_take_is_not_suggested() -> None:
    dear = package("DEAR", 1, MAX_TOTAL_MINOR)

    assert smallest_purchase([dear], 1) == (dear, 1)
    assert smallest_purchase([dear], 2) is None


def test_nothing_with_a_fixed_price_suggests_nothing() -> None:
    assert smallest_purchase([CUSTOM, package("OLD", 10, 1, active=False)], 5) is None


@given(st.integers(1, 3000))
def test_the_suggestion_is_the_cheapest_that_covers_it(missing: int) -> None:
    found = smallest_purchase([CUSTOM, STARTER, PROFESSIONAL], missing)

    assert found is not None
    chosen, quantity = found
    assert chosen.credits is not None
    assert chosen.credits * quantity >= missing
    every = [
        (each.price.amount_minor * count, each.credits * count)
        for each in (STARTER, PROFESSIONAL)
        for count in range(1, 40)
        if each.price and each.credits and each.credits * count >= missing
    ]
    assert chosen.price is not None
    assert (chosen.price.amount_minor * quantity, chosen.credits * quantity) == min(every)
