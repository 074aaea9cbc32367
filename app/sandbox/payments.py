"""Payments of the sandbox's Stripe: at a checkout, or with a saved card when nobody is there.

Each verb runs in the caller's database transaction and says what is to be told.
"""

from app.sandbox import cards, clock
from app.sandbox.errors import ApiError, no_such
from app.sandbox.events import Happening, News
from app.sandbox.ids import is_id, is_name, make_id
from app.sandbox.models import Behaviour, Card, CheckoutSession, Payment, PaymentState
from app.sandbox.objects import charge_object, payment_object
from app.sandbox.parameters import SavedCardOrder

DECLINED, UNPAID = "card_declined", "payment_intent_payment_attempt_failed"
_SAYS = {Behaviour.OK: None, Behaviour.DECLINED: DECLINED, Behaviour.NEEDS_PAYER: "authentication_required"}
# What is told of the intent, and of its charge.
_EVENTS = {
    PaymentState.PROCESSING: ("payment_intent.processing", "charge.pending"),
    PaymentState.SUCCEEDED: ("payment_intent.succeeded", "charge.succeeded"),
    PaymentState.FAILED: ("payment_intent.payment_failed", "charge.failed"),
}


async def payment(payment_id: str, *, param: str = "intent", status: int = 404) -> Payment:
    """The payment as it is now; refused where there is none."""
    found = await Payment.get_or_none(id=payment_id) if is_id(payment_id) else None
    if found is None:
        raise no_such("payment_intent", payment_id, status=status, param=param)
    return found


async def payment_of(purchase_id: str) -> Payment:
    """The payment that paid a purchase, the latest where several did; refused (404) where none has."""
    named = purchase_id if is_name(purchase_id) else ""
    found = await Payment.filter(purchase_id=named, state=PaymentState.SUCCEEDED).order_by("-created_at").first()
    if found is None:
        raise ApiError(404, f"No payment of the purchase {purchase_id!r} succeeded. Pay it first.", param="purchase_id")
    return found


async def locked(found: Payment) -> Payment:
    """The payment as it is now, which stays so until the caller's commit."""
    return await Payment.filter(id=found.id).select_for_update().get()


async def at_checkout(
    session: CheckoutSession, state: PaymentState, *, url: str, failure_code: str | None = None
) -> list[News]:
    """Whoever pays at the session has come to that state with it."""
    paying = state in (PaymentState.PROCESSING, PaymentState.SUCCEEDED)
    customer = await cards.keep_customer(session) if paying else session.customer
    found = await Payment.get_or_none(id=session.payment_intent)
    under_way = found is not None and found.state is PaymentState.PROCESSING
    found = found or Payment(
        id=session.payment_intent,
        session_id=session.id,
        purchase_id=session.client_reference_id,
        amount_minor=session.total_minor,
        currency=session.currency,
        metadata=session.payment_metadata or {},
        created_at=await clock.now(),
    )
    # A bank debit is no card, and what succeeds after it was under way was one.
    if state is PaymentState.SUCCEEDED and not under_way:
        found.card = await cards.keep_card(session)
    if not under_way:
        found.charge_id = make_id("ch")
    found.state, found.customer, found.failure_code = state, customer, failure_code
    await found.save()
    return _news(found, url=url)


async def cancel(session: CheckoutSession, *, url: str) -> list[News]:
    """The session has ended: a payment that was tried at it, and failed, is canceled."""
    found = await Payment.get_or_none(id=session.payment_intent, state=PaymentState.FAILED)
    if found is None:
        return []
    found.state = PaymentState.CANCELED
    await found.save(update_fields=["state"])
    return [_news_of_intent(found, "payment_intent.canceled", url=url)]


async def with_saved_card(order: SavedCardOrder, *, url: str) -> Happening[Payment]:
    """Charge a saved card. Refused: an unknown customer, and a card that is not theirs; that the bank declines is a
    payment that FAILED."""
    customer = await cards.customer(order.customer, status=400)
    card = await Card.get_or_none(id=order.card) if is_id(order.card) else None
    if card is None:
        raise no_such("PaymentMethod", order.card, status=400, param="payment_method")
    if card.customer_id != customer.id or card.detached:
        raise ApiError(
            400,
            f"The customer does not have a payment method with the ID {card.id}. "
            "The payment method must be attached to the customer.",
            param="payment_method",
        )
    failure_code = _SAYS[card.behaviour]
    made = await Payment.create(
        id=make_id("pi"),
        charge_id=make_id("ch"),
        customer=customer.id,
        card=card.id,
        purchase_id=order.metadata.get("purchase_id"),
        amount_minor=order.amount_minor,
        currency=order.currency,
        state=PaymentState.FAILED if failure_code else PaymentState.SUCCEEDED,
        failure_code=failure_code,
        description=order.description,
        metadata=order.metadata,
        created_at=await clock.now(),
    )
    return Happening(made, _news(made, url=url))


def _news(found: Payment, *, url: str) -> list[News]:
    of_intent, of_charge = _EVENTS[found.state]
    return [_news_of_intent(found, of_intent, url=url), news_of_charge(found, of_charge, url=url)]


def _news_of_intent(found: Payment, kind: str, *, url: str) -> News:
    about = payment_object(found, url=url)
    return News(type=kind, about=about, purchase_id=found.purchase_id, session_id=found.session_id)


def news_of_charge(found: Payment, kind: str, *, url: str) -> News:
    """Something to be told of the payment's charge."""
    about = charge_object(found, url=url)
    return News(type=kind, about=about, purchase_id=found.purchase_id, session_id=found.session_id)
