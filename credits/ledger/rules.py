"""The rules of the ledger: pure decisions over the state of the locked wallets.

`(state, commands in order, now) → outcomes and changes`. No clock, no ids made, no await, no database. The checks of
a command stand in the order in which they refuse.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from credits.errors import RefusalCode
from credits.ledger.chain import line_hash
from credits.ledger.commands import DEFAULT_PRIORITY, Command, Deduction, Grant, PurchaseCredit
from credits.ledger.lots import Draw, LotState, draw
from credits.ledger.models import LotSource, TransactionKind
from credits.ledger.wallet import MAX_BALANCE, MAX_OPERATION, BalanceView, Line, WalletState


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What one job of a staging type costs, and whether it is still offered."""

    credits: int
    active: bool


@dataclass(slots=True, kw_only=True)
class State:
    """The locked wallets by id, and the prices of the staging types that the commands name."""

    wallets: dict[str, WalletState]
    prices: Mapping[str, Price]


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
    """It was done. `balance` is the wallet's right after it."""

    line: Line
    balance: BalanceView


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """It was not done, and nothing was changed."""

    code: RefusalCode
    message: str
    field: str | None = None
    shortfall: Shortfall | None = None


@dataclass(slots=True)
class Changes:
    """What is to be written: lines in the order of posting, and the lots that they touched, by id, as they are in
    the end; `new_lots` are the ids of those that came to be."""

    lines: list[Line] = field(default_factory=list)
    lots: dict[str, LotState] = field(default_factory=dict)
    new_lots: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Entry:
    """A decision that stands: the line without its hash, and the lots that it makes, empty until it is booked."""

    line: Line
    new_lots: tuple[LotState, ...] = ()


def apply(state: State, commands: Iterable[Command], now: datetime) -> tuple[list[Posted | Refused], Changes]:
    """Decide the commands one after the other, each on what the ones before it left; `state` moves on with them."""
    outcomes: list[Posted | Refused] = []
    changes = Changes()
    for command in commands:
        wallet = state.wallets[command.wallet_id]
        at = wallet.posting_time(now)
        decision = decide(state, wallet, command, at)
        if isinstance(decision, Refused):
            outcomes.append(decision)
            continue
        line = replace(decision.line, hash=line_hash(wallet.last_hash, decision.line))
        changes.lines.append(line)
        changes.lots.update((lot.id, lot) for lot in wallet.book(line, decision.new_lots))
        changes.new_lots.update(lot.id for lot in decision.new_lots)
        outcomes.append(Posted(line=line, balance=wallet.balance_view(at)))
    return outcomes, changes


def decide(state: State, wallet: WalletState, command: Command, at: datetime) -> Entry | Refused:
    """What becomes of one command at that instant; changes nothing."""
    if isinstance(command, Deduction):
        return _deduct(state, wallet, command, at)
    if isinstance(command, Grant):
        return _grant(wallet, command, at)
    return _credit_purchase(wallet, command, at)


def _deduct(state: State, wallet: WalletState, command: Deduction, at: datetime) -> Entry | Refused:
    price = state.prices.get(command.staging_type)
    if price is None or not price.active:
        return Refused(
            code=RefusalCode.UNKNOWN_STAGING_TYPE,
            message=f"There is no staging type {command.staging_type!r}. The query stagingTypes lists those there are.",
            field="stagingType",
        )
    cost = price.credits * command.quantity
    if cost > MAX_OPERATION:
        return Refused(
            code=RefusalCode.INVALID,
            message=f"One operation moves at most {MAX_OPERATION:,} credits; this would cost {cost:,}.",
            field="quantity",
        )
    refused = _may_spend(wallet) or _covers(wallet, cost, at)
    if refused:
        return refused
    line = _line(wallet, command, at, TransactionKind.DEDUCTION, -cost, draw(wallet.lots, cost, at))
    return Entry(replace(line, staging_type=command.staging_type, quantity=command.quantity))


def _may_spend(wallet: WalletState) -> Refused | None:
    if wallet.suspended:
        return Refused(
            code=RefusalCode.ACCOUNT_SUSPENDED,
            message="This account is suspended and cannot spend. Write to the platform's support.",
        )
    if wallet.account_in_debt:
        return Refused(
            code=RefusalCode.IN_DEBT,
            message="This account owes credits for a refunded or disputed payment. A purchase repays them first.",
        )
    return None


def _covers(wallet: WalletState, cost: int, at: datetime) -> Refused | None:
    available = wallet.available(at)
    if available >= cost:
        return None
    return Refused(
        code=RefusalCode.INSUFFICIENT_CREDITS,
        message=f"This takes {cost:,} credits, {available:,} are available. Buy or allocate {cost - available:,} more.",
        shortfall=Shortfall(required=cost, available=available, held=wallet.held, frozen=wallet.frozen()),
    )


def _grant(wallet: WalletState, command: Grant, at: datetime) -> Entry | Refused:
    if command.expires_at is not None and command.expires_at <= at:
        return Refused(
            code=RefusalCode.INVALID, message="The expiry lies in the past. Give a later instant.", field="expiresAt"
        )
    if wallet.balance + wallet.reserved + command.credits > MAX_BALANCE:
        return Refused(
            code=RefusalCode.BALANCE_LIMIT_EXCEEDED,
            message=f"A wallet holds at most {MAX_BALANCE:,} credits, purchases under way included. Give fewer.",
            field="credits",
        )
    lot = LotState(
        id=command.lot_id,
        wallet_id=wallet.id,
        account_id=wallet.account_id,
        source=LotSource.GRANTED,
        amount=command.credits,
        remaining=0,
        held=0,
        paid_minor=0,
        currency=None,
        expires_at=command.expires_at,
        priority=command.priority,
        frozen=False,
        created_at=at,
    )
    line = _line(wallet, command, at, TransactionKind.GRANT, command.credits, (Draw(lot.id, command.credits),))
    return Entry(line, (lot,))


def _credit_purchase(wallet: WalletState, command: PurchaseCredit, at: datetime) -> Entry:
    """A payment that has arrived is never refused: whether the wallet can hold it was checked at the purchase."""
    lot = LotState(
        id=command.lot_id,
        wallet_id=wallet.id,
        account_id=wallet.account_id,
        source=LotSource.PURCHASED,
        amount=command.credits,
        remaining=0,
        held=0,
        paid_minor=command.paid.amount_minor,
        currency=command.paid.currency,
        expires_at=at + timedelta(days=command.valid_for_days) if command.valid_for_days else None,
        priority=DEFAULT_PRIORITY,
        frozen=False,
        created_at=at,
        purchase_id=command.purchase_id,
    )
    line = _line(wallet, command, at, TransactionKind.PURCHASE, command.credits, (Draw(lot.id, command.credits),))
    return Entry(replace(line, purchase_id=command.purchase_id, payment_id=command.payment_id), (lot,))


def _line(
    wallet: WalletState,
    command: Command,
    at: datetime,
    kind: TransactionKind,
    change: int,
    draws: tuple[Draw, ...],
) -> Line:
    return Line(
        id=command.transaction_id,
        account_id=wallet.account_id,
        wallet_id=wallet.id,
        sequence=wallet.sequence + 1,
        kind=kind,
        change=change,
        balance_after=wallet.balance + change,
        version=wallet.version + 1,
        actor=command.actor,
        created_at=at,
        local_day=wallet.local_day(at),
        staging_type=None,
        quantity=None,
        transfer_id=None,
        counterpart_wallet_id=None,
        purchase_id=None,
        payment_id=None,
        hold_id=None,
        refunds_id=None,
        text=command.text,
        draws=draws,
        hash=b"",
    )
