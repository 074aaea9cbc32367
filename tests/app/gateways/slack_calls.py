"""Cards to post, gateways to post them with, and what the sandbox's Slack holds afterwards."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from app.gateways.slack import SlackChat, SlackGateway
from credits.gateways.cards import Button, Card
from tests.app.service import SLACK_SECRET, SLACK_TOKEN, WORKSPACE, Service

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
    try:
        yield chat
    finally:
        await chat.close()


@asynccontextmanager
async def gateway_to(url: str, *, token: str = SLACK_TOKEN, **options: Any) -> AsyncIterator[SlackGateway]:
    """A workspace of such a chat."""
    async with chat_to(url, **options) as chat:
        yield chat.at(replace(WORKSPACE, token=token))
