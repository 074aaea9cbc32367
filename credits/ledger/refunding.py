"""Rules of refunds: a deduction is undone wholly or in part, into the lots that it came from, last drawn first."""

from datetime import datetime, timedelta

from credits.errors import RefusalCode
from credits.ids import Kind
from credits.ledger.commands import Refund, RefundReason
from credits.ledger.giving import expire, holds_more
from credits.ledger.lots import Draw, LotState
from credits.ledger.models import TransactionKind
from credits.ledger.posting import Posted, Posting, Refused, Spent

RENEWED_WITHIN = timedelta(days=30)
RENEWED_FOR = timedelta(days=30)


def refund(posting: Posting, command: Refund) -> Posted | Refused:
    """Refused: what is no deduction, more than is left of it, more than the wallet can hold.

    What comes back to a lot that has lapsed lapses at once; only where the render failed, within 30 days of the
    deduction and once for each lot, it gets a new lot, valid for 30 days.
    """
    wallet = posting.state.wallets[command.wallet_id]
    spent = posting.state.spent[command.deduction_id]
    if spent.wallet_id != wallet.id:
        raise ValueError("a refund goes to the wallet that paid")
    amount = spent.left if command.credits is None else command.credits
    if refused := _undoable(spent, amount) or holds_more(wallet, amount):
        return refused
    at = posting.time(wallet)
    draws = []
    lapsed: list[LotState] = []
    for lot, part in _unwound(posting, spent, amount):
        home = lot
        if lot.lapsed(at):
            if _renewable(lot, spent, command.reason, at):
                home = _renewed(posting, lot, part, at)
            else:
                lapsed.append(lot)
        draws.append(Draw(home.id, part))
        spent.returned[lot.id] = spent.returned.get(lot.id, 0) + part
    line = posting.book(
        wallet,
        TransactionKind.REFUND,
        draws,
        actor=command.actor,
        line_id=command.id,
        text=command.text,
        refunds_id=spent.id,
    )
    expired = [expire(posting, wallet, lot) for lot in lapsed]
    return posting.posted(wallet, [line, *expired])


def _undoable(spent: Spent, amount: int) -> Refused | None:
    if spent.kind is not TransactionKind.DEDUCTION:
        return Refused(
            code=RefusalCode.INVALID,
            message=f"Only deductions are refunded; this is a transaction of the kind {spent.kind}.",
            field="transactionId",
        )
    if not spent.left:
        return Refused(
            code=RefusalCode.ALREADY_REFUNDED,
            message=f"All {spent.credits:,} credits of this deduction have been refunded already.",
        )
    if amount <= spent.left:
        return None
    if spent.left == spent.credits:
        return Refused(
            code=RefusalCode.INVALID,
            message=f"This deduction took {spent.credits:,} credits; no more than that comes back.",
            field="credits",
        )
    return Refused(
        code=RefusalCode.ALREADY_REFUNDED,
        message=f"{spent.credits - spent.left:,} of {spent.credits:,} credits have been refunded already;"
        f" {spent.left:,} are left.",
        field="credits",
    )


def _unwound(posting: Posting, spent: Spent, amount: int) -> list[tuple[LotState, int]]:
    """So many credits, from the last lot that was drawn from back to the first."""
    parts = []
    for lot in sorted((posting.state.lots[lot_id] for lot_id in spent.drawn), key=lambda lot: lot.order, reverse=True):
        part = min(amount, spent.drawn[lot.id] - spent.returned.get(lot.id, 0))
        if part:
            parts.append((lot, part))
            amount -= part
    return parts


def _renewable(lot: LotState, spent: Spent, reason: RefundReason, at: datetime) -> bool:
    return reason is RefundReason.RENDER_FAILED and at <= spent.at + RENEWED_WITHIN and not lot.renewed


def _renewed(posting: Posting, lot: LotState, amount: int, at: datetime) -> LotState:
    """A new lot for credits of a lapsed one. Neither is renewed again: that would be credits without an end."""
    posting.touch(lot).renewed = True
    return posting.add_lot(
        lot.split(
            posting.ids.next(Kind.LOT),
            wallet_id=lot.wallet_id,
            amount=amount,
            at=at,
            expires_at=at + RENEWED_FOR,
        )
    )
