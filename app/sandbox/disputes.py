"""Disputes of the sandbox's Stripe: what a payer's bank does, as tests and people tell it to.

The verb runs in the caller's database transaction and says what is to be told.
"""

from app.sandbox import clock, payments
from app.sandbox.errors import ApiError
from app.sandbox.events import Happening, News
from app.sandbox.ids import make_id
from app.sandbox.models import Dispute, DisputeState, Payment
from app.sandbox.objects import dispute_object

_CREATED, _UPDATED, _CLOSED = "charge.dispute.created", "charge.dispute.updated", "charge.dispute.closed"
_WITHDRAWN, _REINSTATED = "charge.dispute.funds_withdrawn", "charge.dispute.funds_reinstated"
# Ways that a dispute can go, and what is told on them. An inquiry takes nothing; what is won comes back.
_MOVES = {
    (None, DisputeState.INQUIRY): (_CREATED,),
    (None, DisputeState.OPEN): (_CREATED, _WITHDRAWN),
    (DisputeState.INQUIRY, DisputeState.OPEN): (_UPDATED, _WITHDRAWN),
    (DisputeState.INQUIRY, DisputeState.CLOSED): (_CLOSED,),
    (DisputeState.OPEN, DisputeState.WON): (_CLOSED, _REINSTATED),
    (DisputeState.OPEN, DisputeState.LOST): (_CLOSED,),
}
_UNDECIDED = (DisputeState.INQUIRY, DisputeState.OPEN)
_TAKING = (DisputeState.INQUIRY, DisputeState.OPEN, DisputeState.LOST)


async def dispute(found: Payment, state: DisputeState, *, amount_minor: int | None) -> Happening[Dispute]:
    """Bring the undecided dispute of the payment to that state, or open one that comes to it: of so much, or of all
    that was neither refunded nor disputed before. An inquiry that is won is closed; one that is lost was a dispute
    first. A dispute that is there already is left as it is. Refused (400): more than is left, an inquiry into what is
    disputed."""
    payment = await payments.locked(found)
    present = await Dispute.get_or_none(payment=payment, state__in=_UNDECIDED)
    way = _way(present.state if present else None, state)
    if present is None:
        present = Dispute(
            id=make_id("dp"),
            payment=payment,
            amount_minor=await _amount(payment, amount_minor),
            reason="fraudulent",
            created_at=await clock.now(),
        )
    news = []
    for before, after in way:
        present.state = after
        await present.save(force_create=before is None)
        news += await _told(present, payment, _MOVES[before, after])
    return Happening(present, news)


def _way(before: DisputeState | None, to: DisputeState) -> list[tuple[DisputeState | None, DisputeState]]:
    """The steps, of those that a dispute can make."""
    if before is to:
        return []
    if before is DisputeState.INQUIRY and to is DisputeState.WON:
        return [(before, DisputeState.CLOSED)]
    if (before, to) in _MOVES:
        return [(before, to)]
    if to is DisputeState.INQUIRY:
        raise ApiError(400, "The payment is disputed already, and a dispute does not become an inquiry.")
    return [(before, DisputeState.OPEN), (DisputeState.OPEN, to)]


async def _amount(payment: Payment, asked_minor: int | None) -> int:
    disputed = sum([each.amount_minor for each in await Dispute.filter(payment=payment, state__in=_TAKING)])
    possible = payment.amount_minor - disputed
    amount_minor = possible - payment.refunded_minor if asked_minor is None else asked_minor
    if not 0 < amount_minor <= possible:
        raise ApiError(
            400,
            f"Of this payment {max(possible, 0)} can be disputed, of which {payment.refunded_minor} was refunded. "
            "Name an amount_minor from 1 to that.",
            param="amount_minor",
        )
    return amount_minor


async def _told(present: Dispute, payment: Payment, kinds: tuple[str, ...]) -> list[News]:
    if _WITHDRAWN in kinds or _CREATED in kinds:
        payment.disputed = True
        await payment.save(update_fields=["disputed"])
    about = dispute_object(present, payment)
    return [
        News(type=kind, about=about, purchase_id=payment.purchase_id, session_id=payment.session_id) for kind in kinds
    ]
