"""Stripe's objects, read into the domain's. Whatever is not of Stripe's shape raises one of `MISSHAPEN`.

https://docs.stripe.com/api/payment_intents/object, and likewise for sessions, refunds, disputes and charges
"""

from datetime import UTC, datetime

import stripe
from stripe.checkout import Session

from credits.gateways.payments import (
    Checkout,
    CheckoutStatus,
    Dispute,
    DisputeState,
    Payment,
    PaymentState,
    Refund,
    RefundState,
)
from credits.money import Money

_PAID = ("paid", "no_payment_required")
_AUTHENTICATION = "authentication_required"
_PAYMENT_STATES = {
    "processing": PaymentState.PROCESSING,
    "requires_capture": PaymentState.PROCESSING,
    "succeeded": PaymentState.SUCCEEDED,
    "canceled": PaymentState.CANCELED,
    "requires_action": PaymentState.NEEDS_PAYER,
    "requires_confirmation": PaymentState.NEEDS_PAYER,
}
_REFUND_STATES = {
    "pending": RefundState.PENDING,
    "requires_action": RefundState.PENDING,
    "succeeded": RefundState.SUCCEEDED,
    "failed": RefundState.FAILED,
    "canceled": RefundState.CANCELED,
}
# A dispute that was lost stays so while it is appealed: the money is gone until the appeal is won.
_DISPUTE_STATES = {
    "warning_needs_response": DisputeState.INQUIRY,
    "warning_under_review": DisputeState.INQUIRY,
    "warning_closed": DisputeState.INQUIRY,
    "needs_response": DisputeState.OPEN,
    "under_review": DisputeState.OPEN,
    "won": DisputeState.WON,
    "prevented": DisputeState.WON,
    "lost": DisputeState.LOST,
    "appeal_needs_response": DisputeState.LOST,
    "appeal_under_review": DisputeState.LOST,
}


def read_checkout(session: Session) -> Checkout:
    """With automatic tax the total includes what is not ours, so the subtotal is what was asked for."""
    total = session.amount_subtotal if session.automatic_tax.enabled else session.amount_total
    if total is None or session.currency is None or session.status is None:
        raise ValueError("a session without an amount or a status")
    return Checkout(
        id=session.id,
        url=session.url,
        status=CheckoutStatus(session.status),
        paid=session.payment_status in _PAID,
        total=Money(total, session.currency.upper()),
        purchase_id=session.client_reference_id,
        # A session that took no payment has none and stands for it itself.
        payment_id=id_of(session.payment_intent) or session.id,
        customer_id=id_of(session.customer),
        livemode=session.livemode,
    )


def read_payment(intent: stripe.PaymentIntent) -> Payment:
    """What of it was refunded is known only where Stripe was asked for the charge too; else it is told as nothing."""
    charge = intent.latest_charge
    refunded = charge.amount_refunded if isinstance(charge, stripe.Charge) else 0
    currency = intent.currency.upper()
    error = intent.last_payment_error
    return Payment(
        id=intent.id,
        state=_payment_state(intent),
        total=Money(intent.amount, currency),
        refunded=Money(refunded, currency),
        purchase_id=_of_metadata(intent.metadata, "purchase_id"),
        charged_saved_card=_of_metadata(intent.metadata, "saved_card") == "1",
        reason=error.message if error else None,
        livemode=intent.livemode,
        created_at=moment(intent.created),
    )


def _payment_state(intent: stripe.PaymentIntent) -> PaymentState:
    """An intent that was never tried waits for its payer, as one does whose bank asked for them."""
    if intent.status != "requires_payment_method":
        return _PAYMENT_STATES[intent.status]
    error = intent.last_payment_error
    if error is None or _AUTHENTICATION in (error.code, error.decline_code if "decline_code" in error else None):
        return PaymentState.NEEDS_PAYER
    return PaymentState.DECLINED


def read_refund(refund: stripe.Refund) -> Refund | None:
    """None for money that went back otherwise than from a payment of ours."""
    payment_id = id_of(refund.payment_intent)
    if payment_id is None:
        return None
    return Refund(
        id=refund.id,
        payment_id=payment_id,
        amount=Money(refund.amount, refund.currency.upper()),
        state=_REFUND_STATES[refund.status or ""],
        reference=_of_metadata(refund.metadata, "refund_id"),
        reason=refund.reason,
        failure_reason=refund.failure_reason if "failure_reason" in refund else None,
    )


def read_dispute(dispute: stripe.Dispute) -> Dispute | None:
    """None for one of a charge that is no payment of ours."""
    payment_id = id_of(dispute.payment_intent)
    if payment_id is None:
        return None
    return Dispute(
        id=dispute.id,
        payment_id=payment_id,
        amount=Money(dispute.amount, dispute.currency.upper()),
        state=_DISPUTE_STATES[dispute.status],
        reason=dispute.reason,
    )


def receipt_url(intent: stripe.PaymentIntent) -> str | None:
    """The receipt of an intent that was asked for with its charge."""
    return intent.latest_charge.receipt_url if isinstance(intent.latest_charge, stripe.Charge) else None


def invoice_url(session: Session) -> str | None:
    """The invoice of a session that was asked for with it."""
    return session.invoice.hosted_invoice_url if isinstance(session.invoice, stripe.Invoice) else None


def id_of(thing: str | stripe.StripeObject | None) -> str | None:
    """The id, whether Stripe sent the object or only that."""
    if thing is None or isinstance(thing, str):
        return thing
    return str(thing["id"])


def moment(seconds: int) -> datetime:
    """An instant as Stripe tells it."""
    return datetime.fromtimestamp(seconds, UTC)


def _of_metadata(metadata: stripe.StripeObject | None, name: str) -> str | None:
    return str(metadata[name]) if metadata is not None and name in metadata else None
