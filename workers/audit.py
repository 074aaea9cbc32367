"""The hourly audit: what breaks a promise of the ledger is told to the operators by the log, and so are all heads.

The heads are logged to be outside the database: `credits ledger heads --against` the log shows a tail that was cut off.
"""

import time
from collections.abc import Awaitable, Callable

import asyncpg
import structlog

from credits.ledger.audit import audit, snapshot
from credits.ledger.heads import heads
from workers.schedule import Job

QUEUE = "audit"
_EVERY_S = 3600.0
_log = structlog.get_logger()


def scheduled(connect: Callable[[], Awaitable[asyncpg.Connection]]) -> Job:
    """The audit, every hour. Its connection is its own: those of the pool have little time for an answer, and are
    waited for when the process ends."""

    async def work() -> None:
        connection = await connect()
        try:
            async with snapshot(connection):
                await _log_heads(connection)
                await _log_findings(connection)
        finally:
            await connection.close(timeout=1)

    return Job("audit", every_s=_EVERY_S, work=work, queue=QUEUE)


async def _log_heads(connection: asyncpg.Connection) -> None:
    async for portion in heads(connection):
        for head in portion:
            _log.info("ledger_head", wallet=head.wallet_id, sequence=head.sequence, hash=head.hash.hex())


async def _log_findings(connection: asyncpg.Connection) -> None:
    began = time.monotonic()
    broken = [found for found in await audit(connection) if found.broken]
    for found in broken:
        _log.error(
            "ledger_broken", invariant=found.invariant.name, promise=found.invariant.promise, first=list(found.broken)
        )
    _log.info("ledger_audited", broken=len(broken), seconds=round(time.monotonic() - began, 1))
