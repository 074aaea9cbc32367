"""Slack's Web API as far as the service uses it: https://docs.slack.dev/reference/methods

Answers and refusals are shaped as Slack's: always status 200, with `ok` and, where it is false, one word for why.
"""

import json
import re
from collections.abc import Awaitable, Callable, Mapping

from app.sandbox import slack_messages, slack_people
from app.sandbox.objects import JsonObject
from app.sandbox.slack_blocks import problems
from app.sandbox.slack_messages import Content, message_object

Arguments = Mapping[str, object]

_TEXT_LIMIT = 40_000
_HISTORY_DEFAULT, _HISTORY_LIMIT = 100, 999
_USER_ID = re.compile("[UW][A-Z0-9]{8,10}")
_UNKEPT = re.compile("[\x00\ud800-\udfff]")
_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


class SlackError(Exception):
    """Answered as `{"ok": false, "error": word}`; `messages` say more about blocks."""

    def __init__(self, word: str, messages: list[str] | None = None) -> None:
        super().__init__(word)
        told: JsonObject = (
            {"response_metadata": {"messages": [f"[ERROR] {each}" for each in messages]}} if messages else {}
        )
        self.body: JsonObject = {"ok": False, "error": word, **told}


async def answer(method: str, token: str, arguments: Arguments) -> JsonObject:
    """What Slack answers to a call; refusals included."""
    try:
        _authenticate(token)
        return {"ok": True, **await METHODS.get(method, _unknown)(arguments)}
    except SlackError as error:
        return error.body


def _authenticate(token: str) -> None:
    if not token:
        raise SlackError("not_authed")
    if not token.startswith("xoxb-"):
        raise SlackError("invalid_auth")


async def _unknown(_: Arguments) -> JsonObject:
    raise SlackError("unknown_method")


async def _auth_test(_: Arguments) -> JsonObject:
    return {
        "url": f"https://{slack_people.TEAM_DOMAIN}.slack.example/",
        "team": slack_people.TEAM_NAME,
        "user": slack_people.APP_NAME,
        "team_id": slack_people.TEAM_ID,
        "user_id": slack_people.BOT_USER_ID,
        "bot_id": slack_people.BOT_ID,
        "is_enterprise_install": False,
    }


async def _post_message(arguments: Arguments) -> JsonObject:
    channel = _conversation(arguments)
    message = await slack_messages.post(channel, _content(arguments), metadata=_metadata(arguments))
    return {"channel": channel, "ts": message.ts, "message": message_object(message)}


async def _update(arguments: Arguments) -> JsonObject:
    channel, ts, content = _conversation(arguments), _string(arguments, "ts"), _content(arguments)
    if not await slack_messages.edit(channel, ts, content, metadata=_metadata(arguments)):
        raise SlackError("message_not_found")
    return {"channel": channel, "ts": ts, "text": content.text}


async def _post_ephemeral(arguments: Arguments) -> JsonObject:
    """To anybody: people of other workspaces can be in a channel that is shared with them."""
    channel, user_id = _conversation(arguments), _string(arguments, "user")
    if not _USER_ID.fullmatch(user_id):
        raise SlackError("user_not_found")
    message = await slack_messages.post(channel, _content(arguments), only_for=user_id)
    return {"message_ts": message.ts}


async def _open(arguments: Arguments) -> JsonObject:
    person = slack_people.PEOPLE.get(_string(arguments, "users"))
    if person is None:
        raise SlackError("user_not_found")
    return {"no_op": True, "already_open": True, "channel": {"id": person.direct_id}}


async def _list(_: Arguments) -> JsonObject:
    channels = [
        {"id": key, "name": name, "is_channel": True, "is_private": False, "is_archived": False}
        for key, name in slack_people.CHANNELS.items()
    ]
    return {"channels": channels, "response_metadata": {"next_cursor": ""}}


async def _history(arguments: Arguments) -> JsonObject:
    """By the conversation's id only: unlike posting, reading knows no `#name`."""
    channel = _string(arguments, "channel")
    if slack_people.conversation(channel) != channel:
        raise SlackError("channel_not_found")
    limit = _limit(arguments)
    found = await slack_messages.history(channel, limit=limit + 1)
    metadata = str(arguments.get("include_all_metadata", "0")).lower() in ("1", "true")
    return {
        "messages": [message_object(message, metadata=metadata) for message in found[:limit]],
        "has_more": len(found) > limit,
        "pin_count": 0,
    }


async def _user_info(arguments: Arguments) -> JsonObject:
    person = slack_people.PEOPLE.get(_string(arguments, "user"))
    if person is None:
        raise SlackError("user_not_found")
    user = {
        "id": person.id,
        "team_id": slack_people.TEAM_ID,
        "name": person.name,
        "real_name": person.real_name,
        "deleted": False,
        "is_bot": False,
        "profile": {"real_name": person.real_name, "display_name": person.name},
    }
    return {"user": user}


METHODS: Mapping[str, Callable[[Arguments], Awaitable[JsonObject]]] = {
    "auth.test": _auth_test,
    "chat.postEphemeral": _post_ephemeral,
    "chat.postMessage": _post_message,
    "chat.update": _update,
    "conversations.history": _history,
    "conversations.list": _list,
    "conversations.open": _open,
    "users.info": _user_info,
}


def _conversation(arguments: Arguments) -> str:
    found = slack_people.conversation(_string(arguments, "channel"))
    if found is None:
        raise SlackError("channel_not_found")
    return found


def _content(arguments: Arguments) -> Content:
    text, blocks = _string(arguments, "text"), _parsed(arguments, "blocks") or []
    if found := problems(blocks):
        raise SlackError("invalid_blocks", found)
    if not text.strip() and not blocks:
        raise SlackError("no_text")
    if len(text) > _TEXT_LIMIT:
        raise SlackError("msg_too_long")
    assert isinstance(blocks, list)  # noqa: S101 for mypy: nothing else is without problems
    return Content(text=text, blocks=blocks)


def _metadata(arguments: Arguments) -> JsonObject | None:
    metadata = _parsed(arguments, "metadata")
    if metadata is None:
        return None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("event_payload"), dict):
        raise SlackError("invalid_metadata_format")
    return metadata


def _limit(arguments: Arguments) -> int:
    limit = str(arguments.get("limit", _HISTORY_DEFAULT))
    if not limit.isdecimal() or not 1 <= len(limit) <= 3 or int(limit) == 0:
        raise SlackError("invalid_limit")
    return min(int(limit), _HISTORY_LIMIT)


def _string(arguments: Arguments, name: str) -> str:
    text = arguments.get(name, "")
    if not isinstance(text, str) or _UNKEPT.search(text):
        raise SlackError("invalid_arguments", [f"must be a string [json-pointer:/{name}]"])
    return text


def _parsed(arguments: Arguments, name: str) -> object:
    """A structure: as such in JSON, as a text that holds JSON in a form."""
    value = arguments.get(name)
    try:
        value = json.loads(value) if isinstance(value, str) else value
        text = json.dumps(value, ensure_ascii=False)
        text.encode()
    except (ValueError, RecursionError) as error:
        raise SlackError("invalid_arguments", [f"must be JSON in UTF-8 [json-pointer:/{name}]"]) from error
    if _ESCAPED_NUL.search(text):
        raise SlackError("invalid_arguments", [f"must hold no NUL [json-pointer:/{name}]"])
    return value
