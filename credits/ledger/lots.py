"""Lots: credits that came in together, the order in which they are spent, and drawing from them."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from credits.ledger.models import LotSource

_NEVER = datetime.max.replace(tzinfo=UTC)

ConsumptionOrder = tuple[int, datetime, bool, Fraction, datetime, str]


@dataclass(frozen=True, slots=True)
class Draw:
    """Credits that a transaction took from a lot (negative) or put into it (positive)."""

    lot_id: str
    credits: int


@dataclass(slots=True, kw_only=True)
class LotState:
    """A lot as the rules see it. `paid_minor` is what was paid for `paid_for` credits, the amount of the lot that was
    bought, from which this one may have been split; `frozen_by` is the purchase whose payment is disputed.

    `renewed`: credits that came back to it after it had lapsed were given a new lot already.
    """

    id: str
    wallet_id: str
    account_id: str
    source: LotSource
    amount: int
    remaining: int
    held: int
    paid_minor: int
    paid_for: int
    currency: str | None
    expires_at: datetime | None
    priority: int
    frozen_by: str | None
    created_at: datetime
    origin_id: str | None = None
    purchase_id: str | None = None
    renewed: bool = False
    order: ConsumptionOrder = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.order = (
            self.priority,
            self.expires_at or _NEVER,
            self.source is LotSource.PURCHASED,
            Fraction(self.paid_minor, self.paid_for),
            self.created_at,
            self.id,
        )

    @property
    def frozen(self) -> bool:
        """Whether a dispute keeps it from being spent."""
        return self.frozen_by is not None

    @property
    def unheld(self) -> int:
        """What no hold reserves, whether or not it can be spent."""
        return self.remaining - self.held

    def lapsed(self, now: datetime) -> bool:
        """From its expiry on, to the instant, a lot counts as not available."""
        return self.expires_at is not None and self.expires_at <= now

    def available(self, now: datetime) -> int:
        """What of it can be spent now."""
        return 0 if self.frozen or self.lapsed(now) else self.unheld

    def same_terms(self, other: "LotState") -> bool:
        """Whether a credit of one is worth a credit of the other: price, priority, expiry and descent."""
        mine = (self.source, self.paid_minor, self.paid_for, self.currency, self.priority, self.expires_at)
        theirs = (other.source, other.paid_minor, other.paid_for, other.currency, other.priority, other.expires_at)
        return mine == theirs and self.purchase_id == other.purchase_id

    def split(self, lot_id: str, *, wallet_id: str, amount: int, at: datetime, **changes: Any) -> "LotState":
        """A lot of so many of these credits, still empty: price, priority and expiry kept, `origin` set."""
        fields: dict[str, Any] = {
            "id": lot_id,
            "wallet_id": wallet_id,
            "amount": amount,
            "remaining": 0,
            "held": 0,
            "created_at": at,
            "origin_id": self.id,
        }
        return replace(self, **(fields | changes))


def consumption_order(lot: LotState) -> ConsumptionOrder:
    """Priority, then soonest expiry (none last), granted before purchased, lower unit price, oldest, id."""
    return lot.order


def draw(lots: Iterable[LotState], credits_wanted: int, now: datetime) -> tuple[Draw, ...]:
    """Take `credits_wanted` from `lots`, which are in the order of consumption and hold enough.

    Raises ValueError where they do not: the caller has compared with what is available before.
    """
    draws = []
    left = credits_wanted
    for lot in lots:
        taken = min(left, lot.available(now))
        if taken:
            draws.append(Draw(lot.id, -taken))
            left -= taken
        if not left:
            return tuple(draws)
    raise ValueError(f"{left} of {credits_wanted} credits are not there to draw")
