"""The web process: its parts opened in order, put together, and closed in the reverse order."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from app.auth import access_of, links_of, pages_of, tickets_of
from app.database import connection_of_its_own
from app.gateways.identity import PublishedKeys
from app.parts import Parts
from app.routes.approvals import ApprovalPage
from app.routes.explorer import asset, explorer
from app.routes.exports import Exports
from app.routes.graphql import GraphQLOverHTTP
from app.routes.health import Readiness, livez
from app.routes.slack import SlackInteractions
from app.routes.slack_install import SlackInstall
from app.routes.stripe import CheckoutReturn, StripeWebhook
from app.routes.websocket import GraphQLOverWebSocket
from app.sandbox.mail import MailSandbox
from app.sandbox.mail_routes import mail_routes
from app.sandbox.routes import sandbox_routes
from app.sandbox.slack import SlackSandbox
from app.sandbox.slack_routes import slack_routes
from app.sandbox.stripe import Sandbox
from app.settings import Settings
from credits.access.service import Access
from credits.chat.messenger import Messenger
from credits.ledger.writer import Writer
from schema.build import build_schema
from schema.context import Services
from schema.documents import Documents


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
