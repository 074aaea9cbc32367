"""Standing orders: set by people, and run by the schedule at the start of each period.

A run claims the pool's orders in the commit that moves the credits, so that of any number of workers one runs them.
What a period missed is not made up for: an order runs for the period that is, and only once.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import structlog
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.connection import get_connection
from tortoise.transactions import in_transaction

from credits import outbox
from credits.accounts.audit_log import record
from credits.accounts.rules import Place
from credits.actors import SYSTEM, Actor
from credits.allocations.messages import SHORT_JOB, Given, message
from credits.allocations.models import Period
from credits.allocations.queries import zones_of
from credits.allocations.rules import named, next_run, present
from credits.errors import NotFound, RefusalCode
from credits.faults import trying_again
from credits.gateways.publisher import Publisher
from credits.idempotency import make_key
from credits.ids import Kind, make_id
from credits.ledger.commands import Transfer, check_amount
from credits.ledger.feed import BalanceChange, tell
from credits.ledger.models import TransactionKind
from credits.ledger.posting import Posted, Refused
from credits.ledger.store import Outcome, Replayed, post
from credits.ledger.text import SALT_BYTES, Text
from credits.ledger.wallet import MAX_OPERATION
from credits.outbox import Queue

_log = structlog.get_logger()

# A department that is being deleted is waited for, and then is not there.
_DEPARTMENT = """
SELECT d.pool_id, a.time_zone, a.former_time_zone, a.time_zone_from, credits_now() AS now
FROM departments d JOIN accounts a ON a.id = d.account_id WHERE d.id = $1 AND d.deleted_at IS NULL FOR SHARE OF d
"""
_BEFORE = "SELECT credits, period, rollover FROM allocation_rules WHERE department_id = $1 FOR UPDATE"
_SET = """
INSERT INTO allocation_rules (department_id, account_id, pool_id, credits, period, rollover, last_period, next_run)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (department_id) DO UPDATE SET credits = excluded.credits, period = excluded.period,
    rollover = excluded.rollover, last_period = excluded.last_period, next_run = excluded.next_run
"""
_REMOVE = "DELETE FROM allocation_rules WHERE department_id = $1"

# `next_run` was written by the account's time zone as it was then. Another zone can bring it forward by a day and more.
_LOOKED_AT = """
r.next_run <= clock.now + interval '2 days' AND (r.next_run <= clock.now OR a.former_time_zone IS NOT NULL)
"""
_POOLS = f"""
SELECT DISTINCT r.pool_id FROM (SELECT credits_now() AS now) clock, allocation_rules r
JOIN accounts a ON a.id = r.account_id WHERE {_LOOKED_AT}
"""
_DUE = f"""
SELECT r.*, d.name, w.id AS wallet_id, pw.id AS pool_wallet_id, clock.now,
       a.time_zone, a.former_time_zone, a.time_zone_from
FROM (SELECT credits_now() AS now) clock, allocation_rules r
JOIN accounts a ON a.id = r.account_id
JOIN departments d ON d.id = r.department_id AND d.deleted_at IS NULL
JOIN wallets w ON w.owner_id = r.department_id JOIN wallets pw ON pw.owner_id = r.pool_id
WHERE r.pool_id = $1 AND {_LOOKED_AT}
ORDER BY r.department_id FOR UPDATE OF r
"""
_CLAIM = """
UPDATE allocation_rules r SET last_period = c.last_period, next_run = c.next_run
FROM unnest($1::text[], $2::date[], $3::timestamptz[]) AS c (department_id, last_period, next_run)
WHERE r.department_id = c.department_id AND r.last_period <= c.last_period
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderInput:
    """What a department is to be given at the start of each period; without `rollover` what it has left and does not
    hold goes back to the pool before."""

    credits: int
    period: Period
    rollover: bool


async def set_order(actor: Actor, place: Place, wanted: OrderInput | None) -> None:
    """Make or change the department's standing order, or (None) remove it. It first runs at the start of the next
    period. Refused: other than 1 to 1,000,000,000 credits. Raises NotFound where the department was just deleted."""
    department_id = place.department_id or ""
    if wanted is not None:
        check_amount(wanted.credits, field="credits")

    async def work() -> None:
        async with in_transaction() as connection:
            found = await connection.execute_query_dict(_DEPARTMENT, [department_id])
            if not found:
                raise NotFound
            before = await connection.execute_query_dict(_BEFORE, [department_id])
            if wanted is not None:
                await _set(connection, place, wanted, found[0])
            elif before:
                await connection.execute_query(_REMOVE, [department_id])
            else:
                return
            after = (
                {"credits": wanted.credits, "period": wanted.period, "rollover": wanted.rollover} if wanted else None
            )
            await record(
                connection,
                actor,
                "setAllocationRule",
                account_id=place.account_id,
                target=department_id,
                before=before[0] if before else None,
                after=after,
            )

    await trying_again(work)


async def _set(connection: BaseDBAsyncClient, place: Place, wanted: OrderInput, found: dict[str, Any]) -> None:
    zones = zones_of(found)
    last = present(wanted.period, zones, found["now"])
    runs = next_run(wanted.period, zones, last)
    values = [place.department_id, place.account_id, found["pool_id"], wanted.credits, wanted.period.value]
    await connection.execute_query(_SET, [*values, wanted.rollover, last, runs])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """A standing order whose period has begun."""

    department_id: str
    account_id: str
    name: str
    wallet_id: str
    pool_wallet_id: str
    credits: int
    rollover: bool
    period: Period
    first_day: date

    def reclaim(self) -> Transfer:
        """All that is available goes back to the pool, as far as one operation moves it."""
        return self._transfer(self.wallet_id, self.pool_wallet_id, TransactionKind.RECLAIM, MAX_OPERATION)

    def give(self) -> Transfer:
        """What was ordered comes from the pool, or what the pool has."""
        return self._transfer(self.pool_wallet_id, self.wallet_id, TransactionKind.ALLOCATION, self.credits)

    def _transfer(self, source: str, target: str, kind: TransactionKind, credits_moved: int) -> Transfer:
        way = "reclaim" if kind is TransactionKind.RECLAIM else "give"
        return Transfer(
            id=make_id(Kind.TRANSFER),
            wallet_id=source,
            to_wallet_id=target,
            actor=SYSTEM,
            # By the department, whose id no caller's keys have for a scope.
            key=make_key(
                scope=self.department_id,
                key=f"standing-order:{self.first_day}:{way}",
                operation="standingOrder",
                fields={},
            ),
            text=Text(
                salt=secrets.token_bytes(SALT_BYTES),
                reference=None,
                description=f"Standing order, {named(self.period, self.first_day)}",
                metadata=None,
            ),
            kind=kind,
            credits=credits_moved,
            up_to=True,
        )


async def run_due(publisher: Publisher) -> int:
    """Run every standing order whose period has begun; returns how many were run. Safe to be done many times at once.
    A pool whose orders cannot be run now keeps no other from it."""
    ran = 0
    for row in await get_connection("default").execute_query_dict(_POOLS):
        ran += await _run_pool(publisher, row["pool_id"])
    return ran


async def _run_pool(publisher: Publisher, pool_id: str) -> int:
    async def work() -> tuple[int, list[BalanceChange]]:
        async with in_transaction() as connection:
            orders = await _claim(connection, pool_id)
            return len(orders), await _run(connection, pool_id, orders) if orders else []

    try:
        ran, told = await trying_again(work)
    except Exception:
        _log.exception("standing_orders_failed", pool=pool_id)
        return 0
    await tell(publisher, told)
    return ran


async def _claim(connection: BaseDBAsyncClient, pool_id: str) -> list[_Order]:
    """The pool's orders whose period has begun, in the order of the departments' names; from now on they have run for
    it. Whoever comes later waits, and finds that they have."""
    orders: list[_Order] = []
    claimed: list[tuple[str, date, object]] = []
    for row in await connection.execute_query_dict(_DUE, [pool_id]):
        period, zones = Period(row["period"]), zones_of(row)
        first = max(present(period, zones, row["now"]), row["last_period"])
        claimed.append((row["department_id"], first, next_run(period, zones, first)))
        if first > row["last_period"]:
            orders.append(
                _Order(
                    department_id=row["department_id"],
                    account_id=row["account_id"],
                    name=row["name"],
                    wallet_id=row["wallet_id"],
                    pool_wallet_id=row["pool_wallet_id"],
                    credits=row["credits"],
                    rollover=row["rollover"],
                    period=period,
                    first_day=first,
                )
            )
    if claimed:
        await connection.execute_query(_CLAIM, [list(column) for column in zip(*claimed, strict=True)])
    return sorted(orders, key=lambda order: (order.name.casefold(), order.department_id))


async def _run(connection: BaseDBAsyncClient, pool_id: str, orders: Sequence[_Order]) -> list[BalanceChange]:
    """First what comes back from everywhere, then what is given; what could not be is written down to be told."""
    reclaims = [order.reclaim() for order in orders if not order.rollover]
    gives = [order.give() for order in orders]
    result = await post(connection, [*reclaims, *gives])
    outcomes = [outcome for (outcome,) in result.outcomes]
    given = [
        Given(
            department=order.name,
            period=named(order.period, order.first_day),
            credits=_moved(order, outcome),
            ordered=order.credits,
        )
        for order, outcome in zip(orders, outcomes[len(reclaims) :], strict=True)
    ]
    short = [each for each in given if each.credits < each.ordered]
    because = next((reason for outcome in outcomes if (reason := _because(outcome))), None)
    if short or because:
        payload = {
            "pool_id": pool_id,
            "run": gives[0].id,
            "short": [each.payload() for each in short],
            "because": because,
        }
        await outbox.add(connection, [message(SHORT_JOB, orders[0].account_id, Queue.ALERTS, payload)])
    return result.told


def _moved(order: _Order, outcome: Outcome) -> int:
    match outcome:
        case Posted(lines=lines):
            return sum(line.change for line in lines if line.wallet_id == order.wallet_id and line.change > 0)
        case Replayed():
            return order.credits
        case _:
            return 0


def _because(outcome: Outcome) -> str | None:
    """Why nothing moved, other than for want of credits: that nothing is there needs no words."""
    if isinstance(outcome, Refused) and outcome.code is not RefusalCode.INSUFFICIENT_CREDITS:
        return outcome.message
    return None
