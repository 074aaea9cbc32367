"""Reads of standing orders, of requests for more, and of what was used of what was given."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tortoise.connection import get_connection

from credits.accounts.zones import Zones
from credits.actors import Actor, ActorKind
from credits.allocations.models import Period, RequestStatus
from credits.allocations.rules import next_run

_RULES = """
SELECT r.*, a.time_zone, a.former_time_zone, a.time_zone_from
FROM allocation_rules r JOIN accounts a ON a.id = r.account_id WHERE r.department_id = ANY($1)
"""
# `wallet_id` is the department's.
_REQUEST = """
SELECT r.*, d.name AS department, p.name AS pool, w.id AS wallet_id, pw.id AS pool_wallet_id,
       d.deleted_at IS NOT NULL OR p.deleted_at IS NOT NULL AS closed
FROM allocation_requests r
JOIN departments d ON d.id = r.department_id JOIN wallets w ON w.owner_id = d.id
JOIN pools p ON p.id = r.pool_id JOIN wallets pw ON pw.owner_id = p.id
WHERE r.id = $1
"""
_USE = """
SELECT t.wallet_id,
       coalesce(-sum(t.change) FILTER (WHERE t.kind IN ('DEDUCTION', 'REFUND')), 0)::bigint AS used,
       coalesce(sum(t.change) FILTER (WHERE t.kind IN ('ALLOCATION', 'TRANSFER') AND t.change > 0), 0)::bigint AS given
FROM transactions t
WHERE t.account_id = $1 AND t.wallet_id = ANY($2)
    AND t.created_at >= $3 AND ($4::timestamptz IS NULL OR t.created_at < $4)
GROUP BY t.wallet_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleView:
    """A department's standing order, and when it runs next."""

    credits: int
    period: Period
    rollover: bool
    next_run: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestView:
    """A request for more as it is now, with the names and wallets of the department and its pool. `closed`: one of the
    two was deleted."""

    id: str
    account_id: str
    pool_id: str
    department_id: str
    department: str
    pool: str
    wallet_id: str
    pool_wallet_id: str
    closed: bool
    requested_by: Actor
    credits: int
    reason: str
    status: RequestStatus
    decided_by: str | None
    transfer_id: str | None
    decided_at: datetime | None


def zones_of(row: dict[str, Any]) -> Zones:
    """The zones of the account that a row was joined with."""
    return Zones(name=row["time_zone"], former=row["former_time_zone"], since=row["time_zone_from"])


async def rules_by_department(ids: Iterable[str]) -> dict[str, RuleView]:
    """The standing orders of those of the departments that have one. When it runs next follows the account's time zone
    as it is set now."""
    found = {}
    for row in await get_connection("default").execute_query_dict(_RULES, [list(ids)]):
        period = Period(row["period"])
        found[row["department_id"]] = RuleView(
            credits=row["credits"],
            period=period,
            rollover=row["rollover"],
            next_run=next_run(period, zones_of(row), row["last_period"]),
        )
    return found


async def request(request_id: str) -> RequestView | None:
    """The request with this id."""
    rows = await get_connection("default").execute_query_dict(_REQUEST, [request_id])
    if not rows:
        return None
    row = rows[0]
    return RequestView(
        id=row["id"],
        account_id=row["account_id"],
        pool_id=row["pool_id"],
        department_id=row["department_id"],
        department=row["department"],
        pool=row["pool"],
        wallet_id=row["wallet_id"],
        pool_wallet_id=row["pool_wallet_id"],
        closed=row["closed"],
        requested_by=Actor(kind=ActorKind(row["requested_by_kind"]), id=row["requested_by_id"]),
        credits=row["credits"],
        reason=row["reason"],
        status=RequestStatus(row["status"]),
        decided_by=row["decided_by"],
        transfer_id=row["transfer_id"],
        decided_at=row["decided_at"],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What a wallet used (deductions less refunds) and was given in a time, in credits."""

    used: int = 0
    given: int = 0


async def use_of(
    account_id: str, wallet_ids: Sequence[str], *, start: datetime, end: datetime | None = None
) -> dict[str, Use]:
    """What those of the account's wallets that were busy from `start` on, and before `end`, used and were given."""
    rows = await get_connection("default").execute_query_dict(_USE, [account_id, list(wallet_ids), start, end])
    return {row["wallet_id"]: Use(used=row["used"], given=row["given"]) for row in rows}
