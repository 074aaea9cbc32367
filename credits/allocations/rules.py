"""Periods of standing orders, the shares of a period's credits that are worth a message, when a week is told, and what
people ask for in their own words.

Pure. A period is named by its first day where the account is; it begins when that day does.
"""

import re
from datetime import UTC, date, datetime, time, timedelta

from credits.accounts.zones import Zones
from credits.allocations.models import Period
from credits.errors import Refusal, RefusalCode

PERCENTS = (50, 80, 100)
# As many days after a period's first one the next has begun, and no other after that.
_DAYS = {Period.WEEKLY: 7, Period.MONTHLY: 31, Period.QUARTERLY: 92}
_DIGEST_AT = time(8)
_DIGEST_WITHIN = timedelta(days=1)
# A number that is no part of another one, such as a time, a date or a fraction.
_WANTED = re.compile(
    r"\s*(\d{1,10}|\d{1,3}(?:,\d{3}){1,3})(?![\d.,:/-]*\d|\w)\s*(?:credits?\b)?\W*(.*)", re.ASCII | re.DOTALL
)


def first_day(period: Period, day: date) -> date:
    """The first day of the period in which a day lies: its Monday, the 1st of its month or of its quarter."""
    match period:
        case Period.WEEKLY:
            return day - timedelta(days=day.weekday())
        case Period.MONTHLY:
            return day.replace(day=1)
        case Period.QUARTERLY:
            return day.replace(month=day.month - (day.month - 1) % 3, day=1)


def following(period: Period, day: date) -> date:
    """The first day of the period after the one in which a day lies."""
    return first_day(period, first_day(period, day) + timedelta(days=_DAYS[period]))


def present(period: Period, zones: Zones, instant: datetime) -> date:
    """The first day of the period in which an instant lies."""
    return first_day(period, zones.day(instant))


def next_run(period: Period, zones: Zones, last: date) -> datetime:
    """When a standing order runs that has run for the period with that first day, in UTC."""
    return zones.start_of(following(period, last))


def named(period: Period, first: date) -> str:
    """What people call the period."""
    match period:
        case Period.WEEKLY:
            return f"week of {first.day} {first:%B %Y}"
        case Period.MONTHLY:
            return f"{first:%B %Y}"
        case Period.QUARTERLY:
            return f"quarter {first.month // 3 + 1} of {first.year}"


def reached(*, used: int, given: int) -> tuple[int, ...]:
    """The percentages that are told of and have been reached; of nothing given there are none."""
    return tuple(percent for percent in PERCENTS if given > 0 and used * 100 >= given * percent)


def digest_due(zones: Zones, instant: datetime) -> date | None:
    """The Monday before which the week lies that is to be told at that instant: from 8 o'clock on, and for a day, so
    that a service that was down for hours still tells it and nobody reads on Friday of the week before."""
    monday = first_day(Period.WEEKLY, zones.day(instant))
    at = datetime.combine(monday, _DIGEST_AT, zones.at(zones.start_of(monday))).astimezone(UTC)
    return monday if at <= instant < at + _DIGEST_WITHIN else None


def asked_for(text: str) -> tuple[int, str]:
    """How many credits somebody asks for, and what for, in their own words: "50 for the open house". Refused: what
    does not begin with a number, and a number without words."""
    found = _WANTED.match(text)
    if found is None or not found[2].strip():
        raise Refusal(
            RefusalCode.INVALID,
            "Begin with how many credits, and then say what for: 50 for the open house in Harbour Street.",
            field="reason",
        )
    return int(found[1].replace(",", "")), text.strip()
