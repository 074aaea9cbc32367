"""What was used in a period, added up from what is kept by day and by month in the commits that booked it.

Months that lie in the period wholly are read as such, and only its ends by day; all in one statement, as of one
instant.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tortoise.connection import get_connection

from credits.actors import SYSTEM
from credits.ids import Kind, kind_of
from credits.reports.rules import Period, UsageGroup

# $3 and $4 are Period.whole_months.
_PARTS = """
SELECT wallet_id, day, staging_type, person_id, credits, refunded, operations
FROM usage_days WHERE {whose} AND day >= $2 AND day < $3
UNION ALL
SELECT wallet_id, month, staging_type, person_id, credits, refunded, operations
FROM usage_months WHERE {whose} AND month >= $3 AND month < $4
UNION ALL
SELECT wallet_id, day, staging_type, person_id, credits, refunded, operations
FROM usage_days WHERE {whose} AND day >= $4 AND day <= $5
"""
_OF_WALLETS, _OF_ACCOUNT = _PARTS.format(whose="wallet_id = ANY($1)"), _PARTS.format(whose="account_id = $1")
_GROUPS = {
    UsageGroup.DAY: "day::text",
    UsageGroup.WEEK: "date_trunc('week', day::timestamp)::date::text",
    UsageGroup.MONTH: "date_trunc('month', day::timestamp)::date::text",
    UsageGroup.STAGING_TYPE: "staging_type",
    UsageGroup.DEPARTMENT: "wallet_id",
    UsageGroup.ACTOR: "person_id",
}
# What the key of a group is called, and what it is where that is another than it was added up by.
_NAMES = {
    UsageGroup.WEEK: ("key", "to_char(key::date, 'IYYY-\"W\"IW')", ""),
    UsageGroup.MONTH: ("key", "left(key, 7)", ""),
    UsageGroup.STAGING_TYPE: ("key", "s.name", "LEFT JOIN staging_types s ON s.code = key"),
    UsageGroup.DEPARTMENT: (
        "w.owner_id",
        "coalesce(d.name, p.name, a.name)",
        "JOIN wallets w ON w.id = key JOIN accounts a ON a.id = w.account_id LEFT JOIN pools p ON p.id = w.owner_id "
        "LEFT JOIN departments d ON d.id = w.owner_id",
    ),
    UsageGroup.ACTOR: (
        "key",
        "coalesce(u.name, k.name)",
        "LEFT JOIN users u ON u.id = key LEFT JOIN api_keys k ON k.id = key",
    ),
}
_OF_POOL = """
SELECT w.id FROM wallets w
WHERE w.owner_id = $1 OR w.owner_id IN (SELECT id FROM departments WHERE pool_id = $1) ORDER BY w.id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRow:
    """What was used of one group: `key` is the first day of it, the staging type's code, the id of whose wallet it is
    or of who used it. Credits deducted, credits refunded, jobs deducted for."""

    key: str
    label: str
    credits: int
    refunded: int
    operations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageReport:
    """What was used in a period. Groups in which nothing was are left out."""

    period: Period
    rows: Sequence[UsageRow]

    @property
    def credits(self) -> int:
        """Deducted."""
        return sum(row.credits for row in self.rows)

    @property
    def refunded(self) -> int:
        """Given back of deductions, in this period."""
        return sum(row.refunded for row in self.rows)

    @property
    def operations(self) -> int:
        """Jobs deducted for."""
        return sum(row.operations for row in self.rows)


async def wallets_usage(wallet_ids: Sequence[str], period: Period, group: UsageGroup) -> UsageReport:
    """Of these wallets together."""
    return await _usage(_OF_WALLETS, list(wallet_ids), period, group)


async def pool_usage(pool_id: str, period: Period, group: UsageGroup) -> UsageReport:
    """Of the pool's wallet and its departments', those that were deleted too."""
    found = await get_connection("default").execute_query_dict(_OF_POOL, [pool_id])
    return await wallets_usage([row["id"] for row in found], period, group)


async def account_usage(account_id: str, period: Period, group: UsageGroup) -> UsageReport:
    """Of all wallets of the account."""
    return await _usage(_OF_ACCOUNT, account_id, period, group)


async def _usage(parts: str, whose: str | list[str], period: Period, group: UsageGroup) -> UsageReport:
    by_day = group in {UsageGroup.DAY, UsageGroup.WEEK}
    first, after = (period.start, period.start) if by_day else period.whole_months()
    values: list[Any] = [whose, period.start, first, after, period.end]
    found = await get_connection("default").execute_query_dict(_sql(parts, group), values)
    rows = [
        UsageRow(
            key=row["key"],
            label=row["label"] or _nameless(row["key"]),
            credits=row["credits"],
            refunded=row["refunded"],
            operations=row["operations"],
        )
        for row in found
    ]
    rows.sort(key=(lambda row: (0, row.key)) if group.of_time else (lambda row: (-row.credits, row.key)))
    return UsageReport(period=period, rows=rows)


def _sql(parts: str, group: UsageGroup) -> str:
    key, label, names = _NAMES.get(group, ("key", "key", ""))
    return f"""
    SELECT {key} AS key, {label} AS label, used.credits, used.refunded, used.operations FROM (
        SELECT {_GROUPS[group]} AS key, sum(credits)::bigint AS credits, sum(refunded)::bigint AS refunded,
               sum(operations)::bigint AS operations
        FROM ({parts}) parts GROUP BY 1
    ) used {names}
    """


def _nameless(key: str) -> str:
    """What is not in a table of names: people and keys that are gone, and the platform's own services."""
    match kind_of(key):
        case Kind.USER:
            return "Somebody who has left"
        case Kind.API_KEY:
            return "A key that is gone"
    return "System" if key == SYSTEM.id else "Staging engine"
