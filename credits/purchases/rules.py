"""The states of a purchase and what moves it from one to another; what a payment must agree with. Pure."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from credits.gateways import Checkout, Payment
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

# To what state from which: every move is one conditional UPDATE, and anything that is not here is refused.
MOVES: dict[PurchaseStatus, tuple[PurchaseStatus, ...]] = {
    PurchaseStatus.PROCESSING: (PurchaseStatus.AWAITING_PAYMENT,),
    PurchaseStatus.PAID: UNPAID,
    PurchaseStatus.CANCELED: (PurchaseStatus.PENDING_APPROVAL, PurchaseStatus.AWAITING_PAYMENT),
    PurchaseStatus.EXPIRED: (PurchaseStatus.AWAITING_PAYMENT,),
    PurchaseStatus.FAILED: (PurchaseStatus.AWAITING_PAYMENT, PurchaseStatus.PROCESSING),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a checkout must say to be the one of this purchase."""

    purchase_id: str
    checkout_id: str | None
    total: Money
    live: bool


def disagreement(expected: Expected, checkout: Checkout) -> str | None:
    """None where the checkout is the purchase's own; else what differs, for the operators."""
    if checkout.purchase_id != expected.purchase_id:
        return f"the checkout names purchase {checkout.purchase_id}"
    if expected.checkout_id is not None and checkout.id != expected.checkout_id and not checkout.paid:
        return f"the purchase's checkout is {expected.checkout_id}"
    if checkout.total != expected.total:
        return f"{checkout.total.formatted} {checkout.total.currency} instead of {expected.total.formatted}"
    if checkout.livemode != expected.live:
        return "a test payment in live mode" if expected.live else "a live payment in test mode"
    return None


def charge_disagreement(expected: Expected, payment: Payment) -> str | None:
    """None where the payment is of the purchase that it names; else what differs, for the operators."""
    if payment.total != expected.total:
        return f"{payment.total.formatted} {payment.total.currency} instead of {expected.total.formatted}"
    if payment.livemode != expected.live:
        return "a test payment in live mode" if expected.live else "a live payment in test mode"
    return None


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
