"""How long 50 subscribers at one web process wait for what another one committed.

    .venv/bin/python -m benchmarks.push [subscribers] [deductions]

Two web and two worker processes over Redis; from the moment at which the deduction was answered (after its commit) to
the moment at which the last subscriber has the new balance. Wants PostgreSQL and Redis on localhost, as the tests do.
"""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx

from app.database import credentials, migrate
from tests.support import servers
from tests.support.service import SERVICE_KEY, Live, Service, distributed

_WATCH = "subscription ($id: ID!) { balanceChanged(walletId: $id) { balance { version } } }"
_SPEND = """mutation ($wallet: ID!, $key: String!) { deductCredits(input:
  {walletId: $wallet, stagingType: "FURNITURE_REMOVAL", idempotencyKey: $key}) { transaction { version } } }"""


async def measure(service: Service, subscribers: int, deductions: int) -> list[float]:
    """Milliseconds from the answer to the last subscriber, for each deduction."""
    place = await service.account(credits_given=deductions)
    # The listeners are all at the other one.
    first = next(client for client in service.clients if client.base_url.port == service.settings.port)
    async with asyncio.TaskGroup() as group:
        ready = asyncio.Barrier(subscribers + 1)
        seen: asyncio.Queue[float] = asyncio.Queue()
        for _ in range(subscribers):
            group.create_task(_listen(service, place.wallet_id or "", ready, seen, deductions))
        await ready.wait()
        waits = []
        for _ in range(deductions):
            await spend(first, place.wallet_id or "")
            answered = time.perf_counter()
            last = max([await seen.get() for _ in range(subscribers)])
            waits.append(max(0.0, (last - answered) * 1000))
    return waits


async def spend(http: httpx.AsyncClient, wallet: str) -> None:
    """One deduction; fails when it is not posted."""
    body = {"query": _SPEND, "variables": {"wallet": wallet, "key": uuid4().hex}}
    answer = await http.post("/graphql", json=body, headers={"authorization": f"Bearer {SERVICE_KEY}"})
    assert answer.json()["data"]["deductCredits"]["transaction"], answer.text


async def _listen(
    service: Service, wallet: str, ready: asyncio.Barrier, seen: asyncio.Queue[float], count: int
) -> None:
    async with service.live(SERVICE_KEY) as live:
        await live.subscribe(_WATCH, id=wallet)
        await live.next()
        await ready.wait()
        await _tell(live, seen, count)


async def _tell(live: Live, seen: asyncio.Queue[float], count: int) -> None:
    for _ in range(count):
        await live.next(within_s=30)
        seen.put_nowait(time.perf_counter())


async def main(subscribers: int, deductions: int) -> None:
    """Measure and print."""
    redis_url = servers.redis_url()
    if redis_url is None:
        raise SystemExit("No Redis answers on localhost.")
    name = f"credits_benchmark_{os.getpid()}"
    server = await asyncpg.connect(**credentials(servers.LOCAL_POSTGRES))
    await server.execute(f"CREATE DATABASE {name}")
    url = servers.on_server(servers.LOCAL_POSTGRES, name)
    try:
        await migrate(url, sandbox=True)
        with tempfile.TemporaryDirectory() as folder:
            async with distributed(url, redis_url, Path(folder) / "data") as service:
                waits = await measure(service, subscribers, deductions)
    finally:
        await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await server.close()
    p50, p99 = statistics.median(waits), statistics.quantiles(waits, n=100)[98]
    sys.stdout.write(
        f"{subscribers} subscribers, {deductions} deductions: the last subscriber has it "
        f"{p50:.1f} ms (median), {p99:.1f} ms (p99), {max(waits):.1f} ms (worst) after the answer\n"
    )


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    asyncio.run(main(*(given + [50, 100][len(given) :])))
