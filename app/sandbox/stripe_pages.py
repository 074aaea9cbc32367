"""The sandbox's Stripe as people meet it: where a session is paid, and the list of all that happened."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from app.sandbox import clock, pages
from app.sandbox.answers import as_page
from app.sandbox.bodies import read_form
from app.sandbox.errors import WrongState
from app.sandbox.models import CheckoutSession, Event
from app.sandbox.stripe_api import sandbox_of
from app.sandbox.stripe_faces import leads_to, plan_of, session_outcome

_PAGE_ROWS = 50


def page_routes() -> list[Route]:
    """The addresses of the pages."""
    return [
        Route("/", _index),
        Route("/stripe/pay/{id}", _pay_page, methods=["GET"]),
        Route("/stripe/pay/{id}", _pay_form, methods=["POST"]),
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


async def _index(request: Request) -> Response:
    sessions = await CheckoutSession.all().order_by("-created_at").limit(_PAGE_ROWS)
    events = Event.all().order_by("-created_at").limit(_PAGE_ROWS)
    told = await events.prefetch_related("deliveries__attempts")
    return pages.index_page(sessions, told, await clock.reading())
