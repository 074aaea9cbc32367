"""Reads of statements: closed ones as they stand, the running month added up anew; and what is shown beside them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from tortoise.connection import get_connection

from credits.accounts.zones import Zones
from credits.errors import BadInput, NotFound
from credits.ledger.models import OwnerKind, TransactionKind
from credits.reports.months import Movement, Posted, Statement, month_of, named, statements

# So many transactions are added up by one statement of SQL when a month is closed: less than a second's work.
PORTION = 200_000
_ALL = 2**62

_CLOSED = "SELECT * FROM statements WHERE wallet_id = $1 AND month = $2"
_BEFORE = "SELECT * FROM statements WHERE wallet_id = $1 AND month < $2 ORDER BY month DESC LIMIT 1"
_FIRST = "SELECT min(month) AS month FROM statements WHERE wallet_id = $1"
_POSTED = """
SELECT date_trunc('month', t.local_day)::date AS month, t.kind, sum(t.change)::bigint AS credits, count(*) AS count,
       max(t.sequence) AS last_sequence
FROM transactions t WHERE t.wallet_id = $1 AND t.sequence > $2 AND t.sequence <= $3 GROUP BY 1, 2
"""
_OWNER = """
SELECT w.owner_kind, w.account_id, a.name AS account, coalesce(d.name, p.name, a.name) AS name, dp.name AS pool,
       a.time_zone, a.former_time_zone, a.time_zone_from, credits_now() AS now
FROM wallets w JOIN accounts a ON a.id = w.account_id
LEFT JOIN pools p ON p.id = w.owner_id LEFT JOIN departments d ON d.id = w.owner_id
LEFT JOIN pools dp ON dp.id = d.pool_id
WHERE w.id = $1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose wallet it is, as people call them, and the account's time; `pool` is that of a department."""

    account_id: str
    account: str
    kind: OwnerKind
    name: str
    pool: str | None
    zones: Zones
    now: datetime

    @property
    def running(self) -> date:
        """The month that runs where the account is."""
        return month_of(self.zones.day(self.now))


async def _read(sql: str, *values: Any) -> list[dict[str, Any]]:
    return await get_connection("default").execute_query_dict(sql, list(values))


def statement_of(row: dict[str, Any]) -> Statement:
    """A closed one, from its row."""
    return Statement(
        wallet_id=row["wallet_id"],
        month=row["month"],
        opening=row["opening"],
        closing=row["closing"],
        after_sequence=row["after_sequence"],
        last_sequence=row["last_sequence"],
        movements=tuple(
            Movement(kind=TransactionKind(each["kind"]), credits=each["credits"], count=each["count"])
            for each in json.loads(row["movements"])
        ),
        closed_at=row["closed_at"],
    )


async def owner_of(wallet_id: str) -> Owner:
    """Whose wallet it is. Raises NotFound."""
    rows = await _read(_OWNER, wallet_id)
    if not rows:
        raise NotFound
    row = rows[0]
    return Owner(
        account_id=row["account_id"],
        account=row["account"],
        kind=OwnerKind(row["owner_kind"]),
        name=row["name"],
        pool=row["pool"],
        zones=Zones(name=row["time_zone"], former=row["former_time_zone"], since=row["time_zone_from"]),
        now=row["now"],
    )


async def posted(wallet_id: str, *, after: int, upto: int = _ALL) -> list[Posted]:
    """What was posted above a sequence number, up to another, by month and kind: all as of one instant."""
    return [
        Posted(
            month=row["month"],
            movement=Movement(kind=TransactionKind(row["kind"]), credits=row["credits"], count=row["count"]),
            last_sequence=row["last_sequence"],
        )
        for row in await _read(_POSTED, wallet_id, after, upto)
    ]


async def statement(wallet_id: str, day: date) -> Statement:
    """The statement of the month of that day. The first of a wallet is that of the month of its first transaction.
    Raises BadInput for a month before it, and for one that has not begun."""
    month = month_of(day)
    if found := await _read(_CLOSED, wallet_id, month):
        return statement_of(found[0])
    owner = await owner_of(wallet_id)
    if month > owner.running:
        raise BadInput("month", f"{named(month)} has not begun. The running month is {named(owner.running)}.")
    last = await _read(_BEFORE, wallet_id, month)
    before = statement_of(last[0]) if last else None
    # What is closed stands still, so whatever is closed meanwhile changes nothing of what follows from `before`.
    moved = await posted(wallet_id, after=before.last_sequence if before else 0)
    first = await _first(wallet_id, moved) if before is None else month
    if month < (first or owner.running):
        raise BadInput("month", f"The first statement of this wallet is that of {named(first or owner.running)}.")
    return statements(wallet_id, before, moved, upto=month)[-1]


async def _first(wallet_id: str, moved: Sequence[Posted]) -> date | None:
    (closed,) = await _read(_FIRST, wallet_id)
    first: date | None = closed["month"]
    return first or min((each.month for each in moved), default=None)
