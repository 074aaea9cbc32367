"""Warnings by themselves: which begin and end as a wallet goes on, and which keep the others quiet."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

import pytest

from credits.alerts.rules import (
    Begun,
    Lapsing,
    Outcome,
    Outlook,
    Step,
    Wanted,
    Warned,
    WarningKind,
    after_look,
    after_other_settings,
    next_look,
)

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
WANTED = Wanted(runway_days=7, expiry_days=14)
RUNWAY = Warned(id=1, kind=WarningKind.RUNWAY)
QUIET = replace(RUNWAY, quiet=True)
SOON, LATER = date(2026, 12, 3), date(2026, 12, 9)
TOLD_SOON = Warned(id=2, kind=WarningKind.EXPIRY, lapses_on=SOON, lapses_at=datetime(2026, 12, 3, 18, tzinfo=UTC))
TOLD_LATER = replace(TOLD_SOON, id=3, lapses_on=LATER, lapses_at=datetime(2026, 12, 9, 18, tzinfo=UTC))


def lapsing(on: date, *, available: int = 50, left: int = 50) -> Lapsing:
    at = datetime(on.year, on.month, on.day, 12, tzinfo=UTC)
    return Lapsing(on=on, first_at=at, last_at=at, available=available, left=left, unused=0)


def outlook(days_left: int | Fraction | None, *days: Lapsing, now: datetime = NOW) -> Outlook:
    left = None if days_left is None else Fraction(days_left)
    return Outlook(now=now, available=100, daily_use=Fraction(8), days_left=left, empty_on=None, lapsing=days)


S, L = lapsing(SOON), lapsing(LATER)
FAR = lapsing(NOW.date() + timedelta(days=15))
BEGUN_RUNWAY, BEGUN_SOON, BEGUN_LATER = (
    Begun(WarningKind.RUNWAY),
    Begun(WarningKind.EXPIRY, S),
    Begun(WarningKind.EXPIRY, L),
)
RECOVERED, LAPSED, CHANGED = Outcome.RECOVERED, Outcome.LAPSED, Outcome.CHANGED


@pytest.mark.parametrize(
    ("seen", "warned", "masked", "ended", "begun"),
    [
        # Nothing is near.
        (outlook(7, FAR), [], False, [], []),
        (outlook(None), [], False, [], []),
        # Each by itself, once.
        (outlook(Fraction(69, 10)), [], False, [], [BEGUN_RUNWAY]),
        (outlook(5), [RUNWAY], False, [], []),
        (outlook(90, S, L, FAR), [], False, [], [BEGUN_SOON, BEGUN_LATER]),
        (outlook(90, S, L), [TOLD_SOON], False, [], [BEGUN_LATER]),
        # Of several at once the most severe: a low balance, then the runway, then what lapses.
        (outlook(5, S), [], False, [], [BEGUN_RUNWAY]),
        (outlook(5, S), [RUNWAY], False, [], []),
        (outlook(5, S), [], True, [], []),
        (outlook(90, S), [], True, [], []),
        # A runway that nobody was told of hides nothing.
        (outlook(5, S), [QUIET], False, [], [BEGUN_SOON]),
        # When the graver one is over, the lesser comes, if it is still so.
        (outlook(8, S), [RUNWAY], False, [(RUNWAY, RECOVERED)], [BEGUN_SOON]),
        # A runway is over a day (or a tenth) above what was set; the same holds for one that was quiet.
        (outlook(Fraction(79, 10)), [RUNWAY], False, [], []),
        (outlook(8), [RUNWAY], True, [(RUNWAY, RECOVERED)], []),
        (outlook(None), [RUNWAY], False, [(RUNWAY, RECOVERED)], []),
        (outlook(8), [QUIET], False, [(QUIET, RECOVERED)], []),
        # What lapses is over when nothing of it is left; what holds keep of it is.
        (outlook(90, lapsing(SOON, available=0, left=5)), [], False, [], []),
        (outlook(90, lapsing(SOON, available=0, left=5)), [TOLD_SOON], False, [], []),
        (outlook(90, L), [TOLD_SOON, TOLD_LATER], False, [(TOLD_SOON, RECOVERED)], []),
        (outlook(90, now=datetime(2026, 12, 3, 18, tzinfo=UTC)), [TOLD_SOON], False, [(TOLD_SOON, LAPSED)], []),
    ],
)
def test_a_look_tells_the_most_severe_once(
    seen: Outlook,
    warned: Sequence[Warned],
    masked: bool,
    ended: list[tuple[Warned, Outcome]],
    begun: list[Begun],
) -> None:
    step = after_look(WANTED, seen, warned, masked=masked)

    assert (list(step.ended), list(step.begun)) == (ended, begun)


@pytest.mark.parametrize(
    ("before", "wanted", "warned", "step"),
    [
        # Short already when it is set: quiet until it has once not been.
        (Wanted(), Wanted(runway_days=7), [], Step([], [Begun(WarningKind.RUNWAY, quiet=True)])),
        (Wanted(runway_days=3), Wanted(runway_days=7), [], Step([], [Begun(WarningKind.RUNWAY, quiet=True)])),
        # It became short just now, and somebody sets another threshold: the next look tells it.
        (Wanted(runway_days=7), Wanted(runway_days=7), [], Step()),
        (Wanted(runway_days=7), Wanted(runway_days=9), [RUNWAY], Step()),
        (Wanted(runway_days=7), Wanted(runway_days=4), [RUNWAY], Step([(RUNWAY, CHANGED)])),
        (WANTED, Wanted(), [RUNWAY, TOLD_SOON], Step([(RUNWAY, CHANGED), (TOLD_SOON, CHANGED)])),
        (WANTED, Wanted(runway_days=7, expiry_days=2), [TOLD_SOON], Step()),
    ],
)
def test_other_settings_tell_nothing_of_the_past(
    before: Wanted, wanted: Wanted, warned: Sequence[Warned], step: Step
) -> None:
    found = after_other_settings(before, wanted, outlook(5, S), warned)

    assert (list(found.ended), list(found.begun)) == (list(step.ended), list(step.begun))


@pytest.mark.parametrize(("days", "recovery"), [(1, 2), (9, 10), (10, 11), (30, 33), (365, 401)])
def test_a_runway_has_recovered_at_the_days_plus_the_larger_of_one_and_a_tenth(days: int, recovery: int) -> None:
    assert Wanted(runway_days=days).recovery_days == recovery


MORNING = NOW + timedelta(hours=20)


@pytest.mark.parametrize(
    ("first_at", "snoozed_until", "then"),
    [
        (NOW + timedelta(days=20), None, MORNING),
        (NOW + timedelta(days=14, hours=3), None, NOW + timedelta(hours=3)),
        (NOW + timedelta(days=14), None, MORNING),
        (NOW + timedelta(days=20), NOW + timedelta(hours=1), NOW + timedelta(hours=1)),
    ],
)
def test_it_is_looked_again_when_more_lapses_soon_or_a_snooze_ends_and_each_morning(
    first_at: datetime, snoozed_until: datetime | None, then: datetime
) -> None:
    seen = outlook(90, replace(L, first_at=first_at))

    assert next_look(WANTED, seen, morning=MORNING, snoozed_until=snoozed_until) == then
