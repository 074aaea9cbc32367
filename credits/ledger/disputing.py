"""Rules of payments that are disputed or taken back: they follow the purchase's credits, wherever these lie by now."""

from credits.actors import SYSTEM
from credits.ids import Kind
from credits.ledger.commands import AboutPayment, Clawback, Freeze, GiveBack, Thaw
from credits.ledger.giving import expire
from credits.ledger.lots import Draw, LotState, draw
from credits.ledger.models import TransactionKind
from credits.ledger.posting import Posted, Posting, TakenBack
from credits.ledger.wallet import Line, WalletState

FROZEN = "FROZEN"
UNFROZEN = "UNFROZEN"


def clawback_due(credits_bought: int, *, refunded_minor: int, total_minor: int) -> int:
    """How many of a purchase's credits a refund of so much money (all of it so far) takes, in all."""
    return credits_bought * min(refunded_minor, total_minor) // total_minor


def freeze(posting: Posting, command: Freeze) -> Posted:
    """What is left of the purchase, unheld, cannot be spent from now on, nor what holds give back later."""
    lots = [lot for lot in _descent(posting, command) if not lot.frozen]
    _set_frozen(posting, lots, command.purchase_id, FROZEN)
    return posting.posted(posting.state.wallets[command.wallet_id])


def thaw(posting: Posting, command: Thaw) -> Posted:
    """What was frozen of the purchase can be spent again."""
    _set_frozen(posting, [lot for lot in _descent(posting, command) if lot.frozen], None, UNFROZEN)
    return posting.posted(posting.state.wallets[command.wallet_id])


def claw_back(posting: Posting, command: Clawback) -> Posted:
    """Take the purchase's own credits first, then other unheld ones of the wallet that was bought for; what is not
    there is its debt. What a hold keeps stays promised, and repays when it is given back."""
    wallet = posting.state.wallets[command.wallet_id]
    own = [lot for lot in _descent(posting, command) if not lot.lapsed(posting.time(_wallet_of(posting, lot)))]
    own.sort(key=lambda lot: (lot.wallet_id != wallet.id, lot.wallet_id, lot.order))
    left = command.credits
    lines = []
    for owner in dict.fromkeys(lot.wallet_id for lot in own):
        taken = _take([lot for lot in own if lot.wallet_id == owner], left)
        if taken:
            lines.append(_book(posting, posting.state.wallets[owner], taken, command.purchase_id))
            left += lines[-1].change
    others = min(left, wallet.available(posting.time(wallet)))
    if others:
        taken = list(draw(wallet.lots, others, posting.time(wallet)))
        lines.append(_book(posting, wallet, taken, command.purchase_id))
        left -= others
    if left:
        wallet.debt += left
        posting.happened(wallet, TransactionKind.CLAWBACK.value)
    _record(posting, command, command.credits, debt=left)
    return posting.posted(wallet, lines)


def give_back(posting: Posting, command: GiveBack) -> Posted:
    """What was clawed back comes back: it repays what the wallet that was bought for owes, and the rest is a new lot
    there, split from the one that was bought. (The lots it was taken from may have no room for it: what was spent of
    them may yet be refunded.) It is as frozen as the purchase is, and lapses at once where that has lapsed."""
    wallet = posting.state.wallets[command.wallet_id]
    repaid = min(wallet.debt, command.credits)
    wallet.debt -= repaid
    lines = []
    if rest := command.credits - repaid:
        bought = next(lot for lot in _descent(posting, command) if lot.origin_id is None)
        lot = posting.add_lot(
            bought.split(posting.ids.next(Kind.LOT), wallet_id=wallet.id, amount=rest, at=posting.time(wallet))
        )
        lines.append(
            posting.book(
                wallet,
                TransactionKind.ADJUSTMENT,
                [Draw(lot.id, rest)],
                actor=SYSTEM,
                text=command.text,
                purchase_id=command.purchase_id,
            )
        )
        if lot.lapsed(posting.time(wallet)):
            lines.append(expire(posting, wallet, lot))
    else:
        posting.happened(wallet, TransactionKind.ADJUSTMENT.value)
    _record(posting, command, -command.credits, debt=-repaid)
    return posting.posted(wallet, lines)


def _record(posting: Posting, command: Clawback | GiveBack, taken: int, *, debt: int) -> None:
    posting.changes.clawbacks.append(
        TakenBack(
            id=command.id,
            account_id=command.account_id,
            wallet_id=command.wallet_id,
            purchase_id=command.purchase_id,
            source_id=command.source_id,
            credits=taken,
            debt=debt,
            at=posting.time(posting.state.wallets[command.wallet_id]),
        )
    )


def repay(posting: Posting) -> None:
    """A wallet that owes keeps nothing that could be spent: what came in, was given back or thawed repays first."""
    for wallet in posting.state.wallets.values():
        due = min(wallet.debt, wallet.available(posting.time(wallet))) if wallet.debt else 0
        if due:
            wallet.debt -= due
            _book(posting, wallet, list(draw(wallet.lots, due, posting.time(wallet))), None)


def _descent(posting: Posting, command: AboutPayment) -> list[LotState]:
    """The purchase's lot and every lot that descends from it; they carry its id along."""
    return [lot for lot in posting.state.lots.values() if lot.purchase_id == command.purchase_id]


def _wallet_of(posting: Posting, lot: LotState) -> WalletState:
    return posting.state.wallets[lot.wallet_id]


def _take(lots: list[LotState], most: int) -> list[Draw]:
    draws = []
    for lot in lots:
        taken = min(most, lot.unheld)
        if taken:
            draws.append(Draw(lot.id, -taken))
            most -= taken
    return draws


def _book(posting: Posting, wallet: WalletState, draws: list[Draw], purchase_id: str | None) -> Line:
    return posting.book(wallet, TransactionKind.CLAWBACK, draws, actor=SYSTEM, purchase_id=purchase_id)


def _set_frozen(posting: Posting, lots: list[LotState], purchase_id: str | None, cause: str) -> None:
    """Lots that are empty too: what a refund or a hold gives back to them is disputed as well."""
    for lot in lots:
        posting.touch(lot).frozen_by = purchase_id
    for wallet_id in dict.fromkeys(lot.wallet_id for lot in lots if lot.unheld):
        posting.happened(posting.state.wallets[wallet_id], cause)
