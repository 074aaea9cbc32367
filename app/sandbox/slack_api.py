"""Slack's Web API as far as the service uses it: https://docs.slack.dev/reference/methods

Answers and refusals are shaped as Slack's: always status 200, with `ok` and, where it is false, one word for why.
"""

import json
import re
from collections.abc import Awaitable, Callable, Mapping

from app.sandbox import slack_messages, slack_people, slack_troubles, slack_views
from app.sandbox.models import SlackMessage
from app.sandbox.objects import JsonObject
from app.sandbox.slack_blocks import problems
from app.sandbox.slack_messages import Content, message_object
from app.sandbox.slack_people import Person, Team
from app.sandbox.slack_views import Use

Arguments = Mapping[str, object]

_TEXT_LIMIT = 40_000
_HISTORY_DEFAULT, _HISTORY_LIMIT = 100, 999
_USER_ID = re.compile("[UW][A-Z0-9]{8,10}")
_UNKEPT = re.compile("[\x00\ud800-\udfff]")
_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_TRIGGERS = {"expired": "expired_trigger_id", "used": "exchanged_trigger_id", "unknown": "invalid_trigger_id"}
# A channel that is archived can still be read.
_UNREADABLE = ("not_in_channel", "channel_not_found")
CLIENT_ID = CLIENT_SECRET = "sandbox"  # noqa: S105 it opens nothing


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
        if method in _OPEN:
            return {"ok": True, **await _OPEN[method](arguments)}
        team = await _authenticate(token or _string(arguments, "token"))
        return {"ok": True, **await METHODS.get(method, _unknown)(team, arguments)}
    except SlackError as error:
        return error.body


async def _authenticate(token: str) -> Team:
    if not token:
        raise SlackError("not_authed")
    team = slack_people.with_token(token)
    if team is None:
        raise SlackError("invalid_auth")
    if word := await slack_troubles.word_of(team.id):
        raise SlackError(word)
    return team


async def _unknown(_team: Team, _: Arguments) -> JsonObject:
    raise SlackError("unknown_method")


async def _auth_test(team: Team, _: Arguments) -> JsonObject:
    return {
        "url": f"https://{team.domain}.slack.example/",
        "team": team.name,
        "user": slack_people.APP_NAME,
        "team_id": team.id,
        "user_id": slack_people.BOT_USER_ID,
        "bot_id": slack_people.BOT_ID,
        "is_enterprise_install": False,
    }


async def _auth_revoke(team: Team, _: Arguments) -> JsonObject:
    await slack_troubles.order(team.id, slack_troubles.REVOKED)
    return {"revoked": True}


async def _post_message(team: Team, arguments: Arguments) -> JsonObject:
    channel = await _reachable(team, arguments)
    thread_ts = _string(arguments, "thread_ts") or None
    if thread_ts is not None:
        asked = await slack_messages.find(thread_ts)
        if asked is None or asked.channel != channel:
            raise SlackError("thread_not_found")
    content, metadata = content_of(arguments), _metadata(arguments)
    message = await slack_messages.post(channel, content, metadata=metadata, thread_ts=thread_ts)
    return {"channel": channel, "ts": message.ts, "message": message_object(message)}


async def _update(team: Team, arguments: Arguments) -> JsonObject:
    channel, ts, content = await _reachable(team, arguments), _string(arguments, "ts"), content_of(arguments)
    if not await slack_messages.edit(channel, ts, content, metadata=_metadata(arguments)):
        raise SlackError("message_not_found")
    return {"channel": channel, "ts": ts, "text": content.text}


async def _post_ephemeral(team: Team, arguments: Arguments) -> JsonObject:
    """To anybody: people of other workspaces can be in a channel that is shared with them."""
    channel, user_id = await _reachable(team, arguments), _string(arguments, "user")
    if not _USER_ID.fullmatch(user_id):
        raise SlackError("user_not_found")
    message = await slack_messages.post(channel, content_of(arguments), only_for=user_id)
    return {"message_ts": message.ts}


async def _open(team: Team, arguments: Arguments) -> JsonObject:
    person = _person(team, _string(arguments, "users"))
    if await slack_troubles.word_of(person.id):
        raise SlackError("user_disabled")
    return {"no_op": True, "already_open": True, "channel": {"id": person.direct_id}}


async def _list(team: Team, _: Arguments) -> JsonObject:
    troubles = await slack_troubles.words()
    channels = [
        {
            "id": key,
            "name": name,
            "is_channel": True,
            "is_private": False,
            "is_archived": troubles.get(key) == "is_archived",
        }
        for key, name in team.channels.items()
        if troubles.get(key) != "channel_not_found"
    ]
    return {"channels": channels, "response_metadata": {"next_cursor": ""}}


async def _history(team: Team, arguments: Arguments) -> JsonObject:
    """By the conversation's id only: unlike posting, reading knows no `#name`."""
    channel, limit = await _readable(team, arguments), _limit(arguments)
    return _page_of(await slack_messages.history(channel, limit=limit + 1), arguments, limit)


async def _replies(team: Team, arguments: Arguments) -> JsonObject:
    channel, limit, ts = await _readable(team, arguments), _limit(arguments), _string(arguments, "ts")
    found = await slack_messages.replies(channel, ts, limit=limit + 1) if slack_messages.is_ts(ts) else []
    if not found:
        raise SlackError("thread_not_found")
    return _page_of(found, arguments, limit)


async def _readable(team: Team, arguments: Arguments) -> str:
    channel = _string(arguments, "channel")
    if slack_people.conversation(channel, team) != channel:
        raise SlackError("channel_not_found")
    if (word := await slack_troubles.word_of(channel)) in _UNREADABLE:
        raise SlackError(str(word))
    return channel


def _page_of(found: list[SlackMessage], arguments: Arguments, limit: int) -> JsonObject:
    metadata = str(arguments.get("include_all_metadata", "0")).lower() in ("1", "true")
    return {
        "messages": [message_object(message, metadata=metadata) for message in found[:limit]],
        "has_more": len(found) > limit,
        "pin_count": 0,
    }


async def _user_info(team: Team, arguments: Arguments) -> JsonObject:
    person = _person(team, _string(arguments, "user"))
    user = {
        "id": person.id,
        "team_id": person.team_id,
        "name": person.name,
        "real_name": person.real_name,
        "deleted": await slack_troubles.word_of(person.id) is not None,
        "is_bot": False,
        "is_email_confirmed": True,
        "tz": person.zone,
        "profile": {"real_name": person.real_name, "display_name": person.name, "email": person.email},
    }
    return {"user": user}


async def _open_view(team: Team, arguments: Arguments) -> JsonObject:
    view = _view(arguments, "modal")
    ticket = await slack_views.use(_string(arguments, "trigger_id"), Use.TRIGGER)
    if isinstance(ticket, str):
        raise SlackError(_TRIGGERS[ticket])
    if slack_people.team_of_user(ticket.user) != team:
        raise SlackError("invalid_trigger_id")
    return {"view": slack_views.view_object(await slack_views.open_modal(ticket.user, view), team.id)}


async def _publish(team: Team, arguments: Arguments) -> JsonObject:
    person = _person(team, _string(arguments, "user_id"))
    return {"view": slack_views.view_object(await slack_views.publish(person.id, _view(arguments, "home")), team.id)}


def _view(arguments: Arguments, kind: str) -> JsonObject:
    view = _parsed(arguments, "view")
    if not isinstance(view, dict):
        raise SlackError("invalid_arguments", ["must be an object [json-pointer:/view]"])
    if found := slack_views.view_problems(view, kind):
        raise SlackError("invalid_arguments", found)
    return view


def _person(team: Team, user_id: str) -> Person:
    person = slack_people.PEOPLE.get(user_id)
    if person is None or person.team_id != team.id:
        raise SlackError("user_not_found")
    return person


async def _access(arguments: Arguments) -> JsonObject:
    """https://docs.slack.dev/reference/methods/oauth.v2.access"""
    if (_string(arguments, "client_id"), _string(arguments, "client_secret")) != (CLIENT_ID, CLIENT_SECRET):
        raise SlackError("invalid_client_id")
    ticket = await slack_views.use(_string(arguments, "code"), Use.CODE)
    if isinstance(ticket, str):
        raise SlackError("invalid_code")
    team = slack_people.team_of_user(ticket.user)
    await slack_troubles.clear(team.id)
    return {
        "access_token": team.token,
        "token_type": "bot",
        "scope": "chat:write",
        "bot_user_id": slack_people.BOT_USER_ID,
        "app_id": slack_people.APP_ID,
        "team": {"id": team.id, "name": team.name},
        "enterprise": None,
        "is_enterprise_install": False,
        "authed_user": {"id": ticket.user},
    }


METHODS: Mapping[str, Callable[[Team, Arguments], Awaitable[JsonObject]]] = {
    "auth.revoke": _auth_revoke,
    "auth.test": _auth_test,
    "chat.postEphemeral": _post_ephemeral,
    "chat.postMessage": _post_message,
    "chat.update": _update,
    "conversations.history": _history,
    "conversations.list": _list,
    "conversations.open": _open,
    "conversations.replies": _replies,
    "users.info": _user_info,
    "views.open": _open_view,
    "views.publish": _publish,
}
# Asked without a token.
_OPEN: Mapping[str, Callable[[Arguments], Awaitable[JsonObject]]] = {"oauth.v2.access": _access}


async def _reachable(team: Team, arguments: Arguments) -> str:
    """The conversation, if the app can write there."""
    channel = _conversation(team, arguments)
    person = slack_people.partner(channel)
    if word := await slack_troubles.word_of(person.id if person else channel):
        raise SlackError(word)
    return channel


def _conversation(team: Team, arguments: Arguments) -> str:
    found = slack_people.conversation(_string(arguments, "channel"), team)
    if found is None:
        raise SlackError("channel_not_found")
    return found


def content_of(arguments: Arguments) -> Content:
    """What a message says. Raises SlackError."""
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
