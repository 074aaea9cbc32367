"""The states of a purchase and what moves it from one to another; what a payment must agree with. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from credits.errors import Refusal, RefusalCode
from credits.gateways.payments import Checkout
from credits.money import Money
from credits.purchases.models import PurchaseStatus

# Money that arrives in any of these credits the purchase: a payment is never lost, also not one that was under way
# when the purchase was canceled.
UNPAID = (
    PurchaseStatus.PENDING_APPROVAL,
    PurchaseStatus.AWAITING_PAYMENT,
    PurchaseStatus.PROCESSING,
    PurchaseStatus.REJECTED,
    PurchaseStatus.CANCELED,
    PurchaseStatus.EXPIRED,
    PurchaseStatus.FAILED,
)
OPEN = (PurchaseStatus.PENDING_APPROVAL, PurchaseStatus.AWAITING_PAYMENT, PurchaseStatus.PROCESSING)
ENDED = (
    PurchaseStatus.PAID,
    PurchaseStatus.REJECTED,
    PurchaseStatus.CANCELED,
    PurchaseStatus.EXPIRED,
    PurchaseStatus.FAILED,
)

# To what state from which: every move is one conditional UPDATE (`moves.py`), and anything that is not here changes
# nothing.
MOVES: dict[PurchaseStatus, tuple[PurchaseStatus, ...]] = {
    # Nobody decided in time, and it is asked again.
    PurchaseStatus.PENDING_APPROVAL: (PurchaseStatus.EXPIRED,),
    # Approved; or, its checkout having lapsed, given another.
    PurchaseStatus.AWAITING_PAYMENT: (PurchaseStatus.PENDING_APPROVAL, PurchaseStatus.EXPIRED),
    PurchaseStatus.PROCESSING: (PurchaseStatus.AWAITING_PAYMENT,),
    PurchaseStatus.PAID: UNPAID,
    PurchaseStatus.REJECTED: (PurchaseStatus.PENDING_APPROVAL,),
    # EXPIRED only where it was we who closed the checkout, and the provider's word of that was faster than we.
    PurchaseStatus.CANCELED: (
        PurchaseStatus.PENDING_APPROVAL,
        PurchaseStatus.AWAITING_PAYMENT,
        PurchaseStatus.EXPIRED,
    ),
    PurchaseStatus.EXPIRED: (PurchaseStatus.PENDING_APPROVAL, PurchaseStatus.AWAITING_PAYMENT),
    PurchaseStatus.FAILED: (PurchaseStatus.AWAITING_PAYMENT, PurchaseStatus.PROCESSING),
}
CANCELABLE = (PurchaseStatus.PENDING_APPROVAL, PurchaseStatus.AWAITING_PAYMENT)


def may_renew(status: PurchaseStatus, *, consented: bool) -> None:
    """Refuse another checkout to a purchase whose own has not lapsed, or that nobody has approved who had to
    (`consented` False)."""
    if status is PurchaseStatus.EXPIRED and consented:
        return
    if status is PurchaseStatus.EXPIRED:
        message = "Nobody approved this purchase in time, so it has no checkout to renew. Ask for the approval again."
    elif status is PurchaseStatus.AWAITING_PAYMENT:
        message = "This purchase can still be paid at its checkoutUrl. Where that is null, it comes within seconds."
    elif status is PurchaseStatus.PENDING_APPROVAL:
        message = "This purchase waits for approval; its checkout comes with that."
    elif status in OPEN or status is PurchaseStatus.PAID:
        message = f"This purchase is {status.value}; nothing is left to pay."
    else:
        message = f"This purchase is {status.value} and cannot be paid any more. Buy again."
    raise Refusal(RefusalCode.WRONG_STATE, message, field="purchaseId")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a checkout must say to be one of this purchase's; `checkout_ids` are those that were made for it."""

    purchase_id: str
    checkout_ids: Collection[str]
    total: Money
    live: bool


def disagreement(expected: Expected, checkout: Checkout) -> str | None:
    """None where the checkout is the purchase's own; else what differs, for the operators."""
    if checkout.purchase_id != expected.purchase_id:
        return f"The checkout names purchase {checkout.purchase_id}"
    if checkout.id not in expected.checkout_ids:
        return "The checkout is none that was made for the purchase"
    return wrong_money(expected.total, checkout.total) or wrong_mode(live=expected.live, livemode=checkout.livemode)


def wrong_money(wanted: Money, paid: Money) -> str | None:
    """What differs between the money that was asked for and what came, if anything does."""
    if paid == wanted:
        return None
    return f"{paid.formatted} {paid.currency} instead of {wanted.formatted} {wanted.currency}"


def wrong_mode(*, live: bool, livemode: bool) -> str | None:
    """Money to play with where real money is expected, or the other way round."""
    if livemode == live:
        return None
    return "A test payment in live mode" if live else "A live payment in test mode"


def allowed_return_url(url: str, allowed: tuple[str, ...]) -> bool:
    """Whether a browser may be sent there after paying: the same scheme and host as one of the allowed addresses,
    and at or below its path."""
    wanted = urlsplit(url)
    for entry in allowed:
        base = urlsplit(entry)
        same_site = (wanted.scheme, wanted.netloc) == (base.scheme, base.netloc)
        path = base.path.rstrip("/")
        if same_site and (wanted.path == path or wanted.path.startswith(f"{path}/")):
            return True
    return False
