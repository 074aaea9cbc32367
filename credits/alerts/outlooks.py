"""What lies ahead of wallets, read for many at once, for alerts to be decided by."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from fractions import Fraction
from math import ceil

from credits.accounts.zones import Zones
from credits.alerts.rules import Lapsing, Outlook
from credits.reports.forecast import Pace, paces

_MORNING = time(8)


async def outlooks(wallet_ids: Iterable[str]) -> dict[str, tuple[Outlook, datetime]]:
    """The outlooks of those of the wallets that there are, and when the next morning begins there: at 8."""
    return {
        wallet_id: (_outlook(pace), _next_morning(pace.zones, pace.now))
        for wallet_id, pace in (await paces(wallet_ids)).items()
    }


def _outlook(pace: Pace) -> Outlook:
    return Outlook(
        now=pace.now,
        available=sum(lot.available(pace.now) for lot in pace.lots),
        daily_use=pace.daily_use,
        days_left=pace.ahead.empty_in,
        empty_on=pace.empty_on,
        lapsing=_lapsing(pace),
    )


def _lapsing(pace: Pace) -> list[Lapsing]:
    unused = {lot.id: lost for lot, lost in zip(pace.lots, pace.ahead.unused, strict=True)}
    by_day = defaultdict(list)
    for lot in pace.left:
        if lot.expires_at is not None and not lot.lapsed(pace.now):
            by_day[pace.zones.day(lot.expires_at)].append((lot.expires_at, lot))
    return [
        Lapsing(
            on=day,
            first_at=min(at for at, _ in some),
            last_at=max(at for at, _ in some),
            available=sum(lot.available(pace.now) for _, lot in some),
            left=sum(lot.remaining for _, lot in some),
            unused=ceil(sum(unused.get(lot.id, Fraction(0)) for _, lot in some)),
        )
        for day, some in sorted(by_day.items())
    ]


def _next_morning(zones: Zones, now: datetime) -> datetime:
    for day in (zones.day(now), zones.day(now) + timedelta(days=1)):
        morning = datetime.combine(day, _MORNING, zones.at(zones.start_of(day))).astimezone(UTC)
        if morning > now:
            return morning
    return now + timedelta(days=1)
