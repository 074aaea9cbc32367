"""A service in small for tests of the sandbox and the gateways: the sandbox over real HTTP, and who takes what it says.

It runs on a free port in the test's own loop, so that nothing is simulated between the SDK and the database.
"""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp
from tortoise.connection import get_connection

from app.gateways.mail import SmtpMail
from app.gateways.slack import SlackChat, SlackGateway
from app.gateways.stripe import StripeGateway
from app.sandbox.mail import MailSandbox, server_of
from app.sandbox.mail_routes import mail_routes
from app.sandbox.models import (
    CheckoutSession,
    Customer,
    Event,
    IdempotencyKey,
    MailFault,
    MailMessage,
    Payment,
    SlackFault,
    SlackMessage,
    SlackTicket,
    SlackTrouble,
    SlackView,
    StripeFault,
)
from app.sandbox.routes import sandbox_routes
from app.sandbox.slack import SlackSandbox
from app.sandbox.slack_people import TEAM_ID
from app.sandbox.slack_routes import slack_routes
from app.sandbox.stripe import Sandbox
from app.smtp import sender
from credits.gateways.chat import Interaction, Workspace
from credits.gateways.errors import BadSignature
from credits.gateways.payments import Checkout, CheckoutRequest, PaymentEvent
from credits.money import Money
from tests.support.service import Service as WholeService

SECRET = "whsec_of_these_tests"
KEY = "sk_test_of_these_tests"
SLACK_SECRET = "the signing secret of these tests"
SLACK_TOKEN = "xoxb-of-these-tests"
WORKSPACE = Workspace(id=TEAM_ID, org=TEAM_ID, token=SLACK_TOKEN)
MAIL_FROM = sender("Staging Credits <credits@shop.example>")
BACK_OFF_S = (0.02, 0.02)


@dataclass(slots=True, kw_only=True)
class Service:
    """What a test works with: the gateways, plain HTTP, and the webhooks and presses that came. Each of `refusals` is
    answered to one webhook before any is taken."""

    url: str
    gateway: StripeGateway
    chat: SlackChat
    mail: SmtpMail
    http: httpx.AsyncClient
    sandbox: Sandbox
    received: list[PaymentEvent] = field(default_factory=list)
    pressed: list[Interaction] = field(default_factory=list)
    says: dict[str, object] = field(default_factory=dict)
    refusals: list[int] = field(default_factory=list)
    most_at_once: int = 0
    at_once: int = 0

    @property
    def slack(self) -> SlackGateway:
        """The sandbox's workspace."""
        return self.chat.at(WORKSPACE)

    @property
    def checkouts(self) -> list[PaymentEvent]:
        """Those of the webhooks that were about a checkout."""
        return [event for event in self.received if event.checkout]

    async def act(self, session_id: str, action: str, **fields: object) -> httpx.Response:
        """One call of the tests' face of the sandbox."""
        return await self.http.post(f"/sandbox/stripe/sessions/{session_id}/{action}", json=fields)

    async def face(self, path: str, **fields: object) -> dict[str, Any]:
        """One call of the tests' face of the sandbox's Stripe that is to succeed."""
        response = await self.http.post(f"/sandbox/stripe/{path}", json=fields)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def paid(self, purchase_id: str = "pur_01", **changes: object) -> Checkout:
        """A checkout of a purchase, paid."""
        checkout = await self.gateway.open_checkout(checkout_request(purchase_id=purchase_id, **changes))
        assert (await self.act(checkout.id, "pay")).status_code == 200
        return await self.gateway.checkout(checkout.id)

    async def interact(self, request: Request) -> Response:
        """Where what people do in Slack is told: verified as in production, and answered with `says`."""
        stamp, signature = (request.headers.get(f"X-Slack-{name}", "") for name in ("Request-Timestamp", "Signature"))
        try:
            press = self.chat.read_interaction(await request.body(), timestamp=stamp, signature=signature)
        except BadSignature:
            return Response(status_code=401)
        if press:
            self.pressed.append(press)
        return JSONResponse(self.says) if self.says else Response()

    async def take(self, request: Request) -> Response:
        """The webhook endpoint: verified as in production."""
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0.05)
        self.at_once -= 1
        if self.refusals:
            return Response(status_code=self.refusals.pop(0))
        try:
            event = self.gateway.read_event(await request.body(), request.headers.get("Stripe-Signature", ""))
        except BadSignature:
            return Response(status_code=400)
        self.received.append(event)
        return Response(status_code=200)


@asynccontextmanager
async def served(app: ASGIApp, listener: socket.socket) -> AsyncIterator[None]:
    """The app on that socket, in this loop."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", ws="none"))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:  # noqa: ASYNC110 uvicorn tells it in no other way
        await asyncio.sleep(0.005)
    try:
        yield
    finally:
        server.should_exit = True
        await task


def free_port() -> tuple[socket.socket, str]:
    """A socket on a port that nobody else has, and the address it will have."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    return listener, f"http://127.0.0.1:{listener.getsockname()[1]}"


@asynccontextmanager
async def running_service() -> AsyncIterator[Service]:
    """A service with nothing but the sandbox and who takes what it tells. The database must be open."""
    listener, url = free_port()
    gateway = StripeGateway(api_key=KEY, webhook_secrets=(SECRET,), api_base=f"{url}/sandbox/stripe", timeout_s=5.0)
    sandbox = Sandbox(url=url, local_url=url, webhook_secret=SECRET, back_off_s=BACK_OFF_S)
    chat = SlackChat(signing_secrets=(SLACK_SECRET,), base_url=f"{url}/sandbox/slack/api/", site_url=url)
    slack_sandbox = SlackSandbox(local_url=url, signing_secret=SLACK_SECRET)
    mail = SmtpMail(lambda: server_of(url), sender=MAIL_FROM, within_s=5.0)
    mail_sandbox = MailSandbox(host="127.0.0.1")
    async with httpx.AsyncClient(base_url=url, timeout=20, trust_env=False) as http:
        service = Service(url=url, gateway=gateway, chat=chat, mail=mail, http=http, sandbox=sandbox)
        app = Starlette(
            routes=[
                slack_routes(slack_sandbox),
                mail_routes(mail_sandbox),
                sandbox_routes(sandbox),
                Route("/webhooks/stripe", service.take, methods=["POST"]),
                *(
                    Route(f"/slack/{what}", service.interact, methods=["POST"])
                    for what in ("interactions", "commands", "events")
                ),
            ]
        )
        async with served(app, listener), sandbox, slack_sandbox, mail_sandbox:
            yield service
    await chat.close()
    await gateway.close()


@pytest.fixture(name="service")
async def small_service(service: WholeService) -> AsyncIterator[Service]:
    """The small service instead of the whole one, which keeps the database open; with nothing in its sandbox and its
    clock at real time."""
    await _forget()
    async with running_service() as small:
        yield small
    await _forget()


async def _forget() -> None:
    stripe = (CheckoutSession, Payment, Customer, Event, IdempotencyKey, StripeFault)
    slack = (SlackMessage, SlackFault, SlackView, SlackTicket, SlackTrouble)
    for rows in (*stripe, *slack, MailMessage, MailFault):
        await rows.all().delete()
    await get_connection("default").execute_query("DELETE FROM clock_offset")


def checkout_request(**changes: object) -> CheckoutRequest:
    """A purchase of 100 credits for $179.80, with the changes."""
    fields: dict[str, object] = {
        "purchase_id": "pur_01",
        "account_id": "acct_01",
        "wallet_id": "wal_01",
        "attempt": 1,
        "description": "Team 50",
        "quantity": 2,
        "unit": Money(8990, "USD"),
        "success_url": "https://shop.example/return?session={CHECKOUT_SESSION_ID}",
        "cancel_url": "https://shop.example/cancelled",
        "customer_id": None,
    }
    return CheckoutRequest(**(fields | changes))  # type: ignore[arg-type]


async def received(service: Service, count: int) -> bool:
    """Whether so many webhooks came."""
    return len(service.received) == count


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until it holds; fails after 5 s."""
    async with asyncio.timeout(5):
        while not await holds():  # noqa: ASYNC110 what is waited for is in the database
            await asyncio.sleep(0.01)


def event_body(event_type: str = "checkout.session.completed", **session: object) -> bytes:
    """An event as Stripe would send it, about a session that is paid unless told otherwise."""
    paid: dict[str, object] = {
        "id": "cs_test_1",
        "object": "checkout.session",
        "amount_subtotal": 17980,
        "amount_total": 17980,
        "automatic_tax": {"enabled": False},
        "client_reference_id": "pur_01",
        "currency": "usd",
        "customer": None,
        "livemode": False,
        "payment_intent": "pi_1",
        "payment_status": "paid",
        "status": "complete",
        "url": None,
    }
    event = {
        "id": "evt_1",
        "object": "event",
        "type": event_type,
        "created": 1_780_000_000,
        "livemode": False,
        "data": {"object": paid | session},
    }
    return json.dumps(event).encode()
