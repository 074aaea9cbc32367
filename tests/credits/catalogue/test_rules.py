"""Prices and suggestions, against counting through every purchase there could be."""

from hypothesis import given
from hypothesis import strategies as st

from credits.catalogue.rules import PackageView, PriceTier, quote, smallest_purchase
from credits.money import Money


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
