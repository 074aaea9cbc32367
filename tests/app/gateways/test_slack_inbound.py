"""What Slack sends as it is read: who did what, where, and of which workspace. (Signatures and bodies of no shape are
rows of `tests/test_slack_threats.py`.)"""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import pytest

from app.gateways.slack import SlackChat
from credits.gateways.chat import Interaction, InteractionKind, MessageRef
from tests.app.gateways.slack_calls import APPROVALS, APPROVER, CARD, chat_to
from tests.app.service import SLACK_SECRET, Service
from tests.support.slack_inbound import aged, command, event, form, json_body, pressed, signature, submitted

TEAM, ENTERPRISE = "T0SANDBOX1", "E0SANDBOX1"
WITHIN: dict[str, Any] = {"enterprise": {"id": ENTERPRISE, "name": "Enterprise"}}
EVERYWHERE: dict[str, Any] = {**WITHIN, "team": None, "is_enterprise_install": True}


@pytest.fixture
async def chat() -> AsyncIterator[SlackChat]:
    async with chat_to("http://127.0.0.1:1") as chat:
        yield chat


def read(chat: SlackChat, body: bytes) -> Interaction | None:
    stamp = aged()
    return chat.read_interaction(body, timestamp=stamp, signature=signature(body, stamp, secret=SLACK_SECRET))


def done(chat: SlackChat, body: bytes) -> Interaction:
    interaction = read(chat, body)
    assert interaction is not None
    return interaction


async def test_a_press_says_who_pressed_which_button_of_which_message(chat: SlackChat) -> None:
    payload = pressed()
    payload["actions"][0]["action_ts"] = "2.000002"

    assert done(chat, form(payload)) == Interaction(
        key=f"{TEAM}|2.000002|{APPROVER}|approve",
        kind=InteractionKind.PRESSED,
        team_id=TEAM,
        org=TEAM,
        user_id=APPROVER,
        action="approve",
        value="apr_01:1",
        channel=APPROVALS,
        message=MessageRef(APPROVALS, "1.000001"),
        trigger=payload["trigger_id"],
        reply_to=payload["response_url"],
    )


async def test_a_press_in_the_app_home_is_of_no_message(chat: SlackChat) -> None:
    payload = pressed(container={"type": "view", "view_id": "V0SANDBOX1"})
    del payload["response_url"]

    press = done(chat, form(payload))

    assert (press.message, press.channel, press.reply_to) == (None, None, None)


async def test_a_form_says_what_was_typed_and_what_it_was_opened_for(chat: SlackChat) -> None:
    assert done(chat, form(submitted())) == Interaction(
        key=f"{TEAM}|{APPROVER}|V0SANDBOX1",
        kind=InteractionKind.SUBMITTED,
        team_id=TEAM,
        org=TEAM,
        user_id=APPROVER,
        action="reject",
        value="apr_01:1",
        channel=APPROVALS,
        text="Too dear",
    )


async def test_a_form_in_which_nothing_was_typed_has_no_text(chat: SlackChat) -> None:
    assert done(chat, form(submitted(text=None))).text is None


async def test_a_command_says_what_was_typed_and_where_it_is_answered(chat: SlackChat) -> None:
    fields = command("balance  Downtown")

    assert done(chat, urlencode(fields).encode()) == Interaction(
        key=f"{TEAM}|{APPROVER}|{fields['trigger_id']}",
        kind=InteractionKind.COMMAND,
        team_id=TEAM,
        org=TEAM,
        user_id=APPROVER,
        channel=APPROVALS,
        text="balance  Downtown",
        trigger=fields["trigger_id"],
        reply_to=fields["response_url"],
    )


@pytest.mark.parametrize(
    ("told", "kind", "user_id"),
    [
        (event("app_home_opened", user=APPROVER, tab="home"), InteractionKind.HOME, APPROVER),
        (event("app_uninstalled"), InteractionKind.REMOVED, ""),
        (event("tokens_revoked", tokens={"oauth": [], "bot": ["U0STAGING1"]}), InteractionKind.REMOVED, ""),
    ],
)
async def test_of_events_those_count_that_change_something(
    chat: SlackChat, told: dict[str, Any], kind: InteractionKind, user_id: str
) -> None:
    assert done(chat, json_body(told)) == Interaction(
        key="Ev0SANDBOX1", kind=kind, team_id=TEAM, org=TEAM, user_id=user_id
    )


@pytest.mark.parametrize(
    "told",
    [
        event("app_home_opened", user=APPROVER, tab="messages"),
        event("tokens_revoked", tokens={"oauth": ["U0APPROVER"]}),
        event("message", text="Hello"),
    ],
)
async def test_other_events_need_no_work(chat: SlackChat, told: dict[str, Any]) -> None:
    assert read(chat, json_body(told)) is None


@pytest.mark.parametrize(
    ("body", "team_id"),
    [
        (form(pressed(**WITHIN)), TEAM),
        (form(pressed(**EVERYWHERE)), ENTERPRISE),
        (form(submitted(**WITHIN)), TEAM),
        (form(submitted(**EVERYWHERE)), ENTERPRISE),
        (urlencode(command(enterprise_id=ENTERPRISE, is_enterprise_install="false")).encode(), TEAM),
        (urlencode(command(enterprise_id=ENTERPRISE, is_enterprise_install="true")).encode(), ENTERPRISE),
        (json_body(event("app_uninstalled") | {"enterprise_id": ENTERPRISE}), TEAM),
        (
            json_body(
                event("app_uninstalled")
                | {"enterprise_id": ENTERPRISE, "authorizations": [{"is_enterprise_install": True}]}
            ),
            ENTERPRISE,
        ),
    ],
)
async def test_in_an_enterprise_people_are_the_enterprises_and_the_app_where_it_is_installed(
    chat: SlackChat, body: bytes, team_id: str
) -> None:
    interaction = done(chat, body)

    assert (interaction.team_id, interaction.org) == (team_id, ENTERPRISE)


async def test_a_press_in_the_sandbox_is_read_as_what_it_is(service: Service) -> None:
    posted = await service.slack.post(APPROVER, CARD, dedupe="approval:1", again=False)

    answer = await service.http.post(
        "/sandbox/slack/click", json={"ts": posted.ts, "action_id": "approve", "user": "approver"}
    )

    assert answer.json()["status"] == 200
    (press,) = service.pressed
    assert (press.team_id, press.user_id, press.action) == (TEAM, APPROVER, "approve")
    assert (press.value, press.channel, press.message) == ("apr_01:1", posted.channel, posted)
