"""The rules by themselves: what is spent from where, several at once, what things are called, and what always holds."""

from copy import deepcopy
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credits.errors import Refusal, RefusalCode
from credits.idempotency import make_key
from credits.ids import Kind, Series, kind_of, make_id
from credits.ledger.chain import GENESIS, line_hash
from credits.ledger.commands import Bulk, Command, check_amount
from credits.ledger.lots import Draw, LotState
from credits.ledger.models import LotSource, TransactionKind
from credits.ledger.posting import Changes, Posted, Refused, Shortfall, State
from credits.ledger.rules import apply
from credits.ledger.wallet import MAX_OPERATION
from tests.credits.ledger.states import (
    HOUR,
    NOW,
    POOL,
    WALLET,
    adjustment,
    bought,
    capture,
    changes_of,
    clawback,
    deduction,
    freeze,
    grant,
    lot,
    place_hold,
    placed,
    posted,
    purchase_credit,
    refund,
    spend,
    state,
    sweep,
    thaw,
    transfer,
    tree,
)

TOMORROW = NOW + timedelta(days=1)


def only(state_before: State, command: Command) -> Posted | Refused:
    ((outcome,),), _ = apply(state_before, [command], NOW)
    return outcome


def bulk(*quantities: int, atomic: bool = False) -> Bulk:
    return Bulk(commands=tuple(deduction(quantity) for quantity in quantities), atomic=atomic)


def test_a_deduction_takes_the_catalogues_price_and_leaves_one_line() -> None:
    before = state(lot(10))

    outcome = only(before, deduction(3))

    assert isinstance(outcome, Posted)
    assert (outcome.line.kind, outcome.line.change, outcome.line.balance_after) == (TransactionKind.DEDUCTION, -6, 4)
    assert (outcome.line.sequence, outcome.line.version) == (1, 1)
    assert (outcome.balance.available, outcome.balance.version) == (4, 1)


def test_what_is_missing_is_named_and_nothing_moves() -> None:
    before = state(lot(10, held=3), lot(4, frozen_by="dp_1"))

    outcome = only(before, deduction(4))

    assert isinstance(outcome, Refused)
    assert outcome.code is RefusalCode.INSUFFICIENT_CREDITS
    assert outcome.shortfall == Shortfall(required=8, available=7, held=3, frozen=4)
    assert outcome.shortfall.missing == 1
    assert before.wallets[WALLET].balance == 14
    assert before.wallets[WALLET].sequence == 0


def test_lots_are_spent_in_the_order_of_consumption() -> None:
    old = NOW - timedelta(days=9)
    in_order = [
        lot(1, priority=1),
        lot(1, expires_at=TOMORROW, source=LotSource.PURCHASED, paid_minor=500, currency="USD"),
        lot(1, expires_at=TOMORROW + timedelta(days=1)),
        lot(1, source=LotSource.GRANTED),
        lot(1, source=LotSource.PURCHASED, paid_minor=100, currency="USD"),
        lot(1, id="lot_z", source=LotSource.PURCHASED, paid_minor=199, currency="USD", created_at=old),
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
    before = state(lot(10))
    posted(before, deduction(), NOW + HOUR)

    outcome = posted(before, deduction(), NOW)

    assert outcome.line.created_at == outcome.balance.as_of == NOW + HOUR


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
        frozen_by=st.sampled_from([None, "dp_1"]),
        source=st.sampled_from(LotSource),
    ),
    max_size=8,
)


def _units(lots: list[LotState]) -> list[str]:
    """Another, plain way to the same: every spendable credit by itself, in the order in which it will go."""
    usable = [each for each in lots if not each.frozen_by and (each.expires_at is None or each.expires_at > NOW)]
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
    for quantity, (outcome,) in zip(quantities, outcomes, strict=True):
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


def test_each_of_a_bulk_stands_or_falls_alone() -> None:
    before = state(lot(10))

    (outcomes,), changes = apply(before, [bulk(3, 3, 2)], NOW)

    assert [type(each) for each in outcomes] == [Posted, Refused, Posted]
    assert [(line.sequence, line.change) for line in changes.lines] == [(1, -6), (2, -4)]


def test_an_atomic_bulk_is_posted_whole_and_what_follows_goes_on_from_there() -> None:
    before = state(lot(10))

    (together, (after,)), changes = apply(before, [bulk(1, 2, atomic=True), deduction(2)], NOW)

    assert [type(each) for each in (*together, after)] == [Posted] * 3
    assert [(line.sequence, line.balance_after) for line in changes.lines] == [(1, 8), (2, 4), (3, 0)]


def test_an_atomic_bulk_of_which_one_is_refused_is_as_if_nobody_had_asked() -> None:
    before = state(lot(10))
    untouched = deepcopy(before)

    (outcomes,), changes = apply(before, [bulk(3, 3, 1, 9, atomic=True)], NOW)

    assert (before, changes) == (untouched, Changes())
    assert all(isinstance(each, Refused) and each.code is RefusalCode.INSUFFICIENT_CREDITS for each in outcomes)
    first, own, third, fourth = (each.message for each in outcomes if isinstance(each, Refused))
    assert first == third == f"Not posted, because another of this atomic call was refused: {own}"
    assert own == "This takes 6 credits, 4 are available. Buy or allocate 2 more."
    assert fourth == "This takes 18 credits, 2 are available. Buy or allocate 16 more."


def test_what_follows_an_atomic_bulk_that_was_refused_finds_everything_as_before_it() -> None:
    (_, (after,)), changes = apply(state(lot(10)), [bulk(3, 3, atomic=True), deduction(5)], NOW)

    assert isinstance(after, Posted)
    assert changes.lines == [after.line]
    assert (after.line.sequence, after.line.balance_after) == (1, 0)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=6))
def test_an_atomic_bulk_does_all_that_would_be_done_alone_or_nothing(quantities: list[int]) -> None:
    commands = bulk(*quantities).commands
    before = state(lot(9), lot(9, priority=60))
    apart, changes_apart = apply(deepcopy(before), [Bulk(commands=commands, atomic=False)], NOW)

    together, changes = apply(deepcopy(before), [Bulk(commands=commands, atomic=True)], NOW)

    if all(isinstance(each, Posted) for each in apart[0]):
        assert (together, changes) == (apart, changes_apart)
    else:
        assert all(isinstance(each, Refused) for each in together[0])
        assert changes == Changes()


def test_one_key_stands_for_one_command_of_a_bulk() -> None:
    key = make_key(scope="acct_test", key="k", operation="deductCredits", fields={})

    with pytest.raises(ValueError, match="one key"):
        Bulk(commands=(deduction(1, key=key), deduction(1, key=key)), atomic=False)


def test_what_is_decided_depends_on_nothing_but_state_commands_and_time() -> None:
    before = tree(bought(60), lot(9, expires_at=NOW + HOUR), lot(9, expires_at=NOW, wallet_id=POOL))
    line = spend(before, 3)
    hold = placed(before, {"BASIC_ROOM": 4, "VILLA": 1})
    commands: list[Command] = [
        grant(3),
        purchase_credit(4),
        adjustment(5),
        adjustment(-2),
        transfer(20, WALLET, POOL),
        transfer(5, POOL, WALLET),
        refund(line, 2),
        capture(hold, {hold.items[0].id: 2}, release_rest=True),
        place_hold({"VILLA": 1}),
        freeze(),
        thaw(),
        sweep(wallet_id=POOL),
        clawback(90),
        grant(50),
    ]

    first = apply(deepcopy(before), commands, NOW)
    second = apply(deepcopy(before), commands, NOW)

    assert all(isinstance(outcome, Posted) for (outcome,) in first[0])
    assert first == second


def test_all_that_commands_make_has_an_id_of_its_own() -> None:
    before = tree(bought(60), lot(9, expires_at=NOW))
    commands: list[Command] = [transfer(20, WALLET, POOL), sweep(), clawback(80), grant(90), transfer(9, WALLET, POOL)]

    changes = changes_of(before, *commands)

    made = [line.id for line in changes.lines] + sorted(changes.new_lots)
    assert len(made) == len(set(made)) == 12
    assert {kind_of(each) for each in made} == {Kind.TRANSACTION, Kind.LOT}


@pytest.mark.parametrize("kind", Kind)
def test_a_series_names_the_same_again_in_order_and_within_its_first_ids_millisecond(kind: Kind) -> None:
    first = make_id(kind)

    again, made = Series(first), Series(first)
    ids = [made.next(kind) for _ in range(1_000)]

    assert [again.next(kind) for _ in range(1_000)] == ids
    assert [first, *ids] == sorted({first, *ids})
    # Ten characters of five bits: two that are always zero, and the 48 of the time.
    time = first.rpartition("_")[2][:10]
    assert {each.rpartition("_")[2][:10] for each in ids} == {time}
    assert {kind_of(each) for each in ids} == {kind}


def test_a_series_counts_over_all_kinds_and_carries() -> None:
    series = Series("trf_" + "0" * 24 + "zy")

    assert [series.next(Kind.LOT), series.next(Kind.TRANSACTION)] == [
        "lot_" + "0" * 24 + "zz",
        "txn_" + "0" * 23 + "100",
    ]


@pytest.mark.parametrize("value", [0, -1, MAX_OPERATION + 1])
def test_one_operation_moves_one_credit_to_a_billion(value: int) -> None:
    with pytest.raises(Refusal) as found:
        check_amount(value, field="credits")

    assert (found.value.code, found.value.field) == (RefusalCode.INVALID, "credits")
    assert (check_amount(1, field="credits"), check_amount(MAX_OPERATION, field="credits")) == (1, MAX_OPERATION)
