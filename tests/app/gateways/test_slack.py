"""The gateway to Slack, through the real SDK over real HTTP against the sandbox, and against servers that fail."""

import asyncio
import hashlib
import hmac
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.gateways.slack import SlackGateway
from credits.gateways import (
    BadSignature,
    Button,
    Card,
    GatewayRefused,
    GatewayUnavailable,
    Interaction,
    MessageRef,
)
from tests.app.service import SLACK_SECRET, SLACK_TOKEN, Service, free_port, served

APPROVALS, APPROVER, DIRECT = "C0APPROVAL", "U0APPROVER", "D0APPROVER"
APPROVE = Button(
    action="approve", label="Approve", value="apr_01:1", style="primary", confirm="Approve 500 credits for $899.00?"
)
REJECT = Button(action="reject", label="Reject…", value="apr_01:1", style="danger")
CARD = Card(
    summary="Milo asks to buy 500 credits",
    title="Approval needed",
    text="Milo asks to buy 500 credits.",
    quote="We stage twelve homes.",
    fields=(("Price", "$899.00"), ("For", "Residential")),
    buttons=(APPROVE, REJECT),
    notes=("Request apr_01",),
)
DECIDED = Card(summary="Approved by Abel")


async def messages(service: Service) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = (await service.http.get("/sandbox/slack/messages")).json()
    return listed


async def blocks_of(service: Service, card: Card) -> list[dict[str, Any]]:
    await service.slack.post(APPROVALS, card, dedupe="blocks", again=False)
    blocks: list[dict[str, Any]] = (await messages(service))[-1]["blocks"]
    return blocks


async def order_faults(service: Service, method: str, **fault: object) -> None:
    ordered = await service.http.post("/sandbox/slack/faults", json={"method": method, **fault})
    assert ordered.status_code == 200


@asynccontextmanager
async def gateway_to(url: str, **options: Any) -> AsyncIterator[SlackGateway]:
    settings = {"token": SLACK_TOKEN, "signing_secrets": (SLACK_SECRET,), "base_url": url, "timeout_s": 1.5}
    gateway = SlackGateway(**(settings | options))
    yield gateway
    await gateway.close()


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


@pytest.fixture
async def gateway() -> AsyncIterator[SlackGateway]:
    async with gateway_to("http://127.0.0.1:1") as gateway:
        yield gateway


async def test_a_card_is_posted_with_all_its_parts(service: Service) -> None:
    posted = await service.slack.post(APPROVALS, CARD, dedupe="approval:1", again=False)

    (message,) = await messages(service)
    assert (posted.channel, posted.ts) == (message["channel"], message["ts"]) == (APPROVALS, posted.ts)
    assert message["text"] == CARD.summary
    assert message["metadata"] == {"event_type": "staging_credits", "event_payload": {"dedupe": "approval:1"}}
    assert [block["type"] for block in message["blocks"]] == [
        "header",
        "section",
        "section",
        "section",
        "input",
        "actions",
        "context",
    ]
    title, text, quote, fields, _, actions, notes = message["blocks"]
    assert title["text"] == {"type": "plain_text", "text": "Approval needed"}
    assert text["text"] == {"type": "plain_text", "text": "Milo asks to buy 500 credits."}
    assert quote["text"] == {"type": "mrkdwn", "text": "> We stage twelve homes.", "verbatim": True}
    assert [field["text"] for field in fields["fields"]] == ["*Price*\n$899.00", "*For*\nResidential"]
    approve, reject = actions["elements"]
    assert (approve["action_id"], approve["value"], approve["style"]) == ("approve", "apr_01:1", "primary")
    assert approve["confirm"]["text"]["text"] == "Approve 500 credits for $899.00?"
    assert (reject["action_id"], reject["style"], "confirm" in reject) == ("reject", "danger", False)
    assert notes["elements"] == [{"type": "plain_text", "text": "Request apr_01"}]


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


SMUGGLED = "<!channel> *bold* <http://x|y> & @here"
ESCAPED = "&lt;!channel&gt; *bold* &lt;http://x|y&gt; &amp; @here"


async def test_nothing_that_people_wrote_is_a_mention_or_a_link(service: Service) -> None:
    smuggling = Card(
        summary=SMUGGLED,
        title=SMUGGLED,
        text=SMUGGLED,
        quote=SMUGGLED,
        fields=((SMUGGLED, SMUGGLED),),
        buttons=(Button(action="approve", label=SMUGGLED, value=SMUGGLED),),
        notes=(SMUGGLED,),
    )

    title, text, quote, fields, actions, notes = await blocks_of(service, smuggling)

    assert (await messages(service))[-1]["text"] == ESCAPED
    for plain in (title["text"], text["text"], actions["elements"][0]["text"], notes["elements"][0]):
        assert plain == {"type": "plain_text", "text": SMUGGLED}
    assert quote["text"] == {"type": "mrkdwn", "text": f"> {ESCAPED}", "verbatim": True}
    assert fields["fields"] == [{"type": "mrkdwn", "text": f"*{ESCAPED}*\n{ESCAPED}", "verbatim": True}]
    assert actions["elements"][0]["value"] == SMUGGLED


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\u2028", "\x85"])
async def test_no_line_leaves_a_quotation(service: Service, end: str) -> None:
    (quote,) = await blocks_of(service, Card(summary="-", quote=f"first{end}second{end}{end}> fourth"))

    assert quote["text"]["text"] == "> first\n> second\n> \n> &gt; fourth"


async def test_what_is_too_long_for_slack_ends_in_an_ellipsis(service: Service) -> None:
    long = "x" * 4000
    button = Button(action="approve", label=long, value=long, confirm=long)
    card = Card(
        summary=long, title=long, text=long, quote=long, fields=((long, long),), buttons=(button,), notes=(long,)
    )

    title, text, quote, fields, actions, notes = await blocks_of(service, card)

    pressed = actions["elements"][0]
    cut = {
        150: title["text"]["text"],
        3000: text["text"]["text"],
        2000: fields["fields"][0]["text"],
        75: pressed["text"]["text"],
        300: pressed["confirm"]["text"]["text"],
        30: pressed["confirm"]["confirm"]["text"],
    }
    assert {limit: len(found) for limit, found in cut.items()} == {limit: limit for limit in cut}
    others = [
        quote["text"]["text"],
        pressed["value"],
        notes["elements"][0]["text"],
        (await messages(service))[-1]["text"],
    ]
    assert [len(found) for found in others] == [3000, 2000, 2000, 3000]
    assert all(found.endswith("x…") for found in [*cut.values(), *others])


@pytest.mark.parametrize("length", [599, 600, 601, 2997, 2998, 2999])
async def test_a_cut_never_goes_through_an_escape(service: Service, length: int) -> None:
    (quote,) = await blocks_of(service, Card(summary="-", quote="&" * length))

    shown = quote["text"]["text"].removeprefix("> ")
    assert shown == "&amp;" * 599 + ("" if length == 599 else "…")
    assert len(quote["text"]["text"]) <= 3000


async def test_many_fields_buttons_and_notes_go_on_in_further_blocks(service: Service) -> None:
    card = Card(
        summary="-",
        fields=tuple((f"Field {number}", "-") for number in range(21)),
        buttons=tuple(Button(action=f"press-{number}", label="Press", value="-") for number in range(26)),
        notes=tuple(f"Note {number}" for number in range(11)),
    )

    blocks = await blocks_of(service, card)

    counts = [(block["type"], len(block.get("fields") or block["elements"])) for block in blocks]
    assert counts == [
        ("section", 10),
        ("section", 10),
        ("section", 1),
        ("actions", 25),
        ("actions", 1),
        ("context", 10),
        ("context", 1),
    ]


async def test_a_message_has_no_more_blocks_than_slack_takes(service: Service) -> None:
    blocks = await blocks_of(service, Card(summary="-", fields=(("Field", "-"),) * 501))

    assert len(blocks) == 50


async def test_beside_a_button_that_does_harm_one_can_type_why(service: Service) -> None:
    harmless = await blocks_of(service, Card(summary="-", buttons=(APPROVE,)))
    harmful = await blocks_of(service, Card(summary="-", buttons=(APPROVE, REJECT, REJECT)[:2]))

    assert [block["type"] for block in harmless] == ["actions"]
    assert [block["type"] for block in harmful] == ["input", "actions"]
    assert (harmful[0]["block_id"], harmful[0]["element"]["action_id"], harmful[0]["optional"]) == (
        "reason",
        "reason",
        True,
    )


async def test_a_button_with_an_address_opens_it(service: Service) -> None:
    link = Button(action="buy", label="Buy credits", value="", url="https://credits.example/buy")

    (actions,) = await blocks_of(service, Card(summary="-", buttons=(link,)))

    assert actions["elements"][0]["url"] == "https://credits.example/buy"


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


@pytest.mark.parametrize("secrets", [(), ("",), ("  ",), (SLACK_SECRET, "")])
def test_an_empty_signing_secret_is_refused_at_construction(secrets: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="signing secret is empty"):
        SlackGateway(token=SLACK_TOKEN, signing_secrets=secrets)


def payload(**changes: object) -> dict[str, Any]:
    pressed: dict[str, Any] = {
        "type": "block_actions",
        "team": {"id": "T0SANDBOX1", "domain": "sandbox"},
        "enterprise": None,
        "user": {"id": APPROVER, "name": "approver", "team_id": "T0SANDBOX1"},
        "container": {"type": "message", "message_ts": "1.000001", "channel_id": APPROVALS},
        "state": {"values": {}},
        "actions": [{"type": "button", "action_id": "approve", "value": "apr_01:1", "action_ts": "2.000002"}],
    }
    return pressed | changes


def form(told: object) -> bytes:
    return urlencode({"payload": json.dumps(told)}).encode()


def signed(body: bytes, *, stamp: str, secret: str = SLACK_SECRET, prefix: str = "v0=") -> str:
    return prefix + hmac.new(secret.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()


def aged(seconds: int) -> str:
    return str(int(time.time()) - seconds)


def read(gateway: SlackGateway, body: bytes) -> Interaction | None:
    stamp = aged(0)
    return gateway.read_interaction(body, timestamp=stamp, signature=signed(body, stamp=stamp))


BODY = form(payload())
# As a framework would write it that had parsed it first: the same meaning, other bytes.
WRITTEN_ANEW = urlencode({"payload": json.dumps(payload(), separators=(",", ":"))}).encode()


@pytest.mark.parametrize(
    "signature",
    [
        pytest.param(lambda _: "", id="missing"),
        pytest.param(lambda _: "v0=" + "0" * 64, id="wrong"),
        pytest.param(lambda _: "v0=not-hex", id="no hexadecimal number"),
        pytest.param(lambda stamp: signed(BODY, stamp=stamp)[:-1], id="cut short"),
        pytest.param(lambda stamp: signed(BODY, stamp=stamp, prefix="v1="), id="v1"),
        pytest.param(lambda stamp: signed(BODY, stamp=stamp, prefix=""), id="no version"),
        pytest.param(lambda stamp: signed(BODY, stamp=stamp, secret="another"), id="another secret"),
        pytest.param(lambda stamp: signed(BODY, stamp=stamp, secret=" "), id="an empty secret"),
        pytest.param(lambda stamp: signed(WRITTEN_ANEW, stamp=stamp), id="of the body written anew"),
        pytest.param(lambda stamp: signed(BODY, stamp=f"{stamp}0"), id="of another time"),
        pytest.param(lambda stamp: signed(BODY, stamp=stamp) + "é", id="not ASCII"),
    ],
)
async def test_a_press_without_a_right_signature_is_refused(
    gateway: SlackGateway, signature: Callable[[str], str]
) -> None:
    stamp = aged(0)

    with pytest.raises(BadSignature):
        gateway.read_interaction(BODY, timestamp=stamp, signature=signature(stamp))


# Made when the test runs: collecting a large suite may take longer than a signature is good for.
@pytest.mark.parametrize(
    "stamp",
    [
        pytest.param(lambda: aged(301), id="301 s old"),
        pytest.param(lambda: aged(-301), id="301 s in the future"),
        pytest.param(lambda: "", id="missing"),
        pytest.param(lambda: "yesterday", id="no number"),
        pytest.param(lambda: f"{aged(0)}.5", id="a fraction"),
        pytest.param(lambda: f" {aged(0)}", id="with a space"),
        pytest.param(lambda: f"+{aged(0)}", id="with a sign"),
        pytest.param(lambda: f"{aged(0)[:-3]}_{aged(0)[-3:]}", id="with an underscore"),
        pytest.param(lambda: "".join(chr(0xFF10 + int(digit)) for digit in aged(0)), id="in other digits"),
        pytest.param(lambda: "9" * 5000, id="5,000 digits"),
    ],
)
async def test_a_press_of_another_time_is_refused_though_its_signature_is_right(
    gateway: SlackGateway, stamp: Callable[[], str]
) -> None:
    at = stamp()

    with pytest.raises(BadSignature):
        gateway.read_interaction(BODY, timestamp=at, signature=signed(BODY, stamp=at))


@pytest.mark.parametrize("age_s", [0, 299, -299])
async def test_a_press_of_the_last_five_minutes_is_read(gateway: SlackGateway, age_s: int) -> None:
    stamp = aged(age_s)

    press = gateway.read_interaction(BODY, timestamp=stamp, signature=signed(BODY, stamp=stamp))

    assert press == Interaction(
        key=f"T0SANDBOX1|2.000002|{APPROVER}|approve",
        team_id="T0SANDBOX1",
        user_id=APPROVER,
        action="approve",
        value="apr_01:1",
        message=MessageRef(APPROVALS, "1.000001"),
    )


async def test_a_body_that_is_not_utf8_has_no_right_signature(gateway: SlackGateway) -> None:
    with pytest.raises(BadSignature):
        read(gateway, b"payload=\xff")


async def test_both_secrets_sign_while_one_is_rotated() -> None:
    async with gateway_to("http://127.0.0.1:1", signing_secrets=("the new one", "the old one")) as gateway:
        stamp = aged(0)
        by_new, by_old = (
            gateway.read_interaction(BODY, timestamp=stamp, signature=signed(BODY, stamp=stamp, secret=secret))
            for secret in ("the new one", "the old one")
        )
        with pytest.raises(BadSignature):
            gateway.read_interaction(BODY, timestamp=stamp, signature=signed(BODY, stamp=stamp))

    assert by_new is not None
    assert by_new == by_old


async def test_in_an_enterprise_people_are_the_enterprises(gateway: SlackGateway) -> None:
    within = read(gateway, form(payload(enterprise={"id": "E0SANDBOX1", "name": "Enterprise"})))
    everywhere = read(gateway, form(payload(enterprise={"id": "E0SANDBOX1"}, team=None)))

    assert within is not None
    assert (within.team_id, within.key) == ("E0SANDBOX1", f"E0SANDBOX1|2.000002|{APPROVER}|approve")
    assert everywhere == within


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"reason": {"reason": {"type": "plain_text_input", "value": "Too dear"}}}, "Too dear"),
        ({"reason": {"reason": {"type": "plain_text_input", "value": None}}}, None),
        ({"reason": {"reason": {"type": "plain_text_input"}}}, None),
        ({"day": {"day": {"type": "datepicker", "selected_date": "2026-11-22"}}}, None),
        ({}, None),
    ],
)
async def test_the_reason_is_what_stands_in_the_text_input(
    gateway: SlackGateway, values: dict[str, object], reason: str | None
) -> None:
    press = read(gateway, form(payload(state={"values": values})))

    assert press is not None
    assert press.reason == reason


async def test_a_press_without_value_or_state_is_read_all_the_same(gateway: SlackGateway) -> None:
    pressed = payload(actions=[{"action_id": "approve", "action_ts": "2.000002"}])
    del pressed["state"]

    press = read(gateway, form(pressed))

    assert press is not None
    assert (press.value, press.reason) == ("", None)


@pytest.mark.parametrize(
    "body",
    [
        form(payload(type="view_submission")),
        form({"type": "shortcut"}),
        form({}),
        b"ssl_check=1&token=deprecated",
        b'{"type": "url_verification", "challenge": "abc"}',
    ],
)
async def test_what_is_no_press_needs_no_answer(gateway: SlackGateway, body: bytes) -> None:
    assert read(gateway, body) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"payload=",
        b"payload={",
        b"payload=null",
        b"payload=[]",
        b"payload=1",
        b"other=1",
        b"null",
        b"{",
        b"payload=" + b"[" * 100_000,
        form(payload(actions=[])),
        form(payload(actions=None)),
        form(payload(actions={})),
        form(payload(actions=["approve"])),
        form(payload(actions=[{"action_id": "approve"}])),
        form(payload(actions=[{"action_id": 1, "action_ts": "2.000002"}])),
        form(payload(actions=[{"action_id": "approve", "action_ts": "2.000002", "value": 1}])),
        form(payload(actions=[{"action_id": "approve", "action_ts": "2.000002", "value": "a\0"}])),
        form(payload(user=None)),
        form(payload(team=None)),
        form(payload(container={"type": "view", "view_id": "V1"})),
        form(payload(state={"values": []})),
        form(payload(state={"values": {"reason": {"reason": "Too dear"}}})),
        form(payload(state={"values": {"reason": {"reason": {"type": "plain_text_input", "value": "\ud800"}}}})),
        form({"type": "block_actions"}),
    ],
)
async def test_a_signed_body_that_is_no_press_is_an_error_of_its_own(gateway: SlackGateway, body: bytes) -> None:
    with pytest.raises(ValueError, match=r"no JSON|no payload|no press"):
        read(gateway, body)


async def test_a_press_in_the_sandbox_is_read_as_what_it_is(service: Service) -> None:
    posted = await service.slack.post(APPROVER, CARD, dedupe="approval:1", again=False)

    answer = await service.http.post(
        "/sandbox/slack/click", json={"ts": posted.ts, "action_id": "reject", "user": "approver", "reason": "Too dear"}
    )

    assert (answer.json()["status"], answer.json()["body"]) == (200, "taken")
    (press,) = service.pressed
    assert (press.team_id, press.user_id, press.action) == ("T0SANDBOX1", APPROVER, "reject")
    assert (press.value, press.reason, press.message) == ("apr_01:1", "Too dear", posted)
