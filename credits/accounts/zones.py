"""The local days of an account: by its time zone, where a change applies from the next month on."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Zones:
    """An account's time zone (IANA) and, until `since`, the one before it."""

    name: str
    former: str | None = None
    since: datetime | None = None

    def at(self, instant: datetime) -> ZoneInfo:
        """The zone that applies at that instant."""
        if self.former and self.since and instant < self.since:
            return ZoneInfo(self.former)
        return ZoneInfo(self.name)

    def day(self, instant: datetime) -> date:
        """The calendar day of the instant where the account is."""
        day = instant.astimezone(self.at(instant)).date()
        if self.former and self.since and instant >= self.since:
            # Zones may lie more than a day apart: what had begun in the former one does not begin again.
            return max(day, self.since.astimezone(ZoneInfo(self.former)).date())
        return day

    def start_of(self, day: date) -> datetime:
        """The first instant of that day, in UTC."""
        start = _start(day, ZoneInfo(self.name))
        if self.former and self.since:
            began = _start(day, ZoneInfo(self.former))
            return began if began < self.since else max(start, self.since)
        return start

    def changed(self, name: str, *, now: datetime) -> "Zones":
        """Another zone, from the next month on: when that has begun in both, so that no day is lived twice. The zone
        that applies now takes back a change that is still to come."""
        present = self.at(now)
        if name == present.key:
            return Zones(name=name)
        following = _next_month(now.astimezone(present).date())
        since = max(_start(following, present), _start(following, ZoneInfo(name)))
        return Zones(name=name, former=present.key, since=since)


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def _start(day: date, zone: ZoneInfo) -> datetime:
    # Where the clocks skip midnight, this is the instant at which they do.
    return datetime.combine(day, time(), zone).astimezone(ZoneInfo("UTC"))
