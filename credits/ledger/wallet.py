"""What the rules know of a wallet: its counters, its open lots, and what a balance is made of.

A `WalletState` is a working copy that belongs to one `Posting`, which moves it on; nothing else does.
"""

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from datetime import date, datetime

from credits.accounts.zones import Zones
from credits.actors import Actor
from credits.alerts.rules import AlertState
from credits.ledger.lots import Draw, LotState, consumption_order
from credits.ledger.models import OwnerKind, TransactionKind
from credits.ledger.text import Text

MAX_BALANCE = 2_147_483_647
MAX_OPERATION = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditExpiry:
    """How many credits lapse next, and when."""

    credits: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceView:
    """A wallet's balance at an instant. Of two views the later is the one with the higher (version, as_of)."""

    wallet_id: str
    credits: int
    held: int
    frozen: int
    available: int
    debt: int
    low: bool
    next_expiry: CreditExpiry | None
    version: int
    as_of: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A transaction: one immutable line of one wallet, with what it drew from or put into lots."""

    id: str
    account_id: str
    wallet_id: str
    sequence: int
    kind: TransactionKind
    change: int
    balance_after: int
    version: int
    actor: Actor
    created_at: datetime
    local_day: date
    staging_type: str | None
    quantity: int | None
    transfer_id: str | None
    counterpart_wallet_id: str | None
    purchase_id: str | None
    payment_id: str | None
    hold_id: str | None
    refunds_id: str | None
    text: Text | None
    draws: tuple[Draw, ...]
    hash: bytes


@dataclass(slots=True, kw_only=True)
class WalletState:
    """A locked wallet and its open lots in the order of consumption; `time_zone` (IANA) fixes the local day of what is
    posted; until `time_zone_from` the former one does."""

    id: str
    account_id: str
    owner_kind: OwnerKind
    time_zone: str
    suspended: bool
    balance: int
    held: int
    debt: int
    sequence: int
    version: int
    last_hash: bytes
    last_posted_at: datetime | None
    former_time_zone: str | None = None
    time_zone_from: datetime | None = None
    # What open purchases may still bring in, and whether its pool or department was deleted; read for commands that put
    # something in.
    reserved: int = 0
    closed: bool = False
    alert: AlertState = field(default_factory=AlertState)
    # Below what the wallet is topped up (None: it is not), and whether somebody was asked to look at that.
    top_up_below: int | None = None
    top_up_asked: bool = False
    lots: list[LotState] = field(default_factory=list)

    def posting_time(self, now: datetime) -> datetime:
        """`now`, but never before the wallet's last transaction: a clock that was set back changes no order."""
        return now if self.last_posted_at is None else max(now, self.last_posted_at)

    def local_day(self, at: datetime) -> date:
        """The calendar day of the instant where the account is."""
        return Zones(name=self.time_zone, former=self.former_time_zone, since=self.time_zone_from).day(at)

    def available(self, now: datetime) -> int:
        """What can be spent: unheld in lots that are neither lapsed nor frozen."""
        return sum(lot.available(now) for lot in self.lots)

    def unheld(self) -> int:
        """What lies unheld in lots that are not frozen, lapsed or not: what was available until something lapsed."""
        return sum(lot.remaining - lot.held for lot in self.lots if not lot.frozen)

    def frozen(self) -> int:
        """What lies unheld in frozen lots."""
        return sum(lot.remaining - lot.held for lot in self.lots if lot.frozen)

    def balance_view(self, now: datetime) -> BalanceView:
        """The balance as people see it."""
        available = self.available(now)
        return BalanceView(
            wallet_id=self.id,
            credits=self.balance,
            held=self.held,
            frozen=self.frozen(),
            available=available,
            debt=self.debt,
            low=self.alert.low(available),
            next_expiry=_next_expiry(self.lots, now),
            version=self.version,
            as_of=now,
        )

    def place(self, lot: LotState) -> None:
        """Put a lot that has come to hold credits where its turn is."""
        insort(self.lots, lot, key=consumption_order)

    def take_out(self, lot: LotState) -> None:
        """A lot that has come to be empty."""
        del self.lots[bisect_left(self.lots, lot.order, key=consumption_order)]


def _next_expiry(lots: list[LotState], now: datetime) -> CreditExpiry | None:
    lapsing = [lot for lot in lots if lot.expires_at is not None and lot.available(now)]
    if not lapsing:
        return None
    at = min(lot.expires_at for lot in lapsing if lot.expires_at is not None)
    return CreditExpiry(credits=sum(lot.available(now) for lot in lapsing if lot.expires_at == at), at=at)
