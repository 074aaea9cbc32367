"""Wallets and lots made up for tests of the rules."""

from datetime import UTC, datetime, timedelta
from typing import Any

from credits.actors import SYSTEM
from credits.idempotency import make_key
from credits.ids import Kind, make_id
from credits.ledger.chain import GENESIS
from credits.ledger.commands import Deduction, Grant, PurchaseCredit
from credits.ledger.lots import LotState
from credits.ledger.models import LotSource, OwnerKind
from credits.ledger.rules import Price, State
from credits.ledger.wallet import WalletState
from credits.money import Money

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
WALLET = "wal_test"
PRICES = {"BASIC_ROOM": Price(credits=2, active=True), "GONE": Price(credits=2, active=False)}


def lot(remaining: int, **changes: Any) -> LotState:
    """A granted lot of that many credits, as old as the test, with the changes."""
    fields: dict[str, Any] = {
        "id": make_id(Kind.LOT),
        "wallet_id": WALLET,
        "account_id": "acct_test",
        "source": LotSource.GRANTED,
        "amount": max(remaining, 1),
        "remaining": remaining,
        "held": 0,
        "paid_minor": 0,
        "currency": None,
        "expires_at": None,
        "priority": 50,
        "frozen": False,
        "created_at": NOW - timedelta(days=1),
    }
    return LotState(**(fields | changes))


def state(*lots: LotState, **changes: Any) -> State:
    """One wallet with these lots, and the prices."""
    fields: dict[str, Any] = {
        "id": WALLET,
        "account_id": "acct_test",
        "owner_kind": OwnerKind.ACCOUNT,
        "time_zone": "UTC",
        "suspended": False,
        "account_in_debt": False,
        "balance": sum(each.remaining for each in lots),
        "held": sum(each.held for each in lots),
        "debt": 0,
        "sequence": 0,
        "version": 0,
        "last_hash": GENESIS,
        "last_posted_at": None,
        "lots": sorted(lots, key=lambda each: each.order),
    }
    return State(wallets={WALLET: WalletState(**(fields | changes))}, prices=PRICES)


def deduction(quantity: int = 1, **changes: Any) -> Deduction:
    """So many basic rooms, 2 credits each."""
    fields: dict[str, Any] = {
        "transaction_id": make_id(Kind.TRANSACTION),
        "wallet_id": WALLET,
        "actor": SYSTEM,
        "key": make_key(scope="acct_test", key=make_id(Kind.TRANSACTION), operation="deductCredits", fields={}),
        "text": None,
        "staging_type": "BASIC_ROOM",
        "quantity": quantity,
    }
    return Deduction(**(fields | changes))


def grant(credits_given: int, **changes: Any) -> Grant:
    """So many credits, for ever."""
    fields: dict[str, Any] = {
        "transaction_id": make_id(Kind.TRANSACTION),
        "lot_id": make_id(Kind.LOT),
        "wallet_id": WALLET,
        "actor": SYSTEM,
        "key": make_key(scope="acct_test", key=make_id(Kind.TRANSACTION), operation="grantCredits", fields={}),
        "text": None,
        "credits": credits_given,
        "expires_at": None,
        "priority": 50,
    }
    return Grant(**(fields | changes))


def purchase_credit(credits_bought: int, **changes: Any) -> PurchaseCredit:
    """So many credits, paid with $1.99 each."""
    fields: dict[str, Any] = {
        "transaction_id": make_id(Kind.TRANSACTION),
        "lot_id": make_id(Kind.LOT),
        "wallet_id": WALLET,
        "actor": SYSTEM,
        "purchase_id": make_id(Kind.PURCHASE),
        "payment_id": "pi_test",
        "credits": credits_bought,
        "paid": Money(199 * credits_bought, "USD"),
        "valid_for_days": None,
    }
    return PurchaseCredit(**(fields | changes))
