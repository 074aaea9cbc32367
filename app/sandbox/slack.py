"""Presses of buttons in the sandbox's Slack: told to the service as Slack tells them, signed as Slack signs them.

https://docs.slack.dev/interactivity/handling-user-interaction and, for the signature,
https://docs.slack.dev/authentication/verifying-requests-from-slack
"""

import asyncio
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlencode

import httpx

from app.sandbox import slack_messages, slack_people
from app.sandbox.errors import ApiError
from app.sandbox.models import SlackMessage
from app.sandbox.objects import JsonObject
from app.sandbox.slack_blocks import buttons
from app.sandbox.slack_messages import message_object

# Slack itself gives up after three seconds; here one sees how long it would have taken.
_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """Who presses which button of which message. Without a `value` it is the button's own; `force` presses one that
    is not there (any more); `deliveries` is how often the very same request is sent, all at once."""

    ts: str
    action_id: str
    user_id: str
    value: str | None = None
    reason: str | None = None
    channel: str | None = None
    team_id: str = slack_people.TEAM_ID
    enterprise_id: str | None = None
    force: bool = False
    deliveries: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the service answered; `status` is None where it did not."""

    status: int | None
    body: str
    took_ms: int


class ButtonGone(ApiError):
    """The message has no such button, or no longer; nothing was told to the service."""

    def __init__(self, message: str) -> None:
        super().__init__(409, message)


class SlackSandbox:
    """A Slack of one's own. `url` is where browsers reach it, `local_url` where it tells the service of presses.

    Its messages are in the database; to be closed with `aclose`, or used as `async with`.
    """

    def __init__(self, *, url: str, local_url: str, signing_secret: str) -> None:
        self._url = url
        self._target = f"{local_url}/slack/interactions"
        self._secret = signing_secret
        # A proxy that the environment names is not for what stays on this machine.
        self._client = httpx.AsyncClient(timeout=_TIMEOUT_S, trust_env=False)

    async def aclose(self) -> None:
        """Give back the connections."""
        await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def press(self, press: Press) -> Sequence[Answer]:
        """Press the button; the service's answer to each delivery. Refused: no such message (404), no such button on
        it (ButtonGone, 409), as when it was edited meanwhile."""
        message = await slack_messages.find(press.ts)
        if message is None or press.channel not in (None, message.channel):
            raise ApiError(404, f"There is no message with ts {press.ts!r} here. /sandbox/slack/messages lists them.")
        body = urlencode({"payload": json.dumps(self._payload(press, message))}).encode()
        headers = _signed(body, secret=self._secret, at=int(time.time()))
        return await asyncio.gather(*(self._send(body, headers) for _ in range(press.deliveries)))

    async def _send(self, body: bytes, headers: dict[str, str]) -> Answer:
        began = time.monotonic()
        try:
            response = await self._client.post(self._target, content=body, headers=headers)
        except httpx.HTTPError as error:
            return Answer(status=None, body=type(error).__name__, took_ms=_since(began))
        return Answer(status=response.status_code, body=response.text, took_ms=_since(began))

    def _payload(self, press: Press, message: SlackMessage) -> JsonObject:
        person = slack_people.person(press.user_id)
        name = person.name if person else press.user_id.lower()
        enterprise = {"id": press.enterprise_id, "name": "Enterprise"} if press.enterprise_id else None
        return {
            "type": "block_actions",
            "api_app_id": slack_people.APP_ID,
            "token": "deprecated",
            "trigger_id": f"{time.time_ns()}.{secrets.randbelow(10**12)}.{secrets.token_hex(16)}",
            "team": {"id": press.team_id, "domain": slack_people.TEAM_DOMAIN},
            "enterprise": enterprise,
            "is_enterprise_install": False,
            "user": {"id": press.user_id, "username": name, "name": name, "team_id": press.team_id},
            "channel": {"id": message.channel, "name": slack_people.CHANNELS.get(message.channel, "directmessage")},
            "container": {
                "type": "message",
                "message_ts": message.ts,
                "channel_id": message.channel,
                "is_ephemeral": message.only_for is not None,
            },
            "message": message_object(message),
            "state": {"values": _state(message, press.reason)},
            "response_url": f"{self._url}/sandbox/slack/response/{secrets.token_hex(12)}",
            "actions": [_action(press, message)],
        }


def signature(body: bytes, *, secret: str, at: int) -> str:
    """The `X-Slack-Signature` header of a body sent at that second."""
    return "v0=" + hmac.new(secret.encode(), f"v0:{at}:".encode() + body, hashlib.sha256).hexdigest()


def _signed(body: bytes, *, secret: str, at: int) -> dict[str, str]:
    return {
        "Content-Type": "application/x-www-form-urlencoded",
        "User-Agent": "Slackbot 1.0 (sandbox)",
        "X-Slack-Request-Timestamp": str(at),
        "X-Slack-Signature": signature(body, secret=secret, at=at),
    }


def _action(press: Press, message: SlackMessage) -> JsonObject:
    block_id, button = _button(press, message)
    value = button.get("value") if press.value is None else press.value
    return {
        "type": "button",
        "action_id": press.action_id,
        "block_id": block_id,
        "text": button["text"],
        "action_ts": f"{time.time():.6f}",
        **({} if value is None else {"value": value}),
    }


def _button(press: Press, message: SlackMessage) -> tuple[str, JsonObject]:
    for block_id, button in buttons(message.blocks):
        if button["action_id"] == press.action_id and press.value in (None, button.get("value")):
            return block_id, button
    if press.force:
        return "gone", {"text": {"type": "plain_text", "text": press.action_id}}
    there = ", ".join(str(button["action_id"]) for _, button in buttons(message.blocks)) or "none"
    raise ButtonGone(f"The message has no such button. Its buttons: {there}. With force it is pressed all the same.")


def _state(message: SlackMessage, reason: str | None) -> JsonObject:
    """What stands in the message's text input; a reason is typed even where there is none."""
    inputs = [block for block in message.blocks if block["type"] == "input"]
    places = [(str(block["block_id"]), str(_element(block)["action_id"])) for block in inputs]
    if reason and not places:
        places = [("reason", "reason")]
    return {block: {action: {"type": "plain_text_input", "value": reason or None}} for block, action in places}


def _element(block: JsonObject) -> JsonObject:
    element = block["element"]
    assert isinstance(element, dict)  # noqa: S101 for mypy: it was checked when it was posted
    return element


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
