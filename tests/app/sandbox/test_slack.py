"""The sandbox's Slack over real HTTP: its Web API, presses of buttons, faults on order, and its page."""

import asyncio
import base64
import hashlib
import json
import re
from typing import Any

import httpx
import pytest

from app.demo import PEOPLE as DEMO_PEOPLE
from app.sandbox.slack_people import PEOPLE, SLACK_IDS, STRANGER
from tests.app.service import SLACK_TOKEN, Service

SLACK = "/sandbox/slack"
APPROVALS, APPROVER = "C0APPROVAL", "U0APPROVER"
ACTIONS: dict[str, Any] = {
    "type": "actions",
    "elements": [
        {
            "type": "button",
            "action_id": "approve",
            "value": "apr_01:1",
            "style": "primary",
            "text": {"type": "plain_text", "text": "Approve"},
            "confirm": {
                "title": {"type": "plain_text", "text": "Approve"},
                "text": {"type": "plain_text", "text": "Approve 500 credits?"},
                "confirm": {"type": "plain_text", "text": "Yes, approve"},
                "deny": {"type": "plain_text", "text": "Cancel"},
            },
        },
        {
            "type": "button",
            "action_id": "reject",
            "value": "apr_01:1",
            "text": {"type": "plain_text", "text": "Reject"},
        },
    ],
}
REASON: dict[str, Any] = {
    "type": "input",
    "block_id": "why",
    "label": {"type": "plain_text", "text": "Reason"},
    "element": {"type": "plain_text_input", "action_id": "typed"},
}


def section(text: str, kind: str = "mrkdwn") -> dict[str, Any]:
    return {"type": "section", "text": {"type": kind, "text": text}}


async def call(service: Service, method: str, token: str = SLACK_TOKEN, **arguments: object) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    response = await service.http.post(f"{SLACK}/api/{method}", headers=headers, content=json.dumps(arguments))
    assert response.status_code == 200
    body: dict[str, Any] = response.json()
    return body


async def posted(service: Service, *blocks: dict[str, Any], channel: str = APPROVALS, text: str = "-") -> str:
    answer = await call(service, "chat.postMessage", channel=channel, text=text, blocks=list(blocks))
    assert answer["ok"], answer
    return str(answer["ts"])


async def listed(service: Service, channel: str = "") -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = (await service.http.get(f"{SLACK}/messages", params={"channel": channel})).json()
    return messages


async def click(service: Service, ts: str, action_id: str = "approve", **fields: object) -> httpx.Response:
    body = {"ts": ts, "action_id": action_id, "user": "approver", **fields}
    return await service.http.post(f"{SLACK}/click", json=body)


def test_the_people_are_those_of_the_demonstration_and_a_stranger() -> None:
    assert {person.name: person.real_name for person in PEOPLE.values() if person != STRANGER} == DEMO_PEOPLE
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
    service: Service, method: str, arguments: dict[str, object], word: str
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


async def test_a_press_tells_the_buttons_own_value_by_whom_and_where(service: Service) -> None:
    ts = await posted(service, section("-"), ACTIONS)

    answer = await click(service, ts)

    assert answer.json()["status"] == 200
    assert answer.json()["took_ms"] < 3000
    (press,) = service.pressed
    assert (press.action, press.value, press.user_id, press.team_id) == ("approve", "apr_01:1", APPROVER, "T0SANDBOX1")
    assert (press.message.channel, press.message.ts, press.reason) == (APPROVALS, ts, None)


async def test_a_press_can_come_from_anybody_of_anywhere(service: Service) -> None:
    ts = await posted(service, ACTIONS)

    await click(service, ts, user="U0STRANGER")
    await click(service, ts, user="W0ELSEWHERE", team_id="T0ANOTHER1")
    await click(service, ts, enterprise_id="E0ANOTHER1")

    assert [(press.user_id, press.team_id) for press in service.pressed] == [
        ("U0STRANGER", "T0SANDBOX1"),
        ("W0ELSEWHERE", "T0ANOTHER1"),
        (APPROVER, "E0ANOTHER1"),
    ]


@pytest.mark.parametrize("blocks", [(ACTIONS,), (REASON, ACTIONS)])
async def test_the_reason_stands_in_the_messages_text_input_or_in_one_of_its_own(
    service: Service, blocks: tuple[dict[str, Any], ...]
) -> None:
    ts = await posted(service, *blocks)

    await click(service, ts, "reject", reason="Too dear")
    await click(service, ts, "reject")

    assert [press.reason for press in service.pressed] == ["Too dear", None]


async def test_the_very_same_press_arrives_as_often_as_is_wanted(service: Service) -> None:
    ts = await posted(service, ACTIONS)

    answer = await click(service, ts, deliveries=5)

    assert [each["status"] for each in answer.json()["answers"]] == [200] * 5
    assert len(service.pressed) == 5
    assert len({press.key for press in service.pressed}) == 1


async def test_two_presses_are_told_apart(service: Service) -> None:
    ts = await posted(service, ACTIONS)

    await asyncio.gather(click(service, ts), click(service, ts))

    assert len({press.key for press in service.pressed}) == 2


async def test_a_button_that_is_gone_is_pressed_by_force_only(service: Service) -> None:
    ts = await posted(service, ACTIONS)
    await call(service, "chat.update", channel=APPROVALS, ts=ts, text="decided")

    stale = await click(service, ts)
    forced = await click(service, ts, value="apr_01:1", force=True)

    assert stale.status_code == 409
    assert "no such button" in stale.json()["error"]["message"]
    assert forced.json()["status"] == 200
    assert [press.value for press in service.pressed] == ["apr_01:1"]


async def test_a_value_that_no_button_has_is_pressed_by_force_only(service: Service) -> None:
    ts = await posted(service, ACTIONS)

    refused = await click(service, ts, value="apr_02:1")
    forced = await click(service, ts, value="apr_02:1", force=True)

    assert (refused.status_code, forced.status_code) == (409, 200)
    assert [press.value for press in service.pressed] == ["apr_02:1"]


@pytest.mark.parametrize(
    ("changes", "status", "told"),
    [
        ({"ts": "1.000001"}, 404, "no message"),
        ({"ts": "x\0"}, 404, "no message"),
        ({"channel": "C0CREDITS1"}, 404, "no message"),
        ({"channel": "unknown"}, 404, "no channel"),
        ({"user": "nobody"}, 404, "nobody called"),
        ({"action_id": "snooze"}, 409, "no such button"),
        ({"action_id": None}, 400, "action_id"),
        ({"deliveries": 0}, 400, "deliveries"),
        ({"deliveries": True}, 400, "deliveries"),
        ({"force": "yes"}, 400, "force"),
        ({"unheard": 1}, 400, "no field"),
    ],
)
async def test_a_press_that_cannot_be_is_refused_and_tells_nobody(
    service: Service, changes: dict[str, object], status: int, told: str
) -> None:
    ts = await posted(service, ACTIONS)

    answer = await click(service, **{"ts": ts, **changes})  # type: ignore[arg-type]

    assert answer.status_code == status
    assert told in answer.json()["error"]["message"]
    assert service.pressed == []


@pytest.mark.parametrize("after", [False, True])
async def test_the_ordered_calls_fail_and_the_next_one_does_not(service: Service, *, after: bool) -> None:
    order = {"method": "chat.postMessage", "next": 2, "status": 429, "retry_after_s": 7, "after": after}
    ordered = await service.http.post(f"{SLACK}/faults", json=order)
    headers = {"Authorization": f"Bearer {SLACK_TOKEN}"}
    hello = {"channel": APPROVALS, "text": "Hello"}

    answers = [await service.http.post(f"{SLACK}/api/chat.postMessage", headers=headers, json=hello) for _ in range(3)]

    assert ordered.json() == order
    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert (answers[0].headers["Retry-After"], answers[0].json()["error"]) == ("7", "ratelimited")
    assert len(await listed(service)) == (3 if after else 1)


async def test_a_call_can_go_without_an_answer(service: Service) -> None:
    await service.http.post(f"{SLACK}/faults", json={"method": "auth.test", "next": 1, "status": 0})

    with pytest.raises(httpx.TransportError):
        await call(service, "auth.test")

    assert (await call(service, "auth.test"))["ok"]


@pytest.mark.parametrize(
    ("order", "status"),
    [
        ({"method": "files.upload"}, 404),
        ({"method": "chat.update", "status": 404}, 400),
        ({"method": "chat.update", "next": -1}, 400),
        ({"method": "chat.update", "next": "3"}, 400),
        ({"method": "chat.update", "retry_after_s": -1}, 400),
        ({}, 400),
    ],
)
async def test_a_fault_that_cannot_be_is_refused(service: Service, order: dict[str, object], status: int) -> None:
    assert (await service.http.post(f"{SLACK}/faults", json=order)).status_code == status


async def page(service: Service, **query: str) -> httpx.Response:
    shown = await service.http.get(f"{SLACK}/", params=query)
    assert shown.status_code == 200
    return shown


async def test_the_page_draws_a_message_with_all_its_parts(service: Service) -> None:
    fields = {"type": "section", "fields": [{"type": "mrkdwn", "text": "*Price*\n$899.00"}]}
    header = {"type": "header", "text": {"type": "plain_text", "text": "Approval *needed* <b>"}}
    notes = {"type": "context", "elements": [{"type": "plain_text", "text": "Request apr_01"}]}
    ts = await posted(service, header, section("> _quoted_ &lt;b&gt;"), fields, REASON, ACTIONS, notes)

    shown = (await page(service, channel=APPROVALS)).text

    for part in (
        "<h3>Approval *needed* &lt;b&gt;</h3>",
        "<blockquote><em>quoted</em> &lt;b&gt;</blockquote>",
        "<strong>Price</strong><br>$899.00",
        'name="reason"',
        'name="action_id" value="approve">Yes, approve</button>',
        "<p>Approve 500 credits?</p>",
        'name="action_id" value="reject">Reject</button>',
        "<span>Request apr_01</span>",
        f'name="ts" value="{ts}"',
    ):
        assert part in shown
    assert "(edited)" not in shown


async def test_what_was_smuggled_into_a_message_shows_on_the_page(service: Service) -> None:
    text = "<!channel> <@U0APPROVER> <https://x.example/?a&amp;b|here> <javascript:alert(1)|there> <script>"
    await posted(service, text=text)

    shown = (await page(service, channel=APPROVALS)).text

    assert '<span class="mention">@channel</span>' in shown
    assert '<span class="mention">@Abel Approver</span>' in shown
    assert '<a href="https://x.example/?a&amp;b" rel="noopener">here</a>' in shown
    assert 'href="javascript' not in shown
    assert "<script" not in shown


async def test_the_page_marks_what_was_edited_and_what_only_one_sees(service: Service) -> None:
    ts = await posted(service, text="first")
    await call(service, "chat.update", channel=APPROVALS, ts=ts, text="second")
    await call(service, "chat.postEphemeral", channel=APPROVALS, user="U0MEMBER0", text="whispered")

    shown = (await page(service, channel=APPROVALS)).text

    assert "first" not in shown
    assert "(edited)" in shown
    assert "Only visible to Milo Member" in shown


async def test_the_page_needs_nothing_from_elsewhere(service: Service) -> None:
    await posted(service, ACTIONS)

    shown = await page(service, channel=APPROVALS)

    policy = shown.headers["Content-Security-Policy"]
    style = shown.text.partition("<style>")[2].partition("</style>")[0]
    assert "default-src 'none'" in policy
    assert base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() in policy
    assert "style=" not in shown.text
    assert "<script" not in shown.text


async def test_pressing_on_the_page_is_a_press_by_whom_one_chose_to_be(service: Service) -> None:
    ts = await posted(service, REASON, ACTIONS)
    form = {"ts": ts, "channel": APPROVALS, "as": "U0POOLADMIN", "action_id": "reject", "reason": "Too dear"}

    answer = await service.http.post(f"{SLACK}/press", data=form)
    shown = await service.http.get(answer.headers["Location"])

    assert answer.status_code == 303
    assert "The service answered 200 to the press" in shown.text
    assert '<option value="U0POOLADMIN" selected>' in shown.text
    (press,) = service.pressed
    assert (press.user_id, press.action, press.reason) == ("U0POOLADMIN", "reject", "Too dear")


async def test_pressing_a_button_on_the_page_that_is_gone_leads_back_to_it(service: Service) -> None:
    ts = await posted(service, text="decided")
    form = {"ts": ts, "channel": APPROVALS, "as": APPROVER, "action_id": "approve"}

    answer = await service.http.post(f"{SLACK}/press", data=form)

    assert (answer.status_code, answer.headers["Location"]) == (303, f"{SLACK}/?channel={APPROVALS}&as={APPROVER}")
    assert service.pressed == []


async def test_in_a_direct_conversation_one_is_whom_it_is_with(service: Service) -> None:
    await posted(service, channel="U0MEMBER0", text="For Milo alone")

    elsewhere = (await page(service, **{"as": "owner"})).text
    direct = (await page(service, channel="D0MEMBER0", **{"as": "owner"})).text

    assert "For Milo alone" not in elsewhere
    assert f'href="{SLACK}/?channel=D0MEMBER0&amp;as=U0MEMBER0"' in elsewhere
    assert "For Milo alone" in direct
    assert '<option value="U0MEMBER0" selected>' in direct


async def test_what_does_not_work_on_the_page_is_told_on_a_page(service: Service) -> None:
    nowhere = await service.http.get(f"{SLACK}/", params={"channel": "unknown"})
    nothing = await service.http.post(f"{SLACK}/press", data={"ts": "1.000001", "channel": APPROVALS})

    assert (nowhere.status_code, nothing.status_code) == (404, 404)
    assert "That did not work" in nowhere.text
    assert "That did not work" in nothing.text


async def test_the_sandboxs_first_page_leads_to_its_slack(service: Service) -> None:
    assert f'href="{SLACK}/"' in (await service.http.get("/sandbox/")).text
