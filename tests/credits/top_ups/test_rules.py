"""Automatic top-ups, decided: each row mends or breaks one thing of a wallet for which something would be bought."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from credits.accounts.zones import Zones
from credits.catalogue.rules import PackageView
from credits.errors import Refusal, RefusalCode
from credits.ledger.wallet import MAX_BALANCE
from credits.money import Money
from credits.top_ups.rules import (
    MAX_THRESHOLD,
    Ask,
    Facts,
    Setting,
    Skip,
    Why,
    check,
    decide,
    has_fallen,
    month_of,
    suspension,
)

NOW = datetime(2026, 5, 14, 12, tzinfo=UTC)
JUNE = datetime(2026, 6, 1, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
STARTER = PackageView(
    code="STARTER",
    name="Starter",
    credits=100,
    price=Money(19_900, "USD"),
    minimum_credits=None,
    valid_for_days=None,
    tiers=(),
    active=True,
)
SETTING = Setting(threshold=20, quantity=1)
LOW = Facts(now=NOW, package=STARTER, available=19, balance=19, next_month=JUNE)


def with_changes(**changes: Any) -> tuple[Setting, Facts]:
    of_setting = {name: changes.pop(name) for name in list(changes) if hasattr(SETTING, name)}
    return replace(SETTING, **of_setting), replace(LOW, **changes)


@pytest.mark.parametrize(
    ("below", "asked", "before", "available", "looked_at"),
    [
        (20, False, 20, 19, True),
        (20, False, 25, 0, True),
        (20, False, 10, 9, True),
        (20, False, 25, 20, False),
        (20, False, 10, 10, False),
        (20, False, 10, 15, False),
        (20, True, 20, 19, False),
        (None, False, 20, 0, False),
    ],
)
def test_a_look_is_asked_for_once_when_what_is_available_fell_below_the_threshold(
    below: int | None, asked: bool, before: int, available: int, looked_at: bool
) -> None:
    assert has_fallen(below=below, asked=asked, before=before, available=available) is looked_at


@pytest.mark.parametrize(
    ("changes", "why", "again_at"),
    [
        ({"enabled": False}, Why.DISABLED, None),
        ({"suspended": True}, Why.SUSPENDED, None),
        ({"account_suspended": True}, Why.ACCOUNT_SUSPENDED, None),
        ({"available": 20}, Why.BACK_ABOVE, None),
        ({"under_way": 2}, Why.UNDER_WAY, NOW + 10 * MINUTE),
        ({"under_way": 1, "one_open": True}, Why.ONE_AT_A_TIME, NOW + 10 * MINUTE),
        ({"asked_at": (NOW - MINUTE, NOW - 9 * MINUTE)}, Why.TOO_OFTEN, NOW + MINUTE),
        ({"failed_at": NOW - 59 * MINUTE}, Why.FAILED_LATELY, NOW + MINUTE),
        ({"package": None}, Why.NOT_FOR_SALE, NOW + DAY),
        ({"package": replace(STARTER, active=False)}, Why.NOT_FOR_SALE, NOW + DAY),
        ({"package": replace(STARTER, price=None, credits=None)}, Why.NOT_FOR_SALE, NOW + DAY),
        ({"debt": 10_000_000}, Why.TOO_MUCH, NOW + DAY),
        ({"monthly_limit_minor": 39_799, "spent_minor": 19_900}, Why.MONTHLY_LIMIT, JUNE),
        ({"balance": MAX_BALANCE - 99}, Why.NO_ROOM, NOW + DAY),
    ],
)
def test_nothing_is_bought(changes: dict[str, Any], why: Why, again_at: datetime | None) -> None:
    assert decide(*with_changes(**changes)) == Skip(why=why, again_at=again_at)


@pytest.mark.parametrize(
    ("changes", "quantity"),
    [
        ({}, 1),
        ({"quantity": 3}, 3),
        ({"available": 0, "threshold": 99}, 1),
        ({"available": 0, "threshold": 100}, 2),
        ({"available": 0, "threshold": 250}, 3),
        ({"available": 0, "under_way": 51, "threshold": 250}, 2),
        ({"available": 0, "under_way": 50, "threshold": 250}, 3),
        ({"available": 0, "debt": 81}, 2),
        ({"available": 0, "debt": 79}, 1),
        ({"under_way": 1}, 1),
        ({"asked_at": (NOW - MINUTE,)}, 1),
        ({"asked_at": (NOW - MINUTE, NOW - 10 * MINUTE)}, 1),
        ({"failed_at": NOW - HOUR}, 1),
        ({"monthly_limit_minor": 39_800, "spent_minor": 19_900}, 1),
        ({"balance": MAX_BALANCE - 100}, 1),
    ],
)
def test_as_many_packages_as_bring_it_strictly_above_and_no_fewer_than_wanted(
    changes: dict[str, Any], quantity: int
) -> None:
    decision = decide(*with_changes(**changes))

    assert isinstance(decision, Ask)
    assert decision.offer.quantity == quantity


def test_of_several_reasons_the_first_in_order_is_told() -> None:
    reasons: list[tuple[dict[str, Any], Why]] = [
        ({"enabled": False}, Why.DISABLED),
        ({"suspended": True}, Why.SUSPENDED),
        ({"account_suspended": True}, Why.ACCOUNT_SUSPENDED),
        ({"available": 20}, Why.BACK_ABOVE),
        ({"under_way": 200}, Why.UNDER_WAY),
        ({"one_open": True}, Why.ONE_AT_A_TIME),
        ({"asked_at": (NOW, NOW)}, Why.TOO_OFTEN),
        ({"failed_at": NOW}, Why.FAILED_LATELY),
        ({"monthly_limit_minor": 1}, Why.MONTHLY_LIMIT),
        ({"balance": MAX_BALANCE}, Why.NO_ROOM),
    ]

    for position, (_, why) in enumerate(reasons):
        wrong = {name: value for changes, _ in reversed(reasons[position:]) for name, value in changes.items()}
        decision = decide(*with_changes(**wrong))
        assert isinstance(decision, Skip)
        assert decision.why is why


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"threshold": 0}, RefusalCode.INVALID, "threshold"),
        ({"threshold": MAX_THRESHOLD + 1}, RefusalCode.INVALID, "threshold"),
        ({"threshold": MAX_THRESHOLD}, RefusalCode.INVALID, "threshold"),
        ({"threshold": 502_500}, RefusalCode.INVALID, "threshold"),
        ({"package": None}, RefusalCode.UNKNOWN_PACKAGE, "packageCode"),
        ({"package": replace(STARTER, active=False)}, RefusalCode.UNKNOWN_PACKAGE, "packageCode"),
        (
            {"package": replace(STARTER, price=None, credits=None)},
            RefusalCode.CUSTOM_PRICE_REQUIRED,
            "packageCode",
        ),
        ({"quantity": 0}, RefusalCode.INVALID, "quantity"),
        ({"quantity": 10_001}, RefusalCode.INVALID, "quantity"),
        ({"quantity": 5_026}, RefusalCode.INVALID, "quantity"),
        ({"quantity": 2, "monthly_limit": 39_799}, RefusalCode.INVALID, "monthlyLimitMinor"),
        ({"monthly_limit": -1}, RefusalCode.INVALID, "monthlyLimitMinor"),
    ],
)
def test_a_setting_that_could_buy_nothing_is_refused(changes: dict[str, Any], code: RefusalCode, field: str) -> None:
    with pytest.raises(Refusal) as refused:
        check(**{"package": STARTER, "threshold": 20, "quantity": 1, "monthly_limit": None, **changes})

    assert (refused.value.code, refused.value.field) == (code, field)


@pytest.mark.parametrize("changes", [{}, {"threshold": 1}, {"monthly_limit": 19_900}, {"threshold": 502_499}])
def test_a_setting_that_can_buy_is_taken(changes: dict[str, Any]) -> None:
    assert check(**{"package": STARTER, "threshold": 20, "quantity": 1, "monthly_limit": None, **changes}) is STARTER


def test_the_third_failure_in_a_row_suspends_and_says_why_and_what_to_do() -> None:
    reasons = [suspension(failures, reason="Your card was declined.") for failures in (1, 2, 3)]

    assert reasons[:2] == [None, None]
    assert reasons[2] is not None
    assert "Your card was declined." in reasons[2]
    assert "change the card" in reasons[2]


@pytest.mark.parametrize(
    ("zone", "now", "month"),
    [
        ("UTC", NOW, (datetime(2026, 5, 1, tzinfo=UTC), JUNE)),
        (
            "Europe/Berlin",
            datetime(2026, 5, 31, 22, 30, tzinfo=UTC),
            (datetime(2026, 5, 31, 22, tzinfo=UTC), datetime(2026, 6, 30, 22, tzinfo=UTC)),
        ),
        (
            "America/New_York",
            datetime(2027, 1, 1, 3, tzinfo=UTC),
            (datetime(2026, 12, 1, 5, tzinfo=UTC), datetime(2027, 1, 1, 5, tzinfo=UTC)),
        ),
    ],
)
def test_a_month_is_that_of_the_accounts_time_zone(zone: str, now: datetime, month: tuple[datetime, datetime]) -> None:
    assert month_of(Zones(name=zone), now) == month
