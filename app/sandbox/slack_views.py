"""Modals and homes of the sandbox's Slack, and what is handed out with what people do: triggers and addresses to answer
at. https://docs.slack.dev/surfaces/modals
"""

import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum

from tortoise.expressions import F
from tortoise.transactions import in_transaction

from app.sandbox.models import ID_LENGTH, SlackTicket, SlackView
from app.sandbox.objects import JsonObject
from app.sandbox.slack_blocks import length, problems, text_problems, with_ids

_TITLE, _METADATA, _BLOCKS, _CALLBACK = 24, 3000, 100, 255


class Use(Enum):
    """What a ticket is for: how its id begins, how often it is good, and for how many seconds."""

    TRIGGER = ("trigger", 1, 3)
    ADDRESS = ("answer", 5, 1800)
    CODE = ("code", 1, 600)


def view_problems(view: JsonObject, kind: str) -> list[str]:
    """What is wrong with the view, in Slack's words."""
    return list(_problems(view, kind))


def _problems(view: JsonObject, kind: str) -> Iterator[str]:
    if view.get("type") != kind:
        yield f"must be of type {kind} [json-pointer:/view/type]"
    yield from problems(view.get("blocks"), at="/view/blocks", most=_BLOCKS)
    for name, most in (("private_metadata", _METADATA), ("callback_id", _CALLBACK)):
        yield from length(view.get(name, ""), f"/view/{name}", most=most, least=0)
    if kind == "modal":
        yield from text_problems(view.get("title"), "/view/title", most=_TITLE, kinds=("plain_text",))
        for name in ("submit", "close"):
            if name in view:
                yield from text_problems(view[name], f"/view/{name}", most=_TITLE, kinds=("plain_text",))


async def open_modal(user: str, view: JsonObject) -> SlackView:
    """A modal before somebody, in front of those that are open."""
    return await _make(user, view, home=False)


async def publish(user: str, view: JsonObject) -> SlackView:
    """What the person's home shows from now on."""
    async with in_transaction("default") as connection:
        await connection.execute_query("SELECT pg_advisory_xact_lock(hashtext('sandbox home'), hashtext($1))", [user])
        await SlackView.filter(user=user, home=True).delete()
        return await _make(user, view, home=True)


async def _make(user: str, view: JsonObject, *, home: bool) -> SlackView:
    blocks = view["blocks"]
    assert isinstance(blocks, list)  # noqa: S101 for mypy: it was checked before
    return await SlackView.create(
        id=f"V{secrets.token_hex(5).upper()}",
        user=user,
        home=home,
        view={**view, "blocks": with_ids(blocks)},
        errors={},
        opened_at=_now(),
    )


async def modal_of(user: str, view_id: str | None = None) -> SlackView | None:
    """The modal in front of somebody, or the one with that id."""
    found = SlackView.filter(user=user, home=False)
    return await (found.filter(id=view_id) if view_id else found).order_by("-opened_at").first()


async def home_of(user: str) -> SlackView | None:
    """What the person's home shows, if the app has shown anything yet."""
    return await SlackView.filter(user=user, home=True).first()


def view_object(row: SlackView, team_id: str) -> JsonObject:
    """A view as Slack answers it."""
    return {"id": row.id, "team_id": team_id, "state": {"values": {}}, "hash": row.id, **row.view}


async def trigger(user: str) -> str:
    """Lets one form be opened before this person within three seconds."""
    return await _ticket(Use.TRIGGER, user)


async def address(user: str, channel: str, message_ts: str | None = None) -> str:
    """Lets this person be answered five times within half an hour."""
    return await _ticket(Use.ADDRESS, user, channel=channel, message_ts=message_ts)


async def code(user: str) -> str:
    """Stands for somebody who allowed the app to be installed."""
    return await _ticket(Use.CODE, user)


async def _ticket(what_for: Use, user: str, *, channel: str | None = None, message_ts: str | None = None) -> str:
    name, uses, seconds = what_for.value
    ticket = await SlackTicket.create(
        id=f"{name}-{secrets.token_hex(16)}",
        user=user,
        channel=channel,
        message_ts=message_ts,
        uses_left=uses,
        until=_now() + timedelta(seconds=seconds),
    )
    return ticket.id


async def use(ticket_id: str, what_for: Use) -> SlackTicket | str:
    """Use it once; the word for why not: `unknown`, `expired` or `used`."""
    found = await SlackTicket.get_or_none(id=ticket_id[:ID_LENGTH])
    if found is None or not ticket_id.startswith(f"{what_for.value[0]}-"):
        return "unknown"
    if found.until < _now():
        return "expired"
    taken = await SlackTicket.filter(id=found.id, uses_left__gt=0).update(uses_left=F("uses_left") - 1)
    return found if taken else "used"


def typed_into(view: Mapping[str, object], values: Mapping[str, object]) -> JsonObject:
    """What stands in the inputs, as `state.values`: each by its action's id, or within its block's."""
    blocks = view.get("blocks")
    found: JsonObject = {}
    for block in blocks if isinstance(blocks, list) else ():
        if block["type"] == "input":
            element = block["element"]
            given = values.get(element["action_id"], values.get(block["block_id"]))
            text = given.get(element["action_id"]) if isinstance(given, dict) else given
            found[block["block_id"]] = {element["action_id"]: {"type": element["type"], "value": text or None}}
    return found


def missing_from(view: Mapping[str, object], state: JsonObject) -> dict[str, str]:
    """What Slack itself says before it tells the service: by the block's id."""
    blocks = view.get("blocks")
    found = {}
    for block in blocks if isinstance(blocks, list) else ():
        if block["type"] == "input" and not block.get("optional"):
            typed = state[block["block_id"]]
            assert isinstance(typed, dict)  # noqa: S101 for mypy: made just before
            if not typed[block["element"]["action_id"]]["value"]:
                found[str(block["block_id"])] = "Please complete this required field."
    return found


def _now() -> datetime:
    return datetime.now(UTC)
