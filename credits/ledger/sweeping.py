"""Booking what time has done: holds that are over, lots that have lapsed. What counts has counted since that instant;
the sweep only writes it down, so it may be late, stopped half-way and done twice at once.
"""

from collections.abc import Iterable

import structlog
from tortoise.connection import get_connection
from tortoise.transactions import in_transaction

from credits.actors import SYSTEM
from credits.faults import trying_again
from credits.gateways.publisher import Publisher
from credits.ids import Kind, make_id
from credits.ledger.commands import Sweep
from credits.ledger.feed import tell
from credits.ledger.store import Result, post

# So many holds and lots in one commit: whoever wants the wallet meanwhile waits for milliseconds.
PORTION = 200
_LOOKED_AT = 1_000
# (The clock as a subquery: read once, it can be looked up in the indexes.)
_DUE = """
SELECT DISTINCT wallet_id FROM (
    (SELECT wallet_id FROM holds WHERE status = 'OPEN' AND expires_at <= (SELECT credits_now()) AND wallet_id <> ALL($1)
     ORDER BY expires_at LIMIT $2)
    UNION ALL
    (SELECT wallet_id FROM lots WHERE remaining > 0 AND remaining > held AND expires_at <= (SELECT credits_now())
         AND wallet_id <> ALL($1)
     ORDER BY expires_at LIMIT $2)
) due
"""
_log = structlog.get_logger()


async def sweep_all(publisher: Publisher) -> int:
    """Sweep every wallet that needs it, portion by portion; one that is locked elsewhere is left to the next time.
    Returns how many portions were written."""
    portions = 0
    left_out: list[str] = []
    while due := await get_connection("default").execute_query_dict(_DUE, [left_out, _LOOKED_AT]):
        for row in due:
            if await _sweep(publisher, row["wallet_id"]):
                portions += 1
            else:
                left_out.append(row["wallet_id"])
    return portions


async def sweep_wallets(publisher: Publisher, wallet_ids: Iterable[str]) -> None:
    """Sweep these wallets until nothing is left to be written in them, or somebody else holds them."""
    for wallet_id in wallet_ids:
        while await _sweep(publisher, wallet_id):
            pass


async def _sweep(publisher: Publisher, wallet_id: str) -> bool:
    """One portion of one wallet; whether anything was written."""
    command = Sweep(id=make_id(Kind.TRANSACTION), wallet_id=wallet_id, actor=SYSTEM, limit=PORTION)

    async def work() -> Result:
        async with in_transaction() as connection:
            return await post(connection, [command], wait=False)

    try:
        result = await trying_again(work)
    except Exception:
        # One wallet that cannot be swept keeps no other from it.
        _log.exception("sweep_failed", wallet=wallet_id)
        return False
    await tell(publisher, result.told)
    return bool(result.told)
