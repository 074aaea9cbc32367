"""How long the credits of wallets last if they go on as in the last 30 days."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

from tortoise.connection import get_connection

from credits.accounts.zones import Zones
from credits.ledger.lots import LotState
from credits.ledger.queries import open_lots
from credits.reports.rules import FORECAST_FROM_DAYS, MAX_DAYS, OpenLot, Runway, daily_use, runway

_DAY = timedelta(days=1)
_WALLETS = """
SELECT w.id, w.created_at, a.time_zone, a.former_time_zone, a.time_zone_from, now.now
FROM (SELECT credits_now() AS now) now, wallets w JOIN accounts a ON a.id = w.account_id WHERE w.id = ANY($1)
"""
_USED = """
SELECT w.id, sum(u.credits)::bigint AS credits, sum(u.refunded)::bigint AS refunded
FROM unnest($1::text[], $2::date[], $3::date[]) AS w (id, first, today)
JOIN usage_days u ON u.wallet_id = w.id AND u.day >= w.first AND u.day < w.today GROUP BY 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """`daily_use`: credits a day, refunds taken off. `empty_on`: the local day on which nothing is available any more,
    None where nothing is used or it is more than 5 years ahead; `days_left`: whole days until then. `at_risk`: credits
    that lapse before they are used."""

    daily_use: Fraction
    empty_on: date | None
    days_left: int | None
    at_risk: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What a forecast of a wallet is made of: credits used a day, all lots that are not empty, those of them that can
    be spent from now, in the order in which they will be, and how these go on."""

    zones: Zones
    now: datetime
    daily_use: Fraction
    left: Sequence[LotState]
    lots: Sequence[LotState]
    ahead: Runway

    @property
    def days_left(self) -> int | None:
        """Whole days until nothing is available any more; None as in a forecast."""
        if self.ahead.empty_in is None or self.ahead.empty_in >= MAX_DAYS:
            return None
        return int(self.ahead.empty_in)

    @property
    def empty_on(self) -> date | None:
        """The local day on which nothing is available any more; None as in a forecast."""
        if self.ahead.empty_in is None or self.ahead.empty_in >= MAX_DAYS:
            return None
        return self.zones.day(self.now + timedelta(microseconds=int(self.ahead.empty_in * (_DAY // _MICROSECOND))))


@dataclass(frozen=True, slots=True)
class _Wallet:
    id: str
    zones: Zones
    now: datetime
    today: date
    days: int

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "_Wallet":
        zones = Zones(name=row["time_zone"], former=row["former_time_zone"], since=row["time_zone_from"])
        today = zones.day(row["now"])
        age = (today - zones.day(row["created_at"])).days
        return cls(row["id"], zones, row["now"], today, min(age, FORECAST_FROM_DAYS))


def runway_in_words(forecast: Forecast) -> str:
    """How long the credits last, for people to read."""
    if not forecast.daily_use:
        return "no use yet"
    pace = f"at {_credits(forecast.daily_use)} a day"
    if forecast.days_left is None:
        return f"more than 5 years {pace}"
    if forecast.days_left < 1:
        return f"less than a day {pace}"
    return f"about {forecast.days_left:,} day{'s' if forecast.days_left > 1 else ''} {pace}"


def _credits(number: Fraction) -> str:
    """Whole ones, but for a few: there the first decimal counts."""
    if number >= 10:
        return f"{round(number):,}"
    return f"{float(number):.1f}".removesuffix(".0") if number >= Fraction(1, 10) else "less than 0.1"


async def forecasts(wallet_ids: Iterable[str]) -> dict[str, Forecast]:
    """Of those of the wallets that there are. The mean is of the last 30 local days before today; of a younger wallet
    over its age in days."""
    return {
        wallet_id: Forecast(
            daily_use=pace.daily_use, empty_on=pace.empty_on, days_left=pace.days_left, at_risk=pace.ahead.at_risk
        )
        for wallet_id, pace in (await paces(wallet_ids)).items()
    }


async def paces(wallet_ids: Iterable[str]) -> dict[str, Pace]:
    """What the forecasts of those of the wallets that there are, are made of."""
    read = get_connection("default").execute_query_dict
    wallets = [_Wallet.of(row) for row in await read(_WALLETS, [list(wallet_ids)])]
    since = [wallet.today - timedelta(days=wallet.days) for wallet in wallets]
    ids = [wallet.id for wallet in wallets]
    used = {row["id"]: row for row in await read(_USED, [ids, since, [wallet.today for wallet in wallets]])}
    lots = await open_lots(ids)
    return {wallet.id: _pace(wallet, used.get(wallet.id), lots.get(wallet.id, ())) for wallet in wallets}


def _pace(wallet: _Wallet, used: Mapping[str, Any] | None, lots: Sequence[LotState]) -> Pace:
    rate = daily_use(used["credits"], used["refunded"], wallet.days) if used else Fraction(0)
    # What is frozen or promised to holds is not there to be used.
    open_now = [lot for lot in lots if lot.available(wallet.now)]
    ahead = runway(
        [
            OpenLot(
                credits=lot.available(wallet.now),
                lapses_in=_days(lot.expires_at - wallet.now) if lot.expires_at else None,
            )
            for lot in open_now
        ],
        rate,
    )
    return Pace(zones=wallet.zones, now=wallet.now, daily_use=rate, left=lots, lots=open_now, ahead=ahead)


_MICROSECOND = timedelta(microseconds=1)


def _days(span: timedelta) -> Fraction:
    return Fraction(span // _MICROSECOND, _DAY // _MICROSECOND)
