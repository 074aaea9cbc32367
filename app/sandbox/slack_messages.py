"""Messages of the sandbox's Slack: posted, edited, found, and shown as Slack shows them.

They go by real time, as their `ts` does; the service's clock, which can be moved, has nothing to do with them.
"""

import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import count

from tortoise.exceptions import IntegrityError
from tortoise.expressions import Q

from app.sandbox import slack_people
from app.sandbox.models import SlackMessage
from app.sandbox.objects import JsonObject
from app.sandbox.slack_blocks import with_ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a message says: `text` is what a notification shows, and all there is without blocks."""

    text: str
    blocks: list[JsonObject]


async def post(
    channel: str,
    content: Content,
    *,
    metadata: JsonObject | None = None,
    only_for: str | None = None,
    thread_ts: str | None = None,
) -> SlackMessage:
    """A new message, later than all others. Two at the same microsecond, of whatever processes, get two times."""
    for at in count(time.time_ns() // 1000):
        with suppress(IntegrityError):
            return await SlackMessage.create(
                ts=_ts(at),
                channel=channel,
                text=content.text,
                blocks=with_ids(content.blocks),
                metadata=metadata,
                only_for=only_for,
                thread_ts=thread_ts,
            )
    raise AssertionError("time does not end")


async def edit(channel: str, ts: str, content: Content, *, metadata: JsonObject | None = None) -> bool:
    """Show this in the message's place; without metadata it keeps what it has. False where there is no such message;
    what only one person sees cannot be edited."""
    found = await SlackMessage.get_or_none(ts=ts, channel=channel, only_for=None) if is_ts(ts) else None
    if found is None:
        return False
    found.text, found.blocks = content.text, with_ids(content.blocks)
    found.metadata = found.metadata if metadata is None else metadata
    found.edited_ts = _ts(time.time_ns() // 1000)
    await found.save()
    return True


async def find(ts: str) -> SlackMessage | None:
    """The message of that time."""
    return await SlackMessage.get_or_none(ts=ts) if is_ts(ts) else None


async def history(channel: str, *, limit: int) -> list[SlackMessage]:
    """The last messages that everybody in the channel sees, the latest first."""
    found = SlackMessage.filter(channel=channel, only_for=None, thread_ts=None)
    return await found.order_by("-ts").limit(limit)


async def replies(channel: str, ts: str, *, limit: int) -> list[SlackMessage]:
    """The message of that time and what was answered to it, oldest first."""
    found = SlackMessage.filter(Q(ts=ts) | Q(thread_ts=ts), channel=channel, only_for=None)
    return await found.order_by("ts").limit(limit)


async def replace(ts: str, content: Content) -> None:
    """Show this in the message's place, as whoever was pressed on it may answer: also what only one person sees."""
    await SlackMessage.filter(ts=ts).update(
        text=content.text, blocks=with_ids(content.blocks), edited_ts=_ts(time.time_ns() // 1000)
    )


async def latest(channel: str | None, *, limit: int) -> list[SlackMessage]:
    """The last messages of a channel, or of all, whoever sees them; oldest first."""
    found = SlackMessage.filter(channel=channel) if channel else SlackMessage.all()
    return list(reversed(await found.order_by("-ts").limit(limit)))


async def conversations() -> set[str]:
    """Where anything was written."""
    return {str(row["channel"]) for row in await SlackMessage.all().distinct().values("channel")}


def is_ts(text: str) -> bool:
    """What is too long, or holds a NUL, is an error to Tortoise or the database instead of an unknown time."""
    return len(text) <= 20 and text.replace(".", "", 1).isdecimal()


def message_object(message: SlackMessage, *, metadata: bool = False) -> JsonObject:
    """A message as Slack answers it: https://docs.slack.dev/messaging/retrieving-messages"""
    shown: JsonObject = {
        "type": "message",
        "user": slack_people.BOT_USER_ID,
        "bot_id": slack_people.BOT_ID,
        "app_id": slack_people.APP_ID,
        "team": slack_people.team_of(message.channel).id,
        "ts": message.ts,
        "text": message.text,
        "blocks": message.blocks,
    }
    if message.thread_ts:
        shown["thread_ts"] = message.thread_ts
    if message.edited_ts:
        shown["edited"] = {"user": slack_people.BOT_USER_ID, "ts": message.edited_ts}
    if metadata and message.metadata:
        shown["metadata"] = message.metadata
    return shown


def _ts(microseconds: int) -> str:
    return f"{microseconds // 1_000_000}.{microseconds % 1_000_000:06d}"
