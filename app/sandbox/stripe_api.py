"""The API of the sandbox's Stripe, as the SDK calls it: each endpoint named as Stripe's documentation names it.

Refusals are `ApiError`s, answered in Stripe's shape; every endpoint can be told to go wrong.
"""

import json
import secrets
from collections.abc import Awaitable, Callable
from functools import partial
from typing import cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from tortoise.queryset import QuerySet

from app.sandbox import cards, lists, payments, refunds
from app.sandbox.answers import Endpoint
from app.sandbox.bodies import read_form
from app.sandbox.errors import ApiError
from app.sandbox.idempotency import Call, Reply, answer_once
from app.sandbox.ids import is_id
from app.sandbox.models import Dispute, Event, Payment, PaymentState, Refund
from app.sandbox.objects import (
    FAILURES,
    JsonObject,
    card_object,
    dispute_object,
    invoice_object,
    payment_object,
    refund_object,
)
from app.sandbox.parameters import order_of, refund_order_of, saved_card_order_of
from app.sandbox.stripe import Sandbox
from app.sandbox.stripe_faults import faulty

SESSIONS, INTENTS, REFUNDS = "/v1/checkout/sessions", "/v1/payment_intents", "/v1/refunds"
_TYPES_LIMIT = 20


async def _create_session(request: Request) -> Response:
    form = await read_form(request)
    sandbox = sandbox_of(request)

    async def work() -> Reply:
        return Reply(sandbox.shown(await sandbox.create(order_of(form))))

    return await _once(request, SESSIONS, form, work)


async def _read_session(request: Request) -> Response:
    sandbox = sandbox_of(request)
    session = await sandbox.session(request.path_params["id"])
    shown = sandbox.shown(session)
    if shown["invoice"] and _expands(request, "invoice"):
        shown["invoice"] = invoice_object(session, url=sandbox.url)
    return _answered(shown)


async def _expire_session(request: Request) -> Response:
    form = await read_form(request)
    sandbox = sandbox_of(request)
    session = await sandbox.session(request.path_params["id"])

    async def work() -> Reply:
        return Reply(sandbox.shown(await sandbox.expire(session.id)))

    return await _once(request, f"{SESSIONS}/{session.id}/expire", form, work)


async def _charge_saved_card(request: Request) -> Response:
    form = await read_form(request)
    sandbox = sandbox_of(request)

    async def work() -> Reply:
        order = saved_card_order_of(form)
        payment = await sandbox.happen_within(partial(payments.with_saved_card, order, url=sandbox.url))
        shown = payment_object(payment, url=sandbox.url)
        return Reply(shown) if payment.state is PaymentState.SUCCEEDED else Reply(_declined(payment, shown), 402)

    return await _once(request, INTENTS, form, work)


def _declined(payment: Payment, shown: JsonObject) -> JsonObject:
    code = payment.failure_code or ""
    needs_payer = code == "authentication_required"
    return {
        "error": {
            "type": "card_error",
            "code": code,
            "decline_code": code if needs_payer else "generic_decline",
            "message": FAILURES[code],
            "payment_intent": shown,
        }
    }


async def _read_payment(request: Request) -> Response:
    payment = await payments.payment(request.path_params["id"])
    with_charge = _expands(request, "latest_charge")
    return _answered(payment_object(payment, url=sandbox_of(request).url, with_charge=with_charge))


async def _list_payments(request: Request) -> Response:
    lists.check_names(request.query_params, own="customer")
    rows = Payment.all()
    if (customer := request.query_params.get("customer")) is not None:
        rows = rows.filter(customer=customer if is_id(customer) else "")
    with_charge = _expands(request, "data.latest_charge")
    shown = partial(payment_object, url=sandbox_of(request).url, with_charge=with_charge)
    return _answered(await lists.page(rows, request.query_params, url=INTENTS, shown=shown))


async def _list_cards(request: Request) -> Response:
    lists.check_names(request.query_params, own="type")
    customer = await cards.customer(request.path_params["id"])
    card = await cards.saved_card(customer.id)
    shown = [card_object(card)] if card and request.query_params.get("type", "card") == "card" else []
    url = f"/v1/customers/{customer.id}/payment_methods"
    return _answered({"object": "list", "data": shown, "has_more": False, "url": url})


async def _create_refund(request: Request) -> Response:
    form = await read_form(request)
    sandbox = sandbox_of(request)

    async def work() -> Reply:
        refund = await sandbox.happen_within(partial(refunds.make, refund_order_of(form), url=sandbox.url))
        return Reply(refund_object(refund, refund.payment))

    return await _once(request, REFUNDS, form, work)


async def _list_refunds(request: Request) -> Response:
    lists.check_names(request.query_params, own="payment_intent")
    rows = await _of_payment(request, Refund.all().prefetch_related("payment"))
    return _answered(await lists.page(rows, request.query_params, url=REFUNDS, shown=_refund))


async def _list_disputes(request: Request) -> Response:
    lists.check_names(request.query_params, own="payment_intent")
    rows = await _of_payment(request, Dispute.all().prefetch_related("payment"))
    return _answered(await lists.page(rows, request.query_params, url="/v1/disputes", shown=_dispute))


async def _list_events(request: Request) -> Response:
    query = request.query_params
    lists.check_names(query, own=r"type|types\[[0-9]{1,2}\]")
    types = [value for name, value in query.items() if name == "type" or name.startswith("types[")]
    if len(types) > _TYPES_LIMIT or ("type" in query and len(types) > 1):
        raise ApiError(400, f"You may pass either type or up to {_TYPES_LIMIT} types.", param="types")
    rows = Event.filter(type__in=types) if types else Event.all()
    return _answered(await lists.page(rows, query, url="/v1/events", shown=_event))


def _refund(refund: Refund) -> JsonObject:
    return refund_object(refund, refund.payment)


def _dispute(dispute: Dispute) -> JsonObject:
    return dispute_object(dispute, dispute.payment)


def _event(event: Event) -> JsonObject:
    return cast(JsonObject, json.loads(event.payload))


async def _of_payment(request: Request, rows: QuerySet[lists.Row]) -> QuerySet[lists.Row]:
    payment_id = request.query_params.get("payment_intent")
    if payment_id is None:
        return rows
    return rows.filter(payment=await payments.payment(payment_id, param="payment_intent", status=400))


async def _once(
    request: Request, endpoint: str, form: dict[str, str], work: Callable[[], Awaitable[Reply]]
) -> Response:
    """Do it once per idempotency key, and deliver what is told of it."""
    call = Call(key=request.headers.get("Idempotency-Key"), endpoint=endpoint, form=form)
    answer = await answer_once(call, work)
    await sandbox_of(request).deliver()
    headers = _request_id() | ({"Idempotent-Replayed": "true"} if answer.replayed else {})
    return Response(answer.body, answer.status, media_type="application/json", headers=headers)


def _answered(shown: JsonObject) -> Response:
    return JSONResponse(shown, headers=_request_id())


def _request_id() -> dict[str, str]:
    return {"Request-Id": f"req_{secrets.token_hex(7)}"}


def _expands(request: Request, name: str) -> bool:
    return name in [value for key, value in request.query_params.items() if key.startswith("expand[")]


def _with_key(endpoint: Endpoint) -> Endpoint:
    async def authenticated(request: Request) -> Response:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            raise ApiError(401, "You did not provide an API key. Send it as Authorization: Bearer sk_test_…")
        if not key.startswith("sk_test_"):
            raise ApiError(401, "Invalid API Key provided: the sandbox takes keys that begin with sk_test_.")
        return await endpoint(request)

    return authenticated


API = (
    ("POST", SESSIONS, _create_session),
    ("GET", f"{SESSIONS}/{{id}}", _read_session),
    ("POST", f"{SESSIONS}/{{id}}/expire", _expire_session),
    ("POST", INTENTS, _charge_saved_card),
    ("GET", INTENTS, _list_payments),
    ("GET", f"{INTENTS}/{{id}}", _read_payment),
    ("GET", "/v1/customers/{id}/payment_methods", _list_cards),
    ("POST", REFUNDS, _create_refund),
    ("GET", REFUNDS, _list_refunds),
    ("GET", "/v1/disputes", _list_disputes),
    ("GET", "/v1/events", _list_events),
)
CALLS = tuple(f"{method} {path}" for method, path, _ in API)


def api_routes(prefix: str) -> list[Route]:
    """The API's addresses, each behind its key and what may be ordered to go wrong with it."""
    return [
        Route(prefix + path, faulty(f"{method} {path}", _with_key(endpoint)), methods=[method])
        for method, path, endpoint in API
    ]


def sandbox_of(request: Request) -> Sandbox:
    """The sandbox that whoever mounted this gave."""
    return cast(Sandbox, request.app.state.sandbox)
