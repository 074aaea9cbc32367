"""Rules of reports: which rows answer a period, and how long credits last. Pure: no clock, no database."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from fractions import Fraction
from math import ceil

from credits.errors import BadInput

# Five years are so many days where two of them are leap years.
MAX_DAYS = 1_827
FORECAST_FROM_DAYS = 30


class UsageGroup(StrEnum):
    """By what use is added up."""

    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"
    STAGING_TYPE = "STAGING_TYPE"
    DEPARTMENT = "DEPARTMENT"
    ACTOR = "ACTOR"

    @property
    def of_time(self) -> bool:
        """Whether its rows stand in the order of time."""
        return self in {UsageGroup.DAY, UsageGroup.WEEK, UsageGroup.MONTH}


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From a local day to another, both included."""

    start: date
    end: date

    @classmethod
    def checked(cls, start: date, end: date) -> "Period":
        """Raises BadInput for one that ends before it begins, is longer than 5 years or lies where dates end."""
        if end < start:
            raise BadInput("to", f"The last day, {end}, is before the first, {start}.")
        if (end - start).days >= MAX_DAYS:
            raise BadInput("to", "A report covers at most 5 years. Ask for them one after the other.")
        if not 1 < start.year <= end.year < 9999:
            raise BadInput("from", "Dates have a year from 2 to 9998.")
        return cls(start=start, end=end)

    def whole_months(self) -> tuple[date, date]:
        """The first day of the first month that lies in it wholly, and that after the last one: the same day twice,
        its first, where there is none."""
        first = self.start if self.start.day == 1 else _next_month(self.start)
        after = (self.end + timedelta(days=1)).replace(day=1)
        return (first, after) if first < after else (self.start, self.start)


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLot:
    """Credits that can be spent now, and in how many days they lapse, if ever."""

    credits: int
    lapses_in: Fraction | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Runway:
    """How a wallet goes on at the same rate: in how many days nothing is left (None: not by being used), and what of
    each of its lots lapses unused."""

    empty_in: Fraction | None
    unused: Sequence[Fraction]

    @property
    def at_risk(self) -> int:
        """How many credits lapse unused; of one that is used in part the rest counts as lost with it."""
        return ceil(sum(self.unused))


def daily_use(used: int, refunded: int, days: int) -> Fraction:
    """The mean of so many whole days, never below nothing; of a wallet's first day there is no whole one yet."""
    return max(Fraction(0), Fraction(used - refunded, max(days, 1)))


def runway(lots: Iterable[OpenLot], rate: Fraction) -> Runway:
    """Use these lots, which stand in the order of consumption, at so many credits a day.

    Until a lot is used up or lapses no other is touched, so each has its turn once: what lapsed before it came, or is
    left when it lapses, is lost.
    """
    day = Fraction(0)
    unused = []
    for lot in lots:
        if not rate:
            unused.append(Fraction(lot.credits if lot.lapses_in is not None else 0))
            continue
        turn = lot.credits / rate
        if lot.lapses_in is not None:
            turn = min(turn, max(lot.lapses_in - day, Fraction(0)))
        unused.append(lot.credits - turn * rate)
        day += turn
    return Runway(empty_in=day if rate else None, unused=unused)
