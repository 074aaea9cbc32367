"""Stripe's events, read into the domain's: which kinds we act on, and what each is about.

https://docs.stripe.com/api/events/types
"""

from dataclasses import replace
from typing import TypeVar

import stripe
from stripe.checkout import Session

from app.gateways.stripe_shapes import id_of, moment, read_checkout, read_dispute, read_payment, read_refund
from credits.gateways.payments import PaymentEvent, PaymentEventKind

Thing = TypeVar("Thing", bound=stripe.StripeObject)

# Stripe lists events of up to 20 types at once.
KINDS = {
    "checkout.session.completed": PaymentEventKind.CHECKOUT,
    "checkout.session.async_payment_succeeded": PaymentEventKind.CHECKOUT,
    "checkout.session.expired": PaymentEventKind.CHECKOUT,
    "checkout.session.async_payment_failed": PaymentEventKind.CHECKOUT_PAYMENT_FAILED,
    "payment_intent.succeeded": PaymentEventKind.PAYMENT,
    "payment_intent.payment_failed": PaymentEventKind.PAYMENT,
    "payment_intent.processing": PaymentEventKind.PAYMENT,
    "payment_intent.canceled": PaymentEventKind.PAYMENT,
    "payment_intent.requires_action": PaymentEventKind.PAYMENT,
    "charge.refunded": PaymentEventKind.PAYMENT_REFUNDED,
    "refund.created": PaymentEventKind.REFUND,
    "refund.updated": PaymentEventKind.REFUND,
    "refund.failed": PaymentEventKind.REFUND,
    "charge.refund.updated": PaymentEventKind.REFUND,
    "charge.dispute.created": PaymentEventKind.DISPUTE,
    "charge.dispute.updated": PaymentEventKind.DISPUTE,
    "charge.dispute.closed": PaymentEventKind.DISPUTE,
    "charge.dispute.funds_withdrawn": PaymentEventKind.DISPUTE,
    "charge.dispute.funds_reinstated": PaymentEventKind.DISPUTE,
}


def read_event(event: stripe.Event) -> PaymentEvent:
    """The event; OTHER also where it is about something that no payment of ours can be, as a subscription."""
    plain = PaymentEvent(
        id=event.id,
        kind=PaymentEventKind.OTHER,
        type=event.type,
        created_at=moment(event.created),
        livemode=event.livemode,
        account=event.account if "account" in event else None,
    )
    kind = KINDS.get(event.type)
    return plain if kind is None else _about(plain, kind, event.data.object)


def _about(plain: PaymentEvent, kind: PaymentEventKind, thing: object) -> PaymentEvent:
    match kind:
        case PaymentEventKind.PAYMENT:
            return replace(plain, kind=kind, payment=read_payment(_a(stripe.PaymentIntent, thing)))
        case PaymentEventKind.PAYMENT_REFUNDED:
            payment_id = id_of(_a(stripe.Charge, thing).payment_intent)
            return replace(plain, kind=kind, payment_id=payment_id) if payment_id else plain
        case PaymentEventKind.REFUND:
            refund = read_refund(_a(stripe.Refund, thing))
            return replace(plain, kind=kind, refund=refund) if refund else plain
        case PaymentEventKind.DISPUTE:
            dispute = read_dispute(_a(stripe.Dispute, thing))
            return replace(plain, kind=kind, dispute=dispute) if dispute else plain
        case _:
            session = _a(Session, thing)
            takes_payment = "mode" not in session or session.mode == "payment"
            return replace(plain, kind=kind, checkout=read_checkout(session)) if takes_payment else plain


def _a(kind: type[Thing], thing: object) -> Thing:
    if not isinstance(thing, kind):
        raise TypeError(f"an event that holds no {kind.__name__}")
    return thing
