"""What people do in the sandbox's Slack: told to the service as Slack tells it, signed as Slack signs it.

https://docs.slack.dev/interactivity/handling-user-interaction,
https://docs.slack.dev/interactivity/implementing-slash-commands, https://docs.slack.dev/apis/events-api and, for the
signature, https://docs.slack.dev/authentication/verifying-requests-from-slack
"""

import asyncio
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlencode

import httpx

from app.sandbox import slack_messages, slack_people, slack_views
from app.sandbox.errors import ApiError
from app.sandbox.models import SlackMessage, SlackView
from app.sandbox.objects import JsonObject
from app.sandbox.slack_api import SlackError, content_of
from app.sandbox.slack_blocks import buttons
from app.sandbox.slack_messages import message_object
from app.sandbox.slack_people import Team, team_of_user

_FORM = "application/x-www-form-urlencoded"
# Slack itself gives up after three seconds; here one sees how long it would have taken.
_TIMEOUT_S = 10.0
# Of the form as a whole, when the service took what was submitted in no way that Slack knows.
_TROUBLE = {"": "We had some trouble connecting. Try again?"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """Who presses which button of which message (of their home, where there is no `ts`). Without a `value` it is the
    button's own; `force` presses one that is not there (any more); `deliveries` is how often the very same request is
    sent, all at once."""

    ts: str
    action_id: str
    user_id: str
    value: str | None = None
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


class SlackSandbox:
    """A Slack of one's own. `local_url` is where it tells the service of what people do, and is answered.

    Its messages are in the database; to be closed with `aclose`, or used as `async with`.
    """

    def __init__(self, *, local_url: str, signing_secret: str) -> None:
        self._local_url = local_url
        self._target = f"{local_url}/slack"
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
        it (409), as when it was edited meanwhile."""
        if not press.ts:
            payload = await self._from_home(press)
        else:
            message = await slack_messages.find(press.ts)
            if message is None or press.channel not in (None, message.channel):
                raise ApiError(404, f"No message has the ts {press.ts!r} here. /sandbox/slack/messages lists them.")
            payload = await self._from_message(press, message)
        return await self._interaction(payload, deliveries=press.deliveries)

    async def submit(self, user_id: str, values: Mapping[str, object], *, view_id: str | None = None) -> Answer:
        """Submit the modal in front of somebody, or the one named. What the service answers is done: the modal closes,
        or shows what is wrong. Refused: no such modal (404)."""
        modal = await slack_views.modal_of(user_id, view_id)
        if modal is None:
            raise ApiError(404, f"No form is open before {user_id} here. /sandbox/slack/views lists those that are.")
        state = slack_views.typed_into(modal.view, values)
        modal.view = {**modal.view, "state": {"values": state}}
        if missing := slack_views.missing_from(modal.view, state):
            modal.errors = missing
            await modal.save()
            return Answer(status=None, body=json.dumps(missing), took_ms=0)
        view = slack_views.view_object(modal, team_of_user(user_id).id)
        payload = {"type": "view_submission", **self._who(user_id), "view": view}
        (answer,) = await self._interaction(payload)
        await _done(modal, answer)
        return answer

    async def command(self, user_id: str, channel: str, text: str, *, command: str = "/credits") -> Answer:
        """Type a command; what the service answers at once is shown. Refused: an answer that Slack could not show
        (502)."""
        team = team_of_user(user_id)
        form = {
            "token": "deprecated",
            "command": command,
            "text": text,
            "team_id": team.id,
            "team_domain": team.domain,
            "channel_id": channel,
            "channel_name": slack_people.CHANNELS.get(channel, "directmessage"),
            "user_id": user_id,
            "user_name": slack_people.PEOPLE[user_id].name,
            "api_app_id": slack_people.APP_ID,
            "is_enterprise_install": "false",
            "trigger_id": await slack_views.trigger(user_id),
            "response_url": await self._reply_to(user_id, channel),
        }
        answer = await self._send("commands", urlencode(form).encode(), _FORM)
        if answer.status == 200 and answer.body:
            try:
                await answered(_object(answer.body) or {"text": answer.body}, channel=channel, user=user_id)
            except SlackError as error:
                raise ApiError(502, f"{command} failed with the error {error}: {answer.body[:200]}") from error
        return answer

    async def open_home(self, user_id: str) -> Answer:
        """Open the app by itself: the service is told, and publishes what is to be seen."""
        event = {"type": "app_home_opened", "user": user_id, "channel": slack_people.PEOPLE[user_id].direct_id}
        return await self.event(team_of_user(user_id), {**event, "tab": "home", "event_ts": f"{time.time():.6f}"})

    async def event(self, team: Team, event: JsonObject) -> Answer:
        """Tell the service of an event."""
        payload = {
            "type": "event_callback",
            "token": "deprecated",
            "team_id": team.id,
            "api_app_id": slack_people.APP_ID,
            "event": event,
            "event_id": f"Ev{secrets.token_hex(5).upper()}",
            "event_time": int(time.time()),
            "authorizations": [{"enterprise_id": None, "team_id": team.id, "is_enterprise_install": False}],
        }
        return await self._send("events", json.dumps(payload).encode(), "application/json")

    async def _interaction(self, payload: JsonObject, *, deliveries: int = 1) -> Sequence[Answer]:
        body = urlencode({"payload": json.dumps(payload)}).encode()
        headers = _signed(body, secret=self._secret, at=int(time.time()), media_type=_FORM)
        return await asyncio.gather(*(self._deliver("interactions", body, headers) for _ in range(deliveries)))

    async def _send(self, where: str, body: bytes, media_type: str) -> Answer:
        headers = _signed(body, secret=self._secret, at=int(time.time()), media_type=media_type)
        return await self._deliver(where, body, headers)

    async def _deliver(self, where: str, body: bytes, headers: dict[str, str]) -> Answer:
        began = time.monotonic()
        try:
            response = await self._client.post(f"{self._target}/{where}", content=body, headers=headers)
        except httpx.HTTPError as error:
            return Answer(status=None, body=type(error).__name__, took_ms=_since(began))
        return Answer(status=response.status_code, body=response.text, took_ms=_since(began))

    async def _from_message(self, press: Press, message: SlackMessage) -> JsonObject:
        block_id, button = _button(press, message.blocks)
        return {
            **await self._pressed(press, block_id, button),
            "channel": {"id": message.channel, "name": slack_people.CHANNELS.get(message.channel, "directmessage")},
            "container": {
                "type": "message",
                "message_ts": message.ts,
                "channel_id": message.channel,
                "is_ephemeral": message.only_for is not None,
            },
            "message": message_object(message),
            "state": {"values": {}},
            "response_url": await self._reply_to(press.user_id, message.channel, message.ts),
        }

    async def _from_home(self, press: Press) -> JsonObject:
        home = await slack_views.home_of(press.user_id)
        if home is None:
            raise ApiError(404, f"The app has shown {press.user_id} no home yet. POST /sandbox/slack/home opens it.")
        blocks = home.view["blocks"]
        assert isinstance(blocks, list)  # noqa: S101 for mypy: it was checked when it was published
        block_id, button = _button(press, blocks)
        return {
            **await self._pressed(press, block_id, button),
            "container": {"type": "view", "view_id": home.id},
            "view": slack_views.view_object(home, team_of_user(press.user_id).id),
        }

    async def _pressed(self, press: Press, block_id: str, button: JsonObject) -> JsonObject:
        enterprise = {"id": press.enterprise_id, "name": "Enterprise"} if press.enterprise_id else None
        value = button.get("value") if press.value is None else press.value
        action = {
            "type": "button",
            "action_id": press.action_id,
            "block_id": block_id,
            "text": button["text"],
            "action_ts": f"{time.time():.6f}",
            **({} if value is None else {"value": value}),
        }
        who = self._who(press.user_id, team_id=press.team_id)
        trigger_id = await slack_views.trigger(press.user_id)
        return {"type": "block_actions", **who, "enterprise": enterprise, "trigger_id": trigger_id, "actions": [action]}

    def _who(self, user_id: str, *, team_id: str | None = None) -> JsonObject:
        person, team = slack_people.person(user_id), team_of_user(user_id)
        name = person.name if person else user_id.lower()
        return {
            "api_app_id": slack_people.APP_ID,
            "token": "deprecated",
            "team": {"id": team_id or team.id, "domain": team.domain},
            "enterprise": None,
            "is_enterprise_install": False,
            "user": {"id": user_id, "username": name, "name": name, "team_id": team_id or team.id},
        }

    async def _reply_to(self, user_id: str, channel: str, message_ts: str | None = None) -> str:
        return f"{self._local_url}/sandbox/slack/response/{await slack_views.address(user_id, channel, message_ts)}"


async def answered(body: JsonObject, *, channel: str, user: str, instead_of: str | None = None) -> None:
    """Show what the service answers to somebody: to them alone, or to all where it says so; in place of the message
    that it answers, where it says that. Raises SlackError."""
    content = content_of(body)
    if instead_of is not None and body.get("replace_original"):
        await slack_messages.replace(instead_of, content)
    else:
        await slack_messages.post(
            channel, content, only_for=None if body.get("response_type") == "in_channel" else user
        )


async def _done(modal: SlackView, answer: Answer) -> None:
    """What becomes of a form that was submitted: https://docs.slack.dev/surfaces/modals#response_actions"""
    told = _object(answer.body)
    if answer.status == 200 and (not answer.body or told.get("response_action") == "clear"):
        await modal.delete()
    else:
        wrong = told.get("errors") if told.get("response_action") == "errors" else None
        modal.errors = wrong if isinstance(wrong, dict) and wrong else _TROUBLE
        await modal.save()


def _object(body: str) -> JsonObject:
    """What stands in an answer; nothing where that is no JSON object."""
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def signature(body: bytes, *, secret: str, at: int) -> str:
    """The `X-Slack-Signature` header of a body sent at that second."""
    return "v0=" + hmac.new(secret.encode(), f"v0:{at}:".encode() + body, hashlib.sha256).hexdigest()


def _signed(body: bytes, *, secret: str, at: int, media_type: str) -> dict[str, str]:
    return {
        "Content-Type": media_type,
        "User-Agent": "Slackbot 1.0 (sandbox)",
        "X-Slack-Request-Timestamp": str(at),
        "X-Slack-Signature": signature(body, secret=secret, at=at),
    }


def _button(press: Press, blocks: list[JsonObject]) -> tuple[str, JsonObject]:
    for block_id, button in buttons(blocks):
        if button["action_id"] == press.action_id and press.value in (None, button.get("value")):
            return block_id, button
    if press.force:
        return "gone", {"text": {"type": "plain_text", "text": press.action_id}}
    there = ", ".join(str(button["action_id"]) for _, button in buttons(blocks)) or "none"
    raise ApiError(409, f"There is no such button. The buttons: {there}. With force it is pressed all the same.")


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
