"""kill -9 under load: what was acknowledged is there, and what was not is done once when it is sent again."""

import asyncio
import signal
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from tortoise.connection import get_connection

from credits.ledger.audit import broken
from tests.support.processes import Running, free_port, start
from tests.support.service import SERVICE_KEY, Service, environment_of

SPEND = """mutation ($wallet: ID!, $key: String!) {
  deductCredits(input: {walletId: $wallet, stagingType: "FURNITURE_REMOVAL", idempotencyKey: $key}) {
    transaction { id } userErrors { code }
  }
}"""
CLIENTS = 16


async def spend(http: httpx.AsyncClient, wallet: str, key: str) -> str:
    """The transaction's id. Raises httpx.TransportError when the service went away."""
    body = {"query": SPEND, "variables": {"wallet": wallet, "key": key}}
    answer: dict[str, Any] = (await http.post("/graphql", json=body)).json()
    transaction: str = answer["data"]["deductCredits"]["transaction"]["id"]
    return transaction


async def load(running: Running, wallet: str, done: dict[str, str], unknown: set[str]) -> None:
    """Spend until the service goes away; what it acknowledged goes to `done`, what it did not answer to `unknown`."""
    headers = {"authorization": f"Bearer {SERVICE_KEY}"}
    async with httpx.AsyncClient(base_url=running.url, headers=headers, trust_env=False, timeout=30) as http:
        while True:
            key = uuid4().hex
            try:
                done[key] = await spend(http, wallet, key)
            except httpx.TransportError:
                unknown.add(key)
                return


async def test_nothing_acknowledged_is_lost_and_nothing_is_done_twice(
    service: Service, database_url: str, tmp_path: Path
) -> None:
    place = await service.account(credits_given=1_000_000)
    wallet = place.wallet_id or ""
    settings = environment_of(database_url)
    done: dict[str, str] = {}
    unknown: set[str] = set()

    for _ in range(3):
        running = await start("serve", free_port(), tmp_path / "data", **settings)
        await running.ready()
        clients = [asyncio.create_task(load(running, wallet, done, unknown)) for _ in range(CLIENTS)]
        wanted = len(done) + 200
        async with asyncio.timeout(60):
            while len(done) < wanted:  # noqa: ASYNC110 the load goes on in other tasks
                await asyncio.sleep(0.001)
        await running.end(signal.SIGKILL)
        await asyncio.gather(*clients)
    recorded = await _transactions(wallet)
    sent_again = {key: await _spend_here(service, wallet, key) for key in unknown}

    assert len(unknown) == 3 * CLIENTS
    assert set(done.values()) <= recorded
    everything = set(done.values()) | set(sent_again.values())
    assert len(everything) == len(done) + len(unknown)
    assert await _transactions(wallet) == everything
    assert await broken() == {}


async def _spend_here(service: Service, wallet: str, key: str) -> str:
    answer = await service.gql(SPEND, "service", wallet=wallet, key=key)
    transaction: str = answer.data["deductCredits"]["transaction"]["id"]
    return transaction


async def _transactions(wallet: str) -> set[str]:
    rows = await get_connection("default").execute_query_dict(
        "SELECT id FROM transactions WHERE wallet_id = $1 AND kind = 'DEDUCTION'", [wallet]
    )
    return {row["id"] for row in rows}
