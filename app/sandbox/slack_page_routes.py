"""The pages of the sandbox's Slack: what is looked at, as whom, and what is pressed, typed and submitted there."""

from collections.abc import Mapping
from typing import cast
from urllib.parse import parse_qs, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from app.sandbox import slack_messages, slack_pages, slack_people, slack_views
from app.sandbox.answers import as_page
from app.sandbox.bodies import read_form
from app.sandbox.errors import ApiError
from app.sandbox.slack import Answer, Press, SlackSandbox
from app.sandbox.slack_api import CLIENT_ID
from app.sandbox.slack_pages import HOME, View, address
from app.sandbox.slack_people import PEOPLE, TEAMS, Person

_SHOWN = 200
_ANSWER_WITHIN_MS = 3000


def page_routes() -> list[Route]:
    """What a browser opens and sends."""
    return [
        Route("/", _page, methods=["GET"]),
        Route("/press", _press, methods=["POST"]),
        Route("/type", _type, methods=["POST"]),
        Route("/open-home", _open_home, methods=["POST"]),
        Route("/submit-form", _submit, methods=["POST"]),
        Route("/oauth/v2/authorize", _authorize, methods=["GET"]),
        Route("/oauth/v2/authorize", _allow, methods=["POST"]),
    ]


@as_page
async def _page(request: Request) -> Response:
    query = request.query_params
    actor = _actor(query.get("as", ""))
    channel = query.get("channel") or next(iter(TEAMS[actor.team_id].channels))
    actor = slack_people.partner(channel) or actor
    team = TEAMS[actor.team_id]
    if channel != HOME and slack_people.conversation(channel, team) is None:
        raise ApiError(404, f"There is no conversation {channel!r} in {team.name}. Choose one beside.")
    written = await slack_messages.conversations()
    messages = [] if channel == HOME else await slack_messages.latest(channel, limit=_SHOWN)
    roots, replies = slack_pages.threads(each for each in messages if each.only_for in (None, actor.id))
    shown = View(
        team=team,
        channel=channel,
        actor=actor,
        messages=roots,
        replies=replies,
        directs=[person for person in team.people if person.direct_id in written or person == actor],
        modal=await slack_views.modal_of(actor.id),
        home=await slack_views.home_of(actor.id) if channel == HOME else None,
        answer=_told(query.get("status", ""), query.get("took_ms", "")),
    )
    return slack_pages.slack_page(shown)


def _actor(name: str) -> Person:
    return slack_people.person(name) or PEOPLE[slack_people.SLACK_IDS["approver"]]


def _told(status: str, took_ms: str) -> tuple[str, bool] | None:
    if not status or not took_ms.isdecimal():
        return None
    if not status.isdecimal() or int(took_ms) > _ANSWER_WITHIN_MS:
        return f"The service did not answer within three seconds ({took_ms} ms): Slack warns of that.", False
    return f"The service answered {status}, after {took_ms} ms.", status == "200"


@as_page
async def _press(request: Request) -> Response:
    form = await read_form(request)
    chosen = parse_qs(form.get("button", ""))
    actor, value = _actor(form.get("as", "")), chosen.get("value", [None])[0]
    action_id = chosen.get("action_id", [""])[0]
    # With force: a screen may show what has been edited since, and Slack sends that press as well.
    (answer,) = await _slack(request).press(
        Press(
            ts=form.get("ts", ""),
            action_id=action_id,
            user_id=actor.id,
            value=value,
            team_id=actor.team_id,
            force=True,
        )
    )
    return _back(form, actor, answer)


@as_page
async def _type(request: Request) -> Response:
    form = await read_form(request)
    actor = _actor(form.get("as", ""))
    command, _, text = form.get("text", "").strip().partition(" ")
    channel = form.get("channel", "")
    if not command.startswith("/") or slack_people.conversation(channel) is None:
        raise ApiError(400, "Only commands can be typed here, such as /credits help.")
    return _back(form, actor, await _slack(request).command(actor.id, channel, text, command=command))


@as_page
async def _open_home(request: Request) -> Response:
    form = await read_form(request)
    actor = _actor(form.get("as", ""))
    return _back({**form, "channel": HOME}, actor, await _slack(request).open_home(actor.id))


@as_page
async def _submit(request: Request) -> Response:
    form = await read_form(request)
    actor, view_id = _actor(form.get("as", "")), form.get("view_id", "")
    if form.get("close"):
        if modal := await slack_views.modal_of(actor.id, view_id):
            await modal.delete()
        return RedirectResponse(address(form.get("channel", ""), actor), 303)
    typed = {name.removeprefix("typed-"): text for name, text in form.items() if name.startswith("typed-")}
    answer = await _slack(request).submit(actor.id, typed, view_id=view_id)
    if answer.status is None:
        return RedirectResponse(address(form.get("channel", ""), actor), 303)  # the form tells why
    return _back(form, actor, answer)


def _back(form: dict[str, str], actor: Person, answer: Answer) -> Response:
    told = {"status": answer.status or "none", "took_ms": answer.took_ms}
    return RedirectResponse(address(form.get("channel", ""), actor, **told), 303)


@as_page
async def _authorize(request: Request) -> Response:
    """https://docs.slack.dev/authentication/installing-with-oauth"""
    query = request.query_params
    if query.get("client_id") != CLIENT_ID:
        raise ApiError(400, f"invalid_client_id: this Slack knows the client id {CLIENT_ID} only.")
    _way_back(query)
    people = [person for team in reversed(TEAMS.values()) for person in team.people]
    return slack_pages.authorize_page(people, {name: query.get(name, "") for name in ("redirect_uri", "state")})


@as_page
async def _allow(request: Request) -> Response:
    form = await read_form(request)
    answer = {"state": form.get("state", "")}
    if form.get("allow"):
        answer["code"] = await slack_views.code(_actor(form.get("user", "")).id)
    else:
        answer["error"] = "access_denied"
    uri = _way_back(form)
    return RedirectResponse(f"{uri}{'&' if '?' in uri else '?'}{urlencode(answer)}", 303)


def _way_back(fields: Mapping[str, str]) -> str:
    uri = fields.get("redirect_uri", "")
    if not uri.startswith(("http://", "https://")):
        raise ApiError(400, "bad_redirect_uri: redirect_uri is an address that begins with http:// or https://.")
    return uri


def _slack(request: Request) -> SlackSandbox:
    return cast(SlackSandbox, request.app.state.slack)
