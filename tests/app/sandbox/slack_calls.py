"""Calls of the sandbox's Slack as an SDK would send them, by hand, and blocks to post."""

import json
from typing import Any

import httpx

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


FORM: dict[str, Any] = {
    "type": "modal",
    "callback_id": "reject",
    "private_metadata": '{"value": "apr_01:1", "channel": null}',
    "title": {"type": "plain_text", "text": "Reject"},
    "blocks": [
        {
            "type": "input",
            "block_id": "typed",
            "label": {"type": "plain_text", "text": "Why?"},
            "element": {"type": "plain_text_input", "action_id": "typed", "multiline": True},
        }
    ],
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


async def open_form(service: Service) -> dict[str, Any]:
    """The approver presses a button, and a form opens."""
    ts = await posted(service, ACTIONS)
    assert (await click(service, ts, "reject")).status_code == 200
    return await call(service, "views.open", trigger_id=service.pressed[-1].trigger, view=FORM)


async def views(service: Service, user: str = APPROVER) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await service.http.get(f"{SLACK}/views", params={"user": user})).json()
    return found
