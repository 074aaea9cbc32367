"""The Web API of the sandbox's Slack over real HTTP."""

import asyncio
import re
from typing import Any

import pytest

from app.demo import PEOPLE as DEMO_PEOPLE
from app.demo import email_of
from app.sandbox.slack_people import PEOPLE, SANDBOX, SLACK_IDS, STRANGER
from tests.app.sandbox.slack_calls import ACTIONS, APPROVALS, APPROVER, REASON, SLACK, call, listed, posted, section
from tests.app.service import SLACK_TOKEN, Service


def test_the_people_are_those_of_the_demonstration_and_a_stranger() -> None:
    known = [person for person in SANDBOX.people if person != STRANGER]
    assert {person.name: person.real_name for person in known} == DEMO_PEOPLE
    assert {person.name: person.email for person in known} == {name: email_of(name) for name in DEMO_PEOPLE}
    assert {PEOPLE[user_id].name: user_id for user_id in SLACK_IDS.values()} == SLACK_IDS
    assert all(re.fullmatch("U[A-Z0-9]{8,10}", user_id) for user_id in PEOPLE)


async def test_a_message_is_answered_as_slack_shapes_it(service: Service) -> None:
    answer = await call(service, "chat.postMessage", channel="#approvals", text="Hello", blocks=[section("Hello")])

    message = answer["message"]
    assert (answer["ok"], answer["channel"], answer["ts"]) == (True, APPROVALS, message["ts"])
    assert re.fullmatch(r"[0-9]{10}\.[0-9]{6}", answer["ts"])
    assert (message["type"], message["text"], message["bot_id"]) == ("message", "Hello", "B0SANDBOX1")
    assert message["blocks"][0].items() >= section("Hello").items()
    assert message["blocks"][0]["block_id"]
    assert "edited" not in message


async def test_arguments_come_as_json_as_a_form_or_in_the_address(service: Service) -> None:
    headers = {"Authorization": f"Bearer {SLACK_TOKEN}"}
    form = {"channel": APPROVALS, "text": "form", "blocks": '[{"type": "divider"}]'}

    by_form = await service.http.post(f"{SLACK}/api/chat.postMessage", headers=headers, data=form)
    by_address = await service.http.get(f"{SLACK}/api/users.info", headers=headers, params={"user": APPROVER})

    assert by_form.json()["message"]["blocks"][0]["type"] == "divider"
    assert by_address.json()["user"]["real_name"] == "Abel Approver"


async def test_fifty_at_once_get_fifty_times(service: Service) -> None:
    times = await asyncio.gather(*(posted(service, text=str(number)) for number in range(50)))

    assert len(set(times)) == 50
    assert [message["ts"] for message in await listed(service)] == sorted(times)


@pytest.mark.parametrize(("token", "word"), [("", "not_authed"), ("xoxp-1", "invalid_auth"), ("sk_1", "invalid_auth")])
async def test_without_a_bots_token_nothing_is_done(service: Service, token: str, word: str) -> None:
    answer = await call(service, "chat.postMessage", token=token, channel=APPROVALS, text="Hello")

    assert answer == {"ok": False, "error": word}
    assert await listed(service) == []


@pytest.mark.parametrize(
    ("method", "arguments", "word"),
    [
        ("chat.postMessage", {"channel": "C0UNKNOWN1", "text": "Hello"}, "channel_not_found"),
        ("chat.postMessage", {"text": "Hello"}, "channel_not_found"),
        ("chat.postMessage", {"channel": APPROVALS}, "no_text"),
        ("chat.postMessage", {"channel": APPROVALS, "text": " ", "blocks": []}, "no_text"),
        ("chat.postMessage", {"channel": APPROVALS, "text": "x" * 40_001}, "msg_too_long"),
        ("chat.postMessage", {"channel": APPROVALS, "text": "a\0b"}, "invalid_arguments"),
        ("chat.postMessage", {"channel": APPROVALS, "text": 1}, "invalid_arguments"),
        ("chat.postMessage", {"channel": APPROVALS, "blocks": [section("a\0b")]}, "invalid_arguments"),
        ("chat.postMessage", {"channel": APPROVALS, "blocks": [section("\ud800")]}, "invalid_arguments"),
        ("chat.postMessage", {"channel": APPROVALS, "blocks": "["}, "invalid_arguments"),
        ("chat.postMessage", {"channel": APPROVALS, "text": "-", "metadata": []}, "invalid_metadata_format"),
        ("chat.update", {"channel": APPROVALS, "ts": "1.000001", "text": "Hello"}, "message_not_found"),
        ("chat.update", {"channel": APPROVALS, "ts": "x\0", "text": "Hello"}, "invalid_arguments"),
        ("chat.postEphemeral", {"channel": APPROVALS, "user": "nobody", "text": "Hello"}, "user_not_found"),
        ("chat.postEphemeral", {"channel": APPROVALS, "user": APPROVER}, "no_text"),
        ("conversations.open", {"users": "U0UNKNOWN1"}, "user_not_found"),
        ("conversations.history", {"channel": "#approvals"}, "channel_not_found"),
        ("conversations.history", {"channel": APPROVALS, "limit": 0}, "invalid_limit"),
        ("conversations.history", {"channel": APPROVALS, "limit": "many"}, "invalid_limit"),
        ("users.info", {"user": "U0UNKNOWN1"}, "user_not_found"),
        ("files.upload", {}, "unknown_method"),
    ],
)
async def test_a_call_that_cannot_be_is_refused_with_slacks_word(
    service: Service, method: str, arguments: dict[str, Any], word: str
) -> None:
    answer = await call(service, method, **arguments)

    assert (answer["ok"], answer["error"]) == (False, word)
    assert await listed(service) == []


@pytest.mark.parametrize(
    ("body", "content_type", "word"),
    [
        (b"{", "application/json", "invalid_json"),
        (b"[]", "application/json;charset=utf-8", "invalid_json"),
        (b"\xff", "application/x-www-form-urlencoded", "invalid_form_data"),
    ],
)
async def test_a_malformed_body_is_refused(service: Service, body: bytes, content_type: str, word: str) -> None:
    headers = {"Authorization": f"Bearer {SLACK_TOKEN}", "Content-Type": content_type}

    answer = await service.http.post(f"{SLACK}/api/chat.postMessage", headers=headers, content=body)

    assert (answer.status_code, answer.json()) == (200, {"ok": False, "error": word})


BUTTON = ACTIONS["elements"][1]


@pytest.mark.parametrize(
    ("block", "path"),
    [
        ({"type": "carousel"}, "/blocks/0/type"),
        ({"type": "header", "text": {"type": "mrkdwn", "text": "x"}}, "/blocks/0/text"),
        ({"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}, "/blocks/0/text/text"),
        ({"type": "header", "text": {"type": "plain_text", "text": ""}}, "/blocks/0/text/text"),
        ({"type": "section"}, "/blocks/0"),
        (section("x" * 3001), "/blocks/0/text/text"),
        ({"type": "section", "fields": []}, "/blocks/0/fields"),
        ({"type": "section", "fields": [{"type": "mrkdwn", "text": "x" * 2001}]}, "/blocks/0/fields/0/text"),
        ({"type": "section", "fields": [{"type": "mrkdwn", "text": "x"}] * 11}, "/blocks/0/fields"),
        ({"type": "actions", "elements": []}, "/blocks/0/elements"),
        ({"type": "actions", "elements": ["approve"]}, "/blocks/0/elements"),
        ({"type": "actions", "elements": [{**BUTTON, "type": "select"}]}, "/blocks/0/elements/0/type"),
        ({"type": "actions", "elements": [{**BUTTON, "style": "green"}]}, "/blocks/0/elements/0/style"),
        ({"type": "actions", "elements": [{**BUTTON, "value": "x" * 2001}]}, "/blocks/0/elements/0/value"),
        ({"type": "actions", "elements": [{**BUTTON, "confirm": {}}]}, "/blocks/0/elements/0/confirm/text"),
        ({"type": "actions", "elements": [BUTTON, BUTTON]}, "/blocks/0/elements"),
        ({"type": "context", "elements": [{"type": "image"}]}, "/blocks/0/elements/0"),
        ({**REASON, "element": {"type": "datepicker"}}, "/blocks/0/element"),
    ],
)
async def test_blocks_that_slack_would_refuse_are_refused_with_their_place(
    service: Service, block: dict[str, Any], path: str
) -> None:
    answer = await call(service, "chat.postMessage", channel=APPROVALS, text="-", blocks=[block])

    assert (answer["ok"], answer["error"]) == (False, "invalid_blocks")
    assert any(f"[json-pointer:{path}]" in told for told in answer["response_metadata"]["messages"])
    assert await listed(service) == []


async def test_a_text_that_spells_an_escape_is_no_such_character(service: Service) -> None:
    ts = await posted(service, section(r"C:\u0000"))

    (message,) = await listed(service)
    assert (message["ts"], message["blocks"][0]["text"]["text"]) == (ts, r"C:\u0000")


async def test_the_history_tells_the_latest_first_and_metadata_when_asked(service: Service) -> None:
    metadata = {"event_type": "staging_credits", "event_payload": {"dedupe": "1"}}
    await call(service, "chat.postMessage", channel=APPROVALS, text="first", metadata=metadata)
    await call(service, "chat.postEphemeral", channel=APPROVALS, user=APPROVER, text="whispered")
    await call(service, "chat.postMessage", channel="C0CREDITS1", text="elsewhere")
    await call(service, "chat.postMessage", channel=APPROVALS, text="second")

    plain = await call(service, "conversations.history", channel=APPROVALS)
    with_metadata = await call(service, "conversations.history", channel=APPROVALS, include_all_metadata=True)
    last = await call(service, "conversations.history", channel=APPROVALS, limit=1)

    assert [message["text"] for message in plain["messages"]] == ["second", "first"]
    assert (plain["has_more"], last["has_more"], len(last["messages"])) == (False, True, 1)
    assert "metadata" not in plain["messages"][1]
    assert with_metadata["messages"][1]["metadata"] == metadata


async def test_an_edit_replaces_text_and_blocks_and_keeps_the_metadata(service: Service) -> None:
    metadata = {"event_type": "staging_credits", "event_payload": {"dedupe": "1"}}
    first = await call(
        service, "chat.postMessage", channel=APPROVALS, text="first", blocks=[ACTIONS], metadata=metadata
    )

    await call(service, "chat.update", channel=APPROVALS, ts=first["ts"], text="second")

    (message,) = await listed(service)
    assert (message["ts"], message["text"], message["blocks"]) == (first["ts"], "second", [])
    assert (message["edited"], message["metadata"]) == (True, metadata)


async def test_who_calls_and_who_is_there_is_told(service: Service) -> None:
    caller = await call(service, "auth.test")
    opened = await call(service, "conversations.open", users=APPROVER)
    channels = await call(service, "conversations.list")

    assert (caller["team_id"], caller["bot_id"]) == ("T0SANDBOX1", "B0SANDBOX1")
    assert opened["channel"]["id"] == "D0APPROVER"
    assert {channel["id"]: channel["name"] for channel in channels["channels"]} == {
        "C0CREDITS1": "credits",
        "C0APPROVAL": "approvals",
        "C0OPERATOR": "operators",
    }


async def test_messages_are_listed_oldest_first_and_by_channel(service: Service) -> None:
    await posted(service, text="first")
    await posted(service, channel=APPROVER, text="second")
    await call(service, "chat.postEphemeral", channel=APPROVALS, user=APPROVER, text="third")

    everywhere, here = await listed(service), await listed(service, "#approvals")
    nowhere = await service.http.get(f"{SLACK}/messages", params={"channel": "unknown"})

    assert [(message["text"], message["user"]) for message in everywhere] == [
        ("first", None),
        ("second", None),
        ("third", APPROVER),
    ]
    assert [message["text"] for message in here] == ["first", "third"]
    assert [message["channel"] for message in await listed(service, "D0APPROVER")] == ["D0APPROVER"]
    assert nowhere.status_code == 404
