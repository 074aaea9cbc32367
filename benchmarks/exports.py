"""How long a download of ten million transactions takes, and how much memory the web process needs that serves it.

    .venv/bin/python -m benchmarks.exports [transactions]

`credits serve` alone serves it, from a database of its own, by a link as `exportTransactions` gives it. Wants
PostgreSQL on localhost, as the tests do.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

import asyncpg
import httpx
import psutil

from app.database import credentials
from credits.actors import Actor, ActorKind
from credits.ledger.queries import LineFilter
from credits.reports.links import Links, key_of
from tests.support import servers
from tests.support.exports import ACCOUNT_ID, big_ledger
from tests.support.processes import free_port, started
from tests.support.service import JWT_SECRET, environment_of

_MIB = 1024 * 1024
_OWNER = """
WITH person AS (
    INSERT INTO users (id, email, name, created_at) VALUES ('usr', 'owner@example.com', 'Owner', now()) RETURNING id
)
INSERT INTO memberships (id, account_id, user_id, role, since) SELECT 'mem', $1, id, 'OWNER', now() FROM person
"""


async def main(rows: int) -> None:
    """Fill, measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        async with big_ledger(servers.LOCAL_POSTGRES, rows=rows) as big:
            owner = await asyncpg.connect(**credentials(big))
            await owner.execute(_OWNER, ACCOUNT_ID)
            await owner.close()
            async with started("serve", Path(folder, "data"), port=free_port(), **environment_of(big)) as web:
                sys.stdout.write(await measured(web.process.pid, link_to(web.url), rows) + "\n")


def link_to(url: str) -> str:
    """The link that the owner is given to all there is."""
    owner, links = Actor(kind=ActorKind.USER, id="usr"), Links(url=url, key=key_of(JWT_SECRET))
    return links.transactions(owner, account_id=ACCOUNT_ID, wallet_id=None, chosen=LineFilter()).url


async def measured(pid: int, link: str, rows: int) -> str:
    """Download it, and look at the process meanwhile."""
    process = psutil.Process(pid)
    lines, size, most = 0, 0, 0
    async with httpx.AsyncClient(trust_env=False, timeout=600) as http:
        before, began = process.memory_info().rss, time.perf_counter()
        async with http.stream("GET", link) as response:
            response.raise_for_status()
            async for part in response.aiter_bytes():
                lines += part.count(b"\n")
                size += len(part)
                most = max(most, process.memory_info().rss)
        seconds = time.perf_counter() - began
    if lines != rows + 1:
        raise SystemExit(f"{lines - 1:,} rows came, not {rows:,}.")
    return (
        f"{rows:,} rows, {size / _MIB:,.0f} MiB: {seconds:.0f} s; at most {most / _MIB:.0f} MiB in the web process, "
        f"{before / _MIB:.0f} MiB before"
    )


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000))
