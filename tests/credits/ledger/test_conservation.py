"""Whatever is done in whatever order: no credit is lost, made or counted twice, and a refusal leaves no trace."""

from collections.abc import Callable
from copy import deepcopy
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from credits.ledger.chain import GENESIS, line_hash
from credits.ledger.commands import Command, RefundReason
from credits.ledger.models import HoldStatus, TransactionKind
from credits.ledger.posting import Changes, Refused, State
from credits.ledger.rules import apply
from credits.ledger.wallet import Line
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
    assert_sound,
    bought,
    capture,
    clawback,
    deduction,
    extend,
    freeze,
    give_back,
    grant,
    lot,
    place_hold,
    purchase_credit,
    refund,
    release,
    spent,
    sweep,
    thaw,
    transfer,
    tree,
)

Make = Callable[[State, int, str, str, datetime], Command | None]


def on_hold(make: Callable[..., Command], **changes: object) -> Make:
    """A second step on one of the holds, on one item of it or on all."""

    def made(before: State, number: int, *_: object) -> Command | None:
        holds = list(before.holds.values())
        if not holds:
            return None
        hold = holds[number % len(holds)]
        item = hold.items[number % len(hold.items)]
        return make(hold, None if number % 3 == 0 else {item.id: 1 + number % 3}, **changes)

    return made


def extension(before: State, number: int, *_: object) -> Command | None:
    holds = list(before.holds.values())
    return extend(holds[number % len(holds)], (1 + number) * 4 * HOUR) if holds else None


def refund_of_one(before: State, number: int, *_: object) -> Command | None:
    deductions = list(before.spent.values())
    if not deductions:
        return None
    reason = RefundReason.RENDER_FAILED if number % 2 else RefundReason.QUALITY
    return refund(deductions[number % len(deductions)], number or None, reason=reason)


def purchase(number: int) -> str:
    return (PURCHASE, "pur_other")[number % 2]


def expiry(number: int, now: datetime) -> datetime | None:
    return now + number * DAY if number % 3 else None


ACTIONS: list[Make] = [
    lambda _, number, here, there, now: deduction(1 + number % 9, wallet_id=here),
    lambda _, number, here, there, now: place_hold({"BASIC_ROOM": 1 + number % 5, "VILLA": 2}, wallet_id=here),
    on_hold(capture),
    on_hold(capture, release_rest=True),
    on_hold(release),
    extension,
    refund_of_one,
    lambda _, number, here, there, now: transfer(1 + number, here, there) if here != there else None,
    lambda _, number, here, there, now: grant(1 + number, wallet_id=here, expires_at=expiry(number, now)),
    lambda _, number, here, there, now: adjustment(number - 15 or 1, wallet_id=here),
    lambda _, number, here, there, now: purchase_credit(1 + number, valid_for_days=number, wallet_id=here),
    lambda _, number, here, there, now: sweep(wallet_id=here),
    lambda _, number, here, there, now: freeze(purchase_id=purchase(number)),
    lambda _, number, here, there, now: thaw(purchase_id=purchase(number)),
    lambda _, number, here, there, now: clawback(1 + number, purchase_id=purchase(number)),
    lambda _, number, here, there, now: give_back(1 + number, purchase_id=purchase(number)),
]
WALLETS = st.sampled_from([WALLET, POOL, DEPARTMENT, SISTER])
PAUSES = st.sampled_from([timedelta(0), timedelta(0), timedelta(minutes=40), 2 * DAY, 20 * DAY])


@given(
    st.lists(
        st.tuples(st.integers(0, len(ACTIONS) - 1), st.integers(0, 30), WALLETS, WALLETS, PAUSES),
        min_size=5,
        max_size=40,
    )
)
@settings(deadline=None)
def test_whatever_is_done_all_sums_agree(actions: list[tuple[int, int, str, str, timedelta]]) -> None:
    now = NOW
    homes = [bought(60), bought(30, purchase_id="pur_other", expires_at=NOW + 5 * DAY), lot(40, wallet_id=POOL)]
    before = tree(*homes)
    written: list[Changes] = []

    for action, number, here, there, pause in actions:
        now += pause
        command = ACTIONS[action](before, number, here, there, now)
        for commands in ([], [command] if command else []):
            unasked = deepcopy(before)
            outcomes, changes = apply(before, commands, now)
            if any(isinstance(outcome, Refused) for (outcome,) in outcomes):
                assert (before, changes) == (unasked, Changes())
            assert_recorded(unasked, before, changes)
            assert_sound(before, now)
            assert_reserved(before)
            written.append(changes)
            for line in changes.lines:
                if line.kind is TransactionKind.DEDUCTION:
                    before.spent[line.id] = spent(line)

    assert_chained(before, written, {each.id: each.amount for each in homes})
    assert_returned(before)
    clawed_back = sum(each.credits for changes in written for each in changes.clawbacks)
    taken = -sum(each.change for each in lines_of(written) if of_a_clawback(each))
    assert clawed_back == taken + sum(each.debt for each in before.wallets.values())


def of_a_clawback(line: Line) -> bool:
    """It took back what a payment had brought, or gave it back."""
    return line.kind is TransactionKind.CLAWBACK or (
        line.kind is TransactionKind.ADJUSTMENT and line.purchase_id is not None
    )


def lines_of(written: list[Changes]) -> list[Line]:
    return [line for changes in written for line in changes.lines]


def assert_recorded(before: State, after: State, changes: Changes) -> None:
    """Whatever has changed is to be written, and what is new is known to be new."""
    for was, then, written in (
        (before.lots, after.lots, changes.lots),
        (before.holds, after.holds, changes.holds),
        (before.wallets, after.wallets, changes.wallets),
    ):
        assert {name for name, each in then.items() if was.get(name) != each} <= set(written)
        assert all(each is then[name] for name, each in written.items())
    assert changes.new_lots == set(after.lots) - set(before.lots)
    assert changes.new_holds == set(after.holds) - set(before.holds)
    assert {line.wallet_id for line in changes.lines} <= set(changes.causes) == set(changes.wallets)


def assert_reserved(after: State) -> None:
    """What is held of a lot is what open holds reserve there, and of a hold what is open of its items."""
    held = dict.fromkeys(after.lots, 0)
    for hold in after.holds.values():
        assert hold.open == sum(hold.reservations.values())
        assert (hold.status is HoldStatus.OPEN) == (hold.open > 0) == (hold.closed_at is None)
        for lot_id, kept in hold.reservations.items():
            held[lot_id] += kept
    assert held == {each.id: each.held for each in after.lots.values()}


def assert_chained(after: State, written: list[Changes], first_amounts: dict[str, int]) -> None:
    """Each line follows the one before it in its wallet, and the lines' draws are what became of the lots."""
    lots = first_amounts | dict.fromkeys((lot_id for changes in written for lot_id in changes.new_lots), 0)
    last = dict.fromkeys(after.wallets, (GENESIS, 0))
    balances = {
        each: sum(first_amounts.get(lot.id, 0) for lot in after.lots.values() if lot.wallet_id == each)
        for each in after.wallets
    }
    for line in lines_of(written):
        previous, sequence = last[line.wallet_id]
        balances[line.wallet_id] += line.change
        assert (line.sequence, line.balance_after) == (sequence + 1, balances[line.wallet_id])
        assert line.change == sum(draw.credits for draw in line.draws) != 0
        assert line.hash == line_hash(previous, line)
        last[line.wallet_id] = line.hash, line.sequence
        for draw in line.draws:
            assert after.lots[draw.lot_id].wallet_id == line.wallet_id
            lots[draw.lot_id] += draw.credits
    assert lots == {each.id: each.remaining for each in after.lots.values()}
    assert len({line.id for line in lines_of(written)}) == len(lines_of(written))


def assert_returned(after: State) -> None:
    """Of nothing more was refunded than it took, lot by lot."""
    for each in after.spent.values():
        assert all(0 <= back <= each.drawn[lot_id] for lot_id, back in each.returned.items())
