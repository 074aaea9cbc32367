"""What may stand in the catalogue and in an agreement: tables in which each row has one fault, or mends one."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from credits.catalogue.checks import checked_agreement, checked_package, checked_staging_type
from credits.catalogue.rules import Agreement, PackageView, PriceTier, StagingTypeView
from credits.errors import Refusal, RefusalCode
from credits.money import Money, UnitPrice

FIXED = PackageView(
    code="SPRING_24",
    name="Spring",
    credits=100,
    price=Money(19900, "USD"),
    currency="USD",
    minimum_credits=None,
    valid_for_days=365,
    tiers=(),
    active=True,
)
AGREED = replace(FIXED, credits=None, price=None, minimum_credits=1000)
JOB = StagingTypeView(code="ATTIC", name="Attic", credits=3, active=True)
AGREEMENT = Agreement(minimum_credits=1000, unit=UnitPrice(Decimal(150), "USD"), valid_until=None, lapsed=False)


def tiers(*steps: tuple[int, int]) -> tuple[PriceTier, ...]:
    return tuple(PriceTier(minimum_quantity=quantity, price=Money(price, "USD")) for quantity, price in steps)


def test_what_is_right_passes_with_its_name_trimmed() -> None:
    with_tiers = replace(FIXED, tiers=tiers((2, 19900), (10, 18000), (10_000, 1)))

    assert checked_package(replace(with_tiers, name="  Spring ")) == with_tiers
    assert checked_package(AGREED) == AGREED
    assert checked_staging_type(replace(JOB, name=" Attic")) == JOB


@pytest.mark.parametrize(
    ("package", "changes", "field"),
    [
        (FIXED, {"code": ""}, "code"),
        (FIXED, {"code": "spring"}, "code"),
        (FIXED, {"code": "1ST"}, "code"),
        (FIXED, {"code": "A-B"}, "code"),
        (FIXED, {"code": "A\n"}, "code"),
        (FIXED, {"code": "A" * 41}, "code"),
        (FIXED, {"name": " "}, "name"),
        (FIXED, {"name": "x" * 201}, "name"),
        (FIXED, {"currency": "usd"}, "currency"),
        (FIXED, {"currency": "US"}, "currency"),
        (FIXED, {"valid_for_days": 0}, "validForDays"),
        (FIXED, {"valid_for_days": 36_501}, "validForDays"),
        (FIXED, {"credits": None}, "credits"),
        (FIXED, {"credits": 0}, "credits"),
        (FIXED, {"credits": 1_000_000_001}, "credits"),
        (FIXED, {"price": None}, "priceMinor"),
        (FIXED, {"price": Money(0, "USD")}, "priceMinor"),
        (FIXED, {"price": Money(100_000_000, "USD")}, "priceMinor"),
        (FIXED, {"minimum_credits": 10}, "minimumCredits"),
        (FIXED, {"credits": None, "price": None}, "credits"),
        (AGREED, {"minimum_credits": 0}, "minimumCredits"),
        (AGREED, {"minimum_credits": 1_000_000_001}, "minimumCredits"),
        (AGREED, {"tiers": tiers((2, 100))}, "tiers"),
        (FIXED, {"tiers": tiers((1, 19000))}, "tiers"),
        (FIXED, {"tiers": tiers((5, 19901))}, "tiers"),
        (FIXED, {"tiers": tiers((5, 0))}, "tiers"),
        (FIXED, {"tiers": tiers((5, 19000), (5, 18000))}, "tiers"),
        (FIXED, {"tiers": tiers((10, 18000), (5, 17000))}, "tiers"),
        (FIXED, {"tiers": tiers((5, 18000), (10, 18001))}, "tiers"),
        (FIXED, {"tiers": tiers((10_001, 18000))}, "tiers"),
        (FIXED, {"tiers": tiers(*((number, 1) for number in range(2, 23)))}, "tiers"),
    ],
)
def test_a_package_that_is_not_right_is_refused(package: PackageView, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Refusal) as refused:
        checked_package(replace(package, **changes))

    assert (refused.value.code, refused.value.field) == (RefusalCode.INVALID, field)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"code": "attic"}, "code"),
        ({"name": ""}, "name"),
        ({"credits": 0}, "credits"),
        ({"credits": 1_000_001}, "credits"),
    ],
)
def test_a_staging_type_that_is_not_right_is_refused(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Refusal) as refused:
        checked_staging_type(replace(JOB, **changes))

    assert (refused.value.code, refused.value.field) == (RefusalCode.INVALID, field)


def price(text: str, currency: str = "USD") -> UnitPrice:
    return UnitPrice(Decimal(text), currency)


# Everything is wrong with it; each row mends one fault, and what is refused next is another.
WRONG = Agreement(minimum_credits=0, unit=price("0", "usd"), valid_until=datetime(2026, 1, 1, tzinfo=UTC), lapsed=True)
MENDS: list[tuple[dict[str, Any], str]] = [
    ({}, "minimumCredits"),
    ({"minimum_credits": 1_000_000_001}, "minimumCredits"),
    ({"minimum_credits": 1_000_000_000}, "unitPriceMinor"),
    ({"unit": price("-1", "usd")}, "unitPriceMinor"),
    ({"unit": price("100000000", "usd")}, "unitPriceMinor"),
    ({"unit": price("1.0000001", "usd")}, "unitPriceMinor"),
    ({"unit": price("1." + "0" * 40 + "1", "usd")}, "unitPriceMinor"),
    ({"unit": price("1.5", "usd")}, "currency"),
    ({"unit": price("1.5")}, "validUntil"),
    ({"lapsed": False}, "minimumCredits"),
    ({"minimum_credits": 1, "unit": price("0.4")}, "minimumCredits"),
]


@pytest.mark.parametrize("row", range(len(MENDS)))
def test_an_agreement_is_refused_for_its_first_fault(row: int) -> None:
    wanted = WRONG
    for mended, _ in MENDS[: row + 1]:
        wanted = replace(wanted, **mended)

    with pytest.raises(Refusal) as refused:
        checked_agreement(wanted)

    assert (refused.value.code, refused.value.field) == (RefusalCode.INVALID, MENDS[row][1])


def test_an_agreement_passes_with_its_price_written_short() -> None:
    assert checked_agreement(replace(AGREEMENT, unit=price("150.000"))) == AGREEMENT
    assert checked_agreement(replace(AGREEMENT, minimum_credits=1, unit=price("0.5"))).unit == price("0.5")
