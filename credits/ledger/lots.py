"""Lots: credits that came in together, the order in which they are spent, and drawing from them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction

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
    """A lot as the rules see it. `paid_minor` is what was paid for all of `amount`."""

    id: str
    wallet_id: str
    account_id: str
    source: LotSource
    amount: int
    remaining: int
    held: int
    paid_minor: int
    currency: str | None
    expires_at: datetime | None
    priority: int
    frozen: bool
    created_at: datetime
    origin_id: str | None = None
    purchase_id: str | None = None
    order: ConsumptionOrder = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.order = (
            self.priority,
            self.expires_at or _NEVER,
            self.source is LotSource.PURCHASED,
            Fraction(self.paid_minor, self.amount),
            self.created_at,
            self.id,
        )

    def lapsed(self, now: datetime) -> bool:
        """From its expiry on, to the instant, a lot counts as not available."""
        return self.expires_at is not None and self.expires_at <= now

    def available(self, now: datetime) -> int:
        """What of it can be spent now."""
        return 0 if self.frozen or self.lapsed(now) else self.remaining - self.held


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
