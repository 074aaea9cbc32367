"""Holds: credits promised to work under way, reserved lot by lot, settled unit by unit."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from credits.actors import Actor
from credits.ledger.models import HoldStatus

DEFAULT_DURATION = timedelta(hours=1)
LONGEST_DURATION = timedelta(days=7)
MAX_ITEMS = 100


@dataclass(slots=True, kw_only=True)
class HoldItemState:
    """Units of one staging type at the price of when they were promised; each is captured or released once."""

    id: str
    staging_type: str
    price: int
    quantity: int
    captured: int = 0
    released: int = 0

    @property
    def open(self) -> int:
        """Units still promised."""
        return self.quantity - self.captured - self.released

    @property
    def credits(self) -> int:
        """What all of it costs."""
        return self.quantity * self.price


@dataclass(slots=True, kw_only=True)
class HoldState:
    """A hold as the rules see it; `reservations` are the credits that it keeps in each lot."""

    id: str
    account_id: str
    wallet_id: str
    status: HoldStatus
    credits: int
    actor: Actor
    reference: str | None
    metadata: tuple[tuple[str, str], ...] | None
    expires_at: datetime
    created_at: datetime
    closed_at: datetime | None
    items: list[HoldItemState]
    reservations: dict[str, int]

    @property
    def open(self) -> int:
        """Credits still promised."""
        return sum(item.open * item.price for item in self.items)

    @property
    def captured(self) -> int:
        """Credits that were spent in the end."""
        return sum(item.captured * item.price for item in self.items)

    @property
    def released(self) -> int:
        """Credits that were given back, or whose time ran out."""
        return sum(item.released * item.price for item in self.items)

    @property
    def timed_out(self) -> bool:
        """Whether it ended by itself: nothing can be settled at or after its end."""
        return self.closed_at is not None and self.closed_at >= self.expires_at

    def ended(self, now: datetime) -> bool:
        """From its end on, to the instant, nothing of it is promised any more."""
        return self.status is HoldStatus.OPEN and self.expires_at <= now

    def settle(self, item: HoldItemState, units: int, ending: HoldStatus, at: datetime) -> None:
        """So many of the item's open units are captured, released or over; the last one closes the hold."""
        if ending is HoldStatus.CAPTURED:
            item.captured += units
        else:
            item.released += units
        if not self.open:
            self.status = HoldStatus.CAPTURED if self.captured else ending
            self.closed_at = at

    def as_of(self, now: datetime) -> "HoldState":
        """This hold as it counts now: one whose time is over has ended, whether or not the sweep has been there."""
        if not self.ended(now):
            return self
        over = self.snapshot()
        for item in over.items:
            over.settle(item, item.open, HoldStatus.EXPIRED, self.expires_at)
        over.reservations = {}
        return over

    def snapshot(self) -> "HoldState":
        """A copy that no later settlement changes."""
        return replace(self, items=[replace(item) for item in self.items], reservations=dict(self.reservations))


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What became of units of an item, when and by whom; a capture names its transaction."""

    id: str
    hold_id: str
    item_id: str
    account_id: str
    kind: HoldStatus
    quantity: int
    transaction_id: str | None
    actor: Actor
    at: datetime
