"""The objects that the sandbox's Stripe answers with and tells about, shaped as Stripe shapes them.

https://docs.stripe.com/api/checkout/sessions/object, and likewise for the others; `url` is where browsers reach us.
"""

from datetime import datetime

from app.sandbox.models import (
    Card,
    CheckoutSession,
    Dispute,
    DisputeState,
    Event,
    Payment,
    PaymentState,
    Refund,
    RefundState,
    State,
)

# The version whose shapes these are; the SDK in use speaks it.
API_VERSION = "2026-10-28.endive"

JsonObject = dict[str, object]

# Stripe tells where a session is in two words: `status` and `payment_status`.
_WORDS = {
    State.OPEN: ("open", "unpaid"),
    State.PROCESSING: ("complete", "unpaid"),
    State.PAID: ("complete", "paid"),
    State.FAILED: ("complete", "unpaid"),
    State.EXPIRED: ("expired", "unpaid"),
}
_INTENT_WORDS = {
    PaymentState.PROCESSING: "processing",
    PaymentState.SUCCEEDED: "succeeded",
    PaymentState.FAILED: "requires_payment_method",
    PaymentState.CANCELED: "canceled",
}
# What the bank says, in its word and in a sentence for the payer.
FAILURES = {
    "card_declined": "Your card was declined.",
    "authentication_required": "Your card was declined. This transaction requires authentication.",
    "payment_intent_payment_attempt_failed": "The payment failed: the bank did not pay.",
}


def session_object(session: CheckoutSession, *, url: str) -> JsonObject:
    """A `checkout.session`; the address where it is paid is there only while it can be."""
    status, payment_status = _WORDS[session.state]
    complete = status == "complete"
    return {
        "id": session.id,
        "object": "checkout.session",
        "allow_promotion_codes": False,
        "amount_subtotal": session.total_minor,
        "amount_total": session.total_minor,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "cancel_url": session.cancel_url,
        "client_reference_id": session.client_reference_id,
        "created": _seconds(session.created_at),
        "currency": session.currency,
        "customer": session.customer,
        "customer_creation": "always" if session.makes_customer else None,
        "customer_email": None,
        "expires_at": _seconds(session.expires_at),
        "invoice": invoice_id(session.payment_intent) if session.makes_invoice and complete else None,
        "livemode": False,
        "metadata": session.metadata,
        "mode": "payment",
        "payment_intent": session.payment_intent if complete else None,
        "payment_method_types": ["card"],
        "payment_status": payment_status,
        "status": status,
        "success_url": session.success_url,
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page",
        "url": f"{url}/sandbox/stripe/pay/{session.id}" if status == "open" else None,
    }


def invoice_id(payment_id: str) -> str:
    """The invoice of a payment, where one is made."""
    return payment_id.replace("pi_", "in_", 1)


def payment_of_invoice(key: str) -> str:
    """And back."""
    return key.replace("in_", "pi_", 1)


def invoice_object(session: CheckoutSession, *, url: str) -> JsonObject:
    """The `invoice` of a complete session, paid or yet to be."""
    paid = session.total_minor if session.state is State.PAID else 0
    key = invoice_id(session.payment_intent)
    return {
        "id": key,
        "object": "invoice",
        "amount_due": session.total_minor,
        "amount_paid": paid,
        "amount_remaining": session.total_minor - paid,
        "created": _seconds(session.created_at),
        "currency": session.currency,
        "customer": session.customer,
        "hosted_invoice_url": f"{url}/sandbox/stripe/invoices/{key}",
        "livemode": False,
        "metadata": {},
        "status": "paid" if paid else "open",
        "total": session.total_minor,
    }


def payment_object(payment: Payment, *, url: str, with_charge: bool = False) -> JsonObject:
    """A `payment_intent`; its latest charge is an id, or the whole of it."""
    error = None
    if payment.failure_code is not None:
        error = {
            "type": "card_error",
            "code": payment.failure_code,
            "decline_code": payment.failure_code if payment.failure_code == "authentication_required" else None,
            "message": FAILURES[payment.failure_code],
        }
    return {
        "id": payment.id,
        "object": "payment_intent",
        "amount": payment.amount_minor,
        "amount_capturable": 0,
        "amount_received": payment.amount_minor if payment.state is PaymentState.SUCCEEDED else 0,
        "canceled_at": None,
        "capture_method": "automatic_async",
        "client_secret": f"{payment.id}_secret_sandbox",
        "confirmation_method": "automatic",
        "created": _seconds(payment.created_at),
        "currency": payment.currency,
        "customer": payment.customer,
        "description": payment.description,
        "last_payment_error": error,
        "latest_charge": charge_object(payment, url=url) if with_charge else payment.charge_id,
        "livemode": False,
        "metadata": payment.metadata,
        "next_action": None,
        "payment_method": payment.card if error is None else None,
        "payment_method_types": ["card"],
        "setup_future_usage": None,
        "status": _INTENT_WORDS[payment.state],
    }


def charge_object(payment: Payment, *, url: str) -> JsonObject:
    """The latest `charge` of a payment. Since 2022-11-15 Stripe does not list its refunds in it."""
    paid = payment.state is PaymentState.SUCCEEDED
    code = payment.failure_code
    return {
        "id": payment.charge_id,
        "object": "charge",
        "amount": payment.amount_minor,
        "amount_captured": payment.amount_minor if paid else 0,
        "amount_refunded": payment.refunded_minor,
        "captured": paid,
        "created": _seconds(payment.created_at),
        "currency": payment.currency,
        "customer": payment.customer,
        "description": payment.description,
        "disputed": payment.disputed,
        "failure_code": code,
        "failure_message": FAILURES[code] if code else None,
        "livemode": False,
        "metadata": payment.metadata,
        "paid": paid,
        "payment_intent": payment.id,
        "payment_method": payment.card,
        "receipt_url": f"{url}/sandbox/stripe/receipts/{payment.charge_id}" if paid else None,
        "refunded": payment.refunded_minor == payment.amount_minor,
        "status": "succeeded" if paid else "failed" if code else "pending",
    }


def card_object(card: Card) -> JsonObject:
    """A `payment_method` of the type card."""
    return {
        "id": card.id,
        "object": "payment_method",
        "card": {"brand": "visa", "exp_month": 12, "exp_year": 2040, "funding": "credit", "last4": "4242"},
        "created": _seconds(card.created_at),
        "customer": card.customer_id,
        "livemode": False,
        "metadata": {},
        "type": "card",
    }


def refund_object(refund: Refund, payment: Payment) -> JsonObject:
    """A `refund` of the payment."""
    return {
        "id": refund.id,
        "object": "refund",
        "amount": refund.amount_minor,
        "charge": payment.charge_id,
        "created": _seconds(refund.created_at),
        "currency": payment.currency,
        "failure_reason": "lost_or_stolen_card" if refund.state is RefundState.FAILED else None,
        "metadata": refund.metadata,
        "payment_intent": payment.id,
        "reason": refund.reason,
        "status": refund.state.value,
    }


def dispute_object(dispute: Dispute, payment: Payment) -> JsonObject:
    """A `dispute` of the payment."""
    return {
        "id": dispute.id,
        "object": "dispute",
        "amount": dispute.amount_minor,
        "balance_transactions": [],
        "charge": payment.charge_id,
        "created": _seconds(dispute.created_at),
        "currency": payment.currency,
        "is_charge_refundable": dispute.state in (DisputeState.INQUIRY, DisputeState.CLOSED, DisputeState.WON),
        "livemode": False,
        "metadata": {},
        "payment_intent": payment.id,
        "reason": dispute.reason,
        "status": dispute.state.value,
    }


def event_object(event: Event, about: JsonObject) -> JsonObject:
    """An `event` about an object as it was when the event happened."""
    return {
        "id": event.id,
        "object": "event",
        "api_version": API_VERSION,
        "created": _seconds(event.created_at),
        "data": {"object": about},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": event.type,
    }


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
