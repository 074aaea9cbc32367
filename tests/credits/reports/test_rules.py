"""Which rows answer a period, and how long credits last, beside a model that goes day by day."""

from datetime import date, timedelta
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credits.errors import BadInput
from credits.reports.rules import MAX_DAYS, OpenLot, Period, daily_use, runway


@pytest.mark.parametrize(
    ("start", "end", "first", "after"),
    [
        ("2026-01-01", "2026-12-31", "2026-01-01", "2027-01-01"),
        ("2026-01-02", "2026-12-30", "2026-02-01", "2026-12-01"),
        ("2026-01-31", "2026-03-01", "2026-02-01", "2026-03-01"),
        ("2024-02-01", "2024-02-29", "2024-02-01", "2024-03-01"),
        ("2024-02-01", "2024-02-28", "2024-02-01", "2024-02-01"),
        ("2026-05-10", "2026-05-20", "2026-05-10", "2026-05-10"),
        ("2026-05-10", "2026-06-20", "2026-05-10", "2026-05-10"),
        ("2026-05-31", "2026-05-31", "2026-05-31", "2026-05-31"),
        ("2025-12-15", "2026-01-31", "2026-01-01", "2026-02-01"),
    ],
)
def test_months_that_lie_in_a_period_wholly(start: str, end: str, first: str, after: str) -> None:
    period = Period.checked(date.fromisoformat(start), date.fromisoformat(end))

    assert period.whole_months() == (date.fromisoformat(first), date.fromisoformat(after))


@given(st.dates(date(2019, 1, 1), date(2030, 1, 1)), st.integers(0, MAX_DAYS - 1))
def test_a_period_is_its_first_days_its_whole_months_and_its_last_days(start: date, days: int) -> None:
    period = Period.checked(start, start + timedelta(days=days))

    first, after = period.whole_months()

    assert period.start <= first <= after <= period.end + timedelta(days=1)
    assert first == after == period.start or first.day == after.day == 1
    assert (first - period.start).days < 31
    assert first == after or (period.end - after).days < 30


@pytest.mark.parametrize(
    ("start", "end", "field"),
    [
        (date(2026, 1, 2), date(2026, 1, 1), "to"),
        (date(2020, 1, 1), date(2025, 1, 1), "to"),
        (date(1, 1, 1), date(1, 1, 2), "from"),
        (date(9999, 12, 31), date(9999, 12, 31), "from"),
        (date(1, 1, 1), date(9999, 12, 31), "to"),
    ],
)
def test_a_period_that_no_report_covers_is_refused(start: date, end: date, field: str) -> None:
    with pytest.raises(BadInput) as refused:
        Period.checked(start, end)

    assert refused.value.field == field


def test_five_years_with_two_leap_days_are_covered() -> None:
    period = Period.checked(date(2020, 1, 1), date(2024, 12, 31))

    assert (period.end - period.start).days == MAX_DAYS - 1


def test_refunds_beyond_what_was_used_are_no_use() -> None:
    assert daily_use(10, 40, 30) == 0
    assert daily_use(40, 10, 30) == 1
    assert daily_use(5, 0, 0) == 5


def _lots(*pairs: tuple[int, int | None]) -> list[OpenLot]:
    return [OpenLot(credits=amount, lapses_in=None if days is None else Fraction(days, 4)) for amount, days in pairs]


def test_what_is_used_at_half_a_credit_a_day_before_it_lapses_is_not_at_risk() -> None:
    ahead = runway(_lots((3, 20), (10, None)), Fraction(1, 2))

    assert (ahead.empty_in, ahead.at_risk) == (Fraction(25), 1)


def test_without_use_all_that_lapses_is_at_risk_and_nothing_is_ever_empty() -> None:
    ahead = runway(_lots((3, 20), (10, None)), Fraction(0))

    assert (ahead.empty_in, ahead.at_risk) == (None, 3)


def test_an_empty_wallet_that_is_used_is_empty_now() -> None:
    ahead = runway([], Fraction(7, 30))

    assert (ahead.empty_in, ahead.at_risk) == (Fraction(0), 0)


def test_a_lot_that_lapses_while_those_before_it_are_used_is_lost() -> None:
    ahead = runway(_lots((30, None), (5, 8), (20, None)), Fraction(10))

    assert (ahead.empty_in, ahead.at_risk) == (Fraction(5), 5)


def _quarter_by_quarter(lots: list[OpenLot], rate: Fraction) -> tuple[Fraction, int]:
    """Lots lapse at the end of a quarter of a day; in each quarter its share of the day's use is drawn in order."""
    left = [Fraction(lot.credits) for lot in lots]
    lost = Fraction(0)
    empty_at = Fraction(0)
    quarter = 0
    while any(left):
        wanted = rate / 4
        for number, lot in enumerate(lots):
            if lot.lapses_in is not None and lot.lapses_in * 4 <= quarter:
                lost, left[number] = lost + left[number], Fraction(0)
            drawn = min(left[number], wanted)
            left[number] -= drawn
            wanted -= drawn
        used = 1 - wanted / (rate / 4)
        quarter += 1
        if used:
            empty_at = Fraction(quarter - 1 + used, 4)
    return empty_at, ceil(lost)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 20), st.none() | st.integers(1, 40)), max_size=5),
    st.integers(20, 400).map(lambda used: Fraction(used, 30)),
)
def test_it_agrees_with_going_day_by_day(pairs: list[tuple[int, int | None]], rate: Fraction) -> None:
    lots = _lots(*pairs)

    ahead = runway(lots, rate)

    assert (ahead.empty_in, ahead.at_risk) == _quarter_by_quarter(lots, rate)
