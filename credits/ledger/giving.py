"""Rules of what comes in from outside and what time takes: grants, purchases, adjustments, expiry."""

from datetime import datetime, timedelta
from itertools import islice

from credits.actors import SYSTEM
from credits.errors import RefusalCode
from credits.ids import Kind
from credits.ledger.commands import DEFAULT_PRIORITY, Adjustment, Grant, PurchaseCredit, Sweep
from credits.ledger.lots import Draw, LotState, draw
from credits.ledger.models import LotSource, TransactionKind
from credits.ledger.posting import Posted, Posting, Refused
from credits.ledger.spending import covers
from credits.ledger.wallet import MAX_BALANCE, Line, WalletState
from credits.money import Money


def grant(posting: Posting, command: Grant) -> Posted | Refused:
    """Refused: an expiry that is past, more than the wallet can hold."""
    wallet = posting.state.wallets[command.wallet_id]
    if command.expires_at is not None and command.expires_at <= posting.time(wallet):
        return Refused(
            code=RefusalCode.INVALID, message="The expiry lies in the past. Give a later instant.", field="expiresAt"
        )
    if refused := holds_more(wallet, command.credits):
        return refused
    lot = _new_lot(posting, wallet, command.credits, expires_at=command.expires_at, priority=command.priority)
    line = posting.book(
        wallet,
        TransactionKind.GRANT,
        [Draw(lot.id, command.credits)],
        actor=command.actor,
        line_id=command.id,
        text=command.text,
    )
    return posting.posted(wallet, [line])


def credit_purchase(posting: Posting, command: PurchaseCredit) -> Posted:
    """A payment that has arrived is never refused: whether the wallet can hold it was checked at the purchase."""
    wallet = posting.state.wallets[command.wallet_id]
    days = command.valid_for_days
    lot = _new_lot(
        posting,
        wallet,
        command.credits,
        expires_at=posting.time(wallet) + timedelta(days=days) if days else None,
        paid=command.paid,
        purchase_id=command.purchase_id,
    )
    line = posting.book(
        wallet,
        TransactionKind.PURCHASE,
        [Draw(lot.id, command.credits)],
        actor=command.actor,
        line_id=command.id,
        purchase_id=command.purchase_id,
        payment_id=command.payment_id,
    )
    return posting.posted(wallet, [line])


def adjust(posting: Posting, command: Adjustment) -> Posted | Refused:
    """Refused: more than the wallet can hold, less than nothing. No debt and no suspension keeps an operator from
    putting something right."""
    wallet = posting.state.wallets[command.wallet_id]
    change = command.change
    if change > 0:
        if refused := holds_more(wallet, change, field="change"):
            return refused
        draws: tuple[Draw, ...] = (Draw(_new_lot(posting, wallet, change).id, change),)
    else:
        if refused := covers(posting, wallet, -change, field="change"):
            return refused
        draws = draw(wallet.lots, -change, posting.time(wallet))
    line = posting.book(
        wallet, TransactionKind.ADJUSTMENT, draws, actor=command.actor, line_id=command.id, text=command.text
    )
    return posting.posted(wallet, [line])


def sweep(posting: Posting, command: Sweep) -> Posted:
    """Book what has lapsed, a transaction for each lot. What a hold keeps of one stays, and lapses when it is given
    back. (Holds that are over have ended already, before any command.)"""
    wallet = posting.state.wallets[command.wallet_id]
    at = posting.time(wallet)
    lapsed = [lot for lot in wallet.lots if lot.lapsed(at) and lot.unheld]
    lines = [expire(posting, wallet, lot) for lot in islice(lapsed, command.limit)]
    return posting.posted(wallet, lines)


def expire(posting: Posting, wallet: WalletState, lot: LotState) -> Line:
    """Book what lies unheld in a lapsed lot as gone."""
    return posting.book(wallet, TransactionKind.EXPIRY, [Draw(lot.id, -lot.unheld)], actor=SYSTEM)


def holds_more(wallet: WalletState, more: int, *, field: str = "credits") -> Refused | None:
    """The wallet can hold so much more, open purchases included. Where the pool or department was deleted, nothing but
    what the wallet owes."""
    if wallet.closed and more > wallet.debt:
        return Refused(
            code=RefusalCode.WRONG_STATE,
            message="The pool or department of this wallet was deleted. Put the credits into another wallet.",
            field=field,
        )
    room = MAX_BALANCE - wallet.balance - wallet.reserved
    if more <= room:
        return None
    return Refused(
        code=RefusalCode.BALANCE_LIMIT_EXCEEDED,
        message=f"A wallet holds at most {MAX_BALANCE:,} credits, purchases under way included;"
        f" this one has room for {max(room, 0):,}.",
        field=field,
    )


def _new_lot(
    posting: Posting,
    wallet: WalletState,
    amount: int,
    *,
    expires_at: datetime | None = None,
    priority: int = DEFAULT_PRIORITY,
    paid: Money | None = None,
    purchase_id: str | None = None,
) -> LotState:
    return posting.add_lot(
        LotState(
            id=posting.ids.next(Kind.LOT),
            wallet_id=wallet.id,
            account_id=wallet.account_id,
            source=LotSource.PURCHASED if paid else LotSource.GRANTED,
            amount=amount,
            remaining=0,
            held=0,
            paid_minor=paid.amount_minor if paid else 0,
            paid_for=amount,
            currency=paid.currency if paid else None,
            expires_at=expires_at,
            priority=priority,
            frozen_by=None,
            created_at=posting.time(wallet),
            purchase_id=purchase_id,
        )
    )
