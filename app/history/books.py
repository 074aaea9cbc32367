"""The books of one account of a history: its wallets in memory, every movement through the real rules.

What comes of it gathers until `take` hands it over as a portion, on which every promise of the ledger holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from app.history.plan import AccountPlan
from app.history.shop import Bought
from credits.actors import Actor
from credits.ledger.chain import GENESIS
from credits.ledger.commands import Command, Refund
from credits.ledger.lots import LotState, draw
from credits.ledger.models import OwnerKind, TransactionKind
from credits.ledger.posting import Changes, Posting, Price, Refused, Spent, State
from credits.ledger.rules import decide
from credits.ledger.text import Text
from credits.ledger.wallet import Line, WalletState


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidBack:
    """Money of a purchase that went back, and the credits that followed it."""

    id: str
    bought: Bought
    provider_id: str
    amount_minor: int
    credits: int
    at: datetime


@dataclass(slots=True)
class Portion:
    """What is to be written in one database transaction; `spent` are the deductions that it refunds."""

    changes: Changes = field(default_factory=Changes)
    bought: list[Bought] = field(default_factory=list)
    paid_back: list[PaidBack] = field(default_factory=list)
    spent: dict[str, Spent] = field(default_factory=dict)


class Books:
    """An account's wallets, empty at first."""

    def __init__(self, plan: AccountPlan, prices: Mapping[str, Price]) -> None:
        self._plan = plan
        self._prices = prices
        self._lots: dict[str, LotState] = {}
        self._postings: dict[tuple[str, ...], Posting] = {}
        self.wallets = {wallet_id: _empty(plan, wallet_id) for wallet_id in plan.wallets}
        self.portion = Portion()
        self.lines = 0

    def take(self) -> Portion:
        """What has gathered since the last time."""
        taken, self.portion = self.portion, Portion()
        return taken

    def do(self, command: Command, at: datetime) -> None:
        """What the command says, in the wallets that it names. A history asks for nothing that would be refused
        (ValueError)."""
        self._do(command, command.wallet_ids, at)

    def do_in_all(self, command: Command, at: datetime) -> None:
        """The same for what concerns every wallet of the account."""
        self._do(command, tuple(self.wallets), at)

    def deduct(
        self, wallet_id: str, at: datetime, *, line_id: str, actor: Actor, text: Text, staging_type: str, quantity: int
    ) -> Line:
        """A deduction that is covered (ValueError), booked as the rules do it. Asking them whether it may be would take
        longer than all the rest."""
        posting, wallet = self._posting((wallet_id,), at), self.wallets[wallet_id]
        cost = self._prices[staging_type].credits * quantity
        line = posting.book(
            wallet,
            TransactionKind.DEDUCTION,
            draw(wallet.lots, cost, posting.time(wallet)),
            actor=actor,
            line_id=line_id,
            text=text,
            staging_type=staging_type,
            quantity=quantity,
        )
        self.lines += 1
        return line

    def refund(self, command: Refund, at: datetime, *, of: Line) -> None:
        """Undo a deduction that was not refunded in an earlier portion, wholly or in part."""
        if of.id not in self.portion.spent:
            self.portion.spent[of.id] = Spent(
                id=of.id,
                wallet_id=of.wallet_id,
                kind=of.kind,
                staging_type=of.staging_type,
                person_id=of.actor.person_id,
                credits=-of.change,
                at=of.created_at,
                drawn={drawn.lot_id: -drawn.credits for drawn in of.draws},
                returned={},
            )
        self.do(command, at)

    def _do(self, command: Command, wallet_ids: tuple[str, ...], at: datetime) -> None:
        outcome = decide(self._posting(wallet_ids, at), command)
        if isinstance(outcome, Refused):
            raise ValueError(f"The history of {self._plan.name} cannot go on: {outcome.message}")  # noqa: TRY004
        self.lines += len(outcome.lines)

    def _posting(self, wallet_ids: tuple[str, ...], at: datetime) -> Posting:
        # Kept, and of few wallets: a state is asked about each of its wallets at every command.
        if wallet_ids not in self._postings:
            wallets = {wallet_id: self.wallets[wallet_id] for wallet_id in wallet_ids}
            self._postings[wallet_ids] = Posting(State(wallets=wallets, prices=self._prices, lots=self._lots), at)
        posting = self._postings[wallet_ids]
        posting.now, posting.changes = at, self.portion.changes
        posting.state.spent = self.portion.spent
        return posting

    def left_of(self, purchase_id: str, at: datetime) -> int:
        """What of a purchase nobody has spent, wherever in the account it lies."""
        return sum(
            lot.unheld
            for wallet in self.wallets.values()
            for lot in wallet.lots
            if lot.purchase_id == purchase_id and not lot.lapsed(at)
        )

    def lapsing(self, until: datetime) -> list[tuple[datetime, str]]:
        """When and in which wallets something lapses by then, in order."""
        return sorted(
            {
                (lot.expires_at, wallet.id)
                for wallet in self.wallets.values()
                for lot in wallet.lots
                if lot.expires_at is not None and lot.expires_at <= until
            }
        )


def _empty(plan: AccountPlan, wallet_id: str) -> WalletState:
    kind = OwnerKind.DEPARTMENT
    if wallet_id == plan.wallet_id:
        kind = OwnerKind.ACCOUNT
    elif any(pool.wallet_id == wallet_id for pool in plan.pools):
        kind = OwnerKind.POOL
    return WalletState(
        id=wallet_id,
        account_id=plan.id,
        owner_kind=kind,
        time_zone=plan.time_zone,
        suspended=False,
        balance=0,
        held=0,
        debt=0,
        sequence=0,
        version=0,
        last_hash=GENESIS,
        last_posted_at=None,
    )
