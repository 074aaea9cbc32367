"""Movements between an account's wallets: what they are called, what becomes of the lots, and that nothing is lost."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credits.accounts.models import AccountKind
from credits.accounts.rules import Place
from credits.errors import Refusal, RefusalCode
from credits.ledger.commands import RefundReason
from credits.ledger.lots import LotState
from credits.ledger.models import TransactionKind
from credits.ledger.moving import way
from credits.ledger.posting import Posted, State
from credits.ledger.rules import apply
from tests.credits.ledger.states import (
    ACCOUNT,
    DAY,
    DEPARTMENT,
    NOW,
    POOL,
    SISTER,
    WALLET,
    assert_sound,
    available,
    bought,
    changes_of,
    deduction,
    drawn,
    freeze,
    lot,
    posted,
    refund,
    refused,
    spend,
    transfer,
    tree,
)

ALLOCATION, RECLAIM, TRANSFER = TransactionKind.ALLOCATION, TransactionKind.RECLAIM, TransactionKind.TRANSFER


def place(name: str, *, account: str = ACCOUNT) -> Place:
    """A place by its path: `account`, `pool a`, `pool a / kitchens`; its wallet is called as it is."""
    pool, _, department = name.partition(" / ")
    return Place(
        account_id=account,
        account_kind=AccountKind.ENTERPRISE,
        pool_id=None if pool == "account" else pool,
        department_id=department or None,
        wallet_id=f"{account} {name}",
    )


PLACES = ("account", "pool a", "pool a / kitchens", "pool a / baths", "pool b", "pool b / kitchens")
WAYS = {
    ("account", "pool a"): ALLOCATION,
    ("account", "pool b"): ALLOCATION,
    ("pool a", "pool a / kitchens"): ALLOCATION,
    ("pool a", "pool a / baths"): ALLOCATION,
    ("pool b", "pool b / kitchens"): ALLOCATION,
    ("pool a", "account"): RECLAIM,
    ("pool b", "account"): RECLAIM,
    ("pool a / kitchens", "pool a"): RECLAIM,
    ("pool a / baths", "pool a"): RECLAIM,
    ("pool b / kitchens", "pool b"): RECLAIM,
    ("pool a / kitchens", "pool a / baths"): TRANSFER,
    ("pool a / baths", "pool a / kitchens"): TRANSFER,
}


@pytest.mark.parametrize("target", PLACES)
@pytest.mark.parametrize("source", PLACES)
def test_what_a_movement_is_called_follows_from_the_two_places(source: str, target: str) -> None:
    kind = WAYS.get((source, target))

    if kind is not None:
        assert way(place(source), place(target)) is kind
    else:
        with pytest.raises(Refusal) as found:
            way(place(source), place(target))
        same = "one and the same wallet" in found.value.message
        assert (found.value.code, found.value.field, same) == (RefusalCode.INVALID, "toWalletId", source == target)


@pytest.mark.parametrize(("source", "target"), WAYS)
def test_no_credits_go_from_one_account_to_another(source: str, target: str) -> None:
    with pytest.raises(Refusal) as found:
        way(place(source), place(target, account="acct_other"))

    assert found.value.code is RefusalCode.INVALID


def lots_in(after: State, wallet_id: str) -> list[LotState]:
    return after.wallets[wallet_id].lots


def test_a_movement_is_two_transactions_that_add_up_to_zero_and_name_each_other() -> None:
    before = tree(lot(10))
    command = transfer(4, WALLET, POOL, kind=ALLOCATION)

    outcome = posted(before, command)

    assert [
        (line.kind, line.change, line.balance_after, line.transfer_id, line.wallet_id, line.counterpart_wallet_id)
        for line in outcome.lines
    ] == [(ALLOCATION, -4, 6, command.id, WALLET, POOL), (ALLOCATION, 4, 4, command.id, POOL, WALLET)]
    assert outcome.balance.wallet_id == WALLET


def test_lots_are_split_in_the_order_of_consumption_with_price_priority_expiry_and_purchase() -> None:
    soon = lot(3, expires_at=NOW + DAY, priority=10)
    paid = bought(500, paid_minor=89_900)
    before = tree(paid, soon)

    outcome = posted(before, transfer(6, WALLET, POOL))

    first, second = lots_in(before, POOL)
    assert list(drawn(outcome.lines[0]).items()) == [(soon.id, -3), (paid.id, -3)]
    assert list(drawn(outcome.lines[1]).items()) == [(first.id, 3), (second.id, 3)]
    assert (first.origin_id, first.expires_at, first.priority) == (soon.id, NOW + DAY, 10)
    assert (second.origin_id, second.purchase_id, second.amount) == (paid.id, paid.purchase_id, 3)
    assert Fraction(second.paid_minor, second.paid_for) == Fraction(899, 5)


def test_what_comes_back_goes_into_the_lot_that_it_came_from() -> None:
    home = bought(10)
    before = tree(home)
    posted(before, transfer(6, WALLET, POOL))

    back = posted(before, transfer(4, POOL, WALLET, kind=RECLAIM)).lines[1]

    assert drawn(back) == {home.id: 4}
    assert (home.remaining, available(before, POOL)) == (8, 2)
    assert len(before.lots) == 2


def test_what_comes_back_through_two_levels_goes_into_its_origin_also_when_some_of_it_was_spent() -> None:
    home = bought(10)
    before = tree(home)
    posted(before, transfer(10, WALLET, POOL))
    (middle,) = lots_in(before, POOL)
    posted(before, transfer(10, POOL, DEPARTMENT))
    spend(before, 2, wallet_id=DEPARTMENT)

    to_pool = posted(before, transfer(6, DEPARTMENT, POOL)).lines[1]
    to_account = posted(before, transfer(5, POOL, WALLET)).lines[1]

    assert (drawn(to_pool), drawn(to_account)) == ({middle.id: 6}, {home.id: 5})
    assert (home.remaining, middle.remaining) == (5, 1)


def test_what_took_a_way_round_comes_back_all_the_same() -> None:
    home = lot(10)
    before = tree(home)
    posted(before, transfer(10, WALLET, POOL))
    (middle,) = lots_in(before, POOL)
    posted(before, transfer(10, POOL, DEPARTMENT))
    over = posted(before, transfer(7, DEPARTMENT, SISTER, kind=TRANSFER))

    back = posted(before, transfer(7, SISTER, POOL)).lines[1]

    assert [line.kind for line in over.lines] == [TRANSFER, TRANSFER]
    assert drawn(back) == {middle.id: 7}


def test_two_lots_that_go_back_into_one_make_one_draw_of_it() -> None:
    home = lot(10)
    before = tree(home)
    posted(before, transfer(3, WALLET, POOL))
    posted(before, transfer(4, WALLET, POOL))

    out, back = posted(before, transfer(7, POOL, WALLET)).lines

    assert sorted(drawn(out).values()) == [-4, -3]
    assert drawn(back) == {home.id: 7}


def test_what_a_failed_render_renewed_is_no_more_the_same_and_gets_a_lot_of_its_own() -> None:
    home = lot(10, expires_at=NOW + DAY)
    before = tree(home)
    posted(before, transfer(10, WALLET, POOL))
    line = spend(before, 3, wallet_id=POOL)
    posted(before, refund(line, reason=RefundReason.RENDER_FAILED), NOW + 2 * DAY)

    posted(before, transfer(6, POOL, WALLET), NOW + 2 * DAY)

    (fresh,) = lots_in(before, WALLET)
    assert (fresh.remaining, fresh.expires_at, fresh.renewed) == (6, NOW + 32 * DAY, True)
    assert home.remaining == 0


def test_only_what_is_available_moves() -> None:
    before = tree(lot(10, held=3), lot(9, expires_at=NOW), bought(8, frozen_by="dp_1"))

    outcome = refused(before, transfer(8, WALLET, POOL))

    assert (outcome.code, outcome.field) == (RefusalCode.INSUFFICIENT_CREDITS, "credits")
    assert outcome.shortfall is not None
    assert outcome.shortfall.missing == 1
    assert posted(before, transfer(7, WALLET, POOL)).balance.available == 0


def test_up_to_so_many_moves_what_is_available_and_of_nothing_there_is_no_movement() -> None:
    before = tree(lot(10, held=3))

    few, rest = (posted(before, transfer(number, WALLET, POOL, up_to=True)) for number in (5, 100))

    assert ([line.change for line in few.lines], [line.change for line in rest.lines]) == ([-5, 5], [-2, 2])
    assert refused(before, transfer(100, WALLET, POOL, up_to=True)).code is RefusalCode.INSUFFICIENT_CREDITS


def test_what_was_moved_away_repays_a_debt_at_once_when_it_comes_back() -> None:
    before = tree(lot(10, wallet_id=POOL))
    before.wallets[WALLET].debt = 6

    outcome = posted(before, transfer(10, POOL, WALLET, kind=RECLAIM))

    assert [line.change for line in outcome.lines] == [-10, 10]
    assert (before.wallets[WALLET].debt, available(before)) == (0, 4)


def test_a_debt_of_another_wallet_stops_no_movement_and_one_of_its_own_does() -> None:
    before = tree(lot(10, wallet_id=POOL))
    before.wallets[SISTER].debt = 6

    assert posted(before, transfer(5, POOL, DEPARTMENT)).balance.credits == 5
    assert refused(before, transfer(1, SISTER, DEPARTMENT)).code is RefusalCode.IN_DEBT
    assert refused(before, deduction(1, wallet_id=DEPARTMENT)).code is RefusalCode.IN_DEBT


movements = st.lists(
    st.tuples(
        st.sampled_from([WALLET, POOL, DEPARTMENT, SISTER]),
        st.sampled_from([WALLET, POOL, DEPARTMENT, SISTER]),
        st.integers(1, 25),
    ).filter(lambda movement: movement[0] != movement[1]),
    max_size=25,
)


@given(movements)
def test_no_movement_loses_or_makes_a_credit(wanted: list[tuple[str, str, int]]) -> None:
    homes = [lot(9, priority=1), bought(20), lot(11, expires_at=NOW + DAY), lot(5, wallet_id=POOL)]
    terms = {each.id: each.order[:4] for each in homes}
    before = tree(*homes)

    outcomes, changes = apply(before, [transfer(number, *between) for *between, number in wanted], NOW)

    assert_sound(before, NOW)
    assert sum(each.balance for each in before.wallets.values()) == 45
    assert len(changes.lines) == 2 * sum(isinstance(outcome, Posted) for (outcome,) in outcomes)
    assert sum(line.change for line in changes.lines) == 0
    for each in before.lots.values():
        root = each
        while root.origin_id:
            root = before.lots[root.origin_id]
        assert each.order[:4] == terms[root.id]


@given(movements)
def test_what_is_all_brought_back_lies_where_it_was_at_first(wanted: list[tuple[str, str, int]]) -> None:
    homes = [lot(9, priority=1), bought(20), lot(11, expires_at=NOW + DAY)]
    amounts = [each.remaining for each in homes]
    before = tree(*homes)
    apply(before, [transfer(number, *between) for *between, number in wanted], NOW)

    for wallet_id in (DEPARTMENT, SISTER, POOL):
        if left := available(before, wallet_id):
            posted(before, transfer(left, wallet_id, WALLET))

    assert [each.remaining for each in homes] == amounts


def test_a_frozen_lot_does_not_move_wherever_it_lies() -> None:
    before = tree(bought(10))
    posted(before, transfer(4, WALLET, POOL))

    changes_of(before, freeze())

    assert refused(before, transfer(1, WALLET, POOL)).code is RefusalCode.INSUFFICIENT_CREDITS
    assert refused(before, transfer(1, POOL, WALLET)).code is RefusalCode.INSUFFICIENT_CREDITS
