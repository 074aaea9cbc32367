"""The whole service for tests: the real application on a real port, in the test's own loop, and clients for it."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import cycle
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import httpx
import uvicorn
from pydantic import SecretStr
from websockets.asyncio.client import ClientConnection, connect

from app.auth import token_rules
from app.demo import Demo, seed
from app.parts import Parts, parts
from app.settings import Settings
from app.web import web
from app.worker import worker
from credits.access import tokens
from credits.accounts.models import AccountKind, AccountRole, Membership
from credits.accounts.queries import account_places
from credits.accounts.rules import Place
from credits.accounts.service import NewAccount, create_account
from credits.actors import SYSTEM
from credits.ledger.posting import Refused
from credits.ledger.service import GrantInput, grant
from credits.ledger.writer import Writer
from tests.support.processes import free_port, start, started

JWT_SECRET = "the-secret-of-these-tests-and-no-other"
WEBHOOK_SECRET = "whsec_of_these_tests"
SLACK_SECRET = "0123456789abcdef0123456789abcdef"
# Several processes test at once, some of them with four more of the service, and a server has 100 connections.
POOL = 8
# What a test asks for is answered, however busy the machine is; that waits are bounded has tests of its own.
PATIENCE_S = 20.0
SERVICE_KEY = "svc_0123456789abcdef0123456789abcdef"


def settings_for(port: int, *, data_dir: Path, **changes: Any) -> Settings:
    """Settings of a service of the tests: nothing is taken from the environment that would change it."""
    return Settings(
        _env_file=None,
        **{
            "port": port,
            "data_dir": data_dir,
            "database_pool": POOL,
            "request_timeout_s": PATIENCE_S,
            "checkout_wait_s": PATIENCE_S,
            "jwt_secret": SecretStr(JWT_SECRET),
            "stripe_webhook_secret": SecretStr(WEBHOOK_SECRET),
            "slack_signing_secret": SecretStr(SLACK_SECRET),
            "service_keys": (SecretStr(f"staging:{SERVICE_KEY}"),),
            "operators": ("operator@demo.example",),
            "slack_pace_s": 0.0,
            "return_urls": ("https://shop.example/back",),
            **changes,
        },
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status, and the body's parts."""

    status: int
    body: dict[str, Any]

    @property
    def data(self) -> dict[str, Any]:
        """The data; fails the test where there are errors."""
        assert "errors" not in self.body, self.body
        data: dict[str, Any] = self.body["data"]
        return data

    @property
    def codes(self) -> list[str]:
        """The codes of the errors."""
        return [error["extensions"]["code"] for error in self.body.get("errors", ())]


@dataclass(slots=True)
class Live:
    """A websocket with graphql-transport-ws spoken on it."""

    socket: ClientConnection
    _ids: int = 0

    async def subscribe(self, query: str, **variables: Any) -> str:
        """Begin a subscription; returns its id."""
        self._ids += 1
        payload = {"query": query, "variables": variables}
        await self.send({"id": str(self._ids), "type": "subscribe", "payload": payload})
        return str(self._ids)

    async def send(self, message: Any) -> None:
        """Send a message of the protocol, or of none."""
        await self.socket.send(json.dumps(message))

    async def receive(self, *, within_s: float = 5) -> dict[str, Any]:
        """The next message."""
        message: dict[str, Any] = json.loads(await asyncio.wait_for(self.socket.recv(), within_s))
        return message

    async def next(self, *, within_s: float = 5) -> dict[str, Any]:
        """The data of the next event."""
        message = await self.receive(within_s=within_s)
        assert message["type"] == "next", message
        data: dict[str, Any] = message["payload"]["data"]
        return data


@dataclass(slots=True, kw_only=True)
class Service:
    """A running service and what tests need of it."""

    settings: Settings
    shared: Parts
    writer: Writer
    demo: Demo
    urls: tuple[str, ...]
    clients: Iterator[httpx.AsyncClient]
    workers: "Workers"

    @property
    def http(self) -> httpx.AsyncClient:
        """A client of the service; of several web processes each in turn."""
        return next(self.clients)

    async def gql(self, query: str, token: str | None = "owner", **variables: Any) -> Answer:
        """Send an operation as a demo person (by the token's name), as the bearer of another token, or as nobody."""
        headers = {"authorization": f"Bearer {self.demo.tokens.get(token, token)}"} if token else {}
        response = await self.http.post("/graphql", json={"query": query, "variables": variables}, headers=headers)
        return Answer(response.status_code, response.json())

    @asynccontextmanager
    async def live(self, token: str | None = "owner") -> AsyncIterator[Live]:
        """A websocket that has been acknowledged."""
        async with self.raw_socket() as connection:
            live = Live(connection)
            payload = {"Authorization": f"Bearer {self.demo.tokens.get(token, token)}"} if token else {}
            await live.send({"type": "connection_init", "payload": payload})
            assert (await live.receive())["type"] == "connection_ack"
            yield live

    def raw_socket(self, **options: Any) -> connect:
        """A websocket on which nothing was said yet."""
        url = f"{self.urls[-1].replace('http', 'ws')}/graphql"
        # What a test leaves unread must not keep the connection from being closed.
        options = {"max_queue": None, **options}
        return connect(url, subprotocols=["graphql-transport-ws"], proxy=None, **options)  # type: ignore[list-item]

    async def account(self, *, credits_given: int = 0, time_zone: str = "UTC") -> Place:
        """A fresh individual's account, so that tests do not meet; where it stands, with its wallet."""
        wanted = NewAccount(
            name="Test account",
            kind=AccountKind.INDIVIDUAL,
            time_zone=time_zone,
            owner_email=f"{uuid4().hex}@test.example",
            owner_name="Test owner",
            idempotency_key=uuid4().hex,
        )
        row, _ = await create_account(SYSTEM, wanted)
        place = (await account_places([row.id]))[row.id]
        if credits_given:
            await self.give(place, credits_given)
        return place

    async def owner_token(self, account_id: str) -> str:
        """A token of the account's owner."""
        membership = (
            await Membership.filter(account_id=account_id, role=AccountRole.OWNER).first().prefetch_related("user")
        )
        assert membership
        return tokens.sign(token_rules(self.settings), email=membership.user.email, valid_for=timedelta(hours=1))

    async def give(self, place: Place, credits_given: int, **changes: Any) -> None:
        """Grant credits to the wallet of a place."""
        fields: dict[str, Any] = {
            "wallet_id": place.wallet_id,
            "credits": credits_given,
            "reason": "For a test",
            "expires_at": None,
            "priority": 50,
            "idempotency_key": uuid4().hex,
        }
        done = await grant(self.writer, SYSTEM, place, GrantInput(**(fields | changes)))
        assert not isinstance(done, Refused), done

    async def pay(self, checkout_url: str, action: str = "pay", **options: Any) -> Mapping[str, Any]:
        """Act on a checkout in the sandbox; returns what it answers, deliveries included."""
        session_id = checkout_url.rsplit("/", 1)[1]
        response = await self.http.post(f"/sandbox/stripe/sessions/{session_id}/{action}", json=options)
        assert response.status_code == 200, response.text
        answer: Mapping[str, Any] = response.json()
        return answer


class _Server(uvicorn.Server):
    """Leaves signals to pytest."""

    def install_signal_handlers(self) -> None:
        """None."""


@dataclass(slots=True)
class Workers:
    """The workers of a service, which can be sent away for a while."""

    hire: Callable[[AsyncExitStack], Awaitable[None]]
    at_work: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def __aenter__(self) -> Self:
        await self.hire(self.at_work)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.at_work.aclose()

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        """Nobody works until the block ends."""
        await self.at_work.aclose()
        try:
            yield
        finally:
            await self.hire(self.at_work)


@asynccontextmanager
async def running(database_url: str, data_dir: Path, **changes: Any) -> AsyncIterator[Service]:
    """The service in this process, worker included, until the block ends."""
    listener = socket.socket(proto=socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    settings = settings_for(listener.getsockname()[1], data_dir=data_dir, **changes)
    async with AsyncExitStack() as stack:
        shared = await stack.enter_async_context(parts(settings, database_url))
        demo = await seed(settings, shared.hub)
        app = await stack.enter_async_context(web(settings, shared))
        await stack.enter_async_context(_served(app, listener))

        async def hire(at_work: AsyncExitStack) -> None:
            await at_work.enter_async_context(worker(settings, shared))

        workers = await stack.enter_async_context(Workers(hire))
        yield await _service(stack, settings, shared, demo, (settings.url,), workers)


@asynccontextmanager
async def distributed(database_url: str, redis_url: str, data_dir: Path) -> AsyncIterator[Service]:
    """The service as two web and two worker processes over Redis. What is asked goes to the two webs in turns; this
    process is only a client that can look into the database."""
    ports = [free_port(), free_port()]
    settings = settings_for(ports[0], data_dir=data_dir, redis_url=redis_url)
    async with AsyncExitStack() as stack:
        shared = await stack.enter_async_context(parts(settings, database_url))
        demo = await seed(settings, shared.hub)
        # Where payers come back to is the same, whichever process asks for their checkout.
        environment = environment_of(database_url, redis_url) | {"PUBLIC_URL": settings.url}
        for port in ports:
            await stack.enter_async_context(started("serve", data_dir, port=port, **environment))

        async def hire(at_work: AsyncExitStack) -> None:
            for number in range(2):
                process = await start("worker", ports[0], data_dir / f"worker-{number}", **environment)
                at_work.push_async_callback(process.end)

        workers = await stack.enter_async_context(Workers(hire))
        urls = tuple(f"http://127.0.0.1:{port}" for port in ports)
        yield await _service(stack, settings, shared, demo, urls, workers)


def environment_of(database_url: str, redis_url: str = "") -> dict[str, str]:
    """The settings of the tests for a process of its own."""
    return {
        "DATABASE_URL": database_url,
        "DATABASE_POOL": str(POOL),
        "REQUEST_TIMEOUT_S": str(PATIENCE_S),
        "CHECKOUT_WAIT_S": str(PATIENCE_S),
        "REDIS_URL": redis_url,
        "JWT_SECRET": JWT_SECRET,
        "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "SLACK_SIGNING_SECRET": SLACK_SECRET,
        "SERVICE_KEYS": f"staging:{SERVICE_KEY}",
        "OPERATORS": "operator@demo.example",
        "SLACK_PACE_S": "0",
        "RETURN_URLS": "https://shop.example/back",
    }


@asynccontextmanager
async def beside(service: Service, **changes: Any) -> AsyncIterator[Service]:
    """One more web process's worth of the service, in this process and with some settings changed."""
    listener = socket.socket(proto=socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    settings = settings_for(
        listener.getsockname()[1], data_dir=service.settings.data_dir, **{"sandbox": False, **changes}
    )
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(web(settings, service.shared))
        await stack.enter_async_context(_served(app, listener))
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=settings.url, timeout=30, trust_env=False))
        yield replace(service, settings=settings, urls=(settings.url,), clients=cycle([client]))


async def _service(
    stack: AsyncExitStack,
    settings: Settings,
    shared: Parts,
    demo: Demo,
    urls: tuple[str, ...],
    workers: Workers,
) -> Service:
    writer = Writer(shared.hub)
    stack.push_async_callback(writer.close)
    # Idle connections are left before the server closes them (after 5 s): else a call now and then meets its end.
    limits = httpx.Limits(max_connections=300, keepalive_expiry=2)
    clients = [
        await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=30, trust_env=False, limits=limits))
        for url in urls
    ]
    return Service(
        settings=settings,
        shared=shared,
        writer=writer,
        demo=demo,
        urls=urls,
        clients=cycle(clients),
        workers=workers,
    )


@asynccontextmanager
async def _served(app: Any, listener: socket.socket) -> AsyncIterator[None]:
    server = _Server(
        uvicorn.Config(app, log_level="error", lifespan="off", ws_max_size=128 * 1024, timeout_graceful_shutdown=2)
    )
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:  # noqa: ASYNC110 uvicorn tells it in no other way
        await asyncio.sleep(0.005)
    try:
        yield
    finally:
        server.should_exit = True
        await task
