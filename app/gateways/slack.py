"""Slack: cards posted and edited, forms opened, homes shown. With `slack_blocks.py` all that knows Slack's SDK.

The sandbox is reached through here as well, by another address, so no code path is skipped when it is in use.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.parse import urlencode, urlsplit

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.async_handler import AsyncRetryHandler
from slack_sdk.http_retry.builtin_async_handlers import (
    AsyncConnectionErrorRetryHandler,
    AsyncServerErrorRetryHandler,
)
from slack_sdk.models.metadata import Metadata
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse
from slack_sdk.webhook.async_client import AsyncWebhookClient

from app.gateways.slack_blocks import BLOCKS, TEXT, blocks_of, escaped, home_of, stack_of, view_of
from app.gateways.slack_inbound import MISSHAPEN, interaction_in, text_of
from credits.gateways.cards import Card, Form
from credits.gateways.chat import ChatPerson, Installed, Interaction, MessageRef, Workspace
from credits.gateways.errors import AccessRevoked, BadSignature, GatewayRefused, GatewayUnavailable

METADATA_EVENT = "staging_credits"
# How far back a message that may have been posted before is looked for.
HISTORY_LENGTH = 200
# https://docs.slack.dev/reference/scopes
SCOPES = (
    "channels:history,channels:read,chat:write,commands,groups:history,groups:read,im:history,im:write,users:read,"
    "users:read.email"
)
SLACK = "https://slack.com"
ANSWERS = "https://hooks.slack.com"
_TIMESTAMP = re.compile("[0-9]{1,12}")
# Slack's words for what may pass, or may have been done in part before it failed.
_PASSING = {
    "fatal_error",
    "internal_error",
    "org_login_required",
    "rate_limited",
    "ratelimited",
    "request_timeout",
    "service_unavailable",
    "team_added_to_org",
}
# Nothing more is done with this token.
_REVOKED = {"account_inactive", "invalid_auth", "not_authed", "token_expired", "token_revoked"}


class SlackChat:
    """A `Chat` at Slack, or at whatever answers as Slack does under `base_url` (its Web API; what people's browsers
    open is under `site_url`).

    `signing_secrets` are all that may sign, so that one can be rotated; `timeout_s` bounds each verb as a whole, the
    SDK's own retries included. To be made on the event loop it is used on. The bot's scopes are `SCOPES`. Refused
    (ValueError): no signing secret, or an empty one, which anybody could sign with.
    """

    def __init__(
        self,
        *,
        signing_secrets: tuple[str, ...],
        base_url: str | None = None,
        site_url: str = SLACK,
        client_id: str = "",
        client_secret: str = "",
        redirect_url: str = "",
        timeout_s: float = 5.0,
    ) -> None:
        if not signing_secrets or not all(secret.strip() for secret in signing_secrets):
            raise ValueError("Slack's signing secret is empty: anybody could sign with it. Basic Information shows it.")
        self._verifiers = [SignatureVerifier(secret) for secret in signing_secrets]
        self._timeout_s = timeout_s
        self._base_url = base_url
        self._site_url = site_url
        self._client_id, self._client_secret, self._redirect_url = client_id, client_secret, redirect_url
        self._answered_at = {_origin(each) for each in ((base_url, site_url) if base_url else (ANSWERS,))}
        self._session = aiohttp.ClientSession()

    async def close(self) -> None:
        """Give back the connections; the chat cannot be used any more."""
        await self._session.close()

    def at(self, workspace: Workspace) -> "SlackGateway":
        """One workspace."""
        return SlackGateway(
            # What was posted and not answered may stand in the channel: only `again` may post it once more.
            once=self._client(workspace.token, [_unsent()]),
            repeatable=self._client(workspace.token, [_cut_off(), _failed()]),
            timeout_s=self._timeout_s,
        )

    def read_interaction(self, body: bytes, *, timestamp: str, signature: str) -> Interaction | None:
        """Verify the signature over the raw body, 300 s off at the most, and read it; None for what needs no answer.
        Raises BadSignature, and ValueError for a body that is nothing that Slack sends."""
        self._verify(body, timestamp, signature)
        return interaction_in(body.decode())

    async def answer(self, reply_to: str, *cards: Card) -> None:
        """Answer at a `response_url`; only Slack's own are, so that nobody has us write to another address."""
        if _origin(reply_to) not in self._answered_at:
            raise GatewayRefused("no address of Slack's")
        client = AsyncWebhookClient(reply_to, session=self._session, retry_handlers=[_unsent()])
        if self._base_url:
            client.proxy = None
        async with _asking(self._timeout_s):
            answered = await client.send(
                text=escaped(cards[0].summary, TEXT),
                blocks=stack_of(cards, most=BLOCKS),
                response_type="ephemeral",
                replace_original=False,
            )
        if answered.status_code >= 500 or answered.status_code == 429:
            raise GatewayUnavailable(
                f"Slack cannot now (status {answered.status_code}).",
                retry_after_s=_wait(answered.status_code, answered.headers),
            )
        if answered.status_code >= 400:
            raise GatewayRefused(answered.body)

    def install_url(self, *, state: str) -> str:
        """Where somebody installs the app: https://docs.slack.dev/authentication/installing-with-oauth"""
        query = {
            "client_id": self._client_id,
            "scope": SCOPES,
            "redirect_uri": self._redirect_url,
            "state": state,
        }
        return f"{self._site_url}/oauth/v2/authorize?{urlencode(query)}"

    async def installed(self, code: str) -> Installed:
        """What the code stands for."""
        async with _asking(self._timeout_s):
            # The SDK's own method signs in as aiohttp would no longer have it; Slack takes both.
            keys = {"client_id": self._client_id, "client_secret": self._client_secret}
            answer = await self._client("", [_unsent()]).api_call(
                "oauth.v2.access", data={**keys, "code": code, "redirect_uri": self._redirect_url}
            )
            where = answer["enterprise"] if answer.get("is_enterprise_install") else answer["team"]
            org = text_of(answer.get("enterprise") or where, "id")
            return Installed(
                workspace=Workspace(id=text_of(where, "id"), org=org, token=text_of(answer.data, "access_token")),
                name=text_of(where, "name"),
                by=text_of(answer["authed_user"], "id"),
            )

    def _client(self, token: str, retries: list[AsyncRetryHandler]) -> AsyncWebClient:
        base_url = self._base_url or AsyncWebClient.BASE_URL
        client = AsyncWebClient(token, base_url, session=self._session, retry_handlers=retries)
        if self._base_url:
            # A proxy that the environment names is not for what stays on this machine.
            client.proxy = None
        return client

    def _verify(self, body: bytes, timestamp: str, signature: str) -> None:
        # The SDK fails on these instead of refusing them.
        if not _TIMESTAMP.fullmatch(timestamp) or not signature.isascii():
            raise BadSignature("The time stamp or the signature is missing, or none.")
        try:
            valid = any(each.is_valid(body, timestamp, signature) for each in self._verifiers)
        except UnicodeDecodeError as error:
            raise BadSignature("The body is not UTF-8, so Slack did not sign it.") from error
        if not valid:
            raise BadSignature("The signature is wrong, or not of the last five minutes.")


class SlackGateway:
    """A `ChatGateway`: one workspace. `repeatable` is for what may be asked twice without harm."""

    def __init__(self, *, once: AsyncWebClient, repeatable: AsyncWebClient, timeout_s: float) -> None:
        self._once, self._repeatable, self._timeout_s = once, repeatable, timeout_s

    async def post(
        self, to: str, card: Card, *, dedupe: str, again: bool, thread: MessageRef | None = None
    ) -> MessageRef:
        """Show the card in a channel (its id or `#name`), to a person, or in a thread. With `again` the last 200
        messages there are searched for one with this `dedupe`."""
        async with _asking(self._timeout_s):
            channel = await self._conversation(to, find=again)
            if again and (found := await self._posted(channel, dedupe, thread)):
                return found
            try:
                return await self._show(channel, card, dedupe, thread)
            except SlackApiError as error:
                # Slack takes no card whose picture it cannot fetch just then; the words are what matters.
                if card.picture is None or _word_of(error) != "invalid_blocks":
                    raise
                return await self._show(channel, replace(card, picture=None), dedupe, thread)

    async def _show(self, channel: str, card: Card, dedupe: str, thread: MessageRef | None) -> MessageRef:
        return _ref(
            await self._once.chat_postMessage(
                channel=channel,
                text=escaped(card.summary, TEXT),
                blocks=blocks_of(card),
                thread_ts=thread.ts if thread else None,
                metadata=Metadata(METADATA_EVENT, {"dedupe": dedupe}),
                mrkdwn=False,
                parse="none",
                link_names=False,
                unfurl_links=False,
                unfurl_media=False,
            )
        )

    async def update(self, message: MessageRef, card: Card) -> None:
        """Show another card in its place; its metadata stays."""
        async with _asking(self._timeout_s):
            await self._repeatable.chat_update(
                channel=message.channel,
                ts=message.ts,
                text=escaped(card.summary, TEXT),
                blocks=blocks_of(card),
                parse="none",
                link_names=False,
            )

    async def whisper(self, channel: str, user_id: str, *cards: Card) -> None:
        """Tell one person in a channel something that the others do not see."""
        async with _asking(self._timeout_s):
            await self._once.chat_postEphemeral(
                channel=channel,
                user=user_id,
                text=escaped(cards[0].summary, TEXT),
                blocks=stack_of(cards, most=BLOCKS),
                parse="none",
                link_names=False,
            )

    async def ask(self, trigger: str, form: Form) -> None:
        """Open the form as a modal; a trigger is good for three seconds and one form."""
        async with _asking(self._timeout_s):
            await self._once.views_open(trigger_id=trigger, view=view_of(form))

    async def show_home(self, user_id: str, cards: Sequence[Card]) -> None:
        """Publish the person's App Home."""
        async with _asking(self._timeout_s):
            await self._repeatable.views_publish(user_id=user_id, view=home_of(cards))

    async def person(self, user_id: str) -> ChatPerson:
        """Who this is; the address only where Slack has confirmed it."""
        async with _asking(self._timeout_s):
            user = (await self._repeatable.users_info(user=user_id))["user"]
            confirmed = user.get("is_email_confirmed") is True and not user.get("deleted")
            # Somebody of another company, in a shared channel: their address is what that company says it is.
            confirmed = confirmed and not user.get("is_stranger")
            return ChatPerson(id=user_id, email=user["profile"].get("email") if confirmed else None)

    async def check(self) -> None:
        """Raises AccessRevoked where the token is no longer good."""
        async with _asking(self._timeout_s):
            await self._repeatable.auth_test()

    async def leave(self) -> None:
        """Revoke the token. The app is out of all channels by it, and for an administrator there to take out whole:
        https://docs.slack.dev/reference/methods/auth.revoke"""
        async with _asking(self._timeout_s):
            await self._repeatable.auth_revoke()

    async def _conversation(self, to: str, *, find: bool) -> str:
        """Where messages to a person or channel go. Slack posts by a channel's name, but has no history by it."""
        if to.startswith(("U", "W")):
            opened = await self._repeatable.conversations_open(users=to)
            return text_of(opened["channel"], "id")
        return await self._channel_named(to.removeprefix("#")) if find and to.startswith("#") else to

    async def _channel_named(self, name: str) -> str:
        first = await self._repeatable.conversations_list(
            types="public_channel,private_channel", exclude_archived=True, limit=1000
        )
        async for page in first:
            for channel in page["channels"]:
                if channel["name"] == name:
                    return text_of(channel, "id")
        raise GatewayRefused("channel_not_found")

    async def _posted(self, channel: str, dedupe: str, thread: MessageRef | None) -> MessageRef | None:
        ask = self._repeatable
        history = (
            await ask.conversations_replies(
                channel=channel, ts=thread.ts, include_all_metadata=True, limit=HISTORY_LENGTH
            )
            if thread
            else await ask.conversations_history(channel=channel, include_all_metadata=True, limit=HISTORY_LENGTH)
        )
        for message in history["messages"]:
            metadata = message.get("metadata") or {}
            if metadata.get("event_type") == METADATA_EVENT and metadata["event_payload"].get("dedupe") == dedupe:
                return MessageRef(channel, text_of(message, "ts"))
        return None


@asynccontextmanager
async def _asking(timeout_s: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except SlackApiError as error:
        raise _translated(error) from error
    except TimeoutError as error:
        raise GatewayUnavailable(f"Slack did not answer within {timeout_s:g} s.") from error
    except (aiohttp.ClientError, OSError) as error:
        raise GatewayUnavailable(f"Slack cannot be reached ({type(error).__name__}).") from error
    except MISSHAPEN as error:
        raise GatewayUnavailable("Slack answered with something that is none of its answers.") from error


def _unsent() -> AsyncRetryHandler:
    return AsyncConnectionErrorRetryHandler(error_types=[aiohttp.ClientConnectorError])


def _cut_off() -> AsyncRetryHandler:
    return AsyncConnectionErrorRetryHandler()


def _failed() -> AsyncRetryHandler:
    return AsyncServerErrorRetryHandler()


def _translated(error: SlackApiError) -> GatewayRefused | GatewayUnavailable:
    """Only an error that Slack names, and that is none of the passing ones, is a definite no."""
    answer = error.response
    if not isinstance(answer, AsyncSlackResponse):
        return GatewayUnavailable("Slack answered with something that is no JSON.")
    word = _word_of(error)
    passing = answer.status_code == 429 or answer.status_code >= 500
    if isinstance(word, str) and word not in _PASSING and not passing:
        return AccessRevoked(word) if word in _REVOKED else GatewayRefused(word)
    return GatewayUnavailable(
        f"Slack cannot now (status {answer.status_code}, {word or 'no error named'}).",
        retry_after_s=_wait(answer.status_code, answer.headers),
    )


def _wait(status: int, headers: Mapping[str, str]) -> float | None:
    """How long Slack asks us to wait, where it does."""
    header = headers.get("Retry-After", "")
    return float(header) if status == 429 and header.isdecimal() and len(header) < 6 else None


def _word_of(error: SlackApiError) -> object:
    """The error as Slack names it, if it does."""
    data = error.response.data if isinstance(error.response, AsyncSlackResponse) else None
    return data.get("error") if isinstance(data, dict) else None


def _origin(address: str) -> tuple[str, str] | None:
    """Scheme, host and port; None for what is no address."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    return parts.scheme, parts.netloc


def _ref(answer: AsyncSlackResponse) -> MessageRef:
    return MessageRef(text_of(answer.data, "channel"), text_of(answer.data, "ts"))
