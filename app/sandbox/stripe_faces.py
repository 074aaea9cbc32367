"""The sandbox's Stripe as tests drive it, in JSON: what payers, their banks and Stripe's own network may do.

All that tells of something takes `deliveries`, `delay_s` and `order`, and answers with the events told.
"""

from collections.abc import Sequence
from enum import StrEnum
from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.sandbox import cards, disputes, fields, pages, payments, redelivery, refunds, stripe_faults
from app.sandbox.bodies import read_json
from app.sandbox.errors import ApiError
from app.sandbox.events import DeliveryOrder, Plan
from app.sandbox.models import Behaviour, CheckoutSession, DisputeState, Refund, RefundState
from app.sandbox.objects import JsonObject, card_object, dispute_object, refund_object
from app.sandbox.parameters import AMOUNT_LIMIT, RefundOrder
from app.sandbox.stripe import EXPIRE, FAIL, PAY, PAY_LATER, SETTLE, Move, Outcome, Sandbox, Told
from app.sandbox.stripe_api import CALLS, sandbox_of
from app.sandbox.stripe_faults import EVERY_CALL, Fault, Wrong

_DELIVERIES_LIMIT, _FAULTS_LIMIT = 20, 1000
_DELAY_LIMIT_S, _WAIT_LIMIT_S = 24 * 3600, 3600
_PLAN = ("deliveries", "delay_s", "order")
_MOVES = {"pay": PAY, "pay_later": PAY_LATER, "settle": SETTLE, "fail": FAIL, "expire": EXPIRE}
_REFUND_MOVES = {"succeed": RefundState.SUCCEEDED, "fail": RefundState.FAILED}
_STATUSES = (429, *range(500, 600))


class Decision(StrEnum):
    """What the payer's bank says of a dispute."""

    OPEN = "open"
    WON = "won"
    LOST = "lost"
    INQUIRY = "inquiry"


_DISPUTE_STATES = {
    Decision.OPEN: DisputeState.OPEN,
    Decision.WON: DisputeState.WON,
    Decision.LOST: DisputeState.LOST,
    Decision.INQUIRY: DisputeState.INQUIRY,
}


def face_routes(prefix: str) -> list[Route]:
    """The addresses of this face."""
    return [
        Route(f"{prefix}/sessions/{{id}}/{{action}}", _act, methods=["POST"]),
        Route(f"{prefix}/cards", _behave, methods=["POST"]),
        Route(f"{prefix}/refunds", _refund, methods=["POST"]),
        Route(f"{prefix}/refunds/{{id}}/{{action}}", _move_refund, methods=["POST"]),
        Route(f"{prefix}/disputes", _dispute, methods=["POST"]),
        Route(f"{prefix}/redeliver", _redeliver, methods=["POST"]),
        Route(f"{prefix}/faults", _order_faults, methods=["POST"]),
    ]


async def _act(request: Request) -> Response:
    action, session_id = request.path_params["action"], request.path_params["id"]
    sandbox = sandbox_of(request)
    body = await read_json(request, allowed=(*_PLAN, "payment"))
    outcome = await session_outcome(sandbox, session_id, _with_payment(action, body), plan_of(body))
    told = next((each for each in outcome.told if each.event.type.startswith("checkout.")), None)
    return JSONResponse(
        {
            "session": sandbox.shown(outcome.thing),
            "event": told.event.id if told else None,
            "deliveries": _deliveries(told) if told else [],
            "events": _events(outcome.told),
            "redirect_url": leads_to(action, outcome.thing),
        }
    )


def _with_payment(action: str, body: JsonObject) -> str:
    payment = body.get("payment", "card")
    if payment not in ("card", "delayed") or ("payment" in body and action != "pay"):
        raise ApiError(400, 'payment goes with pay and is "card" or "delayed".', param="payment")
    return "pay_later" if payment == "delayed" else action


async def session_outcome(sandbox: Sandbox, session_id: str, action: str, plan: Plan) -> Outcome[CheckoutSession]:
    """Do with the session what whoever pays does, or their bank. Refused: an unknown action (404), and as a move is."""
    if action == "cancel":
        return Outcome(await sandbox.session(session_id))
    if action == "decline":
        return await sandbox.decline(session_id, plan)
    return await sandbox.move(session_id, _move_named(action), plan)


def _move_named(action: str) -> Move:
    if action not in _MOVES:
        names = ", ".join([*_MOVES, "decline", "cancel"])
        raise ApiError(404, f"There is no {action!r} for a session. There are: {names}.")
    return _MOVES[action]


def leads_to(action: str, session: CheckoutSession) -> str | None:
    """Where the payer's browser goes on to, or None where it stays."""
    if action in ("pay", "pay_later"):
        return pages.return_url(session)
    return session.cancel_url if action == "cancel" else None


def plan_of(body: JsonObject) -> Plan:
    """How events are to be delivered; once, at once and as they happened where nothing is said."""
    return Plan(
        deliveries=fields.whole(body, "deliveries", 1, most=_DELIVERIES_LIMIT),
        delay_s=fields.seconds(body, "delay_s", most=_DELAY_LIMIT_S),
        order=fields.word(body, "order", DeliveryOrder, DeliveryOrder.AS_IT_WAS),
    )


def _events(told: Sequence[Told]) -> list[JsonObject]:
    return [{"id": each.event.id, "type": each.event.type, "deliveries": _deliveries(each)} for each in told]


def _deliveries(told: Told) -> list[JsonObject]:
    return [{"status": status} for status in told.statuses]


async def _behave(request: Request) -> Response:
    body = await read_json(request, allowed=("account_id", "customer_id", "behaviour", "new"))
    found = await cards.behave(
        fields.word(body, "behaviour", Behaviour, Behaviour.OK),
        new=fields.field(body, "new", bool, default=False),
        account_id=fields.optional(body, "account_id", str),
        customer_id=fields.optional(body, "customer_id", str),
    )
    return JSONResponse({"cards": [{**card_object(card), "behaviour": card.behaviour.value} for card in found]})


async def _refund(request: Request) -> Response:
    body = await read_json(request, allowed=(*_PLAN, "purchase_id", "amount_minor", "outcome", "reason"))
    order = RefundOrder(
        payment_id=(await payments.payment_of(fields.field(body, "purchase_id", str))).id,
        amount_minor=_amount(body),
        reason=fields.optional(body, "reason", str) or "requested_by_customer",
        metadata={},
    )
    sandbox = sandbox_of(request)
    state = fields.word(body, "outcome", RefundState, RefundState.SUCCEEDED)
    outcome = await sandbox.happen(partial(refunds.make, order, url=sandbox.url, state=state), plan_of(body))
    return _refunded(outcome)


async def _move_refund(request: Request) -> Response:
    body = await read_json(request, allowed=_PLAN)
    action = request.path_params["action"]
    if action not in _REFUND_MOVES:
        raise ApiError(404, f"There is no {action!r} for a refund. There are: {', '.join(_REFUND_MOVES)}.")
    move = partial(refunds.move, request.path_params["id"], _REFUND_MOVES[action])
    return _refunded(await sandbox_of(request).happen(move, plan_of(body)))


def _refunded(outcome: Outcome[Refund]) -> Response:
    refund = outcome.thing
    return JSONResponse({"refund": refund_object(refund, refund.payment), "events": _events(outcome.told)})


async def _dispute(request: Request) -> Response:
    body = await read_json(request, allowed=(*_PLAN, "purchase_id", "amount_minor", "status"))
    payment = await payments.payment_of(fields.field(body, "purchase_id", str))
    state = _DISPUTE_STATES[fields.word(body, "status", Decision, Decision.OPEN)]
    move = partial(disputes.dispute, payment, state, amount_minor=_amount(body))
    outcome = await sandbox_of(request).happen(move, plan_of(body))
    return JSONResponse({"dispute": dispute_object(outcome.thing, payment), "events": _events(outcome.told)})


def _amount(body: JsonObject) -> int | None:
    if body.get("amount_minor") is None:
        return None
    return fields.whole(body, "amount_minor", 0, least=1, most=AMOUNT_LIMIT)


async def _redeliver(request: Request) -> Response:
    body = await read_json(request, allowed=("event_id", "purchase_id", "since", "times", "delay_s", "order"))
    told = await redelivery.events_of(
        event_id=fields.optional(body, "event_id", str),
        purchase_id=fields.optional(body, "purchase_id", str),
        since=fields.optional(body, "since", str),
    )
    times = fields.whole(body, "times", 1, least=1, most=_DELIVERIES_LIMIT)
    plan = plan_of({**body, "deliveries": times})
    return JSONResponse({"events": _events(await sandbox_of(request).tell_again(told, plan))})


async def _order_faults(request: Request) -> Response:
    body = await read_json(request, allowed=("call", "next", "answer", "status", "retry_after_s", "delay_s", "after"))
    call, times = fields.field(body, "call", str), fields.whole(body, "next", 1, most=_FAULTS_LIMIT)
    fault = Fault(
        answer=fields.word(body, "answer", Wrong, Wrong.ERROR),
        status=fields.field(body, "status", int, 500),
        retry_after_s=fields.whole(body, "retry_after_s", 1, most=_WAIT_LIMIT_S),
        delay_s=fields.seconds(body, "delay_s", most=_WAIT_LIMIT_S),
        after=fields.field(body, "after", bool, default=False),
    )
    if call not in (*CALLS, EVERY_CALL):
        raise ApiError(404, f"There is no {call!r} here. There are: {', '.join(CALLS)}, and * for all.", param="call")
    if fault.status not in _STATUSES:
        raise ApiError(400, "status is 429, or 500 to 599.", param="status")
    await stripe_faults.order(call, fault, times=times)
    return JSONResponse({"call": call, "next": times})
