"""A press of a button as Slack tells it: https://docs.slack.dev/reference/interaction-payloads/block_actions-payload

The signature was right when this reads it; the shape is nobody's promise all the same.
"""

import json
import re
from collections.abc import Mapping
from urllib.parse import parse_qs

from credits.gateways import Interaction, MessageRef

# What reading raises of something that is not shaped as Slack shapes it.
MISSHAPEN = (AttributeError, KeyError, TypeError, ValueError)
# No text that the database could keep.
_UNKEPT = re.compile("[\x00\ud800-\udfff]")


def press_of(body: str) -> Interaction | None:
    """The press in a body; None for what is none. Raises ValueError for a body that is nothing that Slack sends."""
    payload = _payload(body)
    if payload is None or payload.get("type") != "block_actions":
        return None
    try:
        return _interaction(payload)
    except MISSHAPEN as error:
        raise ValueError("The payload is no press of a button.") from error


def _payload(body: str) -> Mapping[str, object] | None:
    """What Slack tells: in a form's `payload`, or as the body itself. None for its check of the address's certificate,
    which tells nothing."""
    form = {} if body.startswith("{") else parse_qs(body, keep_blank_values=True)
    if "ssl_check" in form:
        return None
    try:
        payload = json.loads(form["payload"][0] if form else body)
    except (ValueError, RecursionError) as error:
        raise ValueError("The payload is no JSON.") from error
    except KeyError as error:
        raise ValueError("The form has no payload.") from error
    if isinstance(payload, dict):
        return payload
    raise ValueError("The payload is no JSON object.")


def _interaction(payload: Mapping[str, object]) -> Interaction:
    # In an enterprise people are the enterprise's, whichever of its workspaces they press in.
    team_id = text_of(payload.get("enterprise") or payload["team"], "id")
    user_id = text_of(payload["user"], "id")
    actions = payload["actions"]
    if not isinstance(actions, list) or not actions:
        raise TypeError("no actions")
    action_id = text_of(actions[0], "action_id")
    return Interaction(
        key="|".join((team_id, text_of(actions[0], "action_ts"), user_id, action_id)),
        team_id=team_id,
        user_id=user_id,
        action=action_id,
        value=text_of({"value": "", **actions[0]}, "value"),
        message=MessageRef(text_of(payload["container"], "channel_id"), text_of(payload["container"], "message_ts")),
        reason=_typed(payload.get("state")),
    )


def _typed(state: object) -> str | None:
    """What was typed into the message's first text input that is not empty."""
    if not isinstance(state, dict):
        return None
    inputs = [each for block in state.get("values", {}).values() for each in block.values()]
    typed = (text_of(each, "value") for each in inputs if each["type"] == "plain_text_input" and each.get("value"))
    return next(typed, None)


def text_of(found: object, name: str) -> str:
    """The text of that name in an answer or payload; anything else is misshapen."""
    if not isinstance(found, Mapping) or not isinstance(text := found[name], str) or _UNKEPT.search(text):
        raise TypeError(f"no {name}")
    return text
