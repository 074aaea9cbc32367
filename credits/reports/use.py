"""What was used in months, for statements and the cards about them: by day, staging type and department."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from tortoise.connection import get_connection

from credits.ledger.models import OwnerKind
from credits.reports.months import Statement, following

# In the transactions themselves: what stands under a statement adds up to it, to the last credit.
_BY_TYPE = """
SELECT u.staging_type AS key, coalesce(s.name, u.staging_type) AS label, u.used, u.refunded, u.operations
FROM (
    SELECT coalesce(d.staging_type, t.staging_type) AS staging_type,
           coalesce(sum(-t.change) FILTER (WHERE t.kind = 'DEDUCTION'), 0)::bigint AS used,
           coalesce(sum(t.change) FILTER (WHERE t.kind = 'REFUND'), 0)::bigint AS refunded,
           coalesce(sum(t.quantity) FILTER (WHERE t.kind = 'DEDUCTION'), 0)::bigint AS operations
    FROM transactions t LEFT JOIN transactions d ON d.id = t.refunds_id
    WHERE t.wallet_id = $1 AND t.sequence > $2 AND t.sequence <= $3 AND t.kind IN ('DEDUCTION', 'REFUND') GROUP BY 1
) u LEFT JOIN staging_types s ON s.code = u.staging_type
"""
_BY_WALLET = """
SELECT u.wallet_id AS key, coalesce(d.name, p.name, a.name) AS label, sum(u.credits)::bigint AS used,
       sum(u.refunded)::bigint AS refunded, sum(u.operations)::bigint AS operations
FROM usage_months u JOIN wallets w ON w.id = u.wallet_id JOIN accounts a ON a.id = w.account_id
LEFT JOIN pools p ON p.id = w.owner_id LEFT JOIN departments d ON d.id = w.owner_id
WHERE u.account_id = $1 AND u.month = $2 AND ($3::text IS NULL OR p.id = $3 OR d.pool_id = $3) GROUP BY 1, 2
"""
_BY_DAY = """
SELECT u.day, sum(u.credits)::bigint AS used FROM usage_days u JOIN wallets w ON w.id = u.wallet_id
LEFT JOIN pools p ON p.id = w.owner_id LEFT JOIN departments d ON d.id = w.owner_id
WHERE u.account_id = $1 AND u.day >= $2 AND u.day < $3 AND ($4::text IS NULL OR p.id = $4 OR d.pool_id = $4)
GROUP BY 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """Credits deducted for something, credits of it that came back, and for how many jobs."""

    key: str
    label: str
    used: int
    refunded: int
    operations: int


async def _read(sql: str, *values: Any) -> list[dict[str, Any]]:
    return await get_connection("default").execute_query_dict(sql, list(values))


def _most_first(rows: Sequence[dict[str, Any]]) -> list[Used]:
    return sorted((Used(**row) for row in rows), key=lambda each: (-each.used, each.label, each.key))


async def by_staging_type(statement: Statement) -> list[Used]:
    """What a statement's deductions and refunds were for, most first."""
    return _most_first(await _read(_BY_TYPE, statement.wallet_id, statement.after_sequence, statement.last_sequence))


async def by_department(account_id: str, kind: OwnerKind, owner_id: str | None, month: date) -> list[Used]:
    """What an account's, or a pool's, wallet and those below it used in a month, most first; nothing of what has none
    below it."""
    if kind is OwnerKind.DEPARTMENT:
        return []
    return _most_first(await _read(_BY_WALLET, account_id, month, owner_id if kind is OwnerKind.POOL else None))


async def by_day(account_id: str, pool_id: str | None, month: date) -> list[int]:
    """The credits that an account, or one of its pools with its departments, used on each day of a month."""
    found = {row["day"]: row["used"] for row in await _read(_BY_DAY, account_id, month, following(month), pool_id)}
    return [found.get(month.replace(day=day), 0) for day in range(1, (following(month) - month).days + 1)]
