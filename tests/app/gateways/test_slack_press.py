"""Presses as Slack tells them: taken with a right and fresh signature only, and read whatever their shape."""

import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from app.gateways.slack import SlackGateway
from credits.gateways import BadSignature, Interaction, MessageRef
from tests.app.gateways.slack_calls import APPROVALS, APPROVER, CARD, gateway_to
from tests.app.service import SLACK_SECRET, SLACK_TOKEN, Service


@pytest.fixture
async def gateway() -> AsyncIterator[SlackGateway]:
    async with gateway_to("http://127.0.0.1:1") as gateway:
        yield gateway


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
