"""The gateway to Slack, through the real SDK over real HTTP against the sandbox, and against servers that fail."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.gateways.slack import SlackGateway
from credits.gateways import GatewayRefused, GatewayUnavailable, MessageRef
from tests.app.gateways.slack_calls import APPROVALS, APPROVER, CARD, DECIDED, DIRECT, gateway_to, messages
from tests.app.service import SLACK_TOKEN, Service, free_port, served


async def order_faults(service: Service, method: str, **fault: object) -> None:
    ordered = await service.http.post("/sandbox/slack/faults", json={"method": method, **fault})
    assert ordered.status_code == 200


@asynccontextmanager
async def answering(
    status: int, body: bytes, *, media_type: str = "application/json", delay_s: float = 0
) -> AsyncIterator[SlackGateway]:
    async def answer(request: Request) -> Response:
        await asyncio.sleep(delay_s)
        return Response(body, status, media_type=media_type)

    listener, url = free_port()
    app = Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])
    async with served(app, listener), gateway_to(url) as gateway:
        yield gateway


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


async def test_a_post_that_is_told_to_wait_waits_and_is_posted_once(service: Service) -> None:
    await order_faults(service, "chat.postMessage", next=1, status=429, retry_after_s=1)
    began = time.monotonic()

    await service.slack.post(APPROVALS, CARD, dedupe="approval:1", again=False)

    assert time.monotonic() - began >= 1
    assert len(await messages(service)) == 1


async def test_one_that_is_told_to_wait_too_long_is_unavailable_in_time(service: Service) -> None:
    await order_faults(service, "chat.postMessage", next=3, status=429, retry_after_s=60)
    began = time.monotonic()

    async with gateway_to(f"{service.url}/sandbox/slack/api/", timeout_s=0.5) as gateway:
        with pytest.raises(GatewayUnavailable):
            await gateway.post(APPROVALS, CARD, dedupe="approval:1", again=False)

    assert time.monotonic() - began < 2
    assert await messages(service) == []


async def test_one_that_is_told_to_wait_again_and_again_is_unavailable(service: Service) -> None:
    await order_faults(service, "chat.update", next=3, status=429, retry_after_s=0)

    with pytest.raises(GatewayUnavailable, match="429"):
        await service.slack.update(MessageRef(APPROVALS, "1.000001"), CARD)


async def test_another_card_is_shown_in_the_place_of_the_first(service: Service) -> None:
    posted = await service.slack.post(APPROVALS, CARD, dedupe="approval:1", again=False)

    await service.slack.update(posted, DECIDED)

    (message,) = await messages(service)
    assert (message["ts"], message["text"], message["blocks"]) == (posted.ts, DECIDED.summary, [])
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
    await service.slack.whisper(APPROVALS, APPROVER, "Decided by <!channel> & others")

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
        await service.slack.whisper("C0UNKNOWN1", APPROVER, "Hello")

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
    async with answering(200, b'{"ok": true}', delay_s=3.0) as gateway:
        began = time.monotonic()
        with pytest.raises(GatewayUnavailable, match="within"):
            await gateway.post(APPROVER, CARD, dedupe="1", again=True)

        assert time.monotonic() - began < 2.5


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
    async with answering(status, body, media_type=media_type) as gateway:
        with pytest.raises(GatewayUnavailable):
            await gateway.post(APPROVALS, CARD, dedupe="1", again=False)
        with pytest.raises(GatewayUnavailable):
            await gateway.post(APPROVER, CARD, dedupe="1", again=True)


async def test_a_definite_no_is_refused_whatever_its_status() -> None:
    async with answering(403, b'{"ok": false, "error": "account_inactive"}') as gateway:
        with pytest.raises(GatewayRefused, match=r"^account_inactive$"):
            await gateway.post(APPROVALS, CARD, dedupe="1", again=False)


async def test_a_proxy_that_the_environment_names_is_not_used_for_another_address(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")

    async with gateway_to(f"{service.url}/sandbox/slack/api/") as gateway:
        await gateway.post(APPROVALS, CARD, dedupe="1", again=False)

    assert len(await messages(service)) == 1
