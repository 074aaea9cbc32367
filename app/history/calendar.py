"""When staging is done: a spring of many listings, quiet weekends and nights, and a business that grows.

A calendar turns a share of the work into the instant at which so much of it has been done.
"""

from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from zoneinfo import ZoneInfo

# How much of a listing trade there is: January first, Monday first, midnight first; local time.
_MONTHS = (0.65, 0.8, 1.15, 1.4, 1.5, 1.3, 1.1, 1.0, 1.0, 0.95, 0.75, 0.5)
_WEEKDAYS = (1.0, 1.1, 1.1, 1.1, 0.9, 0.3, 0.15)
_HOURS = (0.02,) * 6 + (0.1, 0.4, 0.8, 1.1, 1.2, 1.1, 0.8, 1.0, 1.2, 1.2, 1.1, 0.9, 0.6, 0.4, 0.3, 0.2, 0.1, 0.05)
# So much more at the end than at the beginning.
_GROWTH = 0.6
_HOUR = timedelta(hours=1)


class Calendar:
    """The time from `start` to `end`, by the hour, for people of one time zone."""

    def __init__(self, zone: str, start: datetime, end: datetime) -> None:
        self._start = start
        self.end = end
        local = ZoneInfo(zone)
        hours = (end - start) // _HOUR
        weights = (
            _weight((start + number * _HOUR).astimezone(local)) * (1 + _GROWTH * number / hours)
            for number in range(hours)
        )
        self._done = list(accumulate(weights, initial=0.0))

    def at(self, share: float) -> datetime:
        """When so much of all work, 0 to 1, has been done."""
        wanted = share * self._done[-1]
        hour = min(bisect_right(self._done, wanted), len(self._done) - 1) - 1
        within = (wanted - self._done[hour]) / (self._done[hour + 1] - self._done[hour])
        return min(self._start + (hour + within) * _HOUR, self.end)


def _weight(local: datetime) -> float:
    return _MONTHS[local.month - 1] * _WEEKDAYS[local.weekday()] * _HOURS[local.hour]


def two_years_before(now: datetime) -> tuple[datetime, datetime]:
    """From when to when a history goes that is made now: whole days, so that it is the same all day."""
    end = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return end - timedelta(days=730), end
