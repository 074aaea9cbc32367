"""Cards to post, gateways to post them with, and what the sandbox's Slack holds afterwards."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.gateways.slack import SlackChat, SlackGateway
from credits.gateways import Button, Card
from tests.app.service import SLACK_SECRET, SLACK_TOKEN, WORKSPACE, Service, free_port, served

APPROVALS, APPROVER, DIRECT = "C0APPROVAL", "U0APPROVER", "D0APPROVER"
APPROVE = Button(
    action="approve", label="Approve", value="apr_01:1", style="primary", confirm="Approve 500 credits for $899.00?"
)
REJECT = Button(action="reject", label="Reject…", value="apr_01:1", style="danger")
CARD = Card(
    summary="Milo asks to buy 500 credits",
    title="Approval needed",
    text="Milo asks to buy 500 credits.",
    quote="We stage twelve homes.",
    fields=(("Price", "$899.00"), ("For", "Residential")),
    buttons=(APPROVE, REJECT),
    notes=("Request apr_01",),
)
DECIDED = Card(summary="Approved by Abel")


async def messages(service: Service) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = (await service.http.get("/sandbox/slack/messages")).json()
    return listed


@asynccontextmanager
async def chat_to(url: str, **options: Any) -> AsyncIterator[SlackChat]:
    """A chat whose Slack answers at that address."""
    settings: dict[str, Any] = {"signing_secrets": (SLACK_SECRET,), "base_url": url, "timeout_s": 1.5}
    chat = SlackChat(**(settings | options))
    yield chat
    await chat.close()


@asynccontextmanager
async def gateway_to(url: str, *, token: str = SLACK_TOKEN, **options: Any) -> AsyncIterator[SlackGateway]:
    """A workspace of such a chat."""
    async with chat_to(url, **options) as chat:
        yield chat.at(replace(WORKSPACE, token=token))


@dataclass(slots=True)
class Scripted:
    """A server that answers each method as it is told, and knows what it was asked."""

    url: str = ""
    answers: dict[str, dict[str, object]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    async def answer(self, request: Request) -> Response:
        """Whatever stands for it; nothing else is known here."""
        method = request.path_params["path"]
        body = await request.body()
        fields = json.loads(body) if body.startswith(b"{") else dict(parse_qsl(body.decode()))
        self.asked.append((method, {**request.query_params, **fields}))
        return JSONResponse(self.answers[method])


@asynccontextmanager
async def scripted(**answers: dict[str, object]) -> AsyncIterator[Scripted]:
    """Such a server, until the block ends; methods are named with `_` for their dots."""
    server = Scripted(answers={name.replace("_", "."): answer for name, answer in answers.items()})
    listener, url = free_port()
    server.url = f"{url}/"
    app = Starlette(routes=[Route("/{path:path}", server.answer, methods=["GET", "POST"])])
    async with served(app, listener):
        yield server
