"""Presses of buttons in the sandbox's Slack, as the service is told of them, and faults on order."""

import asyncio

import httpx
import pytest

from credits.gateways.chat import MessageRef
from tests.app.sandbox.slack_calls import ACTIONS, APPROVALS, APPROVER, SLACK, call, click, listed, posted, section
from tests.app.service import SLACK_TOKEN, Service


async def test_a_press_tells_the_buttons_own_value_by_whom_and_where(service: Service) -> None:
    ts = await posted(service, section("-"), ACTIONS)

    answer = await click(service, ts)

    assert answer.json()["status"] == 200
    assert answer.json()["took_ms"] < 3000
    (press,) = service.pressed
    assert (press.action, press.value, press.user_id, press.team_id) == ("approve", "apr_01:1", APPROVER, "T0SANDBOX1")
    assert press.message == MessageRef(APPROVALS, ts)


async def test_a_press_can_come_from_anybody_of_anywhere(service: Service) -> None:
    ts = await posted(service, ACTIONS)

    await click(service, ts, user="U0STRANGER")
    await click(service, ts, user="W0ELSEWHERE", team_id="T0ANOTHER1")
    await click(service, ts, enterprise_id="E0ANOTHER1")

    assert [(press.user_id, press.org) for press in service.pressed] == [
        ("U0STRANGER", "T0SANDBOX1"),
        ("W0ELSEWHERE", "T0ANOTHER1"),
        (APPROVER, "E0ANOTHER1"),
    ]


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
        ({"ts": "1.000001"}, 404, "No message"),
        ({"ts": "x\0"}, 404, "No message"),
        ({"channel": "C0CREDITS1"}, 404, "No message"),
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
