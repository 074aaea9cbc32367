"""Addresses of the sandbox's Slack: its Web API as the SDK calls it, and faces for tests; the pages are beside.

The API refuses as Slack does, the tests' face as the rest of the sandbox, the page on a page.
"""

import re
from dataclasses import asdict
from typing import cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from app.sandbox import (
    slack_api,
    slack_faults,
    slack_messages,
    slack_people,
    slack_troubles,
    slack_views,
)
from app.sandbox.answers import refuse, refuse_address
from app.sandbox.bodies import read_form, read_json, read_object
from app.sandbox.errors import ApiError
from app.sandbox.fields import field
from app.sandbox.models import SlackMessage, SlackView
from app.sandbox.objects import JsonObject
from app.sandbox.slack import Press, SlackSandbox, answered
from app.sandbox.slack_faults import Fault
from app.sandbox.slack_page_routes import page_routes
from app.sandbox.slack_people import CHANNELS, PEOPLE, Person
from app.sandbox.slack_views import Use

_CLICK = ("ts", "action_id", "user", "value", "channel", "team_id", "enterprise_id", "force", "deliveries")
_TROUBLE = ("channel", "gone", "user", "deactivated", "team", "installed", "revoked")
_FAULT = ("method", "next", "status", "retry_after_s", "after")
_USER_ID = re.compile("[UW][A-Z0-9]{8,10}")
_DELIVERIES_LIMIT, _FAULTS_LIMIT, _WAIT_LIMIT_S = 20, 1000, 3600
_STATUSES = (0, 429, *range(500, 600))
_LISTED = 1000


def slack_routes(slack: SlackSandbox) -> Mount:
    """Everything under `/sandbox/slack`: to stand before what is mounted under `/sandbox`. Whoever mounts it closes
    the sandbox."""
    app = Starlette(
        routes=[
            *page_routes(),
            Route("/api/{method}", _call, methods=["GET", "POST"]),
            Route("/messages", _list, methods=["GET"]),
            Route("/click", _click, methods=["POST"]),
            Route("/submit", _submit, methods=["POST"]),
            Route("/command", _command, methods=["POST"]),
            Route("/home", _home, methods=["POST"]),
            Route("/views", _views, methods=["GET"]),
            Route("/response/{ticket}", _respond, methods=["POST"]),
            Route("/faults", _order_faults, methods=["POST"]),
            Route("/state", _order_trouble, methods=["POST"]),
        ],
        exception_handlers={ApiError: refuse, HTTPException: refuse_address},
    )
    app.state.slack = slack
    return Mount("/sandbox/slack", app=app)


async def _call(request: Request) -> Response:
    method = request.path_params["method"]
    fault = await slack_faults.take(method) if method in slack_api.METHODS else None
    if fault and not fault.after:
        return fault.answer
    body = await _answer(request, method)
    return fault.answer if fault else JSONResponse(body)


async def _answer(request: Request, method: str) -> JsonObject:
    is_json = request.headers.get("Content-Type", "").startswith("application/json")
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    try:
        body = await (read_object(request) if is_json else read_form(request))
    except ApiError:
        return {"ok": False, "error": "invalid_json" if is_json else "invalid_form_data"}
    return await slack_api.answer(method, token, {**request.query_params, **body})


async def _list(request: Request) -> Response:
    named = request.query_params.get("channel")
    channel = _conversation(named) if named else None
    return JSONResponse([_listed(message) for message in await slack_messages.latest(channel, limit=_LISTED)])


def _listed(message: SlackMessage) -> JsonObject:
    return {
        "ts": message.ts,
        "channel": message.channel,
        "text": message.text,
        "blocks": message.blocks,
        "edited": message.edited_ts is not None,
        "metadata": message.metadata,
        "user": message.only_for,
        "thread": message.thread_ts,
    }


def _conversation(name: str) -> str:
    found = slack_people.conversation(name)
    if found is None:
        there = ", ".join([*CHANNELS, *(f"#{name}" for name in CHANNELS.values()), "D… of a person"])
        raise ApiError(404, f"There is no channel {name!r} here. There are: {there}.", param="channel")
    return found


async def _click(request: Request) -> Response:
    fields = await read_json(request, allowed=_CLICK)
    answers = await _slack(request).press(_pressed(fields))
    return JSONResponse({**asdict(answers[0]), "answers": [asdict(answer) for answer in answers]})


def _pressed(fields: JsonObject) -> Press:
    deliveries = field(fields, "deliveries", int, 1)
    if not 1 <= deliveries <= _DELIVERIES_LIMIT:
        raise ApiError(400, f"deliveries wants a whole number from 1 to {_DELIVERIES_LIMIT}.", param="deliveries")
    channel = field(fields, "channel", str, "")
    return Press(
        ts=field(fields, "ts", str),
        action_id=field(fields, "action_id", str),
        user_id=_user_id(field(fields, "user", str)),
        value=field(fields, "value", str) if fields.get("value") is not None else None,
        channel=_conversation(channel) if channel else None,
        team_id=field(fields, "team_id", str, slack_people.TEAM_ID),
        enterprise_id=field(fields, "enterprise_id", str, "") or None,
        force=field(fields, "force", bool, default=False),
        deliveries=deliveries,
    )


def _user_id(user: str) -> str:
    """Of somebody here, or of somebody of another workspace, whose id only has to look like one."""
    person = slack_people.person(user)
    if person is None and not _USER_ID.fullmatch(user):
        there = ", ".join(person.name for person in PEOPLE.values())
        raise ApiError(404, f"There is nobody called {user!r} here. There are: {there}.", param="user")
    return person.id if person else user


def _person(name: str) -> Person:
    found = slack_people.person(name)
    if found is None:
        there = ", ".join(person.name for person in PEOPLE.values())
        raise ApiError(404, f"There is nobody called {name!r} here. There are: {there}.", param="user")
    return found


async def _submit(request: Request) -> Response:
    fields = await read_json(request, allowed=("user", "values", "view_id"))
    values, view_id = fields.get("values"), field(fields, "view_id", str, "") or None
    if not isinstance(values, dict):
        raise ApiError(400, "values is an object: what is typed, by the action's or the block's id.", param="values")
    answer = await _slack(request).submit(_person(field(fields, "user", str)).id, values, view_id=view_id)
    return JSONResponse(asdict(answer))


async def _command(request: Request) -> Response:
    fields = await read_json(request, allowed=("user", "channel", "text", "command"))
    person = _person(field(fields, "user", str))
    channel = _conversation(field(fields, "channel", str, person.direct_id))
    answer = await _slack(request).command(
        person.id, channel, field(fields, "text", str, ""), command=field(fields, "command", str, "/credits")
    )
    return JSONResponse(asdict(answer))


async def _home(request: Request) -> Response:
    fields = await read_json(request, allowed=("user",))
    answer = await _slack(request).open_home(_person(field(fields, "user", str)).id)
    return JSONResponse(asdict(answer))


async def _views(request: Request) -> Response:
    user = request.query_params.get("user")
    found = SlackView.filter(user=_person(user).id) if user else SlackView.all()
    shown = [
        {"id": row.id, "user": row.user, "home": row.home, "view": row.view, "errors": row.errors}
        for row in await found.order_by("opened_at")
    ]
    return JSONResponse(shown)


async def _respond(request: Request) -> Response:
    """What the service answers at an address that came with a press or a command."""
    ticket = await slack_views.use(request.path_params["ticket"], Use.ADDRESS)
    if isinstance(ticket, str) or ticket.channel is None:
        return PlainTextResponse("no_active_hooks" if ticket == "unknown" else "expired_url", 404)
    try:
        body = await read_object(request)
        await answered(body, channel=ticket.channel, user=ticket.user, instead_of=ticket.message_ts)
    except (ApiError, slack_api.SlackError) as error:
        return PlainTextResponse(f"invalid_payload: {error}", 400)
    return PlainTextResponse("ok")


async def _order_trouble(request: Request) -> Response:
    fields = await read_json(request, allowed=_TROUBLE)
    if "team" in fields:
        await _trouble_team(request, fields)
    elif "user" in fields:
        person = _person(field(fields, "user", str))
        await _set(person.id, slack_troubles.DEACTIVATED if field(fields, "deactivated", bool) else None)
    else:
        gone = field(fields, "gone", str, "")
        if gone and gone not in slack_troubles.CHANNELS:
            raise ApiError(400, f"gone is one of {', '.join(slack_troubles.CHANNELS)}, or null.", param="gone")
        await _set(_conversation(field(fields, "channel", str)), slack_troubles.CHANNELS.get(gone))
    return JSONResponse(await slack_troubles.words())


async def _trouble_team(request: Request, fields: JsonObject) -> None:
    team = slack_people.TEAMS.get(field(fields, "team", str))
    if team is None:
        raise ApiError(404, f"There is no such workspace. There are: {', '.join(slack_people.TEAMS)}.", param="team")
    if field(fields, "revoked", bool, default=False):
        await _set(team.id, slack_troubles.REVOKED)
        return
    installed = field(fields, "installed", bool)
    await _set(team.id, None if installed else slack_troubles.UNINSTALLED)
    if not installed:
        slack = _slack(request)
        await slack.event(team, {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": [slack_people.BOT_USER_ID]}})
        await slack.event(team, {"type": "app_uninstalled"})


async def _set(about: str, word: str | None) -> None:
    await (slack_troubles.order(about, word) if word else slack_troubles.clear(about))


async def _order_faults(request: Request) -> Response:
    fields = await read_json(request, allowed=_FAULT)
    method, times = field(fields, "method", str), field(fields, "next", int, 1)
    fault = Fault(
        status=field(fields, "status", int, 500),
        retry_after_s=field(fields, "retry_after_s", int, 1),
        after=field(fields, "after", bool, default=False),
    )
    _check(method, times, fault)
    await slack_faults.order(method, fault, times=times)
    return JSONResponse({"method": method, "next": times, **asdict(fault)})


def _check(method: str, times: int, fault: Fault) -> None:
    if method not in slack_api.METHODS:
        raise ApiError(404, f"There is no {method!r} here. There are: {', '.join(slack_api.METHODS)}.", param="method")
    if not 0 <= times <= _FAULTS_LIMIT or not 0 <= fault.retry_after_s <= _WAIT_LIMIT_S:
        raise ApiError(400, f"next goes from 0 to {_FAULTS_LIMIT}, retry_after_s from 0 to {_WAIT_LIMIT_S}.")
    if fault.status not in _STATUSES:
        raise ApiError(400, "status is 429, 500 to 599, or 0 for no answer at all.", param="status")


def _slack(request: Request) -> SlackSandbox:
    return cast(SlackSandbox, request.app.state.slack)
