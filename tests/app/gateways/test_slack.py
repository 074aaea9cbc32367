"""The gateway to Slack, through the real SDK over real HTTP against the sandbox, and against servers that fail."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.gateways.slack import SlackChat
from credits.gateways.cards import Card, Form
from credits.gateways.chat import ChatPerson, MessageRef
from credits.gateways.errors import AccessRevoked, GatewayRefused, GatewayUnavailable
from tests.app.gateways.slack_calls import APPROVALS, APPROVER, CARD, DECIDED, DIRECT, chat_to, gateway_to, messages
from tests.app.service import SLACK_TOKEN, WORKSPACE, Service, free_port, served
from tests.support.scripted import scripted


async def order_faults(service: Service, method: str, **fault: object) -> None:
    ordered = await service.http.post("/sandbox/slack/faults", json={"method": method, **fault})
    assert ordered.status_code == 200


@asynccontextmanager
async def answering(
    status: int,
    body: bytes,
    *,
    media_type: str = "application/json",
    delay_s: float = 0,
    headers: dict[str, str] | None = None,
) -> AsyncIterator[tuple[SlackChat, str]]:
    async def answer(request: Request) -> Response:
        await asyncio.sleep(delay_s)
        return Response(body, status, headers, media_type)

    listener, url = free_port()
    app = Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])
    async with served(app, listener), chat_to(url) as chat:
        yield chat, url


@pytest.mark.parametrize(
    ("to", "channel"), [("#approvals", APPROVALS), (APPROVALS, APPROVALS), (APPROVER, DIRECT), (DIRECT, DIRECT)]
)
async def test_a_card_goes_to_a_channel_by_id_or_name_and_to_a_person(service: Service, to: str, channel: str) -> None:
    first = await service.slack.post(to, CARD, dedupe="1", again=False)
    second = await service.slack.post(to, CARD, dedupe="2", again=True)

    assert [message["channel"] for message in await messages(service)] == [channel, channel]
    assert (first.channel, second.channel) == (channel, channel)
    assert first.ts < second.ts


@pytest.mark.parametrize("to", ["#approvals", APPROVALS, APPROVER])
async def test_what_was_posted_before_is_found_by_its_dedupe_and_not_posted_again(service: Service, to: str) -> None:
    posted = await service.slack.post(to, CARD, dedupe="approval:1", again=False)
    await service.slack.post(to, CARD, dedupe="approval:2", again=False)

    found = await service.slack.post(to, DECIDED, dedupe="approval:1", again=True)

    assert found == posted
    assert [message["text"] for message in await messages(service)] == [CARD.summary] * 2


async def test_what_was_posted_before_is_still_found_when_it_was_edited(service: Service) -> None:
    posted = await service.slack.post(APPROVALS, CARD, dedupe="approval:1", again=False)
    await service.slack.update(posted, DECIDED)

    found = await service.slack.post(APPROVALS, CARD, dedupe="approval:1", again=True)

    assert found == posted
    assert len(await messages(service)) == 1


async def test_metadata_of_others_with_the_same_dedupe_is_not_taken_for_ours(service: Service) -> None:
    theirs = {"event_type": "another_app", "event_payload": {"dedupe": "approval:1"}}
    await service.http.post(
        "/sandbox/slack/api/chat.postMessage",
        headers={"Authorization": f"Bearer {SLACK_TOKEN}"},
        json={"channel": APPROVALS, "text": "theirs", "metadata": theirs},
    )

    await service.slack.post(APPROVALS, CARD, dedupe="approval:1", again=True)

    assert [message["text"] for message in await messages(service)] == ["theirs", CARD.summary]


@pytest.mark.parametrize("status", [500, 503, 0])
async def test_a_post_whose_answer_was_lost_is_not_repeated_and_found_the_next_time(
    service: Service, status: int
) -> None:
    await order_faults(service, "chat.postMessage", next=1, status=status, after=True)

    with pytest.raises(GatewayUnavailable):
        await service.slack.post(APPROVALS, CARD, dedupe="approval:1", again=False)
    after_the_loss = await messages(service)
    found = await service.slack.post(APPROVALS, CARD, dedupe="approval:1", again=True)

    assert [message["ts"] for message in after_the_loss] == [found.ts]
    assert await messages(service) == after_the_loss


@pytest.mark.parametrize("status", [500, 0])
async def test_a_post_that_failed_without_effect_is_posted_the_next_time(service: Service, status: int) -> None:
    await order_faults(service, "chat.postMessage", next=1, status=status)

    with pytest.raises(GatewayUnavailable):
        await service.slack.post(APPROVALS, CARD, dedupe="approval:1", again=False)
    posted = await service.slack.post(APPROVALS, CARD, dedupe="approval:1", again=True)

    assert [message["ts"] for message in await messages(service)] == [posted.ts]


async def test_another_card_is_shown_in_the_place_of_the_first(service: Service) -> None:
    posted = await service.slack.post(APPROVALS, CARD, dedupe="approval:1", again=False)

    await service.slack.update(posted, DECIDED)

    (message,) = await messages(service)
    assert (message["ts"], message["text"]) == (posted.ts, DECIDED.summary)
    assert [block["text"]["text"] for block in message["blocks"]] == [DECIDED.summary]
    assert message["edited"]
    assert message["metadata"]["event_payload"] == {"dedupe": "approval:1"}


@pytest.mark.parametrize("status", [500, 503])
async def test_an_edit_that_failed_once_is_repeated_at_once(service: Service, status: int) -> None:
    posted = await service.slack.post(APPROVALS, CARD, dedupe="approval:1", again=False)
    await order_faults(service, "chat.update", next=1, status=status, after=True)

    await service.slack.update(posted, DECIDED)

    assert [message["text"] for message in await messages(service)] == [DECIDED.summary]


async def test_an_edit_that_goes_on_failing_is_unavailable(service: Service) -> None:
    posted = await service.slack.post(APPROVALS, CARD, dedupe="approval:1", again=False)
    await order_faults(service, "chat.update", next=2, status=500)

    with pytest.raises(GatewayUnavailable, match="status 500"):
        await service.slack.update(posted, DECIDED)

    assert [message["text"] for message in await messages(service)] == [CARD.summary]


async def test_only_one_person_sees_what_is_whispered(service: Service) -> None:
    await service.slack.whisper(APPROVALS, APPROVER, Card(summary="Decided by <!channel> & others"))

    (message,) = await messages(service)
    assert (message["channel"], message["user"]) == (APPROVALS, APPROVER)
    assert message["text"] == "Decided by &lt;!channel&gt; &amp; others"


async def test_a_refusal_is_slacks_own_word(service: Service) -> None:
    with pytest.raises(GatewayRefused, match=r"^channel_not_found$"):
        await service.slack.post("C0UNKNOWN1", CARD, dedupe="1", again=False)
    with pytest.raises(GatewayRefused, match=r"^channel_not_found$"):
        await service.slack.post("#unknown", CARD, dedupe="1", again=True)
    with pytest.raises(GatewayRefused, match=r"^user_not_found$"):
        await service.slack.post("U0UNKNOWN1", CARD, dedupe="1", again=False)
    with pytest.raises(GatewayRefused, match=r"^message_not_found$"):
        await service.slack.update(MessageRef(APPROVALS, "1.000001"), CARD)
    with pytest.raises(GatewayRefused, match=r"^channel_not_found$"):
        await service.slack.whisper("C0UNKNOWN1", APPROVER, DECIDED)

    assert await messages(service) == []


async def test_a_token_that_is_not_taken_is_refused(service: Service) -> None:
    async with gateway_to(f"{service.url}/sandbox/slack/api/", token="xoxp-another") as gateway:
        with pytest.raises(GatewayRefused, match=r"^invalid_auth$"):
            await gateway.post(APPROVALS, CARD, dedupe="1", again=False)


async def test_the_token_is_never_logged(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    await service.slack.post(APPROVALS, CARD, dedupe="1", again=False)

    assert "chat.postMessage" in caplog.text
    assert SLACK_TOKEN not in caplog.text


async def test_a_slack_that_is_down_is_unavailable() -> None:
    listener, url = free_port()
    listener.close()

    async with gateway_to(url) as gateway:
        with pytest.raises(GatewayUnavailable):
            await gateway.post(APPROVALS, CARD, dedupe="1", again=False)


async def test_a_slack_that_is_slow_is_unavailable_after_the_timeout() -> None:
    async with answering(200, b'{"ok": true}', delay_s=60) as (chat, _):
        with pytest.raises(GatewayUnavailable, match="within"):
            await chat.at(WORKSPACE).post(APPROVER, CARD, dedupe="1", again=True)


@pytest.mark.parametrize(
    ("status", "body", "media_type"),
    [
        (502, b"<html>bad gateway</html>", "text/html"),
        (404, b"<html>not here</html>", "text/html"),
        (503, b"", "application/json"),
        (200, b"garbage", "application/json"),
        (200, b"garbage", "text/plain"),
        (200, b"", "application/json"),
        (200, b"null", "application/json"),
        (200, b"[]", "application/json"),
        (200, b"[1]", "application/json"),
        (200, b"{}", "application/json"),
        (200, b'{"ok": true}', "application/json"),
        (200, b'{"ok": true, "channel": {"id": 1}, "ts": "1.000001"}', "application/json"),
        (200, b'{"ok": false}', "application/json"),
        (200, b'{"ok": false, "error": ["channel_not_found"]}', "application/json"),
        (200, b'{"ok": false, "error": "internal_error"}', "application/json"),
        (200, b'{"ok": false, "error": "ratelimited"}', "application/json"),
        (500, b'{"ok": false, "error": "channel_not_found"}', "application/json"),
    ],
)
async def test_an_answer_that_is_no_definite_no_is_unavailable(status: int, body: bytes, media_type: str) -> None:
    async with answering(status, body, media_type=media_type) as (chat, _):
        gateway = chat.at(WORKSPACE)
        with pytest.raises(GatewayUnavailable):
            await gateway.post(APPROVALS, CARD, dedupe="1", again=False)
        with pytest.raises(GatewayUnavailable):
            await gateway.post(APPROVER, CARD, dedupe="1", again=True)


@pytest.mark.parametrize(
    ("word", "revoked"), [("account_inactive", True), ("token_revoked", True), ("is_archived", False)]
)
async def test_a_definite_no_is_refused_whatever_its_status(word: str, *, revoked: bool) -> None:
    async with answering(403, b'{"ok": false, "error": "%s"}' % word.encode()) as (chat, _):
        with pytest.raises(GatewayRefused, match=f"^{word}$") as refused:
            await chat.at(WORKSPACE).post(APPROVALS, CARD, dedupe="1", again=False)

    assert isinstance(refused.value, AccessRevoked) is revoked


@pytest.mark.parametrize(("header", "told"), [("7", 7.0), ("soon", None), ("-1", None), ("9" * 20, None)])
async def test_who_is_asked_to_wait_is_told_how_long(header: str, told: float | None) -> None:
    limited = answering(429, b'{"ok": false, "error": "ratelimited"}', headers={"Retry-After": header})
    async with limited as (chat, url):
        for call in (
            chat.at(WORKSPACE).post(APPROVALS, CARD, dedupe="1", again=False),
            chat.at(WORKSPACE).update(MessageRef(APPROVALS, "1.000001"), CARD),
            chat.answer(f"{url}/response", CARD),
        ):
            with pytest.raises(GatewayUnavailable) as unavailable:
                await call
            assert unavailable.value.retry_after_s == told


THREAD = MessageRef(APPROVALS, "1.000001")


@pytest.mark.parametrize("found", [True, False])
async def test_what_may_stand_in_a_thread_is_looked_for_in_the_thread(*, found: bool) -> None:
    metadata = {"event_type": "staging_credits", "event_payload": {"dedupe": "said:1" if found else "said:0"}}
    replies = {"ok": True, "messages": [{"ts": "1.000001"}, {"ts": "2.000002", "metadata": metadata}]}
    posted = {"ok": True, "channel": APPROVALS, "ts": "3.000003"}
    async with (
        scripted({"conversations.replies": replies, "chat.postMessage": posted}) as slack,
        gateway_to(slack.url) as gateway,
    ):
        message = await gateway.post(APPROVALS, CARD, dedupe="said:1", again=True, thread=THREAD)

    (asked,) = slack.of("conversations.replies")
    assert (asked["channel"], asked["ts"], asked["include_all_metadata"]) == (APPROVALS, "1.000001", "1")
    assert message == MessageRef(APPROVALS, "2.000002" if found else "3.000003")
    assert [each["thread_ts"] for each in slack.of("chat.postMessage")] == ([] if found else ["1.000001"])


async def test_whoever_did_something_is_answered_where_slack_says_and_nobody_else_sees_it() -> None:
    async with scripted({"response": {"ok": True}}) as slack, chat_to(slack.url) as chat:
        await chat.answer(f"{slack.url}response", Card(summary="Decided by <!channel> & *others*"))

    ((_, told),) = slack.asked
    assert (told["response_type"], told["replace_original"]) == ("ephemeral", False)
    assert told["text"] == "Decided by &lt;!channel&gt; &amp; *others*"
    assert [block["text"]["type"] for block in told["blocks"]] == ["plain_text"]


@pytest.mark.parametrize(
    "reply_to",
    [
        "https://hooks.slack.com.evil.example/actions/1",
        "https://hooks.slack.com@evil.example/actions/1",
        "http://hooks.slack.com/actions/1",
        "http://169.254.169.254/latest",
        "http://[",
        "",
    ],
)
async def test_nobody_has_us_write_to_another_address_than_slacks(reply_to: str) -> None:
    async with chat_to("") as chat:
        with pytest.raises(GatewayRefused, match="no address of Slack's"):
            await chat.answer(reply_to, CARD)


@pytest.mark.parametrize(("status", "error"), [(404, GatewayRefused), (410, GatewayRefused), (503, GatewayUnavailable)])
async def test_an_answer_that_is_not_taken_is_refused_or_unavailable(status: int, error: type[Exception]) -> None:
    async with answering(status, b"expired_url", media_type="text/plain") as (chat, url):
        with pytest.raises(error):
            await chat.answer(f"{url}/response", CARD)


async def test_a_form_is_opened_for_whoever_did_what_the_trigger_is_of() -> None:
    form = Form(
        action="reject",
        value="apr_01:1",
        channel=APPROVALS,
        title="Reject the purchase of many credits",
        text=("Until ", datetime(2026, 11, 28, 12, tzinfo=UTC), " by <@U1>"),
        label="Reason",
        submit="Reject",
        longest=500,
    )
    async with scripted({"views.open": {"ok": True}}) as slack, gateway_to(slack.url) as gateway:
        await gateway.ask("trigger.1", form)

    (asked,) = slack.of("views.open")
    view = asked["view"]
    text, typed = view["blocks"]
    assert (asked["trigger_id"], view["callback_id"]) == ("trigger.1", "reject")
    assert json.loads(view["private_metadata"]) == {"value": "apr_01:1", "channel": APPROVALS}
    assert view["title"]["text"] == "Reject the purchase of …"
    assert text["text"]["text"] == (
        "Until <!date^1795867200^{date_short_pretty} {time}|2026-11-28 12:00 UTC> by &lt;@U1&gt;"
    )
    assert (typed["block_id"], typed["element"]["action_id"], typed["element"]["max_length"]) == ("typed", "typed", 500)


async def test_a_home_shows_cards_below_each_other_and_no_more_than_slack_takes() -> None:
    async with scripted({"views.publish": {"ok": True}}) as slack, gateway_to(slack.url) as gateway:
        await gateway.show_home(APPROVER, [CARD, DECIDED])
        await gateway.show_home(APPROVER, [CARD] * 50)

    one, many = slack.of("views.publish")
    assert (one["user_id"], one["view"]["type"]) == (APPROVER, "home")
    kinds = [block["type"] for block in one["view"]["blocks"]]
    assert kinds == ["header", "section", "rich_text", "section", "actions", "context", "divider", "section"]
    assert 90 < len(many["view"]["blocks"]) <= 100


@pytest.mark.parametrize(
    ("changes", "email"),
    [
        ({"is_email_confirmed": True}, "abel@demo.example"),
        ({"is_email_confirmed": False}, None),
        ({}, None),
        ({"is_email_confirmed": True, "deleted": True}, None),
    ],
)
async def test_an_address_counts_only_where_slack_has_confirmed_it(
    changes: dict[str, object], email: str | None
) -> None:
    user = {"id": APPROVER, "profile": {"email": "abel@demo.example"}, **changes}
    async with scripted({"users.info": {"ok": True, "user": user}}) as slack, gateway_to(slack.url) as gateway:
        assert await gateway.person(APPROVER) == ChatPerson(id=APPROVER, email=email)


TEAM, ENTERPRISE = {"id": "T0LUMEN001", "name": "Lumen"}, {"id": "E0LUMEN001", "name": "Lumen Group"}


@pytest.mark.parametrize(
    ("team", "enterprise", "everywhere", "expected"),
    [
        (TEAM, None, False, ("T0LUMEN001", "T0LUMEN001", "Lumen")),
        (TEAM, ENTERPRISE, False, ("T0LUMEN001", "E0LUMEN001", "Lumen")),
        (None, ENTERPRISE, True, ("E0LUMEN001", "E0LUMEN001", "Lumen Group")),
    ],
)
async def test_a_code_stands_for_a_workspace_or_a_whole_enterprise(
    team: object, enterprise: object, expected: tuple[str, str, str], *, everywhere: bool
) -> None:
    answer = {
        "ok": True,
        "access_token": "xoxb-1",
        "team": team,
        "enterprise": enterprise,
        "is_enterprise_install": everywhere,
        "authed_user": {"id": "U0INSTALLER"},
    }
    async with scripted({"oauth.v2.access": answer}) as slack:
        keys = {"client_id": "1.2", "client_secret": "secret", "redirect_url": "https://credits.example/slack/oauth"}
        async with chat_to(slack.url, **keys) as chat:
            installed = await chat.installed("the code")

    (asked,) = slack.of("oauth.v2.access")
    assert (asked["code"], asked["redirect_uri"]) == ("the code", "https://credits.example/slack/oauth")
    assert (installed.workspace.id, installed.workspace.org, installed.name) == expected
    assert (installed.workspace.token, installed.by) == ("xoxb-1", "U0INSTALLER")
    assert "xoxb-1" not in repr(installed)


async def test_a_proxy_that_the_environment_names_is_not_used_for_another_address(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")

    async with gateway_to(f"{service.url}/sandbox/slack/api/") as gateway:
        await gateway.post(APPROVALS, CARD, dedupe="1", again=False)

    assert len(await messages(service)) == 1
