"""No key and no token ever stands in a log: good ones and bad ones, by HTTP and websocket, and where things break."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tortoise.connection import get_connection
from websockets.asyncio.client import connect

from tests.app.routes.support import BALANCE, add_key, token_for
from tests.credits.access.provider import IdentityProvider
from tests.support.processes import Running, started
from tests.support.service import SERVICE_KEY, Service, environment_of

VIEWER = "{ viewer { operator actor { id } } }"


@asynccontextmanager
async def broken(table: str) -> AsyncIterator[None]:
    """Whoever asks this table meets an error that nobody foresaw."""
    connection = get_connection("default")
    await connection.execute_query(f"ALTER TABLE {table} RENAME TO {table}_elsewhere")
    try:
        yield
    finally:
        await connection.execute_query(f"ALTER TABLE {table}_elsewhere RENAME TO {table}")


async def ask(running: Running, bearer: str) -> int:
    """Over HTTP, in the header, as text of the operation, and as a variable; the first one's status."""
    async with httpx.AsyncClient(base_url=running.url, trust_env=False) as http:
        headers = {"authorization": f"Bearer {bearer}"}
        answer = await http.post("/graphql", json={"query": VIEWER}, headers=headers)
        await http.post("/graphql", json={"query": f"{{ {bearer}"}, headers=headers)
        named = {"query": "query ($id: ID!) { wallet(id: $id) { id } }", "variables": {"id": bearer}}
        await http.post("/graphql", json=named, headers=headers)
    return answer.status_code


async def watch(running: Running, bearer: str, wallet_id: str) -> str:
    """Over the websocket; what is answered first to a subscription, or the word that it was closed."""
    url = f"{running.url.replace('http', 'ws')}/graphql"
    async with connect(url, subprotocols=["graphql-transport-ws"], proxy=None) as socket:  # type: ignore[list-item]
        payload: dict[str, Any] = {"Authorization": f"Bearer {bearer}"}
        await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
        try:
            await socket.recv()
            operation = {"query": BALANCE, "variables": {"wallet": wallet_id}}
            await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": operation}))
            return str(json.loads(await socket.recv())["type"])
        except Exception:
            return "closed"


@pytest.mark.parametrize("log_format", ["text", "json"])
async def test_no_key_and_no_token_stands_in_a_log(
    service: Service, provider: IdentityProvider, database_url: str, tmp_path: Path, log_format: str
) -> None:
    place = await service.account(credits_given=5)
    wallet_id = place.wallet_id or ""
    good = [
        await add_key(place.account_id),
        await service.owner_token(place.account_id),
        provider.token("rsa"),
        SERVICE_KEY,
    ]
    bad = [
        f"{good[0]}x",
        f"{good[1]}x",
        provider.token("gone", signed_with=provider.keys["ec"]),
        token_for(service, "nobody.at.all"),
        f"{SERVICE_KEY}x",
    ]
    environment = environment_of(database_url) | {"JWT_PROVIDERS": provider.setting, "LOG_FORMAT": log_format}
    serving = started("serve", tmp_path / "data", port=None, **environment)

    async with service.workers.away(), serving as running:
        let_in = [await ask(running, each) for each in good]
        refused = [await ask(running, each) for each in bad]
        heard = [await watch(running, each, wallet_id) for each in (*good[:2], good[3])]
        closed = [await watch(running, each, wallet_id) for each in bad]
        async with broken("api_keys"), broken("identities"):
            failed = [await ask(running, each) for each in good[:3]]
            dropped = [await watch(running, each, wallet_id) for each in good[:3]]

    printed = running.printed.read_text()
    assert (let_in, refused, failed) == ([200] * 4, [401] * 5, [500] * 3)
    assert (heard, closed, dropped) == (["next"] * 3, ["closed"] * 5, ["closed"] * 3)
    assert printed.count("unforeseen") >= 3
    assert "Traceback" in printed
    shown = [each for each in (*good, *bad) if each in printed or each.rpartition(".")[2] in printed]
    assert shown == []
