"""Rules of moving credits between the wallets of an account: which way it goes, and lots that are split along."""

from credits.accounts.rules import Place
from credits.errors import Refusal, RefusalCode
from credits.ids import Kind
from credits.ledger.commands import Transfer
from credits.ledger.giving import holds_more
from credits.ledger.lots import Draw, LotState, draw
from credits.ledger.models import TransactionKind
from credits.ledger.posting import Posted, Posting, Refused, State
from credits.ledger.spending import covers, not_suspended
from credits.ledger.wallet import WalletState


def way(source: Place, target: Place) -> TransactionKind:
    """What a movement from one to the other is called. Refused: the same wallet, and ways that there are not."""
    if source.wallet_id == target.wallet_id:
        raise Refusal(RefusalCode.INVALID, "These are one and the same wallet. Name two.", field="toWalletId")
    if source.account_id == target.account_id:
        if source.pool_id == target.pool_id is not None:
            if source.department_id is None:
                return TransactionKind.ALLOCATION
            return TransactionKind.RECLAIM if target.department_id is None else TransactionKind.TRANSFER
        if source.pool_id is None and target.department_id is None:
            return TransactionKind.ALLOCATION
        if target.pool_id is None and source.department_id is None:
            return TransactionKind.RECLAIM
    raise Refusal(
        RefusalCode.INVALID,
        "Credits go from the account to one of its pools, from a pool to its departments, between departments of one"
        " pool, and back. Take the pool in between.",
        field="toWalletId",
    )


def transfer(posting: Posting, command: Transfer) -> Posted | Refused:
    """Refused: a suspended account, a debt of the giving wallet, more than is available there, more than the receiving
    one can hold, and to where the pool or department was deleted. A movement inside the account is no spending: another
    wallet's debt does not stop it, and into the wallet that owes it repays."""
    source, target = (posting.state.wallets[wallet_id] for wallet_id in command.wallet_ids)
    amount = command.credits
    if command.up_to:
        # At least one: of nothing there is no transaction, and the refusal says that nothing is there.
        amount = max(min(amount, source.available(posting.time(source))), 1)
    refused = (
        not_suspended(source)
        or _owes_nothing(source)
        or covers(posting, source, amount, field="credits")
        or holds_more(target, amount)
    )
    if refused:
        return refused
    taken = draw(source.lots, amount, posting.time(source))
    put = [Draw(_receiving(posting, target, each).id, -each.credits) for each in taken]
    lines = [
        posting.book(
            wallet,
            command.kind,
            _added_up(draws),
            actor=command.actor,
            text=command.text,
            transfer_id=command.id,
            counterpart_wallet_id=other.id,
        )
        for wallet, other, draws in ((source, target, list(taken)), (target, source, put))
    ]
    return posting.posted(source, lines)


def _owes_nothing(source: WalletState) -> Refused | None:
    if not source.debt:
        return None
    return Refused(
        code=RefusalCode.IN_DEBT,
        message=f"This wallet owes {source.debt:,} credits for a refunded or disputed payment. They are repaid first.",
        field="fromWalletId",
    )


def _receiving(posting: Posting, target: WalletState, taken: Draw) -> LotState:
    """Where the credits of a draw go: back into the lot they once came from, where that lies in the receiving wallet
    and is still worth the same, or else into a lot that is split from theirs."""
    lot = posting.state.lots[taken.lot_id]
    home = _ancestor_in(posting.state, lot, target)
    if home and home.same_terms(lot):
        return home
    return posting.add_lot(
        lot.split(posting.ids.next(Kind.LOT), wallet_id=target.id, amount=-taken.credits, at=posting.time(target))
    )


def _ancestor_in(state: State, lot: LotState, wallet: WalletState) -> LotState | None:
    above = state.lots.get(lot.origin_id or "")
    while above and above.wallet_id != wallet.id:
        above = state.lots.get(above.origin_id or "")
    return above


def _added_up(draws: list[Draw]) -> list[Draw]:
    """One draw a lot: two lots may go back into the same one."""
    credits_of: dict[str, int] = {}
    for each in draws:
        credits_of[each.lot_id] = credits_of.get(each.lot_id, 0) + each.credits
    return [Draw(lot_id, amount) for lot_id, amount in credits_of.items()]
