"""Wallets, lots and commands made up for tests of the rules, and what is asked of every decision."""

from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

from credits.actors import SYSTEM
from credits.ids import Kind, make_id
from credits.ledger.chain import GENESIS
from credits.ledger.commands import (
    Adjustment,
    CaptureHold,
    Clawback,
    Command,
    Deduction,
    ExtendHold,
    Freeze,
    Grant,
    Part,
    PlaceHold,
    PurchaseCredit,
    Refund,
    RefundReason,
    ReleaseHold,
    Sweep,
    Thaw,
    Transfer,
    Wanted,
)
from credits.ledger.holds import DEFAULT_DURATION, HoldState
from credits.ledger.lots import LotState
from credits.ledger.models import LotSource, OwnerKind, TransactionKind
from credits.ledger.posting import Changes, Posted, Price, Refused, Spent, State
from credits.ledger.rules import apply
from credits.ledger.text import SALT_BYTES
from credits.ledger.wallet import Line, WalletState
from credits.money import Money

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

ACCOUNT, PURCHASE, DISPUTE = "acct_test", "pur_test", "dp_test"
WALLET, POOL, DEPARTMENT, SISTER = "wal_test", "wal_pool", "wal_department", "wal_sister"
_OWNERS = {
    WALLET: OwnerKind.ACCOUNT,
    POOL: OwnerKind.POOL,
    DEPARTMENT: OwnerKind.DEPARTMENT,
    SISTER: OwnerKind.DEPARTMENT,
}
PRICES = {
    "BASIC_ROOM": Price(credits=2, active=True),
    "VILLA": Price(credits=5, active=True),
    "GONE": Price(credits=2, active=False),
}


def lot(remaining: int, **changes: Any) -> LotState:
    """A granted lot of that many credits in the account's wallet, a day old, with the changes."""
    fields: dict[str, Any] = {
        "id": make_id(Kind.LOT),
        "wallet_id": WALLET,
        "account_id": ACCOUNT,
        "source": LotSource.GRANTED,
        "amount": max(remaining, 1),
        "remaining": remaining,
        "held": 0,
        "paid_minor": 0,
        "paid_for": max(remaining, 1),
        "currency": None,
        "expires_at": None,
        "priority": 50,
        "frozen_by": None,
        "created_at": NOW - DAY,
    }
    return LotState(**(fields | changes))


def bought(remaining: int, **changes: Any) -> LotState:
    """A lot of the purchase that the tests of disputes are about, paid with $1.99 a credit."""
    fields: dict[str, Any] = {
        "source": LotSource.PURCHASED,
        "paid_minor": 199 * max(remaining, 1),
        "currency": "USD",
        "purchase_id": PURCHASE,
    }
    return lot(remaining, **(fields | changes))


def wallet(wallet_id: str, *lots: LotState, **changes: Any) -> WalletState:
    """A wallet of the account with these lots, as if nothing had ever been posted to it."""
    fields: dict[str, Any] = {
        "id": wallet_id,
        "account_id": ACCOUNT,
        "owner_kind": _OWNERS[wallet_id],
        "time_zone": "UTC",
        "suspended": False,
        "balance": sum(each.remaining for each in lots),
        "held": sum(each.held for each in lots),
        "debt": 0,
        "sequence": 0,
        "version": 0,
        "last_hash": GENESIS,
        "last_posted_at": None,
        "lots": sorted((each for each in lots if each.remaining), key=lambda each: each.order),
    }
    return WalletState(**(fields | changes))


def state(*lots: LotState, **changes: Any) -> State:
    """The account's wallet alone, with these lots, and the prices."""
    return State(
        wallets={WALLET: wallet(WALLET, *lots, **changes)}, prices=PRICES, lots={each.id: each for each in lots}
    )


def tree(*lots: LotState) -> State:
    """The wallets of an account, a pool of it and two departments of that pool, each with those of the lots that name
    it, and the prices."""
    wallets = [wallet(each, *(one for one in lots if one.wallet_id == each)) for each in _OWNERS]
    return State(wallets={each.id: each for each in wallets}, prices=PRICES, lots={each.id: each for each in lots})


def posted(before: State, command: Command, now: datetime = NOW) -> Posted:
    """It is done, and `before` moved on with it to something that holds together."""
    ((outcome,),), _ = apply(before, [command], now)
    assert isinstance(outcome, Posted), outcome
    assert_sound(before, now)
    return outcome


def changes_of(before: State, *commands: Command, now: datetime = NOW) -> Changes:
    """All of them are done, one after the other; what of that is to be written."""
    outcomes, changes = apply(before, commands, now)
    assert all(isinstance(outcome, Posted) for (outcome,) in outcomes), outcomes
    assert_sound(before, now)
    return changes


def refused(before: State, command: Command, now: datetime = NOW) -> Refused:
    """It is refused, and all is as if nobody had asked."""
    unasked = deepcopy(before)
    _, nothing = apply(unasked, [], now)
    ((outcome,),), changes = apply(before, [command], now)
    assert isinstance(outcome, Refused), outcome
    assert (before, changes) == (unasked, nothing)
    return outcome


def assert_sound(after: State, now: datetime) -> None:
    """What is always true of wallets: sums agree, nothing is negative, and one in debt keeps nothing to spend."""
    for each in after.wallets.values():
        own = [lot for lot in after.lots.values() if lot.wallet_id == each.id]
        assert each.lots == sorted((lot for lot in own if lot.remaining), key=lambda lot: lot.order)
        assert each.balance == sum(lot.remaining for lot in own)
        assert each.held == sum(lot.held for lot in own)
        assert all(0 <= lot.held <= lot.remaining <= lot.amount for lot in own)
        assert each.debt == 0 or (each.debt > 0 and each.available(each.posting_time(now)) == 0)


def available(after: State, wallet_id: str = WALLET, now: datetime = NOW) -> int:
    """What can be spent of a wallet."""
    return after.wallets[wallet_id].available(now)


def drawn(line: Line) -> dict[str, int]:
    """What a transaction drew from (negative) or put into each lot, in order."""
    return {draw.lot_id: draw.credits for draw in line.draws}


def _common(kind: Kind) -> dict[str, Any]:
    return {"id": make_id(kind), "wallet_id": WALLET, "actor": SYSTEM}


def deduction(quantity: int = 1, **changes: Any) -> Deduction:
    """So many basic rooms, 2 credits each."""
    fields = _common(Kind.TRANSACTION) | {"staging_type": "BASIC_ROOM", "quantity": quantity}
    return Deduction(**(fields | changes))


def spend(before: State, quantity: int, now: datetime = NOW, **changes: Any) -> Line:
    """Deduct so many basic rooms, which can be refunded from then on."""
    line = posted(before, deduction(quantity, **changes), now).line
    before.spent[line.id] = spent(line)
    return line


def spent(line: Line) -> Spent:
    """A transaction as refunds see it, nothing of it refunded yet."""
    return Spent(
        id=line.id,
        wallet_id=line.wallet_id,
        kind=line.kind,
        staging_type=line.staging_type,
        person_id=line.actor.person_id,
        credits=-line.change,
        at=line.created_at,
        drawn={lot_id: -amount for lot_id, amount in drawn(line).items()},
        returned={},
    )


def refund(of: Line | Spent, credits_back: int | None = None, **changes: Any) -> Refund:
    """So many credits of a deduction, or all that is left of it, for no special reason."""
    fields = _common(Kind.TRANSACTION) | {
        "wallet_id": of.wallet_id,
        "deduction_id": of.id,
        "credits": credits_back,
        "reason": RefundReason.OTHER,
    }
    return Refund(**(fields | changes))


def grant(credits_given: int, **changes: Any) -> Grant:
    """So many credits, for ever."""
    fields = _common(Kind.TRANSACTION) | {"credits": credits_given, "expires_at": None, "priority": 50}
    return Grant(**(fields | changes))


def purchase_credit(credits_bought: int, **changes: Any) -> PurchaseCredit:
    """So many credits, paid with $1.99 each."""
    fields = _common(Kind.TRANSACTION) | {
        "purchase_id": make_id(Kind.PURCHASE),
        "payment_id": "pi_test",
        "credits": credits_bought,
        "paid": Money(199 * credits_bought, "USD"),
        "valid_for_days": None,
    }
    return PurchaseCredit(**(fields | changes))


def adjustment(change: int, **changes: Any) -> Adjustment:
    """A correction, either way."""
    return Adjustment(**(_common(Kind.TRANSACTION) | {"change": change} | changes))


def sweep(**changes: Any) -> Sweep:
    """Book whatever has lapsed."""
    return Sweep(**(_common(Kind.TRANSACTION) | {"limit": 100} | changes))


def transfer(credits_moved: int, source: str, target: str, **changes: Any) -> Transfer:
    """So many credits from one wallet to another; which way that is does not matter to most tests."""
    fields = _common(Kind.TRANSFER) | {
        "wallet_id": source,
        "to_wallet_id": target,
        "kind": TransactionKind.ALLOCATION,
        "credits": credits_moved,
    }
    return Transfer(**(fields | changes))


def place_hold(items: Mapping[str, int], **changes: Any) -> PlaceHold:
    """So many units of these staging types, for an hour."""
    wanted = tuple(Wanted(staging_type=code, quantity=quantity) for code, quantity in items.items())
    return PlaceHold(**(_common(Kind.HOLD) | {"items": wanted, "lasts": DEFAULT_DURATION} | changes))


def placed(before: State, items: Mapping[str, int], now: datetime = NOW, **changes: Any) -> HoldState:
    """The same, done; the hold as it was placed."""
    return hold_of(posted(before, place_hold(items, **changes), now))


def hold_of(outcome: Posted) -> HoldState:
    """The hold that it was about."""
    assert outcome.hold is not None
    return outcome.hold


def parts(units: Mapping[str, int | None] | None) -> tuple[Part, ...] | None:
    """Units by item, as commands name them."""
    return None if units is None else tuple(Part(item_id=name, quantity=number) for name, number in units.items())


def capture(hold: HoldState, units: Mapping[str, int | None] | None = None, **changes: Any) -> CaptureHold:
    """These units by item, or all that is open; what is left stays held."""
    fields = _common(Kind.HOLD_STEP) | {
        "wallet_id": hold.wallet_id,
        "hold_id": hold.id,
        "parts": parts(units),
        "release_rest": False,
        "salt": bytes(SALT_BYTES),
    }
    return CaptureHold(**(fields | changes))


def release(hold: HoldState, units: Mapping[str, int | None] | None = None, **changes: Any) -> ReleaseHold:
    """These units by item, or all that is open."""
    fields = _common(Kind.HOLD_STEP) | {"wallet_id": hold.wallet_id, "hold_id": hold.id, "parts": parts(units)}
    return ReleaseHold(**(fields | changes))


def extend(hold: HoldState, lasts: timedelta, **changes: Any) -> ExtendHold:
    """Let it end so long from then."""
    fields = _common(Kind.HOLD_STEP) | {"wallet_id": hold.wallet_id, "hold_id": hold.id, "lasts": lasts}
    return ExtendHold(**(fields | changes))


def _payment(kind: Kind) -> dict[str, Any]:
    return _common(kind) | {"account_id": ACCOUNT, "purchase_id": PURCHASE}


def freeze(**changes: Any) -> Freeze:
    """The payment of the purchase is disputed."""
    return Freeze(**(_payment(Kind.CLAWBACK) | {"dispute_id": DISPUTE} | changes))


def thaw(**changes: Any) -> Thaw:
    """The dispute was won."""
    return Thaw(**(_payment(Kind.CLAWBACK) | {"dispute_id": DISPUTE} | changes))


def clawback(credits_taken: int, **changes: Any) -> Clawback:
    """So much of the purchase's payment was refunded."""
    return Clawback(**(_payment(Kind.CLAWBACK) | {"source_id": "re_test", "credits": credits_taken} | changes))
