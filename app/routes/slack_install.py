"""`/slack/install`, `/slack/oauth/callback` and `/slack/link`: how a workspace is connected to an account, and a user
of Slack to a person.

The way to Slack and back is bound to the browser in which it was begun, so that nobody is led back on another's behalf:
https://docs.slack.dev/authentication/installing-with-oauth, and RFC 6749, section 10.12.
"""

import html
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import parse_qs

import structlog
from graphql import GraphQLError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from tortoise.transactions import in_transaction

from app.requests import body_of
from app.routes.page import page
from credits.access.service import Access, standing_of
from credits.accounts.models import Account, User
from credits.accounts.queries import account_places
from credits.accounts.rules import Action, may
from credits.actors import Actor, ActorKind
from credits.chat.linking import link_by_email, link_by_ticket
from credits.chat.messenger import Messenger
from credits.chat.tickets import INSTALL_VALID_FOR, BadTicket, Install, Tickets, use
from credits.chat.workspaces import connect
from credits.errors import CreditsError, Refusal, Unavailable
from credits.gateways.chat import Installed
from credits.gateways.errors import GatewayRefused, GatewayUnavailable

_COOKIE = "slack_install"
_BEGIN_ANEW = "Begin anew: choose “Add to Slack” in the settings of the account."
_FORM_BYTES = 16 * 1024
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackInstall:
    """The endpoints. With `demo_people` whoever opens the page to link a Slack user chooses who they are among those of
    the demonstration: only where Slack is played as well."""

    messenger: Messenger
    tickets: Tickets
    access: Access
    demo_people: bool

    def routes(self) -> list[Route]:
        """Where they are."""
        return [
            Route("/slack/install", _told(self.begin), methods=["GET"]),
            Route("/slack/oauth/callback", _told(self.come_back), methods=["GET"]),
            Route("/slack/link", _told(self.ask_who), methods=["GET"]),
            Route("/slack/link", _told(self.link), methods=["POST"]),
        ]

    async def begin(self, request: Request) -> Response:
        """To Slack, with the browser marked as that in which it was begun."""
        nonce = secrets.token_urlsafe(32)
        state = self.tickets.begun(request.query_params.get("state", ""), nonce)
        answer = RedirectResponse(self.messenger.chat.install_url(state=state), 303)
        answer.set_cookie(
            _COOKIE,
            nonce,
            max_age=int(INSTALL_VALID_FOR.total_seconds()),
            path="/slack",
            httponly=True,
            samesite="lax",
            secure=self.tickets.url.startswith("https://"),
        )
        answer.headers["referrer-policy"] = "no-referrer"
        return answer

    async def come_back(self, request: Request) -> Response:
        """From Slack, with a code or a no."""
        query = request.query_params
        install = self.tickets.come_back(query.get("state", ""), request.cookies.get(_COOKIE, ""))
        if "code" not in query:
            return page("Slack is not connected.", f"Slack says: {query.get('error', 'nothing')[:80]}. {_BEGIN_ANEW}")
        actor = Actor(kind=ActorKind.USER, id=install.user_id)
        if not await self._may(actor, install):
            text = "You may no longer connect Slack to this account. Ask one of its owners to do it."
            return page("Slack is not connected.", text, status=403)
        async with in_transaction() as connection:
            await use(connection, install)
        installed = await self.messenger.chat.installed(query["code"])
        await connect(self.messenger.workspaces, actor, install.account_id, installed)
        await self._link_by_email(installed)
        account = await Account.get(id=install.account_id)
        answer = page(
            f"Staging Credits is in {installed.name} now.",
            f"News of {account.name} goes there, to its owners one by one. For a channel instead, add the app to it "
            "and type /credits here in it. You can close this page.",
        )
        answer.delete_cookie(_COOKIE, path="/slack")
        return answer

    async def ask_who(self, request: Request) -> Response:
        """Who is it that shows the ticket?"""
        token = request.query_params.get("token", "")
        ticket = self.tickets.link(token)
        if not self.demo_people:
            _log.error("no_link_page", hint="Set SLACK_LINK_PAGE to the page on which people link their Slack user.")
            text = "The page on which you say who you are is not set up yet (SLACK_LINK_PAGE). Tell support."
            return page("Your Slack user cannot be linked here.", text, status=501)
        people = await User.filter(email__endswith="@demo.example").order_by("name")
        choice = "".join(f'<option value="{each.id}">{html.escape(each.name)}</option>' for each in people)
        form = (
            f'<form method="post"><input type="hidden" name="token" value="{html.escape(token)}">'
            f'<select name="person" aria-label="Who you are">{choice}</select> <button>Link</button></form>'
        )
        text = f"In the sandbox you choose. The Slack user {ticket.chat_user_id} is that person from now on."
        return page("Who are you?", text, form=form)

    async def link(self, request: Request) -> Response:
        """The sandbox's answer to that."""
        if not self.demo_people:
            return await self.ask_who(request)
        form = parse_qs((await body_of(request, _FORM_BYTES)).decode(errors="replace"))
        person_id, token = (form.get(name, [""])[0] for name in ("person", "token"))
        person = await User.filter(id=person_id.replace("\0", ""), email__endswith="@demo.example").first()
        if person is None:
            return page("There is nobody of that name.", "Go back, and choose somebody else.", status=400)
        await link_by_ticket(self.tickets, person.id, token)
        return page("Linked.", f"You are {person.name} in Slack now. Do there once more what you did before.")

    async def _may(self, actor: Actor, install: Install) -> bool:
        """Whether they still may: it is a while since they asked."""
        place = (await account_places([install.account_id])).get(install.account_id)
        return place is not None and may(await standing_of(self.access, actor), Action.CONNECT_CHAT, place)

    async def _link_by_email(self, installed: Installed) -> None:
        """Whoever installed it is known at once where their address shows who they are."""
        where = installed.workspace
        try:
            await link_by_email(self.messenger, team_id=where.id, org=where.org, chat_user_id=installed.by)
        except GatewayUnavailable as error:
            _log.warning("installer_not_linked", team=where.id, user=installed.by, reason=str(error))


Endpoint = Callable[[Request], Awaitable[Response]]


def _told(endpoint: Endpoint) -> Endpoint:
    """The endpoint, with everything that goes wrong told on a page that says what to do."""

    async def answer(request: Request) -> Response:
        linking = request.url.path == "/slack/link"
        title = "Your Slack user is not linked." if linking else "Slack is not connected."
        again = "Press the button in Slack once more for a new one." if linking else _BEGIN_ANEW
        try:
            return await endpoint(request)
        except BadTicket as error:
            return page(title, f"{error} {again}", status=403)
        except Refusal as error:
            return page(title, str(error), status=403)
        except GatewayRefused as error:
            return page(title, f"Slack says: {error}. {again}", status=502)
        except (GatewayUnavailable, Unavailable) as error:
            _log.warning("slack_not_connected", error=str(error))
            return page(title, f"Slack, or our database, did not answer. Wait a minute. {again}", status=503)
        except CreditsError as error:
            return page(title, f"{error} {again}", status=403)
        except GraphQLError:
            return page(title, f"That is more than was asked for. {again}", status=413)

    return answer
