"""Payments that are disputed or taken back: what freezes, what is taken in which order, and what is owed."""

from collections.abc import Callable

import pytest

from credits.errors import RefusalCode
from credits.ledger.commands import Command
from credits.ledger.disputing import FROZEN, UNFROZEN, clawback_due
from credits.ledger.models import TransactionKind
from credits.ledger.posting import Changes, State
from tests.credits.ledger.states import (
    DAY,
    DEPARTMENT,
    HOUR,
    NOW,
    POOL,
    PURCHASE,
    SISTER,
    WALLET,
    adjustment,
    available,
    bought,
    capture,
    changes_of,
    clawback,
    deduction,
    drawn,
    freeze,
    give_back,
    grant,
    lot,
    place_hold,
    placed,
    posted,
    purchase_credit,
    refund,
    refused,
    release,
    spend,
    state,
    sweep,
    thaw,
    transfer,
    tree,
    wallet,
)

CLAWBACK = TransactionKind.CLAWBACK


def spread() -> State:
    """Of a purchase of 100, 60 lie with the account, 10 with the pool and 15 with each department."""
    before = tree(bought(100))
    for number, source, target in ((40, WALLET, POOL), (15, POOL, DEPARTMENT), (15, POOL, SISTER)):
        posted(before, transfer(number, source, target))
    return before


def taken(changes: Changes) -> list[tuple[TransactionKind, str, int]]:
    return [(line.kind, line.wallet_id, line.change) for line in changes.lines]


def debt(after: State, wallet_id: str = WALLET) -> int:
    return after.wallets[wallet_id].debt


def test_a_dispute_freezes_what_is_left_in_every_wallet_that_it_has_come_to() -> None:
    before = spread()
    versions = {each.id: each.version for each in before.wallets.values()}

    changes = changes_of(before, freeze())

    assert [each.frozen() for each in before.wallets.values()] == [60, 10, 15, 15]
    assert [available(before, each) for each in before.wallets] == [0, 0, 0, 0]
    assert changes.causes == {each: [FROZEN] for each in before.wallets}
    assert set(changes.lots) == set(before.lots)
    assert all(each.version == versions[each.id] + 1 for each in before.wallets.values())
    assert changes.lines == []


def test_a_dispute_freezes_nothing_else() -> None:
    before = state(bought(10), bought(5, purchase_id="pur_other"), lot(3))

    outcome = posted(before, freeze())

    assert (outcome.balance.credits, outcome.balance.frozen, outcome.balance.available) == (18, 10, 8)


def test_what_a_hold_keeps_of_a_frozen_lot_is_captured_and_what_it_gives_back_is_frozen() -> None:
    before = state(bought(10))
    hold = placed(before, {"BASIC_ROOM": 3})
    rooms = hold.items[0].id
    frozen = posted(before, freeze()).balance

    captured = posted(before, capture(hold, {rooms: 1}))
    released = posted(before, release(hold))

    assert (frozen.held, frozen.frozen) == (6, 4)
    assert captured.line.change == -2
    assert (released.balance.held, released.balance.frozen, released.balance.available) == (0, 8, 0)


def test_winning_thaws_what_was_frozen_of_the_purchase_and_nothing_else() -> None:
    mine, theirs = bought(10), bought(5, purchase_id="pur_other", frozen_by="pur_other")
    before = state(mine, theirs)
    posted(before, freeze())

    changes = changes_of(before, thaw())

    assert (mine.frozen_by, theirs.frozen_by) == (None, "pur_other")
    assert available(before) == 10
    assert (changes.causes, set(changes.lots)) == ({WALLET: [UNFROZEN]}, {mine.id})


def test_thawing_what_was_never_frozen_changes_nothing() -> None:
    changes = changes_of(state(bought(10)), thaw())

    assert (changes.lots, changes.wallets, changes.causes) == ({}, {}, {})


def test_a_clawback_takes_its_own_credits_where_they_were_bought_then_wherever_they_lie() -> None:
    before = spread()

    changes = changes_of(before, clawback(75))

    assert taken(changes) == [(CLAWBACK, WALLET, -60), (CLAWBACK, DEPARTMENT, -15)]
    assert {line.purchase_id for line in changes.lines} == {before.lots[next(iter(before.lots))].purchase_id}
    assert debt(before) == 0


def test_then_other_credits_of_the_wallet_that_was_bought_for_and_the_rest_is_its_debt() -> None:
    before = spread()
    spend(before, 5, wallet_id=SISTER)
    for wallet_id in (WALLET, POOL):
        posted(before, grant(4, wallet_id=wallet_id, priority=0))

    changes = changes_of(before, clawback(100))

    assert taken(changes) == [
        (CLAWBACK, WALLET, -60),
        (CLAWBACK, DEPARTMENT, -15),
        (CLAWBACK, POOL, -10),
        (CLAWBACK, SISTER, -5),
        (CLAWBACK, WALLET, -4),
    ]
    assert debt(before) == 6
    assert (available(before, POOL), debt(before, POOL)) == (4, 0)
    assert [(each.credits, each.debt, each.wallet_id) for each in changes.clawbacks] == [(100, 6, WALLET)]


def test_of_its_own_lots_in_a_wallet_those_go_first_that_would_be_spent_first() -> None:
    late, early, other = bought(10, priority=60), bought(10), lot(10, priority=0)
    before = state(late, other, early)

    (line,) = changes_of(before, clawback(12)).lines

    assert list(drawn(line).items()) == [(early.id, -10), (late.id, -2)]


def test_what_was_spent_before_it_was_taken_back_is_owed() -> None:
    before = state(bought(100))
    spend(before, 40)

    outcome = posted(before, clawback(100))

    assert [line.change for line in outcome.lines] == [-20]
    assert (outcome.balance.credits, outcome.balance.debt) == (0, 80)


def test_a_debt_shows_in_the_balance_though_nothing_was_there_to_take() -> None:
    before = state(bought(0))

    changes = changes_of(before, clawback(7))

    assert (changes.lines, debt(before)) == ([], 7)
    assert changes.causes == {WALLET: [CLAWBACK.value]}
    assert before.wallets[WALLET].version == 1


def test_losing_takes_what_was_frozen_and_thaws_what_is_left() -> None:
    before = state(bought(10))
    hold = placed(before, {"BASIC_ROOM": 2})
    posted(before, freeze())

    posted(before, clawback(7))
    outcome = posted(before, thaw())

    assert (outcome.balance.credits, outcome.balance.held, outcome.balance.debt) == (4, 4, 1)
    released = changes_of(before, release(hold))
    assert taken(released) == [(CLAWBACK, WALLET, -1)]
    assert (available(before), debt(before)) == (3, 0)


def test_a_refunded_part_of_a_disputed_payment_takes_frozen_credits_and_the_rest_stays_frozen() -> None:
    before = state(bought(10), lot(5))
    posted(before, freeze())

    outcome = posted(before, clawback(4))

    assert (outcome.balance.frozen, outcome.balance.available, outcome.balance.debt) == (6, 5, 0)


def test_a_capture_of_what_was_disputed_stands_and_the_debt_stays() -> None:
    before = state(bought(10))
    hold = placed(before, {"BASIC_ROOM": 5})
    posted(before, freeze())
    posted(before, clawback(10))
    posted(before, thaw())

    outcome = posted(before, capture(hold))

    assert (outcome.line.change, outcome.balance.credits, outcome.balance.debt) == (-10, 0, 10)


def test_what_has_lapsed_is_not_there_to_take_whether_or_not_the_sweep_has_run() -> None:
    unswept, swept = state(bought(10, expires_at=NOW)), state(bought(10, expires_at=NOW))
    posted(swept, sweep())

    assert posted(unswept, clawback(10)).balance.debt == posted(swept, clawback(10)).balance.debt == 10


def test_credits_of_another_dispute_are_not_taken_for_this_one() -> None:
    before = state(bought(10), bought(5, purchase_id="pur_other", frozen_by="pur_other"))

    outcome = posted(before, clawback(12))

    assert (outcome.balance.frozen, outcome.balance.debt) == (5, 2)


def test_what_comes_back_is_a_lot_like_the_one_that_was_bought() -> None:
    original = bought(10, priority=7, expires_at=NOW + DAY)
    before = tree(original)
    posted(before, transfer(4, WALLET, POOL))
    posted(before, clawback(10))

    changes = changes_of(before, give_back(6))

    (line,) = changes.lines
    (lot_id,) = changes.new_lots
    new = before.lots[lot_id]
    assert (line.kind, line.change, line.purchase_id) == (TransactionKind.ADJUSTMENT, 6, PURCHASE)
    assert drawn(line) == {lot_id: 6}
    assert new.same_terms(original)
    assert (new.wallet_id, new.origin_id, new.amount, new.remaining) == (WALLET, original.id, 6, 6)
    assert [(each.credits, each.debt) for each in changes.clawbacks] == [(-6, 0)]
    assert available(before) == 6


def test_what_comes_back_repays_first_what_the_wallet_owes() -> None:
    before = state(bought(10))
    spend(before, 4)
    posted(before, clawback(10))

    some, rest = changes_of(before, give_back(5)), changes_of(before, give_back(5))

    assert (some.lines, some.causes) == ([], {WALLET: ["ADJUSTMENT"]})
    assert [(each.credits, each.debt) for each in some.clawbacks] == [(-5, -5)]
    assert [line.change for line in rest.lines] == [2]
    assert [(each.credits, each.debt) for each in rest.clawbacks] == [(-5, -3)]
    assert (available(before), debt(before)) == (2, 0)


def test_what_comes_back_of_a_disputed_purchase_is_frozen_and_of_a_lapsed_one_gone() -> None:
    disputed, lapsed = state(bought(10)), state(bought(10, expires_at=NOW + DAY))
    for each in (disputed, lapsed):
        posted(each, clawback(10))
    posted(disputed, freeze())

    frozen = posted(disputed, give_back(10)).balance
    late = posted(lapsed, give_back(10), now=NOW + DAY)

    assert (frozen.frozen, frozen.available) == (10, 0)
    assert [(line.kind, line.change) for line in late.lines] == [
        (TransactionKind.ADJUSTMENT, 10),
        (TransactionKind.EXPIRY, -10),
    ]


def test_what_came_back_is_clawed_back_again_as_the_purchases_own() -> None:
    before = state(bought(10), lot(10, priority=0))
    posted(before, clawback(10))
    posted(before, give_back(10))

    changes = changes_of(before, clawback(10, source_id="re_second"))

    assert taken(changes) == [(CLAWBACK, WALLET, -10)]
    assert available(before) == 10
    assert {before.lots[each].purchase_id for each in drawn(changes.lines[0])} == {PURCHASE}


def indebted() -> State:
    """A wallet that owes 8; it has spent 6 credits, holds 6 and has 6 in a disputed lot; the pool has 20."""
    before = tree(lot(12), bought(6, purchase_id="pur_other"), lot(20, wallet_id=POOL))
    spend(before, 3)
    placed(before, {"BASIC_ROOM": 3})
    posted(before, freeze(purchase_id="pur_other"))
    posted(before, clawback(8))
    return before


INCOME: dict[str, tuple[Callable[[State], Command], int]] = {
    "grant": (lambda before: grant(5), 5),
    "purchase": (lambda before: purchase_credit(5), 5),
    "adjustment": (lambda before: adjustment(5), 5),
    "refund": (lambda before: refund(next(iter(before.spent.values()))), 6),
    "reclaim": (lambda before: transfer(5, POOL, WALLET), 5),
    "released hold": (lambda before: release(next(iter(before.holds.values()))), 6),
    "thaw": (lambda before: thaw(purchase_id="pur_other"), 6),
}


@pytest.mark.parametrize("income", INCOME)
def test_whatever_comes_into_an_indebted_wallet_repays_in_the_same_posting(income: str) -> None:
    before = indebted()
    make, brings = INCOME[income]

    changes = changes_of(before, make(before))

    assert taken(changes)[-1] == (CLAWBACK, WALLET, -brings)
    assert changes.lines[-1].purchase_id is None
    assert (debt(before), available(before)) == (8 - brings, 0)


def test_a_hold_that_ends_by_itself_repays_too() -> None:
    before = indebted()

    changes = changes_of(before, now=NOW + HOUR)

    assert taken(changes) == [(CLAWBACK, WALLET, -6)]
    assert debt(before) == 2


def test_what_is_left_when_all_is_repaid_can_be_spent_and_the_answer_says_so() -> None:
    before = indebted()

    outcome = posted(before, grant(10))

    assert [line.change for line in outcome.lines] == [10]
    assert (outcome.balance.debt, outcome.balance.available, outcome.balance.version) == (
        0,
        2,
        before.wallets[WALLET].version,
    )
    assert posted(before, deduction(1)).line.change == -2


def test_what_comes_into_another_wallet_of_the_account_repays_nothing() -> None:
    before = indebted()

    assert posted(before, grant(5, wallet_id=POOL)).balance.available == 25
    assert debt(before) == 8


@pytest.mark.parametrize("command", [deduction(1), place_hold({"BASIC_ROOM": 1})])
def test_while_one_wallet_owes_no_wallet_of_the_account_spends(command: Command) -> None:
    named_here = tree(lot(5))
    named_here.wallets[SISTER].debt = 1
    not_loaded = state(lot(5))
    not_loaded.indebted_elsewhere = frozenset({not_loaded.wallets[WALLET].account_id})
    of_others = state(lot(5))
    of_others.indebted_elsewhere = frozenset({"acct_other"})
    of_others.wallets[POOL] = wallet(POOL, account_id="acct_other", debt=1)

    assert refused(named_here, command).code is RefusalCode.IN_DEBT
    assert refused(not_loaded, command).code is RefusalCode.IN_DEBT
    assert posted(of_others, command).balance.available == 3


def test_a_debt_that_was_repaid_earlier_in_the_same_posting_stops_nobody() -> None:
    before = indebted()

    changes = changes_of(before, grant(8), deduction(1, wallet_id=POOL))

    assert [change for _, _, change in taken(changes)] == [8, -8, -2]


@pytest.mark.parametrize(
    ("credits_bought", "refunded", "total", "due"),
    [
        (100, 0, 19_900, 0),
        (100, 198, 19_900, 0),
        (100, 199, 19_900, 1),
        (100, 19_899, 19_900, 99),
        (100, 19_900, 19_900, 100),
        (100, 40_000, 19_900, 100),
        (500, 1, 89_900, 0),
        (3, 2, 3, 2),
        (7, 99, 100, 6),
        (1_000_000_000, 10**17 - 1, 10**17, 999_999_999),
    ],
)
def test_a_refund_of_money_takes_credits_rounded_down_and_all_of_them_at_the_full_amount(
    credits_bought: int, refunded: int, total: int, due: int
) -> None:
    assert clawback_due(credits_bought, refunded_minor=refunded, total_minor=total) == due
