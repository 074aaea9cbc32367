"""What comes in from outside and what time takes: grants, purchases, adjustments, expiry."""

from datetime import timedelta
from fractions import Fraction

import pytest

from credits.errors import RefusalCode
from credits.ledger.models import LotSource, TransactionKind
from credits.ledger.wallet import MAX_BALANCE
from credits.money import Money
from tests.credits.ledger.states import (
    DAY,
    HOUR,
    MICROSECOND,
    NOW,
    WALLET,
    adjustment,
    available,
    bought,
    capture,
    changes_of,
    deduction,
    drawn,
    grant,
    lot,
    placed,
    posted,
    purchase_credit,
    refused,
    release,
    state,
    sweep,
)


def test_a_grant_is_a_lot_with_its_expiry_and_priority() -> None:
    before = state()

    line = posted(before, grant(7, expires_at=NOW + DAY, priority=3)).line

    (given,) = before.wallets[WALLET].lots
    assert (line.kind, line.change) == (TransactionKind.GRANT, 7)
    assert drawn(line) == {given.id: 7}
    assert (given.source, given.amount, given.expires_at, given.priority) == (LotSource.GRANTED, 7, NOW + DAY, 3)
    assert (given.paid_minor, given.currency, given.purchase_id) == (0, None, None)


@pytest.mark.parametrize(("given", "reserved"), [(11, 0), (1, 10), (6, 5)])
def test_a_wallet_is_filled_to_the_brim_and_no_further_open_purchases_included(given: int, reserved: int) -> None:
    full = state(lot(MAX_BALANCE - 10), reserved=reserved)

    assert refused(full, grant(given)).code is RefusalCode.BALANCE_LIMIT_EXCEEDED
    if given > 1:
        assert posted(full, grant(given - 1)).balance.credits == MAX_BALANCE - reserved


def test_a_purchase_is_a_lot_with_what_was_paid_valid_from_when_it_is_credited() -> None:
    before = state()

    line = posted(before, purchase_credit(500, purchase_id="pur_1", paid=Money(89_900, "EUR"), valid_for_days=365)).line

    (paid,) = before.wallets[WALLET].lots
    assert (line.kind, line.change, line.purchase_id, line.payment_id) == (
        TransactionKind.PURCHASE,
        500,
        "pur_1",
        "pi_test",
    )
    assert (paid.source, paid.purchase_id, paid.currency) == (LotSource.PURCHASED, "pur_1", "EUR")
    assert Fraction(paid.paid_minor, paid.paid_for) == Fraction(899, 5)
    assert paid.expires_at == NOW + 365 * DAY


def test_an_adjustment_upwards_is_a_lot_that_was_given() -> None:
    before = state(bought(5))

    line = posted(before, adjustment(3)).line

    given = before.lots[line.draws[0].lot_id]
    assert (line.kind, line.change, line.balance_after) == (TransactionKind.ADJUSTMENT, 3, 8)
    assert (given.source, given.expires_at, given.paid_minor) == (LotSource.GRANTED, None, 0)


def test_an_adjustment_downwards_takes_in_the_order_of_consumption_and_only_what_is_available() -> None:
    first, second, frozen = lot(5, priority=1), lot(5, held=2), bought(9, frozen_by="dp_1")
    before = state(second, first, frozen)

    assert refused(before, adjustment(-9)).code is RefusalCode.INSUFFICIENT_CREDITS
    line = posted(before, adjustment(-8)).line

    assert (line.kind, line.change) == (TransactionKind.ADJUSTMENT, -8)
    assert list(drawn(line).items()) == [(first.id, -5), (second.id, -3)]


def test_an_operator_may_correct_the_wallet_of_a_suspended_account() -> None:
    before = state(lot(5), suspended=True)

    assert posted(before, adjustment(-5)).balance.credits == 0
    assert posted(before, adjustment(1)).balance.credits == 1
    assert posted(before, grant(1)).balance.credits == 2


def test_the_sweep_books_each_lapsed_lot_and_nothing_else() -> None:
    yesterday, now, later = lot(3, expires_at=NOW - DAY), lot(4, expires_at=NOW), lot(5, expires_at=NOW + MICROSECOND)
    before = state(now, later, yesterday, lot(6))

    outcome = posted(before, sweep())

    assert [(line.kind, drawn(line)) for line in outcome.lines] == [
        (TransactionKind.EXPIRY, {yesterday.id: -3}),
        (TransactionKind.EXPIRY, {now.id: -4}),
    ]
    assert (outcome.balance.credits, outcome.balance.available) == (11, 11)
    assert (yesterday.remaining, now.remaining, later.remaining) == (0, 0, 5)


def test_a_sweep_takes_no_more_lots_than_it_was_told_and_the_next_one_the_rest() -> None:
    before = state(*(lot(1, expires_at=NOW - number * HOUR) for number in range(5)))

    assert len(posted(before, sweep(limit=3)).lines) == 3
    assert len(posted(before, sweep(limit=3)).lines) == 2
    assert posted(before, sweep(limit=3)).lines == ()
    assert before.wallets[WALLET].balance == 0


def test_a_sweep_that_finds_nothing_changes_nothing() -> None:
    changes = changes_of(state(lot(5), lot(5, expires_at=NOW + DAY)), sweep())

    assert (changes.lines, changes.wallets, changes.causes) == ([], {}, {})


def test_what_has_lapsed_cannot_be_spent_though_no_sweep_has_run() -> None:
    before = state(lot(5, expires_at=NOW), lot(1))

    outcome = refused(before, deduction(1))

    assert outcome.shortfall is not None
    assert (outcome.shortfall.available, before.wallets[WALLET].balance) == (1, 6)


def test_what_is_held_of_a_lapsed_lot_stays_and_lapses_when_it_is_given_back() -> None:
    lapsing = lot(10, expires_at=NOW + HOUR)
    before = state(lapsing)
    hold = placed(before, {"BASIC_ROOM": 3}, lasts=timedelta(hours=5))
    later = NOW + 2 * HOUR

    first = posted(before, sweep(), later)
    again = posted(before, sweep(), later)
    posted(before, capture(hold, {hold.items[0].id: 1}), later)
    given_back = posted(before, release(hold), later)
    second = posted(before, sweep(), later)

    assert [drawn(line) for line in first.lines] == [{lapsing.id: -4}]
    assert again.lines == ()
    assert (given_back.balance.credits, given_back.balance.held, given_back.balance.available) == (4, 0, 0)
    assert [drawn(line) for line in second.lines] == [{lapsing.id: -4}]
    assert before.wallets[WALLET].balance == 0


def test_what_a_hold_that_is_over_gives_back_is_swept_at_once_where_its_lot_has_lapsed() -> None:
    lapsing = lot(10, expires_at=NOW + HOUR)
    before = state(lapsing)
    placed(before, {"BASIC_ROOM": 3}, lasts=2 * HOUR)

    outcome = posted(before, sweep(), NOW + 2 * HOUR)

    assert [drawn(line) for line in outcome.lines] == [{lapsing.id: -10}]
    assert (before.wallets[WALLET].held, available(before)) == (0, 0)
