"""The rules by themselves: what is refused and in which order, what is drawn from where, and what always holds."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credits.errors import RefusalCode
from credits.ledger.chain import GENESIS, line_hash
from credits.ledger.commands import Command, Deduction, Grant
from credits.ledger.lots import Draw, LotState
from credits.ledger.models import LotSource, TransactionKind
from credits.ledger.rules import Posted, Refused, Shortfall, State, apply
from credits.ledger.wallet import MAX_BALANCE
from tests.credits.ledger.states import NOW, WALLET, deduction, grant, lot, purchase_credit, state

TOMORROW = NOW + timedelta(days=1)


def only(state_before: State, command: Command) -> Posted | Refused:
    (outcome,), _ = apply(state_before, [command], NOW)
    return outcome


def test_a_deduction_takes_the_catalogues_price_and_leaves_one_line() -> None:
    before = state(lot(10))

    outcome = only(before, deduction(3))

    assert isinstance(outcome, Posted)
    assert (outcome.line.kind, outcome.line.change, outcome.line.balance_after) == (TransactionKind.DEDUCTION, -6, 4)
    assert (outcome.line.sequence, outcome.line.version) == (1, 1)
    assert (outcome.balance.available, outcome.balance.version) == (4, 1)


def test_what_is_missing_is_named_and_nothing_moves() -> None:
    before = state(lot(10, held=3), lot(4, frozen=True))

    outcome = only(before, deduction(4))

    assert isinstance(outcome, Refused)
    assert outcome.code is RefusalCode.INSUFFICIENT_CREDITS
    assert outcome.shortfall == Shortfall(required=8, available=7, held=3, frozen=4)
    assert outcome.shortfall.missing == 1
    assert before.wallets[WALLET].balance == 14
    assert before.wallets[WALLET].sequence == 0


# Each row mends the fault of the row before: what is left is refused for the next reason, until nothing is.
DEDUCTION_FAULTS: list[tuple[str, Callable[[State, Deduction], tuple[State, Deduction]], RefusalCode | None]] = [
    ("everything wrong", lambda s, c: (s, c), RefusalCode.UNKNOWN_STAGING_TYPE),
    ("withdrawn type", lambda s, c: (s, replace(c, staging_type="GONE")), RefusalCode.UNKNOWN_STAGING_TYPE),
    ("known type", lambda s, c: (s, replace(c, staging_type="BASIC_ROOM")), RefusalCode.INVALID),
    ("movable amount", lambda s, c: (s, replace(c, quantity=6)), RefusalCode.ACCOUNT_SUSPENDED),
    ("not suspended", lambda s, c: (_with(s, suspended=False), c), RefusalCode.IN_DEBT),
    ("no debt", lambda s, c: (_with(s, account_in_debt=False), c), RefusalCode.INSUFFICIENT_CREDITS),
    ("covered", lambda s, c: (s, replace(c, quantity=5)), None),
]


def _with(before: State, **changes: object) -> State:
    for name, value in changes.items():
        setattr(before.wallets[WALLET], name, value)
    return before


def test_a_deduction_is_refused_for_the_first_fault_in_the_declared_order() -> None:
    command = deduction(quantity=900_000_000, staging_type="NONE")
    faults = {"suspended": True, "account_in_debt": True}

    found = []
    for name, mend, _ in DEDUCTION_FAULTS:
        before = _with(state(lot(10)), **faults)
        mended, command = mend(before, command)
        faults = {key: getattr(mended.wallets[WALLET], key) for key in faults}
        outcome = only(mended, command)
        found.append((name, outcome.code if isinstance(outcome, Refused) else None))

    assert found == [(name, code) for name, _, code in DEDUCTION_FAULTS]


@pytest.mark.parametrize(
    ("command", "reserved", "code"),
    [
        (grant(1, expires_at=NOW), 0, RefusalCode.INVALID),
        (grant(1, expires_at=NOW - timedelta(microseconds=1)), MAX_BALANCE, RefusalCode.INVALID),
        (grant(1), MAX_BALANCE - 10, RefusalCode.BALANCE_LIMIT_EXCEEDED),
        (grant(1), MAX_BALANCE - 11, None),
        (grant(1, expires_at=NOW + timedelta(microseconds=1)), 0, None),
    ],
)
def test_a_grant_is_refused_when_it_has_lapsed_or_would_not_fit(
    command: Grant, reserved: int, code: RefusalCode | None
) -> None:
    outcome = only(state(lot(10), reserved=reserved), command)

    assert (outcome.code if isinstance(outcome, Refused) else None) is code


def test_a_payment_that_has_arrived_is_credited_to_a_suspended_account_too() -> None:
    outcome = only(state(suspended=True), purchase_credit(100, valid_for_days=30))

    assert isinstance(outcome, Posted)
    assert outcome.line.change == 100
    assert outcome.balance.next_expiry is not None
    assert outcome.balance.next_expiry.at == NOW + timedelta(days=30)


def test_lots_are_spent_in_the_order_of_consumption() -> None:
    old = NOW - timedelta(days=9)
    in_order = [
        lot(1, priority=1),
        lot(1, expires_at=TOMORROW, source=LotSource.PURCHASED, paid_minor=500, currency="USD"),
        lot(1, expires_at=TOMORROW + timedelta(days=1)),
        lot(1, source=LotSource.GRANTED),
        lot(1, source=LotSource.PURCHASED, paid_minor=100, currency="USD"),
        lot(1, source=LotSource.PURCHASED, paid_minor=199, currency="USD", created_at=old),
        lot(1, id="lot_a", source=LotSource.PURCHASED, paid_minor=199, currency="USD"),
        lot(1, id="lot_b", source=LotSource.PURCHASED, paid_minor=199, currency="USD"),
        lot(1, priority=51),
    ]
    shuffled = in_order[::2] + in_order[1::2]

    outcome = only(state(*shuffled), deduction(4))

    assert isinstance(outcome, Posted)
    assert outcome.line.draws == tuple(Draw(each.id, -1) for each in in_order[:8])


def test_a_lot_lapses_at_the_very_instant() -> None:
    before = state(lot(5, expires_at=NOW), lot(1, expires_at=NOW + timedelta(microseconds=1)))

    view = before.wallets[WALLET].balance_view(NOW)

    assert (view.credits, view.available) == (6, 1)
    assert view.next_expiry is not None
    assert view.next_expiry.credits == 1


def test_time_never_runs_backwards_within_a_wallet() -> None:
    later = NOW + timedelta(hours=1)

    outcome = only(state(lot(10), last_posted_at=later), deduction())

    assert isinstance(outcome, Posted)
    assert outcome.line.created_at == later


def test_the_local_day_is_the_accounts() -> None:
    before_midnight = only(state(lot(10), time_zone="Pacific/Kiritimati"), deduction())
    day_before = only(state(lot(10), time_zone="Pacific/Pago_Pago"), deduction())

    assert isinstance(before_midnight, Posted)
    assert before_midnight.line.local_day.isoformat() == "2026-11-23"
    assert isinstance(day_before, Posted)
    assert day_before.line.local_day.isoformat() == "2026-11-22"


lots_of_any_kind = st.lists(
    st.builds(
        lambda remaining, held, **fields: lot(remaining, held=min(held, remaining), **fields),
        st.integers(1, 30),
        st.integers(0, 30),
        expires_at=st.sampled_from([None, NOW - timedelta(days=1), NOW, TOMORROW, TOMORROW + timedelta(days=1)]),
        priority=st.sampled_from([0, 50, 100]),
        frozen=st.booleans(),
        source=st.sampled_from(LotSource),
    ),
    max_size=8,
)


def _units(lots: list[LotState]) -> list[str]:
    """Another, plain way to the same: every spendable credit by itself, in the order in which it will go."""
    usable = [each for each in lots if not each.frozen and (each.expires_at is None or each.expires_at > NOW)]
    far = NOW + timedelta(days=10_000)
    usable.sort(key=lambda each: (each.priority, each.expires_at or far, each.source == "PURCHASED", each.id))
    return [each.id for each in usable for _ in range(each.remaining - each.held)]


@given(lots_of_any_kind, st.lists(st.integers(1, 12), max_size=12))
def test_spending_agrees_with_counting_credits_one_by_one(lots: list[LotState], quantities: list[int]) -> None:
    units = _units(lots)
    total = sum(each.remaining for each in lots)
    before = state(*lots)

    outcomes, changes = apply(before, [deduction(quantity) for quantity in quantities], NOW)

    spent = 0
    for quantity, outcome in zip(quantities, outcomes, strict=True):
        cost = 2 * quantity
        if cost > len(units) - spent:
            assert isinstance(outcome, Refused)
            continue
        assert isinstance(outcome, Posted)
        taken = units[spent : spent + cost]
        assert {draw.lot_id: -draw.credits for draw in outcome.line.draws} == {
            each: taken.count(each) for each in dict.fromkeys(taken)
        }
        spent += cost
        assert outcome.line.balance_after == total - spent
        assert outcome.balance.available == len(units) - spent
    assert all(0 <= each.held <= each.remaining for each in changes.lots.values())


@given(st.lists(st.one_of(st.integers(1, 20).map(deduction), st.integers(1, 50).map(grant)), max_size=20))
def test_every_line_follows_the_one_before_it(commands: list[Command]) -> None:
    before = state(lot(20))

    _, changes = apply(before, commands, NOW)

    previous, balance = GENESIS, 20
    for number, line in enumerate(changes.lines, start=1):
        assert line.sequence == number
        assert line.balance_after == balance + line.change >= 0
        assert sum(draw.credits for draw in line.draws) == line.change
        assert line.hash == line_hash(previous, line)
        previous, balance = line.hash, line.balance_after
    assert before.wallets[WALLET].balance == balance == sum(each.remaining for each in before.wallets[WALLET].lots)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=10))
def test_what_is_decided_depends_on_nothing_but_state_commands_and_time(quantities: list[int]) -> None:
    commands = [deduction(quantity) for quantity in quantities]
    granted = lot(30)

    first, _ = apply(state(replace_lot(granted)), commands, NOW)
    second, _ = apply(state(replace_lot(granted)), commands, NOW)

    assert first == second


def replace_lot(original: LotState) -> LotState:
    """A copy, since a state is taken over by whoever applies commands to it."""
    return lot(original.remaining, id=original.id, amount=original.amount)
