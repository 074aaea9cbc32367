"""The sandbox's addresses: Stripe's API as the SDK calls it, a face for tests, the pay page and the clock.

Refusals are `ApiError`s, answered in Stripe's shape everywhere but on the pages.
"""

import secrets
from collections.abc import Awaitable, Callable
from typing import cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route

from app.sandbox import clock, pages
from app.sandbox.bodies import read_form, read_json
from app.sandbox.errors import ApiError, WrongState
from app.sandbox.idempotency import Answer, Call, answer_once
from app.sandbox.models import CheckoutSession, Event
from app.sandbox.objects import JsonObject
from app.sandbox.parameters import order_of
from app.sandbox.stripe import EXPIRE, FAIL, PAY, PAY_LATER, SETTLE, Move, Moved, Plan, Sandbox

Endpoint = Callable[[Request], Awaitable[Response]]

SESSIONS = "/v1/checkout/sessions"
_DELIVERIES_LIMIT = 20
_DELAY_LIMIT_S = 24 * 3600
_PAGE_ROWS = 50
_MOVES = {"pay": PAY, "pay_later": PAY_LATER, "settle": SETTLE, "fail": FAIL, "expire": EXPIRE}


def sandbox_routes(sandbox: Sandbox) -> Mount:
    """Everything under `/sandbox`. The sandbox is to be started and closed by whoever mounts this."""
    app = Starlette(
        routes=[
            Route("/", _index),
            Route("/clock", _read_clock, methods=["GET"]),
            Route("/clock", _advance_clock, methods=["POST"]),
            Route("/slack", RedirectResponse("/sandbox/slack/")),
            Route("/stripe/pay/{id}", _pay_page, methods=["GET"]),
            Route("/stripe/pay/{id}", _pay_form, methods=["POST"]),
            Route("/stripe/sessions/{id}/{action}", _act, methods=["POST"]),
            Route(f"/stripe{SESSIONS}", _create, methods=["POST"]),
            Route(f"/stripe{SESSIONS}/{{id}}", _retrieve, methods=["GET"]),
            Route(f"/stripe{SESSIONS}/{{id}}/expire", _expire, methods=["POST"]),
        ],
        exception_handlers={ApiError: refuse, HTTPException: refuse_address},
    )
    app.state.sandbox = sandbox
    return Mount("/sandbox", app=app)


async def _create(request: Request) -> Response:
    _authenticate(request)
    form = await read_form(request)
    sandbox = _sandbox(request)

    async def work() -> JsonObject:
        return sandbox.shown(await sandbox.create(order_of(form)))

    return _api_answer(request, await answer_once(_call(request, SESSIONS, form), work))


async def _retrieve(request: Request) -> Response:
    _authenticate(request)
    sandbox = _sandbox(request)
    return JSONResponse(sandbox.shown(await sandbox.session(request.path_params["id"])), headers=_request_id())


async def _expire(request: Request) -> Response:
    _authenticate(request)
    form = await read_form(request)
    sandbox = _sandbox(request)
    session = await sandbox.session(request.path_params["id"])

    async def work() -> JsonObject:
        return sandbox.shown(await sandbox.expire(session.id))

    answer = await answer_once(_call(request, f"{SESSIONS}/{session.id}/expire", form), work)
    await sandbox.deliver()
    return _api_answer(request, answer)


def _authenticate(request: Request) -> None:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key:
        raise ApiError(401, "You did not provide an API key. Send it as Authorization: Bearer sk_test_…")
    if not key.startswith("sk_test_"):
        raise ApiError(401, "Invalid API Key provided: the sandbox takes keys that begin with sk_test_.")


def _call(request: Request, endpoint: str, form: dict[str, str]) -> Call:
    return Call(key=request.headers.get("Idempotency-Key"), endpoint=endpoint, form=form)


def _api_answer(request: Request, answer: Answer) -> Response:
    headers = _request_id()
    if answer.replayed:
        headers["Idempotent-Replayed"] = "true"
    return Response(answer.body, media_type="application/json", headers=headers)


def _request_id() -> dict[str, str]:
    return {"Request-Id": f"req_{secrets.token_hex(7)}"}


async def _act(request: Request) -> Response:
    action, session_id = request.path_params["action"], request.path_params["id"]
    sandbox = _sandbox(request)
    fields = await read_json(request, allowed=("deliveries", "delay_s", "payment"))
    moved = await _moved(sandbox, session_id, _with_payment(action, fields), _plan(fields))
    return JSONResponse(
        {
            "session": sandbox.shown(moved.session),
            "event": moved.event_id,
            "deliveries": [{"status": status} for status in moved.statuses],
            "redirect_url": _leads_to(action, moved.session),
        }
    )


def _with_payment(action: str, fields: JsonObject) -> str:
    payment = fields.get("payment", "card")
    if payment not in ("card", "delayed") or ("payment" in fields and action != "pay"):
        raise ApiError(400, 'payment goes with pay and is "card" or "delayed".', param="payment")
    return "pay_later" if payment == "delayed" else action


async def _moved(sandbox: Sandbox, session_id: str, action: str, plan: Plan) -> Moved:
    if action == "cancel":
        return Moved(session=await sandbox.session(session_id))
    if action == "decline":
        return await sandbox.decline(session_id)
    return await sandbox.move(session_id, _move_named(action), plan)


def _move_named(action: str) -> Move:
    if action not in _MOVES:
        names = ", ".join([*_MOVES, "decline", "cancel"])
        raise ApiError(404, f"There is no {action!r} for a session. There are: {names}.")
    return _MOVES[action]


def _leads_to(action: str, session: CheckoutSession) -> str | None:
    """Where the payer's browser goes on to, or None where it stays."""
    if action in ("pay", "pay_later"):
        return pages.return_url(session)
    return session.cancel_url if action == "cancel" else None


def _plan(fields: JsonObject) -> Plan:
    deliveries, delay_s = fields.get("deliveries", 1), fields.get("delay_s", 0)
    if not isinstance(deliveries, int) or isinstance(deliveries, bool) or not 0 <= deliveries <= _DELIVERIES_LIMIT:
        raise ApiError(400, f"deliveries wants a whole number from 0 to {_DELIVERIES_LIMIT}.", param="deliveries")
    if not isinstance(delay_s, int | float) or isinstance(delay_s, bool) or not 0 <= delay_s <= _DELAY_LIMIT_S:
        raise ApiError(400, f"delay_s wants a number of seconds from 0 to {_DELAY_LIMIT_S}.", param="delay_s")
    return Plan(deliveries=deliveries, delay_s=float(delay_s))


def as_page(endpoint: Endpoint) -> Endpoint:
    """The endpoint, with its refusals as pages."""

    async def answered(request: Request) -> Response:
        try:
            return await endpoint(request)
        except ApiError as error:
            return pages.error_page(error.status, error.message)

    return answered


@as_page
async def _pay_page(request: Request) -> Response:
    session = await _sandbox(request).session(request.path_params["id"])
    return pages.pay_page(session, notice=request.query_params.get("notice"))


@as_page
async def _pay_form(request: Request) -> Response:
    form = await read_form(request)
    action = form.get("action", "")
    plan = _plan({name: _number(form[name]) for name in ("deliveries", "delay_s") if name in form})
    page = request.url.path
    try:
        moved = await _moved(_sandbox(request), request.path_params["id"], action, plan)
    except WrongState:
        return RedirectResponse(page, 303)  # the page tells where the session is
    stay = f"{page}?notice={pages.DECLINED}" if action == "decline" else page
    return RedirectResponse(_leads_to(action, moved.session) or stay, 303)


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 10 else None


async def _index(request: Request) -> Response:
    sessions = await CheckoutSession.all().order_by("-created_at").limit(_PAGE_ROWS)
    events = Event.all().order_by("-created_at").limit(_PAGE_ROWS)
    told = await events.prefetch_related("session", "deliveries__attempts")
    return pages.index_page(sessions, told, await clock.reading())


async def _read_clock(request: Request) -> Response:
    return JSONResponse(await clock.reading())


async def _advance_clock(request: Request) -> Response:
    fields = await read_json(request, allowed=("advance_s",))
    reading = await clock.advance(fields.get("advance_s"))
    await _sandbox(request).lapse_due()
    return JSONResponse(reading)


def _sandbox(request: Request) -> Sandbox:
    return cast(Sandbox, request.app.state.sandbox)


async def refuse(request: Request, error: Exception) -> Response:
    """Answer a refusal in the shape of the API."""
    assert isinstance(error, ApiError)  # noqa: S101 Starlette gives this handler no other
    return JSONResponse(error.body, status_code=error.status)


async def refuse_address(request: Request, error: Exception) -> Response:
    """Answer an address that is none, likewise."""
    assert isinstance(error, HTTPException)  # noqa: S101 likewise
    refusal = ApiError(error.status_code, f"Unrecognized request URL ({request.method}: {request.url.path}).")
    return JSONResponse(refusal.body, status_code=refusal.status, headers=error.headers)
