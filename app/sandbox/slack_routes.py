"""Addresses of the sandbox's Slack: its Web API as the SDK calls it, a face for tests, and the page.

The API refuses as Slack does, the tests' face as the rest of the sandbox, the page on a page.
"""

import re
from dataclasses import asdict
from typing import cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route

from app.sandbox import slack_api, slack_faults, slack_messages, slack_pages, slack_people
from app.sandbox.answers import as_page, refuse, refuse_address
from app.sandbox.bodies import read_form, read_json, read_object
from app.sandbox.errors import ApiError
from app.sandbox.fields import field
from app.sandbox.models import SlackMessage
from app.sandbox.objects import JsonObject
from app.sandbox.slack import ButtonGone, Press, SlackSandbox
from app.sandbox.slack_faults import Fault
from app.sandbox.slack_people import CHANNELS, PEOPLE, Person

_CLICK = ("ts", "action_id", "user", "value", "reason", "channel", "team_id", "enterprise_id", "force", "deliveries")
_FAULT = ("method", "next", "status", "retry_after_s", "after")
_USER_ID = re.compile("[UW][A-Z0-9]{8,10}")
_DELIVERIES_LIMIT, _FAULTS_LIMIT, _WAIT_LIMIT_S = 20, 1000, 3600
_STATUSES = (0, 429, *range(500, 600))
_LISTED, _SHOWN = 1000, 100


def slack_routes(slack: SlackSandbox) -> Mount:
    """Everything under `/sandbox/slack`: to stand before what is mounted under `/sandbox`. Whoever mounts it closes
    the sandbox."""
    app = Starlette(
        routes=[
            Route("/", _page, methods=["GET"]),
            Route("/press", _press_on_page, methods=["POST"]),
            Route("/api/{method}", _call, methods=["GET", "POST"]),
            Route("/messages", _list, methods=["GET"]),
            Route("/click", _click, methods=["POST"]),
            Route("/faults", _order_faults, methods=["POST"]),
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
        reason=field(fields, "reason", str, "") or None,
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


@as_page
async def _page(request: Request) -> Response:
    query = request.query_params
    channel = _conversation(query.get("channel") or next(iter(CHANNELS)))
    actor = slack_people.partner(channel) or _actor(query.get("as", ""))
    written = await slack_messages.conversations()
    directs = [person for person in PEOPLE.values() if person.direct_id in written or person == actor]
    return slack_pages.slack_page(
        slack_pages.View(
            channel=channel,
            actor=actor,
            messages=await slack_messages.latest(channel, limit=_SHOWN),
            directs=directs,
            answer=_told(query.get("status", ""), query.get("took_ms", "")),
        )
    )


def _actor(name: str) -> Person:
    return slack_people.person(name) or slack_people.PEOPLE[slack_people.SLACK_IDS["approver"]]


def _told(status: str, took_ms: str) -> tuple[str, bool] | None:
    if not status or not took_ms.isdecimal():
        return None
    if not status.isdecimal():
        return f"The service did not answer to the press ({took_ms} ms).", False
    return f"The service answered {status} to the press, after {took_ms} ms.", status == "200"


@as_page
async def _press_on_page(request: Request) -> Response:
    form = await read_form(request)
    actor = _actor(form.get("as", ""))
    press = Press(
        ts=form.get("ts", ""),
        action_id=form.get("action_id", ""),
        user_id=actor.id,
        reason=form.get("reason") or None,
    )
    channel = _conversation(form.get("channel", ""))
    try:
        (answer,) = await _slack(request).press(press)
    except ButtonGone:
        return RedirectResponse(slack_pages.address(channel, actor), 303)  # the message tells why
    told = {"status": answer.status or "none", "took_ms": answer.took_ms}
    return RedirectResponse(slack_pages.address(channel, actor, **told), 303)


def _slack(request: Request) -> SlackSandbox:
    return cast(SlackSandbox, request.app.state.slack)
