"""Refunds of the sandbox's Stripe: asked for through its API, or made in its dashboard by tests and people.

Each verb runs in the caller's database transaction and says what is to be told.
"""

from app.sandbox import clock, payments
from app.sandbox.errors import ApiError, WrongState, no_such
from app.sandbox.events import Happening, News
from app.sandbox.ids import is_id, make_id
from app.sandbox.models import Dispute, DisputeState, Payment, PaymentState, Refund, RefundState
from app.sandbox.objects import refund_object
from app.sandbox.parameters import RefundOrder
from credits.money import Money

# Where one can have been before it came to the state.
_BEFORE = {
    RefundState.SUCCEEDED: (RefundState.PENDING,),
    RefundState.FAILED: (RefundState.PENDING, RefundState.SUCCEEDED),
}


async def make(order: RefundOrder, *, url: str, state: RefundState = RefundState.SUCCEEDED) -> Happening[Refund]:
    """Give back so much of a payment, or all that is left. Refused, as Stripe does: an unknown payment, one that did
    not succeed, more than is left of it, one whose payer's bank took the money back. A refund that is to be FAILED was
    pending first, and both are told."""
    found = await payments.payment(order.payment_id, param="payment_intent", status=400)
    payment = await payments.locked(found)
    amount_minor = await _amount(payment, order.amount_minor)
    refund = await Refund.create(
        id=make_id("re"),
        payment=payment,
        amount_minor=amount_minor,
        state=RefundState.PENDING if state is RefundState.FAILED else state,
        reason=order.reason,
        metadata=order.metadata,
        created_at=await clock.now(),
    )
    payment.refunded_minor += amount_minor
    await payment.save(update_fields=["refunded_minor"])
    news = [_news(refund, payment, "refund.created"), payments.news_of_charge(payment, "charge.refunded", url=url)]
    if state is RefundState.FAILED:
        news += await _come_to(refund, payment, state)
    return Happening(refund, news)


async def move(refund_id: str, state: RefundState) -> Happening[Refund]:
    """A pending refund succeeds, or a pending or succeeded one fails. Refused: an unknown id (404), one that is
    elsewhere (WrongState)."""
    refund = await Refund.get_or_none(id=refund_id).prefetch_related("payment") if is_id(refund_id) else None
    if refund is None:
        raise no_such("refund", refund_id, param="refund")
    payment = await payments.locked(refund.payment)
    await refund.refresh_from_db(fields=["state"])
    if refund.state not in _BEFORE[state]:
        raise WrongState("refund", refund.state, " or ".join(_BEFORE[state]))
    return Happening(refund, await _come_to(refund, payment, state))


async def _come_to(refund: Refund, payment: Payment, state: RefundState) -> list[News]:
    refund.state = state
    await refund.save(update_fields=["state"])
    if state is not RefundState.FAILED:
        return [_news(refund, payment, "refund.updated")]
    payment.refunded_minor -= refund.amount_minor
    await payment.save(update_fields=["refunded_minor"])
    return [_news(refund, payment, "refund.updated"), _news(refund, payment, "refund.failed")]


async def _amount(payment: Payment, asked_minor: int | None) -> int:
    if payment.state is not PaymentState.SUCCEEDED:
        raise ApiError(400, f"This PaymentIntent ({payment.id}) does not have a successful charge to refund.")
    taken = Dispute.filter(payment=payment, state__in=[DisputeState.OPEN, DisputeState.LOST])
    if await taken.exists():
        told = f"Charge {payment.charge_id} has been charged back; cannot issue a refund."
        raise ApiError(400, told, code="charge_disputed")
    left_minor = payment.amount_minor - payment.refunded_minor
    if left_minor == 0:
        told = f"Charge {payment.charge_id} has already been refunded."
        raise ApiError(400, told, code="charge_already_refunded")
    if asked_minor is not None and asked_minor > left_minor:
        asked, left = (Money(each, payment.currency.upper()).formatted for each in (asked_minor, left_minor))
        told = f"Refund amount ({asked}) is greater than unrefunded amount on charge ({left})"
        raise ApiError(400, told, param="amount")
    return asked_minor or left_minor


def _news(refund: Refund, payment: Payment, kind: str) -> News:
    about = refund_object(refund, payment)
    return News(type=kind, about=about, purchase_id=payment.purchase_id, session_id=payment.session_id)
