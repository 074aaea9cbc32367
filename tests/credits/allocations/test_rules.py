"""Periods by the calendar of an account: to the day, and to the instant, wherever it is."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credits.accounts.zones import Zones
from credits.allocations.models import Period
from credits.allocations.rules import asked_for, digest_due, first_day, following, named, next_run, present, reached
from credits.errors import Refusal

WEEKLY, MONTHLY, QUARTERLY = Period.WEEKLY, Period.MONTHLY, Period.QUARTERLY
ZONES = st.sampled_from(
    [
        "UTC",
        "Europe/Berlin",
        "America/Havana",
        "America/Asuncion",
        "Asia/Kathmandu",
        "Pacific/Apia",
        "Pacific/Kiritimati",
    ]
).map(lambda name: Zones(name=name))
INSTANTS = st.datetimes(datetime(2000, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("period", "day", "first", "after"),
    [
        (WEEKLY, date(2026, 11, 22), date(2026, 11, 16), date(2026, 11, 23)),
        (WEEKLY, date(2026, 11, 23), date(2026, 11, 23), date(2026, 11, 30)),
        (WEEKLY, date(2027, 1, 1), date(2026, 12, 28), date(2027, 1, 4)),
        (WEEKLY, date(2028, 2, 29), date(2028, 2, 28), date(2028, 3, 6)),
        (MONTHLY, date(2026, 11, 1), date(2026, 11, 1), date(2026, 12, 1)),
        (MONTHLY, date(2026, 12, 31), date(2026, 12, 1), date(2027, 1, 1)),
        (MONTHLY, date(2028, 2, 29), date(2028, 2, 1), date(2028, 3, 1)),
        (MONTHLY, date(2027, 2, 28), date(2027, 2, 1), date(2027, 3, 1)),
        (QUARTERLY, date(2026, 11, 22), date(2026, 10, 1), date(2027, 1, 1)),
        (QUARTERLY, date(2027, 1, 1), date(2027, 1, 1), date(2027, 4, 1)),
        (QUARTERLY, date(2028, 2, 29), date(2028, 1, 1), date(2028, 4, 1)),
        (QUARTERLY, date(2027, 9, 30), date(2027, 7, 1), date(2027, 10, 1)),
    ],
)
def test_a_day_lies_in_a_period_and_another_follows(period: Period, day: date, first: date, after: date) -> None:
    assert first_day(period, day) == first
    assert following(period, day) == after


@pytest.mark.parametrize(
    ("zone", "period", "last", "runs"),
    [
        ("UTC", MONTHLY, date(2026, 12, 1), utc(2027, 1, 1)),
        ("Europe/Berlin", MONTHLY, date(2027, 2, 1), utc(2027, 2, 28, 23)),
        ("Europe/Berlin", MONTHLY, date(2027, 3, 1), utc(2027, 3, 31, 22)),
        ("America/New_York", WEEKLY, date(2026, 10, 26), utc(2026, 11, 2, 5)),
        ("America/New_York", WEEKLY, date(2026, 10, 19), utc(2026, 10, 26, 4)),
        # Here the first of October 2023 began at 1 o'clock: the clocks skipped midnight.
        ("America/Asuncion", QUARTERLY, date(2023, 7, 1), utc(2023, 10, 1, 4)),
        # And here the first of November 2026 has midnight twice; it begins with the first of them.
        ("America/Havana", MONTHLY, date(2026, 10, 1), utc(2026, 11, 1, 4)),
    ],
)
def test_a_period_begins_when_its_first_day_does(zone: str, period: Period, last: date, runs: datetime) -> None:
    zones = Zones(name=zone)

    assert next_run(period, zones, last) == runs
    assert present(period, zones, runs - timedelta(microseconds=1)) == last
    assert present(period, zones, runs) == following(period, last)


@pytest.mark.parametrize(
    ("former", "name", "begins"),
    [
        ("Europe/Berlin", "America/New_York", utc(2026, 4, 30, 22)),
        ("America/New_York", "Europe/Berlin", utc(2026, 5, 1, 4)),
    ],
)
def test_a_change_of_zone_leaves_no_period_out_and_none_twice(former: str, name: str, begins: datetime) -> None:
    zones = Zones(name=former).changed(name, now=utc(2026, 4, 15))

    assert next_run(MONTHLY, zones, date(2026, 4, 1)) == begins
    assert present(MONTHLY, zones, begins - timedelta(seconds=1)) == date(2026, 4, 1)
    assert present(MONTHLY, zones, begins) == date(2026, 5, 1)
    assert next_run(MONTHLY, zones, date(2026, 5, 1)) == Zones(name=name).start_of(date(2026, 6, 1))


@given(st.sampled_from(Period), ZONES, INSTANTS)
def test_every_instant_lies_in_one_period(period: Period, zones: Zones, instant: datetime) -> None:
    first = present(period, zones, instant)

    assert zones.start_of(first) <= instant < next_run(period, zones, first)


@pytest.mark.parametrize(
    ("period", "first", "called"),
    [
        (WEEKLY, date(2026, 11, 2), "week of 2 November 2026"),
        (MONTHLY, date(2026, 11, 1), "November 2026"),
        (QUARTERLY, date(2026, 10, 1), "quarter 4 of 2026"),
        (QUARTERLY, date(2027, 1, 1), "quarter 1 of 2027"),
    ],
)
def test_a_period_is_called_as_people_do(period: Period, first: date, called: str) -> None:
    assert named(period, first) == called


@pytest.mark.parametrize(
    ("used", "given_", "told"),
    [
        (0, 0, ()),
        (5, 0, ()),
        (49, 100, ()),
        (50, 100, (50,)),
        (79, 100, (50,)),
        (80, 100, (50, 80)),
        (100, 100, (50, 80, 100)),
        (130, 100, (50, 80, 100)),
        (1, 3, ()),
        (2, 3, (50,)),
        (-3, 100, ()),
    ],
)
def test_what_is_told_of_use(used: int, given_: int, told: tuple[int, ...]) -> None:
    assert reached(used=used, given=given_) == told


@pytest.mark.parametrize(
    ("zone", "instant", "monday"),
    [
        ("UTC", utc(2026, 11, 23, 7, 59), None),
        ("UTC", utc(2026, 11, 23, 8), date(2026, 11, 23)),
        ("UTC", utc(2026, 11, 24, 7, 59), date(2026, 11, 23)),
        ("UTC", utc(2026, 11, 24, 8), None),
        ("UTC", utc(2026, 11, 22, 12), None),
        ("Europe/Berlin", utc(2026, 11, 23, 7), date(2026, 11, 23)),
        ("Europe/Berlin", utc(2026, 3, 30, 6), date(2026, 3, 30)),
        ("Pacific/Kiritimati", utc(2026, 11, 22, 18), date(2026, 11, 23)),
    ],
)
def test_a_week_is_told_on_monday_from_eight_and_for_a_day(zone: str, instant: datetime, monday: date | None) -> None:
    assert digest_due(Zones(name=zone), instant) == monday


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("50 for the open house", 50),
        ("50 credits for 12 Oak Street", 50),
        (" 1,050: open house", 1_050),
        ("5 100-word listings", 5),
        ("50\nfor the open house", 50),
        ("12 12 Oak Street", 12),
    ],
)
def test_who_asks_says_how_many_and_what_for(text: str, wanted: int) -> None:
    assert asked_for(text) == (wanted, text.strip())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "50",
        "50 credits",
        "50 .",
        "for 50 rooms",
        "1.5 for me",
        "1.000 for me",
        "1,05 for me",
        "10:30 visit",
        "12/3 visit",
        "5k for me",
        "-5 for me",
        "12345678901 for me",
    ],
)
def test_what_does_not_say_how_many_or_what_for_is_refused(text: str) -> None:
    with pytest.raises(Refusal, match="Begin with how many credits"):
        asked_for(text)
