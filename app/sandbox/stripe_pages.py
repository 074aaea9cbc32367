"""The sandbox's Stripe as people meet it: where a session is paid, and the list of all that happened."""

from functools import partial

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from app.sandbox import cards, clock, disputes, pages, payment_pages, payments, refunds
from app.sandbox.answers import as_page
from app.sandbox.bodies import read_form
from app.sandbox.errors import ApiError, WrongState, no_such
from app.sandbox.ids import is_id
from app.sandbox.models import (
    Behaviour,
    Card,
    CheckoutSession,
    DisputeState,
    Event,
    Payment,
    PaymentState,
    RefundState,
    State,
)
from app.sandbox.objects import payment_of_invoice
from app.sandbox.parameters import AMOUNT_LIMIT, REASONS, RefundOrder
from app.sandbox.stripe_api import sandbox_of
from app.sandbox.stripe_faces import leads_to, plan_of, session_outcome

_PAGE_ROWS = 50
_DISPUTES = {
    "dispute": DisputeState.OPEN,
    "inquire": DisputeState.INQUIRY,
    "win": DisputeState.WON,
    "lose": DisputeState.LOST,
}


def page_routes() -> list[Route]:
    """The addresses of the pages."""
    return [
        Route("/", _index),
        Route("/stripe/pay/{id}", _pay_page, methods=["GET"]),
        Route("/stripe/pay/{id}", _pay_form, methods=["POST"]),
        Route("/stripe/receipts/{id}", _receipt),
        Route("/stripe/invoices/{id}", _invoice),
        Route("/stripe/payments/{id}", _payment_form, methods=["POST"]),
        Route("/stripe/customers/{id}", _card_form, methods=["POST"]),
    ]


@as_page
async def _pay_page(request: Request) -> Response:
    session = await sandbox_of(request).session(request.path_params["id"])
    return pages.pay_page(session, notice=request.query_params.get("notice"))


@as_page
async def _pay_form(request: Request) -> Response:
    form = await read_form(request)
    action = form.get("action", "")
    plan = plan_of({name: _number(form[name]) for name in ("deliveries", "delay_s") if name in form})
    page = request.url.path
    try:
        outcome = await session_outcome(sandbox_of(request), request.path_params["id"], action, plan)
    except WrongState:
        return RedirectResponse(page, 303)  # the page tells where the session is
    stay = f"{page}?notice={pages.DECLINED}" if action == "decline" else page
    return RedirectResponse(leads_to(action, outcome.thing) or stay, 303)


def _number(text: str) -> int | str:
    return int(text) if text.isdecimal() and len(text) < 10 else text


@as_page
async def _receipt(request: Request) -> Response:
    charge_id = request.path_params["id"]
    payment = await Payment.get_or_none(charge_id=charge_id, state=PaymentState.SUCCEEDED) if is_id(charge_id) else None
    if payment is None:
        raise no_such("charge", charge_id, param="charge")
    return payment_pages.receipt_page(payment)


@as_page
async def _invoice(request: Request) -> Response:
    key = request.path_params["id"]
    payment_id = payment_of_invoice(key) if is_id(key) else ""
    complete = (State.PROCESSING, State.PAID, State.FAILED)
    session = await CheckoutSession.get_or_none(payment_intent=payment_id, makes_invoice=True, state__in=complete)
    if session is None:
        raise no_such("invoice", key, param="invoice")
    return payment_pages.invoice_page(session)


@as_page
async def _payment_form(request: Request) -> Response:
    form = await read_form(request)
    sandbox = sandbox_of(request)
    payment = await payments.payment(request.path_params["id"])
    if "fail" in form:
        await sandbox.happen(partial(refunds.move, form["fail"], RefundState.FAILED))
        return RedirectResponse("/sandbox/#payments", 303)
    amount_minor = _amount(form.get("amount_minor", ""))
    action = form.get("action", "")
    if action == "refund":
        order = RefundOrder(payment_id=payment.id, amount_minor=amount_minor, reason=REASONS[0], metadata={})
        await sandbox.happen(partial(refunds.make, order, url=sandbox.url))
    elif action in _DISPUTES:
        await sandbox.happen(partial(disputes.dispute, payment, _DISPUTES[action], amount_minor=amount_minor))
    else:
        raise ApiError(404, f"There is no {action!r} for a payment. There are: refund, {', '.join(_DISPUTES)}.")
    return RedirectResponse("/sandbox/#payments", 303)


def _amount(text: str) -> int | None:
    if not text.strip():
        return None
    amount_minor = _number(text.strip())
    if not isinstance(amount_minor, int) or not 1 <= amount_minor <= AMOUNT_LIMIT:
        raise ApiError(400, f"The amount is a whole number from 1 to {AMOUNT_LIMIT}, in the currency's smallest unit.")
    return amount_minor


@as_page
async def _card_form(request: Request) -> Response:
    form = await read_form(request)
    action = form.get("action", "")
    behaviours = {each.value: each for each in Behaviour}
    if action not in (*behaviours, "new"):
        raise ApiError(404, f"There is no {action!r} for a card. There are: {', '.join(behaviours)}, new.")
    behaviour = behaviours.get(action, Behaviour.OK)
    await cards.behave(behaviour, new=action == "new", customer_id=request.path_params["id"])
    return RedirectResponse("/sandbox/#cards", 303)


async def _index(request: Request) -> Response:
    paid = Payment.all().order_by("-created_at").limit(_PAGE_ROWS).prefetch_related("refunds", "disputes")
    saved = Card.filter(detached=False).order_by("-created_at").limit(_PAGE_ROWS).prefetch_related("customer")
    told = Event.all().order_by("-created_at").limit(_PAGE_ROWS).prefetch_related("deliveries__attempts")
    return pages.index_page(
        pages.Index(
            sessions=await CheckoutSession.all().order_by("-created_at").limit(_PAGE_ROWS),
            payments=payment_pages.payments_table(await paid),
            cards=payment_pages.cards_table(await saved),
            events=await told,
            clock=await clock.reading(),
        )
    )
