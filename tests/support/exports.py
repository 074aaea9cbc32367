"""A ledger that is only long, and where it is downloaded from."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import asyncpg
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.database import connection_of_its_own, credentials
from app.exports import tables
from app.exports.stream import Slots, Stream
from app.routes.exports import MOST_EXPORTS
from credits.accounts.zones import Zones
from credits.ledger.queries import LineFilter
from credits.reports.entries import of_filter
from tests.app.service import free_port, served
from tests.support import servers

ACCOUNT_ID = "acct"
_ACCOUNT = (
    "INSERT INTO accounts (id, name, kind, time_zone, created_at) VALUES ('acct', 'Big', 'INDIVIDUAL', 'UTC', now())"
)
_WALLET = """
INSERT INTO wallets (id, account_id, owner_kind, owner_id, balance, held, debt, sequence, version, last_hash,
    created_at)
VALUES ('wal', 'acct', 'ACCOUNT', 'acct', 0, 0, 0, 0, 0, '', now())
"""
_TRANSACTIONS = """
INSERT INTO transactions (id, account_id, wallet_id, sequence, kind, change, balance_after, version, actor_kind,
    actor_id, created_at, local_day, hash)
SELECT 'txn_' || n, 'acct', 'wal', n, 'GRANT', 1, n, n, 'SYSTEM', 'system', now() + n * interval '1 s', now(),
       sha256(n::text::bytea)
FROM generate_series(1, $1::bigint) n
"""
_TEXTS = """
INSERT INTO transaction_texts (transaction_id, salt, reference)
SELECT 'txn_' || n, '', 'Reference ' || n FROM generate_series(1, $1::bigint) n
"""


@asynccontextmanager
async def big_ledger(postgres: str, *, rows: int) -> AsyncIterator[str]:
    """The address of a database with so many transactions of one wallet, which nobody posted."""
    name = f"credits_exports_{os.getpid()}"
    server = await asyncpg.connect(**credentials(postgres))
    await servers.make_database(server, postgres, name)
    url = servers.on_server(postgres, name)
    try:
        connection = await asyncpg.connect(**credentials(url))
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(_ACCOUNT)
        await connection.execute(_WALLET)
        await connection.execute(_TRANSACTIONS, rows)
        await connection.execute(_TEXTS, rows)
        await connection.execute("ANALYZE")
        await connection.close()
        yield url
    finally:
        await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await server.close()


@asynccontextmanager
async def downloads(
    big: str, *, most: int = MOST_EXPORTS, patience_s: float = 60.0
) -> AsyncIterator[tuple[str, Slots]]:
    """Where the big ledger's account is downloaded from, as the service does it."""
    slots = Slots(most)
    sql, values = of_filter(ACCOUNT_ID, None, LineFilter(), Zones(name="Europe/Berlin"))

    async def answer(_request: Request) -> Response:
        async def write(send: tables.Send) -> None:
            async with tables.reading(partial(connection_of_its_own, big)) as connection:
                await send(tables.MARK)
                await tables.copy(connection, sql, values, send, header=True, patience_s=patience_s)

        return Stream(write, slots, headers={"content-type": "text/csv"})

    listener, url = free_port()
    async with served(Starlette(routes=[Route("/", answer)]), listener):
        yield url, slots
