"""What the schedule looks for in pools that want to be told: how far a department has come with what it was given, and
when a week is over. Each is written down as told in the commit that writes the message, so it is told once.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

import structlog
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.connection import get_connection
from tortoise.transactions import in_transaction

from credits import outbox
from credits.allocations.messages import DIGEST_JOB, USED_JOB, message
from credits.allocations.models import Period
from credits.allocations.queries import Use, use_of, zones_of
from credits.allocations.rules import digest_due, named, present, reached
from credits.faults import trying_again
from credits.outbox import Queue

_log = structlog.get_logger()
# A pool's digest; departments are told in percent.
_DIGEST = 0

# Only where something was posted lately; a look that was missed for longer is made good by the next transaction.
_BUSY = """
SELECT d.id, d.account_id, d.name, w.id AS wallet_id, coalesce(r.period, 'MONTHLY') AS period, clock.now,
       a.time_zone, a.former_time_zone, a.time_zone_from
FROM (SELECT credits_now() AS now) clock, wallets w
JOIN departments d ON d.id = w.owner_id AND d.deleted_at IS NULL
JOIN pools p ON p.id = d.pool_id AND p.slack_channel IS NOT NULL AND p.tell_allocation_use
JOIN accounts a ON a.id = d.account_id LEFT JOIN allocation_rules r ON r.department_id = d.id
WHERE w.owner_kind = 'DEPARTMENT' AND w.last_posted_at >= clock.now - interval '10 minutes'
"""
_TELL = """
INSERT INTO use_notices (account_id, subject_id, period_start, percent)
SELECT $1, $2, $3, percent FROM unnest($4::int[]) percent ORDER BY percent
ON CONFLICT (subject_id, period_start, percent) DO NOTHING RETURNING percent
"""
_LISTENING = """
SELECT p.id, p.account_id, a.time_zone, a.former_time_zone, a.time_zone_from, clock.now,
       (SELECT max(n.period_start) FROM use_notices n WHERE n.subject_id = p.id AND n.percent = 0) AS told
FROM (SELECT credits_now() AS now) clock, pools p JOIN accounts a ON a.id = p.account_id
WHERE p.slack_channel IS NOT NULL AND p.tell_weekly AND p.deleted_at IS NULL
AND EXISTS (SELECT 1 FROM departments d WHERE d.pool_id = p.id AND d.deleted_at IS NULL)
"""


async def look_at_use() -> int:
    """Write down what is to be told of departments that have used 50, 80 or 100 % of what they were given in their
    period; of several percentages that are reached at once only the highest. Returns how many are told. Safe to be done
    many times at once."""
    told = 0
    busy = await get_connection("default").execute_query_dict(_BUSY)
    for (account_id, start), rows in _by_period(busy).items():
        try:
            use = await use_of(account_id, [row["wallet_id"] for row in rows], start=start)
        except Exception:
            # An account that cannot be looked at now keeps no other from it.
            _log.exception("use_unknown", account=account_id)
            continue
        for row in rows:
            told += await _look(row, use.get(row["wallet_id"], Use()))
    return told


def _by_period(rows: Iterable[dict[str, Any]]) -> dict[tuple[str, datetime], list[dict[str, Any]]]:
    """Departments of one account whose period began at one time: their transactions are read together."""
    found = defaultdict(list)
    for row in rows:
        period, zones = Period(row["period"]), zones_of(row)
        row["first_day"] = present(period, zones, row["now"])
        found[row["account_id"], zones.start_of(row["first_day"])].append(row)
    return found


async def _look(row: dict[str, Any], use: Use) -> bool:
    percents = reached(used=use.used, given=use.given)
    if not percents:
        return False
    payload = {
        "department_id": row["id"],
        "period_start": row["first_day"].isoformat(),
        "period": named(Period(row["period"]), row["first_day"]),
        "used": use.used,
        "given": use.given,
    }
    return await _tell_once(row["account_id"], row["id"], row["first_day"], percents, USED_JOB, payload)


async def look_at_weeks() -> int:
    """Write down which pools are to be told their week: on Monday from 8 o'clock on where the account is. Returns how
    many. Safe to be done many times at once."""
    told = 0
    for row in await get_connection("default").execute_query_dict(_LISTENING):
        monday = digest_due(zones_of(row), row["now"])
        if monday and (row["told"] is None or row["told"] < monday):
            payload = {"pool_id": row["id"], "monday": monday.isoformat()}
            told += await _tell_once(row["account_id"], row["id"], monday, (_DIGEST,), DIGEST_JOB, payload)
    return told


async def _tell_once(
    account_id: str, subject_id: str, period_start: date, percents: Sequence[int], job: str, payload: dict[str, Any]
) -> bool:
    """Mark these as told, and write the message for the highest that was not; False where all were."""

    async def work() -> bool:
        async with in_transaction() as connection:
            fresh = await _mark(connection, account_id, subject_id, period_start, percents)
            if fresh:
                told = message(job, account_id, Queue.ALERTS, {**payload, "percent": max(fresh)})
                await outbox.add(connection, [told])
            return bool(fresh)

    try:
        return await trying_again(work)
    except Exception:
        # One that cannot be told now keeps no other from it.
        _log.exception("notice_failed", subject=subject_id)
        return False


async def _mark(
    connection: BaseDBAsyncClient, account_id: str, subject_id: str, period_start: date, percents: Sequence[int]
) -> list[int]:
    rows = await connection.execute_query_dict(_TELL, [account_id, subject_id, period_start, list(percents)])
    return [row["percent"] for row in rows]
