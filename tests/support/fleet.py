"""Webs and workers as processes, any of which may be dead at any moment, and somebody who asks until one answers."""

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx

from tests.support.processes import Running, free_port, start

T = TypeVar("T")


@dataclass(slots=True)
class Fleet:
    """Two webs and two workers, any of which may be dead at any moment."""

    environment: dict[str, str]
    folder: Path
    ports: list[int] = field(default_factory=lambda: [free_port(), free_port()])
    running: dict[str, Running] = field(default_factory=dict)
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    async def launch(self, name: str) -> None:
        kind, number = name.split("-")
        port = self.ports[int(number)] if kind == "serve" else self.ports[0]
        self.running[name] = await start(kind, port, self.folder / name / "data", **self.environment)

    async def kill(self, name: str) -> None:
        """kill -9, and start it anew as whatever watches over processes would."""
        await self.running[name].end(signal.SIGKILL)
        await self.launch(name)

    async def ask(self, call: Callable[[httpx.AsyncClient], Awaitable[T]]) -> T:
        """The answer of whichever web is there, asked until one has answered."""
        async with asyncio.timeout(60):
            while True:
                try:
                    return await call(random.choice(self.clients))  # noqa: S311 any will do
                except httpx.TransportError:
                    await asyncio.sleep(0.05)

    async def gql(self, query: str, token: str, **variables: Any) -> dict[str, Any]:
        async def call(http: httpx.AsyncClient) -> dict[str, Any]:
            headers = {"authorization": f"Bearer {token}"}
            response = await http.post("/graphql", json={"query": query, "variables": variables}, headers=headers)
            body: dict[str, Any] = response.json()
            if "errors" in body:  # out of reach for the moment: sent again, with the same key
                raise httpx.ReadError(str(body["errors"]))
            data: dict[str, Any] = body["data"]
            return data

        return await self.ask(call)

    async def messages(self, about: str) -> list[dict[str, Any]]:
        async def call(http: httpx.AsyncClient) -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = (await http.get("/sandbox/slack/messages")).json()
            return found

        found = await self.ask(call)
        return [each for each in found if str(_dedupe(each)).startswith(about)]

    async def mails(self, to: str) -> list[dict[str, Any]]:
        """Those in the mailbox of this address, newest first."""

        async def call(http: httpx.AsyncClient) -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = (await http.get("/sandbox/mail/messages", params={"to": to})).json()
            return found

        return await self.ask(call)

    async def press(self, message: dict[str, Any], by: str) -> None:
        body = {"ts": message["ts"], "channel": message["channel"], "action_id": "approve", "user": by, "force": True}

        async def call(http: httpx.AsyncClient) -> None:
            answer = (await http.post("/sandbox/slack/click", json=body)).json()
            if answer.get("status") != 200:  # the web that was to hear of it died: Slack's person presses again
                raise httpx.ReadError(str(answer))

        await self.ask(call)


def _dedupe(message: dict[str, Any]) -> object:
    return ((message.get("metadata") or {}).get("event_payload") or {}).get("dedupe", "")


@asynccontextmanager
async def fleet(environment: dict[str, str], folder: Path) -> AsyncIterator[Fleet]:
    fleet = Fleet(environment, folder)
    for name in ("serve-0", "serve-1", "worker-0", "worker-1"):
        await fleet.launch(name)
    async with AsyncExitStack() as stack:
        for port in fleet.ports:
            client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20, trust_env=False)
            fleet.clients.append(await stack.enter_async_context(client))
        for name in ("serve-0", "serve-1"):
            await fleet.running[name].ready()
        try:
            yield fleet
        finally:
            await asyncio.gather(*(running.end() for running in fleet.running.values()))
