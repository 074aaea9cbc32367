"""The objects that the sandbox's Stripe answers with and tells about, shaped as Stripe shapes them.

https://docs.stripe.com/api/checkout/sessions/object and https://docs.stripe.com/api/events/object
"""

from app.sandbox.models import CheckoutSession, Event, State

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


def session_object(session: CheckoutSession, *, pay_url: str) -> JsonObject:
    """A `checkout.session`; the address where it is paid is there only while it can be."""
    status, payment_status = _WORDS[session.state]
    return {
        "id": session.id,
        "object": "checkout.session",
        "allow_promotion_codes": False,
        "amount_subtotal": session.total_minor,
        "amount_total": session.total_minor,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "cancel_url": session.cancel_url,
        "client_reference_id": session.client_reference_id,
        "created": int(session.created_at.timestamp()),
        "currency": session.currency,
        "customer": None,
        "customer_email": None,
        "expires_at": int(session.expires_at.timestamp()),
        "livemode": False,
        "metadata": session.metadata,
        "mode": "payment",
        "payment_intent": session.payment_intent if status == "complete" else None,
        "payment_method_types": ["card"],
        "payment_status": payment_status,
        "status": status,
        "success_url": session.success_url,
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page",
        "url": pay_url if status == "open" else None,
    }


def event_object(event: Event, session: JsonObject) -> JsonObject:
    """An `event` about a session as it was when the event happened."""
    return {
        "id": event.id,
        "object": "event",
        "api_version": API_VERSION,
        "created": int(event.created_at.timestamp()),
        "data": {"object": session},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": event.type,
    }
