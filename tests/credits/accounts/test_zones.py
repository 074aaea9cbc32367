"""The local days of an account: clocks that skip midnight, and zones that change."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from credits.accounts.zones import Zones


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_day_whose_midnight_is_skipped_begins_when_the_clocks_skip_it() -> None:
    zones = Zones(name="America/Sao_Paulo")

    start = zones.start_of(date(2018, 11, 4))

    assert start == at("2018-11-04T03:00")
    assert zones.day(start) == date(2018, 11, 4)
    assert zones.day(start - timedelta(microseconds=1)) == date(2018, 11, 3)


def test_a_day_whose_last_hour_comes_twice_is_one_day() -> None:
    zones = Zones(name="America/Sao_Paulo")

    first, following = zones.start_of(date(2018, 2, 17)), zones.start_of(date(2018, 2, 18))

    assert following - first == timedelta(hours=25)
    assert {zones.day(first + timedelta(hours=hour)) for hour in range(25)} == {date(2018, 2, 17)}


EASTWARD = ("America/New_York", "Asia/Tokyo")
WESTWARD = ("Asia/Tokyo", "America/New_York")
FARTHEST = (("Pacific/Kiritimati", "Pacific/Pago_Pago"), ("Pacific/Pago_Pago", "Pacific/Kiritimati"))


@pytest.mark.parametrize(("former", "name"), [EASTWARD, WESTWARD, ("Europe/Berlin", "UTC"), *FARTHEST])
def test_over_a_change_no_day_comes_twice_and_each_begins_where_it_says(former: str, name: str) -> None:
    zones = Zones(name=former).changed(name, now=at("2027-03-20T12:00"))

    begin = at("2027-03-28T00:00")
    days = [zones.day(begin + timedelta(minutes=15 * step)) for step in range(8 * 96)]

    assert all(one <= other for one, other in pairwise(days))
    assert days[0].month == 3
    assert days[-1] >= date(2027, 4, 3)
    for day in set(days) - {days[0]}:
        start = zones.start_of(day)
        assert zones.day(start) == day
        assert zones.day(start - timedelta(microseconds=1)) < day


@pytest.mark.parametrize(("former", "name"), [EASTWARD, WESTWARD])
def test_until_the_month_has_begun_in_both_the_former_one_applies(former: str, name: str) -> None:
    zones = Zones(name=former).changed(name, now=at("2027-06-10T12:00"))

    assert zones.since == at("2027-07-01T04:00")
    assert zones.at(at("2027-07-01T03:59")).key == former
    assert zones.at(at("2027-07-01T04:00")).key == name


def test_a_change_that_has_not_begun_is_replaced_and_taken_back() -> None:
    zones = Zones(name="Europe/Berlin").changed("Asia/Tokyo", now=at("2027-06-10T12:00"))

    replaced = zones.changed("America/New_York", now=at("2027-06-11T12:00"))

    assert (replaced.name, replaced.former) == ("America/New_York", "Europe/Berlin")
    assert replaced.changed("Europe/Berlin", now=at("2027-06-12T12:00")) == Zones(name="Europe/Berlin")
