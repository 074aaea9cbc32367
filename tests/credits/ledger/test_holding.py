"""Holds: promised at once or not at all, captured or given back once, over at the very instant."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credits.actors import SYSTEM, Actor, ActorKind
from credits.errors import RefusalCode
from credits.ledger.commands import CaptureHold, ReleaseHold
from credits.ledger.holding import OVER, PLACED, RELEASED
from credits.ledger.models import HoldStatus, TransactionKind
from credits.ledger.posting import Changes, Posted, Price, Shortfall
from credits.ledger.rules import apply
from credits.ledger.text import SALT_BYTES, Text
from tests.credits.ledger.states import (
    DAY,
    HOUR,
    MICROSECOND,
    NOW,
    WALLET,
    assert_sound,
    available,
    bought,
    capture,
    changes_of,
    deduction,
    drawn,
    extend,
    hold_of,
    lot,
    place_hold,
    placed,
    posted,
    refused,
    release,
    state,
    sweep,
)

ROOM = "BASIC_ROOM"
END = NOW + HOUR


def test_placing_reserves_lots_in_the_order_of_consumption_and_moves_nothing() -> None:
    first, second, third = lot(5, priority=1), lot(5, priority=2), lot(5, priority=3)
    before = state(third, first, second)

    hold = placed(before, {ROOM: 4})

    assert hold.reservations == {first.id: 5, second.id: 3}
    assert (hold.status, hold.credits, hold.open, hold.expires_at) == (HoldStatus.OPEN, 8, 8, END)
    assert [each.held for each in (first, second, third)] == [5, 3, 0]
    view = before.wallets[WALLET].balance_view(NOW)
    assert (view.credits, view.held, view.available, view.version) == (15, 8, 7, 1)


def test_what_is_held_cannot_be_spent_or_promised_again() -> None:
    before = state(lot(10))
    placed(before, {ROOM: 3})

    spending, holding = refused(before, deduction(3)), refused(before, place_hold({ROOM: 3}))

    assert spending.code is holding.code is RefusalCode.INSUFFICIENT_CREDITS
    assert spending.shortfall == holding.shortfall == Shortfall(required=6, available=4, held=6, frozen=0)


def test_a_hold_above_what_is_available_reserves_nothing_of_it() -> None:
    assert refused(state(lot(6)), place_hold({ROOM: 1, "VILLA": 1})).code is RefusalCode.INSUFFICIENT_CREDITS


def test_capturing_all_is_one_deduction_for_each_item() -> None:
    before = state(lot(20))
    hold = placed(before, {ROOM: 3, "VILLA": 2})

    outcome = posted(before, capture(hold))

    assert [(line.kind, line.staging_type, line.quantity, line.change, line.hold_id) for line in outcome.lines] == [
        (TransactionKind.DEDUCTION, ROOM, 3, -6, hold.id),
        (TransactionKind.DEDUCTION, "VILLA", 2, -10, hold.id),
    ]
    done = hold_of(outcome)
    assert (done.status, done.captured, done.open, done.closed_at) == (HoldStatus.CAPTURED, 16, 0, NOW)
    assert (outcome.balance.credits, outcome.balance.held, outcome.balance.available) == (4, 0, 4)


def test_what_is_not_captured_stays_held_until_it_is() -> None:
    before = state(lot(20))
    hold = placed(before, {ROOM: 3, "VILLA": 2})
    rooms, villas = (item.id for item in hold.items)

    part = posted(before, capture(hold, {rooms: 2, villas: None}))
    rest = posted(before, capture(hold, {rooms: None}))

    assert [line.change for line in part.lines] == [-4, -10]
    assert (hold_of(part).status, hold_of(part).open, part.balance.held) == (HoldStatus.OPEN, 2, 2)
    assert [(line.staging_type, line.quantity) for line in rest.lines] == [(ROOM, 1)]
    assert hold_of(rest).status is HoldStatus.CAPTURED


def test_a_capture_may_give_the_rest_back_at_once() -> None:
    before = state(lot(20))
    hold = placed(before, {ROOM: 3, "VILLA": 2})

    outcome = posted(before, capture(hold, {hold.items[0].id: 1}, release_rest=True))

    done = hold_of(outcome)
    assert (done.status, done.captured, done.released, done.open) == (HoldStatus.CAPTURED, 2, 14, 0)
    assert (outcome.balance.credits, outcome.balance.held, outcome.balance.available) == (18, 0, 18)


def test_a_hold_that_is_given_back_in_parts_is_released_when_nothing_is_open() -> None:
    before = state(lot(20))
    hold = placed(before, {ROOM: 3, "VILLA": 2})

    part = posted(before, release(hold, {hold.items[1].id: 1}))
    rest = posted(before, release(hold))

    assert (hold_of(part).status, hold_of(part).open, part.balance.available) == (HoldStatus.OPEN, 11, 9)
    assert (hold_of(rest).status, hold_of(rest).released, rest.balance.available) == (HoldStatus.RELEASED, 16, 20)
    assert part.lines == rest.lines == ()


def test_a_capture_costs_what_was_promised_though_the_catalogue_has_changed() -> None:
    before = state(lot(20))
    hold = placed(before, {ROOM: 3, "VILLA": 1})
    before.prices = {ROOM: Price(credits=9, active=True)}

    outcome = posted(before, capture(hold))

    assert [line.change for line in outcome.lines] == [-6, -5]


def test_captures_take_the_first_lots_and_releases_give_back_the_last() -> None:
    first, second, third = lot(5, priority=1), lot(5, priority=2), lot(5, priority=3)
    before = state(third, second, first)
    hold = placed(before, {ROOM: 7})
    rooms = hold.items[0].id

    one = posted(before, capture(hold, {rooms: 1}))
    less = posted(before, release(hold, {rooms: 3}))
    two = posted(before, capture(hold, {rooms: 2}))

    assert drawn(one.line) == {first.id: -2}
    assert hold_of(less).reservations == {first.id: 3, second.id: 3}
    assert list(drawn(two.line).items()) == [(first.id, -3), (second.id, -1)]
    assert hold_of(two).reservations == {second.id: 2}
    assert [each.held for each in (first, second, third)] == [0, 2, 0]


def test_what_was_promised_is_captured_from_lots_that_have_lapsed_or_were_frozen_since() -> None:
    lapsing, disputed = lot(4, expires_at=NOW + timedelta(minutes=1)), bought(10)
    before = state(lapsing, disputed)
    hold = placed(before, {ROOM: 4})
    disputed.frozen_by = "dp_1"

    outcome = posted(before, capture(hold), NOW + timedelta(minutes=2))

    assert list(drawn(outcome.line).items()) == [(lapsing.id, -4), (disputed.id, -4)]
    assert (outcome.balance.credits, outcome.balance.frozen, outcome.balance.available) == (6, 6, 0)


@pytest.mark.parametrize("who", [{"suspended": True}, {"debt": 5}])
def test_what_was_promised_is_captured_though_the_account_may_not_spend_any_more(who: Mapping[str, int]) -> None:
    before = state(lot(6))
    hold = placed(before, {ROOM: 3})
    for name, value in who.items():
        setattr(before.wallets[WALLET], name, value)

    assert posted(before, capture(hold)).line.change == -6


def test_a_hold_is_over_at_the_very_instant_before_any_command() -> None:
    early, late = state(lot(6)), state(lot(6))
    placed(early, {ROOM: 3})
    placed(late, {ROOM: 3})

    assert refused(early, deduction(3), END - MICROSECOND).code is RefusalCode.INSUFFICIENT_CREDITS
    assert posted(late, deduction(3), END).line.change == -6


def test_after_its_end_every_second_step_is_refused_and_names_the_time() -> None:
    before = state(lot(6))
    hold = placed(before, {ROOM: 3})

    found = [refused(before, each, END) for each in (capture(hold), release(hold), extend(hold, HOUR))]

    assert {each.code for each in found} == {RefusalCode.HOLD_EXPIRED}
    assert all("ended at 2026-11-22 13:00:00 UTC" in each.message for each in found)


def test_a_hold_that_ended_by_itself_has_expired_and_given_everything_back() -> None:
    before = state(lot(6))
    hold = placed(before, {ROOM: 3})

    changes = changes_of(before, sweep(), now=END)

    ended = before.holds[hold.id]
    assert (ended.status, ended.released, ended.reservations) == (HoldStatus.EXPIRED, 6, {})
    assert [(step.kind, step.quantity, step.actor) for step in changes.steps] == [(HoldStatus.EXPIRED, 3, SYSTEM)]
    assert changes.causes == {WALLET: [OVER]}
    assert (available(before, now=END), changes.lines) == (6, [])


def test_a_hold_of_which_something_was_captured_is_captured_also_when_the_rest_expired() -> None:
    before = state(lot(6))
    hold = placed(before, {ROOM: 3})
    posted(before, capture(hold, {hold.items[0].id: 1}))

    code = refused(before, capture(hold), END).code

    ended = before.holds[hold.id]
    assert (ended.status, ended.captured, ended.released) == (HoldStatus.CAPTURED, 2, 4)
    assert code is RefusalCode.HOLD_EXPIRED


def test_what_is_read_of_a_hold_that_is_over_is_what_the_sweep_makes_of_it() -> None:
    before = state(lot(20))
    hold = placed(before, {ROOM: 3, "VILLA": 2})
    part = hold_of(posted(before, capture(hold, {hold.items[0].id: None})))

    read = part.as_of(END)
    posted(before, sweep(), END)

    assert part.as_of(END - MICROSECOND) == part
    assert read == before.holds[hold.id]


def test_a_hold_is_extended_to_seven_days_after_it_was_placed_and_no_longer() -> None:
    before = state(lot(6))
    hold = placed(before, {ROOM: 3}, lasts=DAY)
    now, week = NOW + HOUR, timedelta(days=7)

    extended = hold_of(posted(before, extend(hold, week - HOUR), now))
    too_long = refused(before, extend(hold, week - HOUR + MICROSECOND), now)

    assert extended.expires_at == NOW + week
    assert (too_long.code, too_long.field) == (RefusalCode.INVALID, "expiresInSeconds")
    assert "until 2026-11-29 12:00:00 UTC" in too_long.message


def test_an_extended_hold_stands_beyond_its_first_end() -> None:
    before = state(lot(6))
    hold = placed(before, {ROOM: 3})
    posted(before, extend(hold, 2 * HOUR))

    assert posted(before, capture(hold), END).line.change == -6


def test_the_version_rises_and_says_why_with_everything_that_becomes_of_a_hold() -> None:
    before = state(lot(20))
    place = place_hold({ROOM: 3, "VILLA": 1})

    first = changes_of(before, place)
    hold = before.holds[place.id].snapshot()
    rooms, villas = (item.id for item in hold.items)
    then = changes_of(
        before, capture(hold, {rooms: 1}), release(hold, {rooms: 1}), capture(hold, {villas: 1}, release_rest=True)
    )

    assert (first.causes, first.new_holds) == ({WALLET: [PLACED]}, {hold.id})
    assert then.causes == {WALLET: ["DEDUCTION", RELEASED, "DEDUCTION", RELEASED]}
    assert [line.version for line in then.lines] == [2, 4]
    assert before.wallets[WALLET].version == 5


def test_an_extension_is_written_and_shows_in_no_balance() -> None:
    before = state(lot(6))
    hold = placed(before, {ROOM: 3})

    changes = changes_of(before, extend(hold, 2 * HOUR))

    assert (set(changes.holds), changes.wallets, changes.causes) == ({hold.id}, {}, {})
    assert before.wallets[WALLET].version == 1


def test_a_step_tells_what_became_of_which_units_and_by_whom() -> None:
    before = state(lot(20))
    hold = placed(before, {ROOM: 3, "VILLA": 1})
    rooms, villas = (item.id for item in hold.items)
    clerk = Actor(kind=ActorKind.SERVICE, id="staging")
    command = capture(hold, {rooms: 2}, release_rest=True, actor=clerk)

    changes = changes_of(before, command)

    assert [(step.item_id, step.kind, step.quantity, step.transaction_id) for step in changes.steps] == [
        (rooms, HoldStatus.CAPTURED, 2, changes.lines[0].id),
        (rooms, HoldStatus.RELEASED, 1, None),
        (villas, HoldStatus.RELEASED, 1, None),
    ]
    assert {(step.id, step.hold_id, step.actor, step.at) for step in changes.steps} == {
        (command.id, hold.id, clerk, NOW)
    }


def test_a_capture_carries_the_holds_reference_and_metadata_and_for_whom_it_was_placed() -> None:
    text = Text(salt=b"a" * SALT_BYTES, reference="MLS-1", description=None, metadata=(("room", "kitchen"),))
    clerk = Actor(kind=ActorKind.SERVICE, id="staging")
    before = state(lot(20))
    hold = placed(before, {ROOM: 1}, text=text, actor=replace(clerk, on_behalf_of="usr_1"))

    line = posted(before, capture(hold, actor=clerk, salt=b"b" * SALT_BYTES)).line

    assert line.text == replace(text, salt=b"b" * SALT_BYTES)
    assert line.actor == replace(clerk, on_behalf_of="usr_1")


steps = st.lists(
    st.tuples(
        st.sampled_from(["capture", "capture and release", "release"]), st.sampled_from([0, 1]), st.integers(1, 4)
    ),
    max_size=8,
)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), steps)
def test_each_unit_is_captured_or_released_once(sizes: list[int], taken: list[tuple[str, int, int]]) -> None:
    before = state(lot(30), *(lot(size, priority=number) for number, size in enumerate(sizes)))
    hold = placed(before, {ROOM: 6, "VILLA": 3})
    lines = []

    for what, number, units in taken:
        units_of = {hold.items[number].id: units}
        command: CaptureHold | ReleaseHold = release(hold, units_of)
        if what != "release":
            command = capture(hold, units_of, release_rest=what == "capture and release")
        ((outcome,),), changes = apply(before, [command], NOW)
        now = before.holds[hold.id]
        assert_sound(before, NOW)
        assert isinstance(outcome, Posted) or changes == Changes()
        assert all(item.captured + item.released + item.open == item.quantity for item in now.items)
        assert all(min(item.captured, item.released, item.open) >= 0 for item in now.items)
        assert now.open == sum(now.reservations.values()) == before.wallets[WALLET].held
        assert all(before.lots[lot_id].held == kept > 0 for lot_id, kept in now.reservations.items())
        assert (now.status is HoldStatus.OPEN) == (now.open > 0)
        lines += changes.lines

    assert sum(line.change for line in lines) == -before.holds[hold.id].captured
