"""One posting: the working copy of the locked wallets that the rules move on, and the record of what they changed."""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from credits.actors import Actor
from credits.errors import RefusalCode
from credits.ids import Kind, Series
from credits.ledger.chain import line_hash
from credits.ledger.holds import HoldItemState, HoldState, Step
from credits.ledger.lots import Draw, LotState
from credits.ledger.models import HoldStatus, TransactionKind
from credits.ledger.text import Text
from credits.ledger.wallet import BalanceView, Line, WalletState


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What one job of a staging type costs, and whether it is still offered."""

    credits: int
    active: bool


@dataclass(slots=True, kw_only=True)
class Spent:
    """A transaction that somebody wants undone: what it drew from each lot, and what of that has come back.
    `staging_type` and `person_id` are those that it counts for as use, and its refunds with it."""

    id: str
    wallet_id: str
    kind: TransactionKind
    staging_type: str | None
    person_id: str
    credits: int
    at: datetime
    drawn: Mapping[str, int]
    returned: dict[str, int]

    @property
    def left(self) -> int:
        """What of it can still be refunded."""
        return self.credits - sum(self.returned.values())


@dataclass(slots=True, kw_only=True)
class State:
    """What was loaded for the commands: locked wallets, lots, holds and deductions by id, the prices of the staging
    types that are named, and the accounts that owe credits in a wallet which is not among these."""

    wallets: dict[str, WalletState]
    prices: Mapping[str, Price]
    lots: dict[str, LotState] = field(default_factory=dict)
    holds: dict[str, HoldState] = field(default_factory=dict)
    spent: dict[str, Spent] = field(default_factory=dict)
    indebted_elsewhere: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for wallet in self.wallets.values():
            self.lots.update((lot.id, lot) for lot in wallet.lots)

    def in_debt(self, account_id: str) -> bool:
        """Whether any wallet of the account owes."""
        return account_id in self.indebted_elsewhere or any(
            wallet.debt for wallet in self.wallets.values() if wallet.account_id == account_id
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """Why credits were refused: what was asked for and what is there."""

    required: int
    available: int
    held: int
    frozen: int

    @property
    def missing(self) -> int:
        """What would have to come in."""
        return self.required - self.available


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """It was done. `balance` is the wallet's right after it; `hold` the hold that it was about."""

    lines: tuple[Line, ...]
    balance: BalanceView
    hold: HoldState | None = None

    @property
    def line(self) -> Line:
        """The first transaction that it made."""
        return self.lines[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """It was not done, and nothing was changed."""

    code: RefusalCode
    message: str
    field: str | None = None
    shortfall: Shortfall | None = None


def not_posted(because: Refused) -> Refused:
    """What an atomic call says of a command that would have stood alone."""
    return Refused(
        code=because.code, message=f"Not posted, because another of this atomic call was refused: {because.message}"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenBack:
    """A clawback as it is recorded: so many credits in all, of which `debt` were not there."""

    id: str
    account_id: str
    wallet_id: str
    purchase_id: str
    source_id: str
    credits: int
    debt: int
    at: datetime


@dataclass(slots=True)
class Changes:
    """What is to be written: lines, steps and clawbacks in the order of posting; lots, holds and wallets, by id, as
    they are in the end, `new_lots` and `new_holds` being those that came to be; and what happened to each wallet."""

    lines: list[Line] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    clawbacks: list[TakenBack] = field(default_factory=list)
    lots: dict[str, LotState] = field(default_factory=dict)
    new_lots: set[str] = field(default_factory=set)
    holds: dict[str, HoldState] = field(default_factory=dict)
    new_holds: set[str] = field(default_factory=set)
    wallets: dict[str, WalletState] = field(default_factory=dict)
    causes: dict[str, list[str]] = field(default_factory=dict)


class Posting:
    """Moves a state on, at one time. What it is told to do has been decided: nothing is refused here."""

    def __init__(self, state: State, now: datetime) -> None:
        self.state = state
        self.now = now
        self.changes = Changes()
        self.ids = Series("")

    def fork(self, wallet_ids: Iterable[str]) -> "Posting":
        """A copy to try deductions from these wallets on; `adopt` makes what came of it ours."""
        wallets = dict(self.state.wallets)
        lots = dict(self.state.lots)
        for wallet in [wallets[wallet_id] for wallet_id in set(wallet_ids)]:
            copies = [copy.copy(lot) for lot in wallet.lots]
            lots.update((lot.id, lot) for lot in copies)
            wallets[wallet.id] = replace(wallet, lots=copies)
        fork = Posting(replace(self.state, wallets=wallets, lots=lots), self.now)
        fork.changes = replace(
            self.changes,
            lines=list(self.changes.lines),
            lots={lot_id: lots[lot_id] for lot_id in self.changes.lots},
            wallets={wallet_id: wallets[wallet_id] for wallet_id in self.changes.wallets},
            causes={wallet_id: list(causes) for wallet_id, causes in self.changes.causes.items()},
        )
        return fork

    def adopt(self, fork: "Posting") -> None:
        """Go on from where the copy came to."""
        self.state, self.changes = fork.state, fork.changes

    def time(self, wallet: WalletState) -> datetime:
        """When what is posted to the wallet happens."""
        return wallet.posting_time(self.now)

    def happened(self, wallet: WalletState, cause: str) -> None:
        """The wallet's balance shows something else from now on."""
        wallet.version += 1
        self.changes.wallets[wallet.id] = wallet
        self.changes.causes.setdefault(wallet.id, []).append(cause)

    def touch(self, lot: LotState) -> LotState:
        """The lot, whose row has to be written."""
        self.changes.lots[lot.id] = lot
        return lot

    def add_lot(self, lot: LotState) -> LotState:
        """A lot that came to be, still empty."""
        self.state.lots[lot.id] = lot
        self.changes.new_lots.add(lot.id)
        return self.touch(lot)

    def book(
        self,
        wallet: WalletState,
        kind: TransactionKind,
        draws: Iterable[Draw],
        *,
        actor: Actor,
        line_id: str | None = None,
        text: Text | None = None,
        **details: Any,
    ) -> Line:
        """A transaction of the wallet that draws from or puts into these lots; `details` are further fields of it."""
        taken = tuple(draws)
        for draw in taken:
            self._move(wallet, self.touch(self.state.lots[draw.lot_id]), draw.credits)
        change = sum(draw.credits for draw in taken)
        at = self.time(wallet)
        self.happened(wallet, kind.value)
        wallet.balance += change
        wallet.sequence += 1
        wallet.last_posted_at = at
        fields: dict[str, Any] = dict.fromkeys(_DETAILS) | details
        line = Line(
            id=line_id or self.ids.next(Kind.TRANSACTION),
            account_id=wallet.account_id,
            wallet_id=wallet.id,
            sequence=wallet.sequence,
            kind=kind,
            change=change,
            balance_after=wallet.balance,
            version=wallet.version,
            actor=actor,
            created_at=at,
            local_day=wallet.local_day(at),
            text=text,
            draws=taken,
            hash=b"",
            **fields,
        )
        line = replace(line, hash=line_hash(wallet.last_hash, line))
        wallet.last_hash = line.hash
        self.changes.lines.append(line)
        return line

    def _move(self, wallet: WalletState, lot: LotState, credits_moved: int) -> None:
        was_empty = not lot.remaining
        lot.remaining += credits_moved
        if was_empty:
            wallet.place(lot)
        elif not lot.remaining:
            wallet.take_out(lot)

    def reserve(self, wallet: WalletState, hold: HoldState, draws: Iterable[Draw]) -> None:
        """Keep for the hold what these draws would take."""
        for draw in draws:
            hold.reservations[draw.lot_id] = -draw.credits
            self.touch(self.state.lots[draw.lot_id]).held -= draw.credits
            wallet.held -= draw.credits

    def free(self, wallet: WalletState, hold: HoldState, credits_freed: int, *, last_first: bool) -> list[Draw]:
        """Take so many credits out of the hold's reservations: in the order of consumption what is captured, the last
        reserved first what is given back. Returns from which lots, as draws."""
        reserved = sorted((self.state.lots[lot_id] for lot_id in hold.reservations), key=lambda lot: lot.order)
        draws = []
        for lot in reversed(reserved) if last_first else reserved:
            freed = min(credits_freed, hold.reservations[lot.id])
            if not freed:
                break
            credits_freed -= freed
            hold.reservations[lot.id] -= freed
            self.touch(lot).held -= freed
            wallet.held -= freed
            draws.append(Draw(lot.id, -freed))
        self.changes.holds[hold.id] = hold
        hold.reservations = {lot_id: kept for lot_id, kept in hold.reservations.items() if kept}
        return draws

    def settle(
        self, hold: HoldState, item: HoldItemState, units: int, ending: HoldStatus, *, actor: Actor, **step: Any
    ) -> None:
        """Note what became of units of an item."""
        # What time ends has ended at its instant, however late that is written down.
        at = hold.expires_at if ending is HoldStatus.EXPIRED else self.time(self.state.wallets[hold.wallet_id])
        hold.settle(item, units, ending, at)
        self.changes.holds[hold.id] = hold
        self.changes.steps.append(
            Step(
                hold_id=hold.id,
                item_id=item.id,
                account_id=hold.account_id,
                kind=ending,
                quantity=units,
                actor=actor,
                at=at,
                **step,
            )
        )

    def posted(self, wallet: WalletState, lines: Iterable[Line] = (), hold: HoldState | None = None) -> Posted:
        """The outcome, with the wallet's balance as it is now."""
        return Posted(
            lines=tuple(lines),
            balance=wallet.balance_view(self.time(wallet)),
            hold=hold.snapshot() if hold else None,
        )


_DETAILS = (
    "staging_type",
    "quantity",
    "transfer_id",
    "counterpart_wallet_id",
    "purchase_id",
    "payment_id",
    "hold_id",
    "refunds_id",
)
