"""What Slack tells: presses, forms, commands and events.

https://docs.slack.dev/interactivity/handling-user-interaction, https://docs.slack.dev/interactivity/implementing-slash-commands
and https://docs.slack.dev/apis/events-api. The signature was right when this reads it; the shape is nobody's promise
all the same.
"""

import json
import re
from collections.abc import Mapping
from urllib.parse import parse_qs

from credits.gateways.chat import Interaction, InteractionKind, MessageRef

# What reading raises of something that is not shaped as Slack shapes it.
MISSHAPEN = (AttributeError, KeyError, TypeError, ValueError)
# No text that the database could keep.
_UNKEPT = re.compile("[\x00\ud800-\udfff]")


def is_certificate_check(body: bytes) -> bool:
    """Slack only looks whether the address answers, with a certificate that is good; it may not sign that."""
    return b"ssl_check" in body and parse_qs(body).get(b"ssl_check") == [b"1"]


def interaction_in(body: str) -> Interaction | None:
    """What somebody did; None for what needs no work. Raises ValueError for a body that is nothing that Slack sends."""
    form = {} if body.startswith("{") else _form(body)
    try:
        if "command" in form:
            return _command(form)
        payload = _payload(form["payload"] if form else body)
        match payload.get("type"):
            case "block_actions":
                return _press(payload)
            case "view_submission":
                return _submission(payload)
            case "event_callback":
                return _event(payload)
            case _:
                return None
    except MISSHAPEN as error:
        raise ValueError(f"This is not shaped as Slack shapes it ({error}).") from error


def _form(body: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(body, keep_blank_values=True).items()}


def _payload(text: str) -> Mapping[str, object]:
    try:
        payload = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError("the payload is no JSON") from error
    if not isinstance(payload, dict):
        raise TypeError("the payload is no JSON object")
    return payload


def _command(form: Mapping[str, str]) -> Interaction:
    enterprise, team_id, user_id = form.get("enterprise_id"), text_of(form, "team_id"), text_of(form, "user_id")
    if enterprise and form.get("is_enterprise_install") == "true":
        team_id = enterprise
    trigger = text_of(form, "trigger_id")
    return Interaction(
        key="|".join((team_id, user_id, trigger)),
        kind=InteractionKind.COMMAND,
        team_id=team_id,
        org=enterprise or team_id,
        user_id=user_id,
        text=text_of({"text": "", **form}, "text"),
        channel=text_of(form, "channel_id"),
        trigger=trigger,
        reply_to=form.get("response_url"),
    )


def _press(payload: Mapping[str, object]) -> Interaction:
    (team_id, org), user_id = _where(payload), text_of(payload["user"], "id")
    actions = payload["actions"]
    if not isinstance(actions, list) or not actions:
        raise TypeError("no actions")
    action_id = text_of(actions[0], "action_id")
    container = payload["container"]
    message = (
        MessageRef(text_of(container, "channel_id"), text_of(container, "message_ts"))
        if isinstance(container, Mapping) and container.get("type") == "message"
        else None
    )
    return Interaction(
        key="|".join((team_id, text_of(actions[0], "action_ts"), user_id, action_id)),
        kind=InteractionKind.PRESSED,
        team_id=team_id,
        org=org,
        user_id=user_id,
        action=action_id,
        value=text_of({"value": "", **actions[0]}, "value"),
        channel=message.channel if message else None,
        message=message,
        trigger=_optional(payload, "trigger_id"),
        reply_to=_optional(payload, "response_url"),
    )


def _submission(payload: Mapping[str, object]) -> Interaction:
    (team_id, org), user_id, view = _where(payload), text_of(payload["user"], "id"), payload["view"]
    if not isinstance(view, Mapping):
        raise TypeError("no view")
    kept = _payload(text_of(view, "private_metadata"))
    return Interaction(
        key="|".join((team_id, user_id, text_of(view, "id"))),
        kind=InteractionKind.SUBMITTED,
        team_id=team_id,
        org=org,
        user_id=user_id,
        action=text_of(view, "callback_id"),
        value=text_of(kept, "value"),
        channel=_optional(kept, "channel"),
        text=_typed(view["state"]),
    )


def _event(payload: Mapping[str, object]) -> Interaction | None:
    event, event_id = payload["event"], text_of(payload, "event_id")
    if not isinstance(event, Mapping):
        raise TypeError("no event")
    org = _optional(payload, "enterprise_id") or text_of(payload, "team_id")
    installed = payload.get("authorizations")
    for_enterprise = isinstance(installed, list) and any(each.get("is_enterprise_install") for each in installed)
    team_id = org if for_enterprise else text_of(payload, "team_id")
    if event.get("type") == "app_uninstalled" or (event.get("type") == "tokens_revoked" and event["tokens"].get("bot")):
        return Interaction(key=event_id, kind=InteractionKind.REMOVED, team_id=team_id, org=org, user_id="")
    if event.get("type") == "app_home_opened" and event.get("tab") == "home":
        user_id = text_of(event, "user")
        return Interaction(key=event_id, kind=InteractionKind.HOME, team_id=team_id, org=org, user_id=user_id)
    return None


def _where(payload: Mapping[str, object]) -> tuple[str, str]:
    """As what the app is installed, and where people are from: in an enterprise they are the enterprise's, whichever of
    its workspaces they are in."""
    org = text_of(payload.get("enterprise") or payload["team"], "id")
    return org if payload.get("is_enterprise_install") else text_of(payload["team"], "id"), org


def _optional(payload: Mapping[str, object], name: str) -> str | None:
    return text_of(payload, name) if payload.get(name) else None


def _typed(state: object) -> str | None:
    """What was typed into the first text input that is not empty."""
    if not isinstance(state, Mapping):
        return None
    inputs = [each for block in state.get("values", {}).values() for each in block.values()]
    typed = (text_of(each, "value") for each in inputs if each["type"] == "plain_text_input" and each.get("value"))
    return next(typed, None)


def text_of(found: object, name: str) -> str:
    """The text of that name in an answer or payload; anything else is misshapen."""
    if not isinstance(found, Mapping) or not isinstance(text := found[name], str) or _UNKEPT.search(text):
        raise TypeError(f"no {name}")
    return text
