"""Rules of spending: who may, what it costs, whether it is covered; and the deduction itself."""

from credits.errors import RefusalCode
from credits.ledger.commands import Deduction
from credits.ledger.lots import draw
from credits.ledger.models import TransactionKind
from credits.ledger.posting import Posted, Posting, Price, Refused, Shortfall
from credits.ledger.wallet import MAX_OPERATION, WalletState


def deduct(posting: Posting, command: Deduction) -> Posted | Refused:
    """Refused: a type that is not offered, more than one operation moves, a suspended account, one in debt, more than
    is available."""
    wallet = posting.state.wallets[command.wallet_id]
    price = price_of(posting, command.staging_type)
    if isinstance(price, Refused):
        return price
    cost = price.credits * command.quantity
    if refused := movable(cost) or may_spend(posting, wallet) or covers(posting, wallet, cost):
        return refused
    line = posting.book(
        wallet,
        TransactionKind.DEDUCTION,
        draw(wallet.lots, cost, posting.time(wallet)),
        actor=command.actor,
        line_id=command.id,
        text=command.text,
        staging_type=command.staging_type,
        quantity=command.quantity,
    )
    return posting.posted(wallet, [line])


def price_of(posting: Posting, staging_type: str, *, field: str = "stagingType") -> Price | Refused:
    """What one unit of a type costs now, if it is offered."""
    price = posting.state.prices.get(staging_type)
    if price is None or not price.active:
        return Refused(
            code=RefusalCode.UNKNOWN_STAGING_TYPE,
            message=f"There is no staging type {staging_type!r}. The query stagingTypes lists those there are.",
            field=field,
        )
    return price


def movable(cost: int, *, field: str = "quantity") -> Refused | None:
    """One operation moves at most a billion credits."""
    if cost <= MAX_OPERATION:
        return None
    return Refused(
        code=RefusalCode.INVALID,
        message=f"One operation moves at most {MAX_OPERATION:,} credits; this would cost {cost:,}.",
        field=field,
    )


def not_suspended(wallet: WalletState) -> Refused | None:
    """The account of the wallet is in use."""
    if not wallet.suspended:
        return None
    return Refused(
        code=RefusalCode.ACCOUNT_SUSPENDED,
        message="This account is suspended and cannot spend. Write to the platform's support.",
    )


def may_spend(posting: Posting, wallet: WalletState) -> Refused | None:
    """Neither suspended, nor does any wallet of the account owe."""
    if refused := not_suspended(wallet):
        return refused
    if posting.state.in_debt(wallet.account_id):
        return Refused(
            code=RefusalCode.IN_DEBT,
            message="This account owes credits for a refunded or disputed payment. A purchase repays them first.",
        )
    return None


def covers(posting: Posting, wallet: WalletState, cost: int, *, field: str | None = None) -> Refused | None:
    """So much is available, or the shortfall."""
    available = wallet.available(posting.time(wallet))
    if available >= cost:
        return None
    return Refused(
        code=RefusalCode.INSUFFICIENT_CREDITS,
        message=f"This takes {cost:,} credits, {available:,} are available. Buy or allocate {cost - available:,} more.",
        field=field,
        shortfall=Shortfall(required=cost, available=available, held=wallet.held, frozen=wallet.frozen()),
    )
