"""Refunds: a deduction undone wholly or in part, into the lots that it came from, and what lapsed in between."""

from datetime import timedelta

import pytest

from credits.errors import RefusalCode
from credits.ledger.commands import RefundReason
from credits.ledger.models import TransactionKind
from credits.ledger.posting import State
from credits.ledger.refunding import RENEWED_FOR
from credits.ledger.wallet import Line
from tests.credits.ledger.states import (
    DAY,
    MICROSECOND,
    NOW,
    PURCHASE,
    WALLET,
    available,
    bought,
    capture,
    changes_of,
    drawn,
    freeze,
    lot,
    placed,
    posted,
    refund,
    refused,
    spend,
    spent,
    state,
)

FAILED = RefundReason.RENDER_FAILED
LATER = NOW + 2 * DAY


def lapsed_since(amount: int = 10) -> tuple[State, Line]:
    """Six credits were spent from a lot that lapsed a day later; the sweep has not run."""
    before = state(lot(amount, expires_at=NOW + DAY))
    return before, spend(before, 3)


def kinds(lines: tuple[Line, ...]) -> list[tuple[TransactionKind, int]]:
    return [(line.kind, line.change) for line in lines]


def test_a_whole_refund_puts_all_back_and_names_what_it_undoes() -> None:
    home = lot(10)
    before = state(home)
    line = spend(before, 3)
    command = refund(line)

    outcome = posted(before, command)

    back = outcome.line
    assert (back.id, back.kind, back.change, back.refunds_id) == (command.id, TransactionKind.REFUND, 6, line.id)
    assert drawn(back) == {home.id: 6}
    assert (home.remaining, outcome.balance.available) == (10, 10)


def test_a_deduction_is_refunded_in_parts_until_nothing_is_left_of_it() -> None:
    before = state(lot(10))
    line = spend(before, 3)

    first, rest = posted(before, refund(line, 4)), posted(before, refund(line))

    assert (first.line.change, rest.line.change) == (4, 2)
    assert refused(before, refund(line)).code is RefusalCode.ALREADY_REFUNDED
    assert available(before) == 10


def test_no_more_comes_back_than_was_taken() -> None:
    before = state(lot(10))
    line = spend(before, 3)

    too_much = refused(before, refund(line, 7))
    posted(before, refund(line, 1))
    more_than_left = refused(before, refund(line, 6))

    assert (too_much.code, too_much.field) == (RefusalCode.INVALID, "credits")
    assert (more_than_left.code, more_than_left.field) == (RefusalCode.ALREADY_REFUNDED, "credits")
    assert "1 of 6" in more_than_left.message
    assert "5 are left" in more_than_left.message


def test_two_refunds_of_one_deduction_in_one_posting_know_of_each_other() -> None:
    before = state(lot(10))
    line = spend(before, 3)

    changes_of(before, refund(line, 4), refund(line, 2))

    assert available(before) == 10
    assert refused(before, refund(line, 1)).code is RefusalCode.ALREADY_REFUNDED


@pytest.mark.parametrize("kind", [kind for kind in TransactionKind if kind is not TransactionKind.DEDUCTION])
def test_only_deductions_are_refunded(kind: TransactionKind) -> None:
    before = state(lot(10))
    line = spend(before, 3)
    before.spent[line.id].kind = kind

    outcome = refused(before, refund(line))

    assert (outcome.code, outcome.field) == (RefusalCode.INVALID, "transactionId")
    assert kind.value in outcome.message


def test_the_last_lot_that_was_drawn_from_is_filled_first() -> None:
    first, second, third = lot(2, priority=1), lot(2, priority=2), lot(9, priority=3)
    before = state(third, first, second)
    line = spend(before, 3)

    parts = [posted(before, refund(line, 3)), posted(before, refund(line, 2)), posted(before, refund(line))]

    assert [list(drawn(part.line).items()) for part in parts] == [
        [(third.id, 2), (second.id, 1)],
        [(second.id, 1), (first.id, 1)],
        [(first.id, 1)],
    ]
    assert [each.remaining for each in (first, second, third)] == [2, 2, 9]


def test_a_capture_is_refunded_like_any_deduction() -> None:
    home = lot(10)
    before = state(home)
    hold = placed(before, {"BASIC_ROOM": 3})
    line = posted(before, capture(hold, {hold.items[0].id: 2})).line
    before.spent[line.id] = spent(line)

    assert drawn(posted(before, refund(line)).line) == {home.id: 4}
    assert (home.remaining, home.held) == (10, 2)


@pytest.mark.parametrize("reason", [reason for reason in RefundReason if reason is not FAILED])
def test_what_comes_back_to_a_lapsed_lot_lapses_at_once(reason: RefundReason) -> None:
    before, line = lapsed_since()

    outcome = posted(before, refund(line, 5, reason=reason), LATER)

    # With it goes what had been left in the lot, which no sweep has booked yet.
    assert kinds(outcome.lines) == [(TransactionKind.REFUND, 5), (TransactionKind.EXPIRY, -9)]
    assert outcome.balance.credits == 0


def test_a_failed_render_renews_what_has_lapsed_for_thirty_days() -> None:
    before, line = lapsed_since(6)
    (home,) = before.lots.values()

    outcome = posted(before, refund(line, reason=FAILED), LATER)

    (fresh,) = before.wallets[WALLET].lots
    assert kinds(outcome.lines) == [(TransactionKind.REFUND, 6)]
    assert drawn(outcome.line) == {fresh.id: 6}
    assert (fresh.origin_id, fresh.amount, fresh.expires_at) == (home.id, 6, LATER + timedelta(days=30))
    assert (fresh.renewed, home.renewed, home.remaining) == (True, True, 0)
    assert outcome.balance.available == 6


@pytest.mark.parametrize(("late", "renewed"), [(timedelta(0), True), (MICROSECOND, False)])
def test_a_failed_render_renews_within_thirty_days_to_the_instant(late: timedelta, renewed: bool) -> None:
    before, line = lapsed_since(6)

    outcome = posted(before, refund(line, reason=FAILED), NOW + 30 * DAY + late)

    assert outcome.balance.available == (6 if renewed else 0)
    assert len(outcome.lines) == (1 if renewed else 2)


def test_a_lot_is_renewed_once_and_what_comes_back_later_lapses() -> None:
    before, line = lapsed_since(6)

    first = posted(before, refund(line, 2, reason=FAILED), LATER)
    second = posted(before, refund(line, 4, reason=FAILED), LATER)

    assert kinds(first.lines) == [(TransactionKind.REFUND, 2)]
    assert kinds(second.lines) == [(TransactionKind.REFUND, 4), (TransactionKind.EXPIRY, -4)]
    assert second.balance.available == 2


def test_what_was_renewed_is_not_renewed_again() -> None:
    before, line = lapsed_since(6)
    posted(before, refund(line, reason=FAILED), LATER)
    again = spend(before, 3, LATER)

    outcome = posted(before, refund(again, reason=FAILED), LATER + RENEWED_FOR)

    assert kinds(outcome.lines) == [(TransactionKind.REFUND, 6), (TransactionKind.EXPIRY, -6)]


def test_of_several_lots_only_those_that_have_lapsed_are_renewed() -> None:
    one, two, for_ever = lot(2, expires_at=NOW + DAY), lot(2, expires_at=NOW + DAY, priority=60), lot(9, priority=70)
    before = state(one, two, for_ever)
    line = spend(before, 3)

    outcome = posted(before, refund(line, reason=FAILED), LATER)

    assert [(before.lots[lot_id].origin_id, back) for lot_id, back in drawn(outcome.line).items()] == [
        (None, 2),
        (two.id, 2),
        (one.id, 2),
    ]
    assert (for_ever.remaining, outcome.balance.available) == (9, 13)


def test_what_was_bought_keeps_its_price_and_purchase_when_it_is_renewed() -> None:
    home = bought(6, expires_at=NOW + DAY)
    before = state(home)

    posted(before, refund(spend(before, 3), reason=FAILED), LATER)

    (fresh,) = before.wallets[WALLET].lots
    assert (fresh.paid_minor, fresh.paid_for, fresh.purchase_id) == (home.paid_minor, home.paid_for, PURCHASE)


def test_what_comes_back_to_a_frozen_lot_is_frozen() -> None:
    before = state(bought(6))
    line = spend(before, 3)
    posted(before, freeze())

    outcome = posted(before, refund(line))

    assert (outcome.balance.credits, outcome.balance.frozen, outcome.balance.available) == (6, 6, 0)


def test_what_is_renewed_of_a_frozen_lot_is_frozen_too() -> None:
    before = state(bought(6, expires_at=NOW + DAY))
    line = spend(before, 3)
    posted(before, freeze())

    outcome = posted(before, refund(line, reason=FAILED), LATER)

    assert (outcome.balance.frozen, outcome.balance.available) == (6, 0)


def test_a_refund_into_a_wallet_in_debt_repays_first() -> None:
    before = state(lot(6))
    line = spend(before, 3)
    before.wallets[WALLET].debt = 4

    changes = changes_of(before, refund(line))

    assert kinds(tuple(changes.lines)) == [(TransactionKind.REFUND, 6), (TransactionKind.CLAWBACK, -4)]
    assert (before.wallets[WALLET].debt, available(before)) == (0, 2)


def test_a_suspended_account_gets_its_credits_back() -> None:
    before = state(lot(6))
    line = spend(before, 3)
    before.wallets[WALLET].suspended = True

    assert posted(before, refund(line)).balance.credits == 6
