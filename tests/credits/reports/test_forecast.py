"""How long the credits last: from what was used in the last 30 days, as the API tells it."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest

from credits.ledger.models import Lot, Wallet
from credits.ledger.queries import now
from credits.reports.forecast import Forecast, forecasts, runway_in_words
from tests.credits.reports.past import House, do, given, house, refunded, spent, stage
from tests.support.service import Service

ASKED = "query ($id: ID!) { wallet(id: $id) { forecast { dailyUse emptyOn creditsAtRisk } } }"


@pytest.fixture
async def on_stage(service: Service) -> AsyncIterator[None]:
    async with service.workers.away(), stage():
        yield


async def _home(service: Service, *, opened_days_ago: int = 400) -> tuple[House, str, datetime]:
    """With a wallet that was opened so long ago and is empty, and the instant from which days are counted."""
    at = await now()
    home = await house(service, time_zone="UTC", given_at=(at - timedelta(days=200)).isoformat())
    wallet = await Wallet.get(id=home.wallet_ids[0])
    await Wallet.filter(id=wallet.id).update(created_at=at - timedelta(days=opened_days_ago))
    await do(at - timedelta(days=199), spent(wallet.id, wallet.balance // 2))
    return home, wallet.id, at


async def _told(home: House, wallet_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await home.service.gql(ASKED, home.token, id=wallet_id)).data["wallet"]["forecast"]
    return found


async def test_it_tells_the_mean_of_30_days_and_when_nothing_is_left(service: Service, on_stage: None) -> None:
    home, wallet, at = await _home(service)
    noon = at.replace(hour=12, minute=0, second=0, microsecond=0)
    await do(noon - timedelta(days=40), given(wallet, 1_000))
    await do(noon - timedelta(days=31), spent(wallet, 100))
    (line,) = await do(noon - timedelta(days=30), spent(wallet, 100))
    await do(noon - timedelta(days=2), refunded(line, 20))
    await do(noon - timedelta(days=1), spent(wallet, 60))
    await do(max(at, noon), spent(wallet, 10))

    told = await _told(home, wallet)

    # (200 - 20 + 120) / 30; 1,000 - 200 - 180 - 120 - 20 = 480 are left, which is 48 days.
    assert told["dailyUse"] == 10
    assert told["creditsAtRisk"] == 0
    assert told["emptyOn"] == str((await now() + timedelta(days=48)).date())


async def test_a_young_wallet_is_told_by_its_age(service: Service, on_stage: None) -> None:
    home, wallet, at = await _home(service, opened_days_ago=4)
    await do(at - timedelta(days=4), given(wallet, 100))
    await do(at - timedelta(days=3), spent(wallet, 20))

    assert (await _told(home, wallet))["dailyUse"] == 10


async def test_of_a_wallet_of_today_nothing_is_known_yet(service: Service, on_stage: None) -> None:
    home, wallet, at = await _home(service, opened_days_ago=0)
    await do(at, given(wallet, 100), spent(wallet, 20))

    assert await _told(home, wallet) == {"dailyUse": 0, "emptyOn": None, "creditsAtRisk": 0}


async def test_what_lapses_before_it_would_be_used_is_at_risk(service: Service, on_stage: None) -> None:
    home, wallet, at = await _home(service)
    at -= timedelta(hours=1)
    await do(at - timedelta(days=35), given(wallet, 150))
    await do(at - timedelta(days=10), spent(wallet, 75))
    in_ten_days = at + timedelta(days=10, hours=2)
    await do(
        at,
        given(wallet, 80, expires_at=in_ten_days, priority=10),
        given(wallet, 30, expires_at=in_ten_days, priority=90),
        given(wallet, 20),
    )

    told = await _told(home, wallet)

    # 5 a day: 50 of the 80 in ten days, and a part of one more; the 30 lapse untouched; then 20 last four days more.
    assert told["dailyUse"] == 5
    assert told["creditsAtRisk"] == 60
    assert told["emptyOn"] == str((in_ten_days + timedelta(days=4)).date())


async def test_without_use_all_that_lapses_is_at_risk(service: Service, on_stage: None) -> None:
    home, wallet, at = await _home(service)
    await do(at, given(wallet, 80, expires_at=at + timedelta(days=300)), given(wallet, 20))

    assert await _told(home, wallet) == {"dailyUse": 0, "emptyOn": None, "creditsAtRisk": 80}


async def test_more_refunded_than_used_is_no_use(service: Service, on_stage: None) -> None:
    home, wallet, at = await _home(service)
    await do(at - timedelta(days=60), given(wallet, 100))
    (line,) = await do(at - timedelta(days=50), spent(wallet, 20))
    await do(at - timedelta(days=5), refunded(line), spent(wallet, 1))

    assert (await _told(home, wallet))["dailyUse"] == 0


async def test_what_lasts_more_than_five_years_has_no_end(service: Service, on_stage: None) -> None:
    home, wallet, at = await _home(service)
    await do(at - timedelta(days=60), given(wallet, 10_000))
    await do(at - timedelta(days=5), spent(wallet, 15))

    told = await _told(home, wallet)

    assert (told["dailyUse"], told["emptyOn"]) == (1, None)


async def test_what_is_used_up_is_empty_today(service: Service, on_stage: None) -> None:
    home, wallet, at = await _home(service)
    await do(at - timedelta(days=60), given(wallet, 10))
    await do(at - timedelta(days=5), spent(wallet, 5))

    assert (await _told(home, wallet))["emptyOn"] == str((await now()).date())


async def test_frozen_and_lapsed_credits_last_nowhere(service: Service, on_stage: None) -> None:
    home, wallet, at = await _home(service)
    await do(at - timedelta(days=60), given(wallet, 30))
    await do(at - timedelta(days=5), spent(wallet, 15))
    await do(
        at - timedelta(days=2),
        given(wallet, 40, expires_at=at - timedelta(days=1)),
        given(wallet, 50, expires_at=at + timedelta(days=1)),
        given(wallet, 7),
    )
    await Lot.filter(wallet_id=wallet, remaining=50).update(frozen_by="dp_of_nothing")

    told = await _told(home, wallet)
    await Lot.filter(wallet_id=wallet).update(frozen_by=None)

    assert (told["dailyUse"], told["creditsAtRisk"]) == (1, 0)
    assert told["emptyOn"] == str((await now() + timedelta(days=7)).date())


async def test_several_wallets_are_read_together_each_by_its_own_days(service: Service, on_stage: None) -> None:
    _, first, at = await _home(service)
    _, second, _ = await _home(service, opened_days_ago=10)
    for wallet in (first, second):
        await do(at - timedelta(days=20), given(wallet, 100))
        await do(at - timedelta(days=5), spent(wallet, 30))

    found = await forecasts([first, second, "wal_nobody"])

    assert {wallet: each.daily_use for wallet, each in found.items()} == {first: 2, second: 6}


@pytest.mark.parametrize(
    ("daily_use", "days_left", "words"),
    [
        (Fraction(0), None, "no use yet"),
        (Fraction(8), 12, "about 12 days at 8 a day"),
        (Fraction(8), 1, "about 1 day at 8 a day"),
        (Fraction(8), 0, "less than a day at 8 a day"),
        (Fraction(25, 2), 1_200, "about 1,200 days at 12 a day"),
        (Fraction(5, 2), 3, "about 3 days at 2.5 a day"),
        (Fraction(1, 30), None, "more than 5 years at less than 0.1 a day"),
    ],
)
def test_how_long_it_lasts_is_said_in_words(daily_use: Fraction, days_left: int | None, words: str) -> None:
    forecast = Forecast(daily_use=daily_use, days_left=days_left, empty_on=None, at_risk=0)

    assert runway_in_words(forecast) == words
