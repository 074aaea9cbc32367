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

from app.auth import access_of, links_of
from app.database import ANSWER_WITHIN_S, connection_of_its_own, database, require_tables
from app.gateways.identity import PublishedKeys
from app.gateways.silent import SilentChat
from app.gateways.slack import SlackGateway
from app.gateways.stripe import StripeGateway
from app.pubsub import Hub, hub
from app.routes.explorer import asset, explorer
from app.routes.exports import Exports
from app.routes.graphql import GraphQLOverHTTP
from app.routes.health import Readiness, livez
from app.routes.slack import SlackInteractions
from app.routes.stripe import CheckoutReturn, StripeWebhook
from app.routes.websocket import GraphQLOverWebSocket
from app.sandbox.routes import sandbox_routes
from app.sandbox.slack import SlackSandbox
from app.sandbox.slack_people import TEAM_ID
from app.sandbox.slack_routes import slack_routes
from app.sandbox.stripe import Sandbox
from app.settings import Settings
from credits.access.service import Access
from credits.chat import People
from credits.gateways import ChatGateway, Payments
from credits.ledger.writer import Writer
from credits.purchases.checkouts import Checkouts
from schema.build import build_schema
from schema.context import Services
from schema.documents import Documents


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What web and worker share, over an open database: the payment provider, the checkouts, the hub, the chat and who
    is who in it."""

    database_url: str
    payments: Payments
    checkouts: Checkouts
    hub: Hub
    chat: ChatGateway
    people: People


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
            chat=await stack.enter_async_context(_chat(settings)),
            people=people_of(settings),
            checkouts=Checkouts(
                gateway=gateway,
                publisher=shared,
                wait_s=settings.checkout_wait_s,
                return_url=f"{settings.url}/checkout/return",
                allowed_return_urls=(settings.url, *settings.return_urls),
                live=settings.live,
            ),
        )


def people_of(settings: Settings) -> People:
    """Who is who in the workspace of the settings; the sandbox's where there is none."""
    return People(settings.slack_team_id or TEAM_ID)


@asynccontextmanager
async def _chat(settings: Settings) -> AsyncIterator[ChatGateway]:
    """Slack, or the sandbox's, until the block ends; without either, one that reaches nobody."""
    if not settings.slack:
        yield SilentChat()
        return
    real = settings.slack_bot_token.get_secret_value()
    gateway = SlackGateway(
        token=real or "xoxb-sandbox",
        signing_secrets=(settings.slack_signing_secret.get_secret_value(),),
        base_url=None if real else f"{settings.local_url}/sandbox/slack/api/",
    )
    try:
        yield gateway
    finally:
        await gateway.close()


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
        services = Services(writer=writer, checkouts=shared.checkouts, feeds=shared.hub, links=links)
        routes = _routes(settings, services, shared.chat, access)
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
            slack = SlackSandbox(
                url=settings.url,
                local_url=settings.local_url,
                signing_secret=settings.slack_signing_secret.get_secret_value(),
            )
            await stack.enter_async_context(slack)
            routes += [slack_routes(slack), sandbox_routes(sandbox)]
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


def _routes(settings: Settings, services: Services, chat: ChatGateway, access: Access) -> list[BaseRoute]:
    schema = build_schema()
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
        Route("/slack/interactions", SlackInteractions(chat).receive, methods=["POST"]),
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
