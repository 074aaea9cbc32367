"""The web process: its parts opened in order, put together, and closed in the reverse order."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from tortoise.connection import get_connection

from app.auth import access_of, links_of, pages_of, tickets_of
from app.database import ANSWER_WITHIN_S, connection_of_its_own, database, require_tables
from app.gateways.identity import PublishedKeys
from app.gateways.mail import SmtpMail
from app.gateways.silent import SilentChat, SilentMail
from app.gateways.slack import SLACK, SlackChat
from app.gateways.stripe import StripeGateway
from app.pubsub import Hub, hub
from app.routes.approvals import ApprovalPage
from app.routes.explorer import asset, explorer
from app.routes.exports import Exports
from app.routes.graphql import GraphQLOverHTTP
from app.routes.health import Readiness, livez
from app.routes.slack import SlackInteractions
from app.routes.slack_install import SlackInstall
from app.routes.stripe import CheckoutReturn, StripeWebhook
from app.routes.websocket import GraphQLOverWebSocket
from app.sandbox.mail import MailSandbox, server_of
from app.sandbox.mail_routes import mail_routes
from app.sandbox.routes import sandbox_routes
from app.sandbox.slack import SlackSandbox
from app.sandbox.slack_people import TEAM_ID
from app.sandbox.slack_routes import slack_routes
from app.sandbox.stripe import Sandbox
from app.settings import Settings
from app.smtp import MailServer
from credits.access.service import Access
from credits.chat.messenger import Messenger
from credits.chat.workspaces import Seal, Workspaces
from credits.gateways import Chat, MailGateway, Payments, Workspace
from credits.ledger.writer import Writer
from credits.purchases.checkouts import Checkouts
from schema.build import build_schema
from schema.context import Services
from schema.documents import Documents


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What web and worker share, over an open database: the payment provider, the checkouts, the hub, and the chat and
    mail by which people are told."""

    database_url: str
    payments: Payments
    checkouts: Checkouts
    hub: Hub
    messenger: Messenger


@asynccontextmanager
async def parts(
    settings: Settings, database_url: str, *, answer_within_s: float | None = ANSWER_WITHIN_S
) -> AsyncIterator[Parts]:
    """Open what a process of the service needs, until the block ends. The database has so many seconds for each answer
    (None: as long as it takes)."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(
            database(
                database_url,
                pool=settings.database_pool,
                sandbox=settings.sandboxed,
                answer_within_s=answer_within_s,
            )
        )
        await require_tables(sandbox=settings.sandboxed)
        if settings.live:
            await _require_real_time()
        shared = await stack.enter_async_context(hub(settings.redis_url))
        gateway = StripeGateway(
            api_key=settings.stripe_key,
            webhook_secrets=settings.stripe_webhook_secrets,
            api_base=f"{settings.local_url}/sandbox/stripe" if settings.sandboxed else None,
        )
        stack.push_async_callback(gateway.close)
        yield Parts(
            database_url=database_url,
            payments=gateway,
            hub=shared,
            messenger=Messenger(
                chat=await stack.enter_async_context(_chat(settings)),
                mail=_mail(settings),
                workspaces=workspaces_of(settings),
                pace_s=settings.slack_pace_s,
            ),
            checkouts=Checkouts(
                gateway=gateway,
                publisher=shared,
                wait_s=settings.checkout_wait_s,
                return_url=f"{settings.url}/checkout/return",
                allowed_return_urls=(settings.url, *settings.return_urls),
                live=settings.live,
            ),
        )


def workspaces_of(settings: Settings) -> Workspaces:
    """The workspace of the settings, or the sandbox's, and how those that accounts connect are kept."""
    token, team_id = settings.slack_bot_token.get_secret_value(), settings.slack_team_id
    if settings.slack_played:
        token, team_id = "xoxb-sandbox", TEAM_ID
    own = Workspace(id=team_id, org=settings.slack_enterprise_id or team_id, token=token) if token else None
    return Workspaces(own=own, shared=not settings.slack_client_id, seal=Seal(settings.sealing_keys))


def _mail(settings: Settings) -> MailGateway:
    """The mail server of the settings, or the sandbox's; without either, mail reaches nobody."""
    named = settings.mail_server

    async def server() -> MailServer:
        return named or await server_of(settings.local_url)

    return SmtpMail(server, sender=settings.sender) if named or settings.sandboxed else SilentMail()


@asynccontextmanager
async def _chat(settings: Settings) -> AsyncIterator[Chat]:
    """Slack, or the sandbox's, until the block ends; without either, one that reaches nobody."""
    if not settings.slack:
        yield SilentChat()
        return
    sandbox = "/sandbox/slack" if settings.slack_played else None
    chat = SlackChat(
        signing_secrets=settings.slack_signing_secrets,
        base_url=f"{settings.local_url}{sandbox}/api/" if sandbox else None,
        site_url=f"{settings.url}{sandbox}" if sandbox else SLACK,
        client_id=settings.slack_client_id or "sandbox",
        client_secret=settings.slack_client_secret.get_secret_value() or "sandbox",
        redirect_url=f"{settings.url}/slack/oauth/callback",
    )
    try:
        yield chat
    finally:
        await chat.close()


class ClockMoved(Exception):
    """The database was a sandbox's: its clock was moved, and what lapses in it would lapse wrongly."""


async def _require_real_time() -> None:
    if await get_connection("default").execute_query_dict("SELECT 1 FROM clock_offset"):
        raise ClockMoved(
            "This database's clock was moved in a sandbox. Use another database with live keys, or, if you know that "
            "nothing in it matters, DELETE FROM clock_offset."
        )


@asynccontextmanager
async def web(settings: Settings, shared: Parts) -> AsyncIterator[Starlette]:
    """The application, ready to be served until the block ends."""
    async with AsyncExitStack() as stack:
        writer = Writer(shared.hub, one_account_per_commit=settings.writer_accounts == "one")
        stack.push_async_callback(writer.close)
        published = PublishedKeys()
        stack.push_async_callback(published.close)
        access = access_of(settings, published)
        await stack.enter_async_context(access.last_uses.written())
        links = links_of(settings)
        tickets = tickets_of(settings)
        services = Services(
            writer=writer,
            checkouts=shared.checkouts,
            feeds=shared.hub,
            links=links,
            tickets=tickets,
            workspaces=shared.messenger.workspaces,
        )
        routes = _routes(settings, services, shared.messenger, access)
        routes += SlackInstall(
            messenger=shared.messenger, tickets=tickets, access=access, demo_people=settings.slack_played
        ).routes()
        routes += Exports(
            links=links, access=access, connect=partial(connection_of_its_own, shared.database_url)
        ).routes()
        if settings.sandboxed:
            sandbox = Sandbox(
                url=settings.url,
                local_url=settings.local_url,
                webhook_secret=settings.stripe_webhook_secrets[0],
            )
            await stack.enter_async_context(sandbox)
            slack = SlackSandbox(local_url=settings.local_url, signing_secret=settings.slack_signing_secrets[0])
            await stack.enter_async_context(slack)
            mail = MailSandbox(host=settings.host)
            await stack.enter_async_context(mail)
            routes += [slack_routes(slack), mail_routes(mail), sandbox_routes(sandbox)]
        yield Starlette(routes=routes, middleware=_middleware(settings))


def _middleware(settings: Settings) -> list[Middleware]:
    if not settings.allowed_origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=settings.allowed_origins,
            allow_methods=["POST"],
            allow_headers=["authorization", "content-type"],
            expose_headers=["x-request-id"],
        )
    ]


def _routes(settings: Settings, services: Services, messenger: Messenger, access: Access) -> list[BaseRoute]:
    schema = build_schema()
    slack = SlackInteractions(messenger)
    documents = Documents(schema)
    over_http = GraphQLOverHTTP(
        documents=documents,
        services=services,
        access=access,
        max_body_bytes=settings.max_body_bytes,
        timeout_s=settings.request_timeout_s,
        explorer=settings.explorer,
    )
    over_websocket = GraphQLOverWebSocket(
        schema,
        documents=documents,
        services=services,
        access=access,
        allowed_origins=(settings.url, *settings.allowed_origins),
    )
    routes: list[BaseRoute] = [
        Route("/graphql", over_http.answer, methods=["GET", "POST", "PUT", "DELETE", "PATCH"]),
        WebSocketRoute("/graphql", over_websocket),
        Route("/webhooks/stripe", StripeWebhook(services.checkouts).receive, methods=["POST"]),
        *(Route(f"/slack/{what}", slack.receive, methods=["POST"]) for what in ("interactions", "commands", "events")),
        Route("/approvals/{token}", ApprovalPage(pages_of(settings)).show),
        Route("/checkout/return", CheckoutReturn(services.checkouts).show),
        Route("/livez", livez),
        Route("/readyz", Readiness(settings.mode).show),
    ]
    if settings.explorer:
        routes += [
            Route("/explorer", explorer),
            Route("/explorer/assets/{path:path}", asset),
            Route("/", _to_explorer),
        ]
    return routes


async def _to_explorer(_request: Request) -> Response:
    return RedirectResponse("/explorer")
