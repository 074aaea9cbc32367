"""The low-balance alert by itself: once on crossing, again only after recovery."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credits.alerts.rules import AlertEvent, AlertPhase, AlertState, after_change, after_settings

AT = datetime(2026, 11, 22, tzinfo=UTC)


def events(balances: list[int], **settings: int | bool) -> list[AlertEvent | None]:
    """What is told as the balance goes through these values."""
    state = AlertState(**settings)  # type: ignore[arg-type]
    told = []
    for version, available in enumerate(balances, start=1):
        state, event = after_change(state, available=available, version=version, at=AT)
        told.append(event)
    return told


FIRED, RECOVERED = AlertEvent.FIRED, AlertEvent.RECOVERED


@pytest.mark.parametrize(
    ("balances", "told"),
    [
        ([20, 19], [None, FIRED]),
        ([20, 19, 18, 0], [None, FIRED, None, None]),
        ([20, 19, 20, 21, 19], [None, FIRED, None, None, None]),
        ([20, 19, 22, 19], [None, FIRED, RECOVERED, FIRED]),
        ([19, 0, 5], [None, None, None]),
        ([5, 20, 19], [None, None, FIRED]),
        ([100, 0, 100, 0], [None, FIRED, RECOVERED, FIRED]),
    ],
)
def test_it_fires_on_crossing_and_again_only_after_recovery(balances: list[int], told: list[AlertEvent | None]) -> None:
    assert events(balances) == told


@pytest.mark.parametrize(("threshold", "recovery"), [(0, 1), (1, 2), (9, 10), (20, 22), (25, 27), (1000, 1100)])
def test_recovery_is_the_threshold_plus_the_larger_of_one_and_a_tenth(threshold: int, recovery: int) -> None:
    assert AlertState(threshold=threshold).recovery == recovery


def test_one_that_is_off_fires_nothing_and_not_for_the_past_when_it_is_turned_on() -> None:
    state = AlertState(enabled=False)
    state, armed = after_change(state, available=30, version=1, at=AT)
    state, silent = after_change(state, available=10, version=2, at=AT)
    state, on = after_settings(state, threshold=20, enabled=True, available=10)
    state, still = after_change(state, available=9, version=3, at=AT)

    assert (armed, silent, on, still) == (None, None, None, None)
    assert state.phase is AlertPhase.NEW


def test_a_threshold_moved_above_the_balance_fires_nothing_and_one_moved_below_it_recovers() -> None:
    armed, _ = after_change(AlertState(), available=30, version=1, at=AT)
    above, nothing = after_settings(armed, threshold=50, enabled=True, available=30)
    fired, told = after_change(armed, available=10, version=2, at=AT)
    below, recovered = after_settings(fired, threshold=5, enabled=True, available=10)
    same, silence = after_settings(fired, threshold=15, enabled=True, available=10)

    assert (nothing, above.phase) == (None, AlertPhase.NEW)
    assert told is FIRED
    assert (recovered, below.phase) == (RECOVERED, AlertPhase.ARMED)
    assert (silence, same.phase) == (None, AlertPhase.FIRED)


@given(st.lists(st.integers(0, 60), max_size=60), st.integers(0, 40))
def test_fired_and_recovered_take_turns_and_each_names_the_truth(balances: list[int], threshold: int) -> None:
    told = events(balances, threshold=threshold)

    turns = [event for event in told if event]
    assert turns == [FIRED, RECOVERED] * (len(turns) // 2) + [FIRED] * (len(turns) % 2)
    for before, now, event in zip([0, *balances], balances, told, strict=False):
        if event is FIRED:
            assert now < threshold
        if event is RECOVERED:
            assert now > threshold >= 0
            assert before < now
