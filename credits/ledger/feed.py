"""Telling that a balance changed: ready payloads, so that a push costs no read of the database.

Best effort and the latest wins: readers compare (version, as_of) and read again when they may have missed one.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from credits.gateways.publisher import Publisher
from credits.ledger.posting import Changes
from credits.ledger.wallet import BalanceView, CreditExpiry


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceChange:
    """A wallet's balance and what happened since the last one told, oldest first."""

    account_id: str
    balance: BalanceView
    causes: tuple[str, ...]
    last_transaction_id: str | None

    def after(self, earlier: "BalanceChange") -> "BalanceChange":
        """This change and an earlier one that was not yet told, as one."""
        later = self if _age(self) >= _age(earlier) else earlier
        causes = tuple(dict.fromkeys(earlier.causes + self.causes))
        return replace(later, causes=causes)


def _age(change: BalanceChange) -> tuple[int, datetime]:
    return change.balance.version, change.balance.as_of


def wallet_channel(wallet_id: str) -> str:
    """Where changes of one wallet are told."""
    return f"balance:{wallet_id}"


def account_channel(account_id: str) -> str:
    """Where changes of every wallet of an account are told."""
    return f"balances:{account_id}"


def changed(changes: Changes, now: datetime) -> list[BalanceChange]:
    """One change for each wallet whose balance shows something else than before."""
    last = {line.wallet_id: line.id for line in changes.lines}
    return [
        BalanceChange(
            account_id=wallet.account_id,
            balance=wallet.balance_view(wallet.posting_time(now)),
            causes=tuple(dict.fromkeys(changes.causes[wallet.id])),
            last_transaction_id=last.get(wallet.id),
        )
        for wallet in changes.wallets.values()
    ]


async def tell(publisher: Publisher, changes: Iterable[BalanceChange]) -> None:
    """Hand the changes to the publisher, after the commit that made them."""
    for change in changes:
        payload = encode(change)
        await publisher.publish(wallet_channel(change.balance.wallet_id), payload)
        await publisher.publish(account_channel(change.account_id), payload)


def encode(change: BalanceChange) -> str:
    """As JSON; `decode` is its inverse."""
    balance = change.balance
    expiry = balance.next_expiry
    return json.dumps(
        {
            "account": change.account_id,
            "wallet": balance.wallet_id,
            "credits": balance.credits,
            "held": balance.held,
            "frozen": balance.frozen,
            "available": balance.available,
            "debt": balance.debt,
            "low": balance.low,
            "expiry": expiry and [expiry.credits, expiry.at.isoformat()],
            "version": balance.version,
            "as_of": balance.as_of.isoformat(),
            "causes": change.causes,
            "transaction": change.last_transaction_id,
        },
        separators=(",", ":"),
    )


def decode(payload: str) -> BalanceChange:
    """A change from its JSON."""
    data = json.loads(payload)
    expiry = data["expiry"]
    return BalanceChange(
        account_id=data["account"],
        balance=BalanceView(
            wallet_id=data["wallet"],
            credits=data["credits"],
            held=data["held"],
            frozen=data["frozen"],
            available=data["available"],
            debt=data["debt"],
            low=data["low"],
            next_expiry=CreditExpiry(credits=expiry[0], at=datetime.fromisoformat(expiry[1])) if expiry else None,
            version=data["version"],
            as_of=datetime.fromisoformat(data["as_of"]),
        ),
        causes=tuple(data["causes"]),
        last_transaction_id=data["transaction"],
    )
