"""The audit: every promise of the ledger held against the rows, as of one instant, while others go on writing.

What goes line by line is asked in portions along the wallets and their sequences, so that it shows how far it is and
no memory grows with the ledger; of the rest each promise is one query.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
from tortoise.connection import get_connection

from credits.ledger.invariants import INVARIANTS, LINES, WHOLE, Invariant, read_lines
from credits.progress import Progress, untold

NAMED = 10
PORTION = 20_000

_BROKEN_LINES = ", ".join(
    f'(array_agg(t.id ORDER BY t.wallet_id, t.sequence) FILTER (WHERE {each.broken}))[:{NAMED}] AS "{each.name}"'
    for each in LINES
)
_CHECK_LINES = f"""
SELECT {_BROKEN_LINES}, max(t.wallet_id) AS last_wallet,
       (array_agg(t.sequence ORDER BY t.wallet_id DESC, t.sequence DESC))[1] AS last_number
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """What the audit says of an invariant: the first ids of what breaks it, at most `NAMED`; none where it holds."""

    invariant: Invariant
    broken: tuple[str, ...]


@asynccontextmanager
async def snapshot(connection: asyncpg.Connection) -> AsyncIterator[None]:
    """Until the block ends all is read as of one instant, and may take its time; nothing can be written."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute("SET LOCAL statement_timeout = 0; SET LOCAL work_mem = '64MB'; SET LOCAL jit = off")
        yield


async def audit(
    connection: asyncpg.Connection, *, progress: Progress = untold, portion: int = PORTION
) -> list[Finding]:
    """What there is to say of each invariant. `progress` hears how many of how many steps are done."""
    lines = await connection.fetchval("SELECT count(*) FROM transactions")
    steps = -(-lines // portion) + len(WHOLE)
    broken: dict[str, list[str]] = {each.name: [] for each in INVARIANTS}
    done = 0
    async for found in _steps(connection, portion):
        for name, ids in found.items():
            broken[name] += ids
        done += 1
        progress(done, steps)
    return [Finding(each, tuple(broken[each.name][:NAMED])) for each in INVARIANTS]


async def _steps(connection: asyncpg.Connection, portion: int) -> AsyncIterator[Mapping[str, list[str]]]:
    """What each step finds: ids by the name of the invariant that they break."""
    check = _CHECK_LINES + read_lines(portion)
    # Along the index: sorted, the whole table would be read for each portion.
    await connection.execute("SET LOCAL enable_sort = off")
    wallet_id, number = "", 0
    while (row := await connection.fetchrow(check, wallet_id, number))["last_wallet"] is not None:
        yield {each.name: row[each.name] or [] for each in LINES}
        wallet_id, number = row["last_wallet"], row["last_number"]
    await connection.execute("SET LOCAL enable_sort = on")
    for each in WHOLE:
        rows = await connection.fetch(f"SELECT DISTINCT id FROM ({each.broken}) found ORDER BY id LIMIT {NAMED}")
        yield {each.name: [row["id"] for row in rows]}


async def broken() -> dict[str, list[str]]:
    """The names of the invariants that do not hold, with ids of what breaks each; empty when all is well."""
    async with get_connection("default").acquire_connection() as connection, snapshot(connection):
        return {each.invariant.name: list(each.broken) for each in await audit(connection) if each.broken}
