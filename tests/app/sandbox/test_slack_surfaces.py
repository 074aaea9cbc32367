"""Forms, homes, commands, answers and troubles of the sandbox's Slack, as the service meets them."""

from typing import Any

import httpx
import pytest
from tortoise.connection import get_connection

from app.sandbox.slack_people import LUMEN
from credits.gateways.chat import InteractionKind
from tests.app.sandbox.slack_calls import (
    ACTIONS,
    APPROVALS,
    APPROVER,
    FORM,
    SLACK,
    call,
    click,
    listed,
    open_form,
    posted,
    section,
    views,
)
from tests.app.service import Service

HOME = {"type": "home", "blocks": [section("Hello"), ACTIONS]}


async def face(service: Service, what: str, **body: Any) -> httpx.Response:
    return await service.http.post(f"{SLACK}/{what}", json=body)


async def test_a_trigger_opens_one_form_within_three_seconds(service: Service) -> None:
    opened = await open_form(service)
    trigger = service.pressed[-1].trigger
    again = await call(service, "views.open", trigger_id=trigger, view=FORM)
    unknown = await call(service, "views.open", trigger_id="1.2.3", view=FORM)
    await click(service, await posted(service, ACTIONS))
    await get_connection("default").execute_query("UPDATE sandbox_slack_tickets SET until = now() - interval '1 s'")
    late = await call(service, "views.open", trigger_id=service.pressed[-1].trigger, view=FORM)

    assert opened["ok"]
    assert [each["error"] for each in (again, unknown, late)] == [
        "exchanged_trigger_id",
        "invalid_trigger_id",
        "expired_trigger_id",
    ]
    assert len(await views(service)) == 1


async def test_what_was_handed_out_is_good_for_what_it_was_handed_out_for(service: Service) -> None:
    await click(service, await posted(service, ACTIONS))
    press = service.pressed[-1]
    address = (press.reply_to or "").rsplit("/", 1)[1]

    by_address = await call(service, "views.open", trigger_id=address, view=FORM)
    elsewhere = await call(service, "views.open", token=LUMEN.token, trigger_id=press.trigger, view=FORM)
    installed = await call(
        service, "oauth.v2.access", token="", client_id="sandbox", client_secret="sandbox", code=address
    )
    answered = await service.http.post(f"{SLACK}/response/{press.trigger}", json={"text": "-"})

    assert [each["error"] for each in (by_address, elsewhere)] == ["invalid_trigger_id"] * 2
    assert installed["error"] == "invalid_code"
    assert (answered.status_code, answered.text) == (404, "no_active_hooks")
    assert await views(service) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"type": "home"}, "/view/type"),
        ({"title": {"type": "plain_text", "text": "x" * 25}}, "/view/title/text"),
        ({"private_metadata": "x" * 3001}, "/view/private_metadata"),
        ({"blocks": [section("-")] * 101}, "/view/blocks"),
        ({"blocks": [{"type": "table"}]}, "/view/blocks/0/type"),
    ],
)
async def test_a_form_that_slack_would_not_open_is_refused(
    service: Service, change: dict[str, object], told: str
) -> None:
    await click(service, await posted(service, ACTIONS))

    answer = await call(service, "views.open", trigger_id=service.pressed[-1].trigger, view={**FORM, **change})

    assert answer["error"] == "invalid_arguments"
    assert told in str(answer["response_metadata"]["messages"])


async def test_a_form_is_submitted_as_slack_tells_it_and_stays_while_something_is_wrong(service: Service) -> None:
    await open_form(service)
    service.says = {"response_action": "errors", "errors": {"typed": "Say more."}}
    refused = await face(service, "submit", user="approver", values={"typed": "No"})
    wrong = [view["errors"] for view in await views(service)]
    service.says = {}
    taken = await face(service, "submit", user="approver", values={"typed": {"typed": "Too dear"}})
    gone = await face(service, "submit", user="approver", values={"typed": "Too dear"})

    assert (refused.json()["status"], wrong) == (200, [{"typed": "Say more."}])
    assert (taken.json()["status"], await views(service), gone.status_code) == (200, [], 404)
    told = service.pressed[-1]
    assert (told.kind, told.action, told.value, told.text) == (
        InteractionKind.SUBMITTED, "reject", "apr_01:1", "Too dear",
    )  # fmt: skip


@pytest.mark.parametrize(
    "answer", [{"response_action": "errors"}, {"response_action": "errors", "errors": ["typed"]}, {"ok": True}]
)
async def test_a_form_stays_where_what_was_answered_is_no_answer_to_one(
    service: Service, answer: dict[str, object]
) -> None:
    await open_form(service)
    service.says = answer

    await face(service, "submit", user="approver", values={"typed": "Too dear"})

    assert [view["errors"] for view in await views(service)] == [{"": "We had some trouble connecting. Try again?"}]


async def test_a_home_is_shown_and_its_buttons_are_pressed(service: Service) -> None:
    opened = await face(service, "home", user="approver")
    published = await call(service, "views.publish", user_id=APPROVER, view=HOME)
    await call(service, "views.publish", user_id=APPROVER, view=HOME)

    pressed = await click(service, "")

    assert opened.json()["status"] == 200
    assert published["ok"]
    assert [view["home"] for view in await views(service)] == [True]
    assert [each.kind for each in service.pressed] == [InteractionKind.HOME, InteractionKind.PRESSED]
    assert pressed.status_code == 200
    assert (service.pressed[-1].message, service.pressed[-1].reply_to) == (None, None)


async def test_a_command_is_told_and_answered_to_whoever_typed_it(service: Service) -> None:
    service.says = {"text": "1,000 credits"}

    answer = await face(service, "command", user="approver", channel=APPROVALS, text="balance")

    (told,) = service.pressed
    (shown,) = await listed(service)
    assert answer.json()["status"] == 200
    assert (told.kind, told.text, told.channel) == (InteractionKind.COMMAND, "balance", APPROVALS)
    assert (shown["text"], shown["user"], shown["channel"]) == ("1,000 credits", APPROVER, APPROVALS)


async def test_an_answer_to_a_command_that_slack_would_not_show_is_told_to_whoever_tests(service: Service) -> None:
    service.says = {"blocks": [{"type": "table"}]}

    answer = await face(service, "command", user="approver", channel=APPROVALS, text="balance")

    assert answer.status_code == 502
    assert "/credits failed with the error invalid_blocks" in answer.json()["error"]["message"]
    assert await listed(service) == []


@pytest.mark.parametrize(
    ("wanted", "texts"),
    [
        ({"replace_original": True}, ["answer"]),
        ({"replace_original": False}, ["asked", "answer"]),
        ({"response_type": "in_channel"}, ["asked", "answer"]),
    ],
)
async def test_an_answer_stands_in_place_of_what_was_pressed_where_it_says_so(
    service: Service, wanted: dict[str, object], texts: list[str]
) -> None:
    answered = await call(
        service, "chat.postEphemeral", channel=APPROVALS, user=APPROVER, text="asked", blocks=[ACTIONS]
    )
    await click(service, answered["message_ts"])

    await service.http.post(service.pressed[-1].reply_to or "", json={"text": "answer", **wanted})

    found = await listed(service)
    assert [each["text"] for each in found] == texts
    assert found[-1]["user"] == (None if "response_type" in wanted else APPROVER)


async def test_who_pressed_is_answered_five_times_at_the_address_that_came_with_it(service: Service) -> None:
    await click(service, await posted(service, ACTIONS))
    reply_to = service.pressed[-1].reply_to or ""

    answers = [await service.http.post(reply_to, json={"text": f"answer {number}"}) for number in range(6)]

    assert [each.status_code for each in answers] == [200] * 5 + [404]
    assert [each["user"] for each in await listed(service)][1:] == [APPROVER] * 5


async def test_replies_are_read_with_what_they_answer(service: Service) -> None:
    ts = await posted(service, text="asked")
    reply = await call(service, "chat.postMessage", channel=APPROVALS, text="approved", thread_ts=ts)
    nowhere = await call(service, "chat.postMessage", channel=APPROVALS, text="-", thread_ts="1.000001")
    elsewhere = await call(service, "chat.postMessage", channel="#credits", text="-", thread_ts=ts)

    thread = await call(service, "conversations.replies", channel=APPROVALS, ts=ts)
    history = await call(service, "conversations.history", channel=APPROVALS)

    assert reply["message"]["thread_ts"] == ts
    assert [each["error"] for each in (nowhere, elsewhere)] == ["thread_not_found"] * 2
    assert [each["text"] for each in thread["messages"]] == ["asked", "approved"]
    assert [each["text"] for each in history["messages"]] == ["asked"]


@pytest.mark.parametrize(
    ("gone", "word", "read"),
    [
        ("archived", "is_archived", None),
        ("left", "not_in_channel", "not_in_channel"),
        ("deleted", "channel_not_found", "channel_not_found"),
    ],
)
async def test_a_channel_that_is_gone_takes_nothing_until_it_is_back(
    service: Service, gone: str, word: str, read: str | None
) -> None:
    await face(service, "state", channel="#approvals", gone=gone)
    refused = await call(service, "chat.postMessage", channel="#approvals", text="-")
    history = await call(service, "conversations.history", channel=APPROVALS)
    await face(service, "state", channel="#approvals", gone=None)

    assert (refused["error"], history.get("error")) == (word, read)
    assert (await call(service, "chat.postMessage", channel="#approvals", text="-"))["ok"]


async def test_a_person_who_has_left_cannot_be_written_to(service: Service) -> None:
    await face(service, "state", user="approver", deactivated=True)

    opened = await call(service, "conversations.open", users=APPROVER)
    person = await call(service, "users.info", user=APPROVER)

    assert opened["error"] == "user_disabled"
    assert person["user"]["deleted"] is True


async def test_a_workspace_that_took_the_app_out_tells_so_and_takes_nothing(service: Service) -> None:
    await face(service, "state", team="T0SANDBOX1", installed=False)

    refused = await call(service, "chat.postMessage", channel=APPROVALS, text="-")

    assert refused["error"] == "account_inactive"
    assert [each.kind for each in service.pressed] == [InteractionKind.REMOVED] * 2


async def test_a_token_that_was_revoked_is_good_for_nothing_until_the_app_is_there_again(service: Service) -> None:
    await face(service, "state", team="T0SANDBOX1", revoked=True)
    refused = await call(service, "users.info", user=APPROVER)
    await face(service, "state", team="T0SANDBOX1", installed=True)

    assert refused["error"] == "token_revoked"
    assert service.pressed == []
    assert (await call(service, "users.info", user=APPROVER))["ok"]


async def test_a_token_opens_its_own_workspace_only(service: Service) -> None:
    lumen = LUMEN.token

    at_home = await call(service, "chat.postMessage", token=lumen, channel="#general", text="-")
    elsewhere = await call(service, "chat.postMessage", token=lumen, channel=APPROVALS, text="-")
    person = await call(service, "users.info", token=lumen, user=APPROVER)

    assert at_home["ok"]
    assert (elsewhere["error"], person["error"]) == ("channel_not_found", "user_not_found")
