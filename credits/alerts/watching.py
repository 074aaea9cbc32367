"""Looking at wallets of which something is to be warned: those whose balance has changed since the last look, and each
at some times of the day besides. What is to be told is written down with its message in one commit, under the lock of
the wallet; so any number may look at once, and each warning is told once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.connection import get_connection
from tortoise.transactions import in_transaction

from credits import outbox
from credits.alerts.messages import over_message, warned_message
from credits.alerts.models import WalletWarning
from credits.alerts.outlooks import outlooks
from credits.alerts.rules import AlertPhase, Begun, Outcome, Outlook, Step, Wanted, Warned, after_look, next_look
from credits.errors import NotFound
from credits.faults import trying_again
from credits.ledger.store import lock_wallet

# So many wallets are read together, and so many looked at in a run: in the morning all are due at once, and what has
# changed meanwhile does not wait for them.
PORTION = 500
MOST = 5_000
_log = structlog.get_logger()

_DUE = """
SELECT k.wallet_id FROM wallet_watches k JOIN wallets w ON w.id = k.wallet_id
WHERE w.alert_enabled AND (k.looked_version IS DISTINCT FROM w.version OR k.look_at <= (SELECT credits_now()))
ORDER BY k.looked_version IS NOT DISTINCT FROM w.version, k.look_at LIMIT $1
"""
_WATCHED = """
SELECT w.id, w.account_id, w.version, w.alert_phase, now.now,
       CASE WHEN w.alert_snoozed_until > now.now THEN w.alert_snoozed_until END AS snoozed_until,
       CASE WHEN w.alert_enabled THEN k.runway_days END AS runway_days,
       CASE WHEN w.alert_enabled THEN k.expiry_days END AS expiry_days
FROM (SELECT credits_now() AS now) now, wallets w LEFT JOIN wallet_watches k ON k.wallet_id = w.id WHERE w.id = ANY($1)
"""
_LOOKED = """
UPDATE wallet_watches k SET looked_version = m.version, look_at = m.look_at
FROM unnest($1::text[], $2::bigint[], $3::timestamptz[]) AS m (id, version, look_at) WHERE k.wallet_id = m.id
"""
_BEGIN = """
INSERT INTO wallet_warnings (wallet_id, account_id, kind, lapses_on, lapses_at, quiet, began_at)
VALUES ($1, $2, $3, $4, $5, $6, credits_now())
ON CONFLICT (wallet_id, kind, coalesce(lapses_on, '-infinity')) WHERE ended_at IS NULL DO NOTHING RETURNING id
"""
_END = """
UPDATE wallet_warnings SET ended_at = credits_now(), outcome = $2
WHERE id = $1 AND ended_at IS NULL RETURNING id
"""
_STOP = "DELETE FROM wallet_watches WHERE wallet_id = $1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A wallet as it is watched: what is wanted, what was told and has not ended, and whether a low balance was."""

    id: str
    account_id: str
    version: int
    wanted: Wanted
    low: bool
    snoozed_until: datetime | None
    warned: list[Warned] = field(default_factory=list)


async def look_at_wallets() -> int:
    """Write down what is to be told of wallets that are watched, those that have changed first; returns of how many.
    What cannot be looked at now keeps no other from it, and is looked at again the next time."""
    rows = await get_connection("default").execute_query_dict(_DUE, [MOST])
    ids = [row["wallet_id"] for row in rows]
    changed = 0
    for start in range(0, len(ids), PORTION):
        try:
            changed += await _look(ids[start : start + PORTION])
        except Exception:
            _log.exception("look_failed", first=ids[start])
    return changed


async def _look(ids: Sequence[str]) -> int:
    changed = 0
    looked: list[tuple[str, int, datetime]] = []
    # What is watched is read before what it is like: a change in between is looked at again.
    watched = await watched_wallets(ids)
    ahead = await outlooks(ids)
    for wallet_id in ids:
        wallet, (outlook, morning) = watched[wallet_id], ahead[wallet_id]
        try:
            changed += bool(step_of(wallet, outlook)) and await _take(wallet_id)
        except Exception:
            _log.exception("look_failed", wallet=wallet_id)
            continue
        again = next_look(wallet.wanted, outlook, morning=morning, snoozed_until=wallet.snoozed_until)
        looked.append((wallet_id, wallet.version, again))
    if looked:
        await get_connection("default").execute_query(_LOOKED, [list(each) for each in zip(*looked, strict=True)])
    return changed


def step_of(wallet: Watched, outlook: Outlook) -> Step:
    """What a look at the wallet comes to."""
    masked = wallet.low or wallet.snoozed_until is not None
    return after_look(wallet.wanted, outlook, wallet.warned, masked=masked)


async def _take(wallet_id: str) -> bool:
    """Decide once more under the wallet's lock, and write it down; whether anything was."""

    async def work() -> bool:
        async with in_transaction() as connection:
            await lock_wallet(connection, wallet_id)
            wallet = (await watched_wallets([wallet_id]))[wallet_id]
            outlook, _ = (await outlooks([wallet_id]))[wallet_id]
            step = step_of(wallet, outlook)
            await write(connection, wallet, step, outlook)
            return bool(step)

    try:
        return await trying_again(work)
    except NotFound:
        # Its pool or department was deleted meanwhile, and with it what it was watched for.
        return False


async def watched_wallets(ids: Sequence[str]) -> dict[str, Watched]:
    """These wallets, which there are, whether or not anything is wanted of them."""
    rows = await get_connection("default").execute_query_dict(_WATCHED, [list(ids)])
    found = {row["id"]: _watched(row) for row in rows}
    for warning in await WalletWarning.filter(wallet_id__in=list(ids), ended_at=None).order_by("id"):
        found[warning.wallet_id].warned.append(
            Warned(
                id=warning.id,
                kind=warning.kind,
                lapses_on=warning.lapses_on,
                lapses_at=warning.lapses_at,
                quiet=warning.quiet,
            )
        )
    return found


def _watched(row: dict[str, Any]) -> Watched:
    return Watched(
        id=row["id"],
        account_id=row["account_id"],
        version=row["version"],
        wanted=Wanted(runway_days=row["runway_days"], expiry_days=row["expiry_days"]),
        low=row["alert_phase"] == AlertPhase.FIRED,
        snoozed_until=row["snoozed_until"],
    )


async def write(connection: BaseDBAsyncClient, wallet: Watched, step: Step, outlook: Outlook) -> None:
    """Write down which warnings end and begin, and what is to be told of it, in the database transaction of whoever
    holds the wallet's lock."""
    told = []
    for warned, outcome in step.ended:
        if await end(connection, warned.id, outcome) and not warned.quiet:
            told.append(over_message(wallet.account_id, warned.id))
    for begun in step.begun:
        warning_id = await _begin(connection, wallet, begun)
        if warning_id is not None and not begun.quiet:
            told.append(warned_message(wallet.account_id, warning_id, begun, outlook))
    await outbox.add(connection, told)


async def _begin(connection: BaseDBAsyncClient, wallet: Watched, begun: Begun) -> int | None:
    """The warning's id; None where there is one already."""
    on, at = (begun.lapsing.on, begun.lapsing.last_at) if begun.lapsing else (None, None)
    values = [wallet.id, wallet.account_id, begun.kind.value, on, at, begun.quiet]
    rows = await connection.execute_query_dict(_BEGIN, values)
    return rows[0]["id"] if rows else None


async def end(connection: BaseDBAsyncClient, warning_id: int, outcome: Outcome) -> bool:
    """End a warning, if it has not ended; whether it had not."""
    return bool(await connection.execute_query_dict(_END, [warning_id, outcome.value]))


async def stop(connection: BaseDBAsyncClient, wallet_id: str) -> None:
    """Watch a wallet no longer, in the database transaction of whoever holds its lock: it is being deleted."""
    wallet = (await watched_wallets([wallet_id]))[wallet_id]
    told = []
    for warned in wallet.warned:
        if await end(connection, warned.id, Outcome.CHANGED) and not warned.quiet:
            told.append(over_message(wallet.account_id, warned.id))
    await connection.execute_query(_STOP, [wallet_id])
    await outbox.add(connection, told)
