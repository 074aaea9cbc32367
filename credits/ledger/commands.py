"""What the ledger can be told to do. A command is complete: ids, salt and the idempotency key come with it.

Its fields have been checked by whoever made it (`service.py`); what depends on the wallet's state is for the rules.
"""

from dataclasses import dataclass
from datetime import datetime

from credits.actors import Actor
from credits.errors import Refusal, RefusalCode
from credits.idempotency import Key
from credits.ledger.text import Text
from credits.ledger.wallet import MAX_OPERATION
from credits.money import Money

DEFAULT_PRIORITY = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Deduction:
    """Spend on staging: `quantity` jobs of a type, priced by the catalogue when it is posted."""

    transaction_id: str
    wallet_id: str
    actor: Actor
    key: Key
    text: Text | None
    staging_type: str
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Credits given by an operator."""

    transaction_id: str
    lot_id: str
    wallet_id: str
    actor: Actor
    key: Key
    text: Text | None
    credits: int
    expires_at: datetime | None
    priority: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchaseCredit:
    """Credits that were paid for. It carries no key: the payment's id is unique in the ledger for ever."""

    transaction_id: str
    lot_id: str
    wallet_id: str
    actor: Actor
    purchase_id: str
    payment_id: str
    credits: int
    paid: Money
    valid_for_days: int | None
    key: None = None
    text: None = None


Command = Deduction | Grant | PurchaseCredit


def check_amount(value: int, *, field: str) -> int:
    """One operation moves 1 to 1,000,000,000 credits; anything else is refused before any effect."""
    if not 1 <= value <= MAX_OPERATION:
        raise Refusal(RefusalCode.INVALID, f"Between 1 and {MAX_OPERATION:,}; this is {value:,}.", field=field)
    return value
