"""What Slack sends, by hand: presses, forms, commands and events as it shapes them, and its signature."""

import hashlib
import hmac
import json
import time
from typing import Any
from urllib.parse import urlencode

from app.sandbox.slack_people import SLACK_IDS, TEAM_ID
from tests.support.service import SLACK_SECRET

APPROVALS = "C0APPROVAL"


def pressed(
    action: str = "approve", value: str = "apr_01:1", by: str = "approver", **changes: object
) -> dict[str, Any]:
    """The payload of a press on a card in a channel, of a demo person or of whoever has that id."""
    payload: dict[str, Any] = {
        "type": "block_actions",
        "team": {"id": TEAM_ID, "domain": "sandbox"},
        "enterprise": None,
        "user": {"id": SLACK_IDS.get(by, by), "name": by, "team_id": TEAM_ID},
        "container": {"type": "message", "message_ts": "1.000001", "channel_id": APPROVALS},
        "trigger_id": "13345224609.738474920.8088930838d88f008e0",
        "response_url": "https://hooks.slack.com/actions/T0SANDBOX1/1/secret",
        "state": {"values": {}},
        "actions": [{"type": "button", "action_id": action, "value": value, "action_ts": f"{time.time():.6f}"}],
    }
    return payload | changes


def submitted(value: str = "apr_01:1", text: str | None = "Too dear", **changes: object) -> dict[str, Any]:
    """The payload of the form that Reject… opens."""
    payload: dict[str, Any] = {
        "type": "view_submission",
        "team": {"id": TEAM_ID, "domain": "sandbox"},
        "enterprise": None,
        "user": {"id": SLACK_IDS["approver"], "team_id": TEAM_ID},
        "view": {
            "id": "V0SANDBOX1",
            "callback_id": "reject",
            "private_metadata": json.dumps({"value": value, "channel": APPROVALS}),
            "state": {"values": {"typed": {"typed": {"type": "plain_text_input", "value": text}}}},
        },
    }
    return payload | changes


def command(text: str = "balance", **changes: str) -> dict[str, str]:
    """The fields of a slash command."""
    fields = {
        "command": "/credits",
        "text": text,
        "team_id": TEAM_ID,
        "channel_id": APPROVALS,
        "user_id": SLACK_IDS["approver"],
        "user_name": "approver",
        "trigger_id": f"{time.time_ns()}.738474920.8088930838d88f008e0",
        "response_url": "https://hooks.slack.com/commands/T0SANDBOX1/1/secret",
        "api_app_id": "A0SANDBOX1",
    }
    return fields | changes


def event(kind: str, *, event_id: str = "Ev0SANDBOX1", **fields: object) -> dict[str, Any]:
    """An event as the Events API wraps it."""
    return {
        "type": "event_callback",
        "team_id": TEAM_ID,
        "api_app_id": "A0SANDBOX1",
        "event_id": event_id,
        "event": {"type": kind, **fields},
        "authorizations": [{"team_id": TEAM_ID, "is_bot": True, "is_enterprise_install": False}],
    }


def form(payload: object) -> bytes:
    """As presses and forms come: JSON within a field."""
    return urlencode({"payload": json.dumps(payload)}).encode()


def json_body(told: object) -> bytes:
    """As events come."""
    return json.dumps(told).encode()


def signature(body: bytes, stamp: str, *, secret: str = SLACK_SECRET, prefix: str = "v0=") -> str:
    """As Slack signs the body at that second."""
    return prefix + hmac.new(secret.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()


def aged(seconds: int = 0) -> str:
    """The time stamp of so many seconds ago."""
    return str(int(time.time()) - seconds)


def signed(body: bytes, *, secret: str = SLACK_SECRET) -> dict[str, str]:
    """The headers of a body that Slack sends now."""
    stamp = aged()
    return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signature(body, stamp, secret=secret)}
