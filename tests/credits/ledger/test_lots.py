"""Lots by themselves: what a credit cost however often its lot was split, and what counts as the same credit."""

from fractions import Fraction
from typing import Any

import pytest

from credits.ledger.lots import Draw, LotState, draw
from credits.ledger.models import LotSource
from tests.credits.ledger.states import DAY, MICROSECOND, NOW, POOL, bought, lot


def part_of(original: LotState, amount: int, **changes: Any) -> LotState:
    return original.split("lot_part", wallet_id=POOL, amount=amount, at=NOW, **changes)


def price(of: LotState) -> Fraction:
    return Fraction(of.paid_minor, of.paid_for)


def test_the_price_of_a_credit_stays_exact_when_its_lot_is_split() -> None:
    original = bought(500, paid_minor=89_900)

    three = part_of(original, 3)
    one = part_of(three, 1)

    assert price(three) == price(one) == price(original) == Fraction(899, 5)
    assert (one.amount, one.paid_minor, one.paid_for, one.currency) == (1, 89_900, 500, "USD")


def test_a_part_keeps_price_priority_expiry_and_purchase_and_names_its_origin() -> None:
    original = bought(10, expires_at=NOW + DAY, priority=7, frozen_by="dp_1", renewed=True, held=4)

    part = part_of(original, 3)

    assert part == LotState(
        id="lot_part",
        wallet_id=POOL,
        account_id=original.account_id,
        source=LotSource.PURCHASED,
        amount=3,
        remaining=0,
        held=0,
        paid_minor=1990,
        paid_for=10,
        currency="USD",
        expires_at=NOW + DAY,
        priority=7,
        frozen_by="dp_1",
        created_at=NOW,
        origin_id=original.id,
        purchase_id=original.purchase_id,
        renewed=True,
    )
    assert (original.remaining, original.held) == (10, 4)


def test_a_part_takes_its_place_by_its_own_terms() -> None:
    original = bought(10, expires_at=NOW + DAY)

    assert part_of(original, 3).order[:4] == original.order[:4]
    assert part_of(original, 3, expires_at=NOW + 2 * DAY).order > original.order


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"frozen_by": "dp_1"}, True),
        ({"expires_at": NOW + DAY}, False),
        ({"priority": 51}, False),
        ({"paid_minor": 1991}, False),
        ({"paid_for": 11}, False),
        ({"currency": "EUR"}, False),
        ({"purchase_id": "pur_other"}, False),
        ({"source": LotSource.GRANTED}, False),
    ],
)
def test_credits_are_worth_the_same_on_the_same_terms(changes: dict[str, Any], same: bool) -> None:
    original = bought(10)

    assert original.same_terms(part_of(original, 3, **changes)) is same


@pytest.mark.parametrize(
    ("changes", "available"),
    [
        ({}, 6),
        ({"expires_at": NOW + MICROSECOND}, 6),
        ({"expires_at": NOW}, 0),
        ({"frozen_by": "dp_1"}, 0),
        ({"held": 10}, 0),
    ],
)
def test_available_is_what_is_unheld_of_a_lot_that_is_neither_lapsed_nor_frozen(
    changes: dict[str, Any], available: int
) -> None:
    assert lot(10, **({"held": 4} | changes)).available(NOW) == available


def test_drawing_passes_over_what_is_not_available_and_stops_when_it_has_enough() -> None:
    lots = [lot(5, held=5), lot(5, held=3), lot(9, frozen_by="dp_1"), lot(5), lot(5)]

    assert draw(lots, 6, NOW) == (Draw(lots[1].id, -2), Draw(lots[3].id, -4))


def test_drawing_more_than_there_is_is_an_error_of_the_caller() -> None:
    with pytest.raises(ValueError, match="3 of 8 credits"):
        draw([lot(5), lot(5, expires_at=NOW)], 8, NOW)
