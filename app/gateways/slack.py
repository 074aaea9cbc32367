"""Slack: cards posted and edited, and buttons pressed. The one file that knows Slack's SDK.

The sandbox is reached through here as well, by another address, so no code path is skipped when it is in use.
"""

import asyncio
import re
from bisect import bisect_right
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import accumulate
from typing import TypeVar

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.async_handler import AsyncRetryHandler
from slack_sdk.http_retry.builtin_async_handlers import (
    AsyncConnectionErrorRetryHandler,
    AsyncRateLimitErrorRetryHandler,
    AsyncServerErrorRetryHandler,
)
from slack_sdk.models.blocks import (
    ActionsBlock,
    Block,
    ButtonElement,
    ConfirmObject,
    ContextBlock,
    HeaderBlock,
    ImageBlock,
    InputBlock,
    MarkdownTextObject,
    PlainTextInputElement,
    PlainTextObject,
    SectionBlock,
)
from slack_sdk.models.metadata import Metadata
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from app.gateways.slack_press import MISSHAPEN, press_of, text_of
from credits.gateways import (
    BadSignature,
    Button,
    Card,
    GatewayRefused,
    GatewayUnavailable,
    Interaction,
    MessageRef,
)

Item = TypeVar("Item")

METADATA_EVENT = "staging_credits"
# How far back a message that may have been posted before is looked for.
HISTORY_LENGTH = 200
# https://docs.slack.dev/reference/block-kit
BLOCKS, FIELDS, BUTTONS, NOTES = 50, 10, 25, 10
TITLE, TEXT, FIELD, LABEL, NOTE, BUTTON, VALUE = 150, 3000, 2000, 200, 2000, 75, 2000
CONFIRM, CONFIRM_BUTTON, HINT = 300, 30, 150
ALT = 2000
# What the service keeps of a reason.
REASON = 500

_CONTROL = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_QUOTED = {**_CONTROL, "\n": "\n> "}
_TIMESTAMP = re.compile("[0-9]{1,12}")
# Slack's words for what may pass, or may have been done in part before it failed.
_PASSING = {"fatal_error", "internal_error", "ratelimited", "request_timeout", "service_unavailable"}


class SlackGateway:
    """A `ChatGateway` at Slack, or at whatever answers as Slack does under `base_url`.

    `signing_secrets` are all that may sign, so that one can be rotated; `timeout_s` bounds each verb as a whole, the
    SDK's own retries included. To be made on the event loop it is used on. The bot's scopes: chat:write, im:write,
    channels:read, groups:read, channels:history, groups:history, im:history. Refused (ValueError): no signing
    secret, or an empty one, which anybody could sign with.
    """

    def __init__(
        self, *, token: str, signing_secrets: tuple[str, ...], base_url: str | None = None, timeout_s: float = 5.0
    ) -> None:
        if not signing_secrets or not all(secret.strip() for secret in signing_secrets):
            raise ValueError("Slack's signing secret is empty: anybody could sign with it. Basic Information shows it.")
        self._verifiers = [SignatureVerifier(secret) for secret in signing_secrets]
        self._timeout_s = timeout_s
        self._session = aiohttp.ClientSession()
        # What was posted and not answered may stand in the channel: only `again` may post it once more.
        self._once = _client(token, base_url, self._session, [_unsent(), _told_to_wait()])
        self._repeatable = _client(token, base_url, self._session, [_cut_off(), _told_to_wait(), _failed()])

    async def close(self) -> None:
        """Give back the connections; the gateway cannot be used any more."""
        await self._session.close()

    async def post(self, to: str, card: Card, *, dedupe: str, again: bool) -> MessageRef:
        """Show the card in a channel (its id or `#name`), or to a person. With `again` the last 200 messages there
        are searched for one with this `dedupe`. Raises GatewayUnavailable and GatewayRefused, as the next two do."""
        async with self._asking():
            channel = await self._conversation(to, find=again)
            if again and (found := await self._posted(channel, dedupe)):
                return found
            try:
                return await self._show(channel, card, dedupe)
            except SlackApiError as error:
                # Slack takes no card whose picture it cannot fetch just then; the words are what matters.
                if card.picture is None or _word_of(error) != "invalid_blocks":
                    raise
                return await self._show(channel, replace(card, picture=None), dedupe)

    async def _show(self, channel: str, card: Card, dedupe: str) -> MessageRef:
        return _ref(
            await self._once.chat_postMessage(
                channel=channel,
                text=_escaped(card.summary, TEXT),
                blocks=_blocks(card),
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
        blocks = _blocks(card)
        async with self._asking():
            await self._repeatable.chat_update(
                channel=message.channel,
                ts=message.ts,
                text=_escaped(card.summary, TEXT),
                blocks=blocks,
                parse="none",
                link_names=False,
            )

    async def whisper(self, channel: str, user_id: str, text: str) -> None:
        """Tell one person in a channel something that the others do not see."""
        async with self._asking():
            await self._once.chat_postEphemeral(
                channel=channel, user=user_id, text=_escaped(text, TEXT), parse="none", link_names=False
            )

    def read_interaction(self, body: bytes, *, timestamp: str, signature: str) -> Interaction | None:
        """Verify the signature over the raw body, 300 s off at the most, and read the press; None for what is none.
        Raises BadSignature, and ValueError for a body that is nothing that Slack sends."""
        self._verify(body, timestamp, signature)
        return press_of(body.decode())

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

    async def _posted(self, channel: str, dedupe: str) -> MessageRef | None:
        history = await self._repeatable.conversations_history(
            channel=channel, include_all_metadata=True, limit=HISTORY_LENGTH
        )
        for message in history["messages"]:
            metadata = message.get("metadata") or {}
            if metadata.get("event_type") == METADATA_EVENT and metadata["event_payload"].get("dedupe") == dedupe:
                return MessageRef(channel, text_of(message, "ts"))
        return None

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._timeout_s):
                yield
        except SlackApiError as error:
            raise _translated(error) from error
        except TimeoutError as error:
            raise GatewayUnavailable(f"Slack did not answer within {self._timeout_s:g} s.") from error
        except (aiohttp.ClientError, OSError) as error:
            raise GatewayUnavailable(f"Slack cannot be reached ({type(error).__name__}).") from error
        except MISSHAPEN as error:
            raise GatewayUnavailable("Slack answered with something that is none of its answers.") from error


def _client(
    token: str, base_url: str | None, session: aiohttp.ClientSession, retries: list[AsyncRetryHandler]
) -> AsyncWebClient:
    client = AsyncWebClient(token, base_url or AsyncWebClient.BASE_URL, session=session, retry_handlers=retries)
    if base_url:
        # A proxy that the environment names is not for what stays on this machine.
        client.proxy = None
    return client


def _unsent() -> AsyncRetryHandler:
    return AsyncConnectionErrorRetryHandler(error_types=[aiohttp.ClientConnectorError])


def _cut_off() -> AsyncRetryHandler:
    return AsyncConnectionErrorRetryHandler()


def _told_to_wait() -> AsyncRetryHandler:
    return AsyncRateLimitErrorRetryHandler(max_retry_count=2)


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
        return GatewayRefused(word)
    return GatewayUnavailable(f"Slack cannot now (status {answer.status_code}, {word or 'no error named'}).")


def _word_of(error: SlackApiError) -> object:
    """The error as Slack names it, if it does."""
    data = error.response.data if isinstance(error.response, AsyncSlackResponse) else None
    return data.get("error") if isinstance(data, dict) else None


def _ref(answer: AsyncSlackResponse) -> MessageRef:
    return MessageRef(text_of(answer.data, "channel"), text_of(answer.data, "ts"))


def _blocks(card: Card) -> list[Block]:
    blocks: list[Block] = []
    if card.title:
        blocks.append(HeaderBlock(text=_plain(card.title, TITLE)))
    if card.text:
        blocks.append(SectionBlock(text=_plain(card.text, TEXT)))
    if card.quote:
        blocks.append(SectionBlock(text=_quote(card.quote)))
    blocks += [SectionBlock(fields=[_field(*field) for field in some]) for some in _by(FIELDS, card.fields)]
    if card.picture:
        blocks.append(ImageBlock(image_url=card.picture.url, alt_text=_cut(card.picture.alt, ALT)))
    blocks += [_reason(button.label) for button in card.buttons if button.style == "danger"][:1]
    blocks += [ActionsBlock(elements=[_button(button) for button in some]) for some in _by(BUTTONS, card.buttons)]
    blocks += [ContextBlock(elements=[_plain(note, NOTE) for note in some]) for some in _by(NOTES, card.notes)]
    return blocks[:BLOCKS]


def _by(size: int, items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _reason(label: str) -> InputBlock:
    """Where to type why, beside a button that does harm; Slack tells what stands in it with every press."""
    return InputBlock(
        block_id="reason",
        label=PlainTextObject(text="Reason"),
        element=PlainTextInputElement(action_id="reason", max_length=REASON, placeholder=_plain(f"For {label}", HINT)),
        optional=True,
    )


def _button(button: Button) -> ButtonElement:
    return ButtonElement(
        text=_plain(button.label, BUTTON),
        action_id=button.action,
        value=_cut(button.value, VALUE),
        style=button.style,
        url=button.url,
        confirm=_confirm(button.label, button.confirm) if button.confirm else None,
    )


def _confirm(label: str, question: str) -> ConfirmObject:
    return ConfirmObject(
        title=_plain(label, BUTTON),
        text=_plain(question, CONFIRM),
        confirm=_plain(label, CONFIRM_BUTTON),
        deny=_plain("Cancel", CONFIRM_BUTTON),
    )


def _plain(text: str, limit: int) -> PlainTextObject:
    return PlainTextObject(text=_cut(text, limit))


def _field(label: str, value: str) -> MarkdownTextObject:
    name = f"*{_escaped(label, LABEL)}*\n"
    # Verbatim: no address becomes a link, and no @name a mention.
    return MarkdownTextObject(text=name + _escaped(value, FIELD - len(name)), verbatim=True)


def _quote(text: str) -> MarkdownTextObject:
    """Every line of it is quoted, whatever ends a line."""
    return MarkdownTextObject(text="> " + _cut("\n".join(text.splitlines()), TEXT - 2, _QUOTED), verbatim=True)


def _escaped(text: str, limit: int) -> str:
    """Text of which Slack takes nothing for markup: https://docs.slack.dev/messaging/formatting-message-text"""
    return _cut(text, limit, _CONTROL)


def _cut(text: str, limit: int, escapes: Mapping[str, str] | None = None) -> str:
    """The text with its escapes, ended by an ellipsis where it would be longer than `limit`. Cut between characters
    and never within an escape."""
    parts = [(escapes or {}).get(each, each) for each in text]
    lengths = list(accumulate(map(len, parts)))
    if not lengths or lengths[-1] <= limit:
        return "".join(parts)
    return "".join(parts[: bisect_right(lengths, limit - 1)]) + "…"
