"""Deleting pools and departments: what can be taken back is, what cannot refuses it, all in one commit.

The rows stay: the wallet's history can be read on.
"""

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from credits.accounts.audit_log import record
from credits.accounts.models import Department, Pool
from credits.accounts.structure import account_of, lock_open
from credits.actors import SYSTEM, Actor
from credits.alerts.watching import stop
from credits.allocations.requests import cancel_of
from credits.errors import Refusal, RefusalCode
from credits.faults import trying_again
from credits.gateways.publisher import Publisher
from credits.ids import Kind, make_id
from credits.ledger.commands import Sweep, Transfer
from credits.ledger.feed import BalanceChange, tell
from credits.ledger.models import TransactionKind
from credits.ledger.posting import Refused
from credits.ledger.store import Outcome, lock_wallets, post
from credits.ledger.wallet import MAX_BALANCE, MAX_OPERATION

# As many operations as the fullest wallet takes.
_RECLAIMS = -(-MAX_BALANCE // MAX_OPERATION)
_WALLETS = "SELECT owner_id, id FROM wallets WHERE owner_id = ANY($1)"
# Nobody is to be told that what is being deleted is low, and nothing bought for it.
_SILENCE = """
UPDATE wallets SET alert_enabled = false, alert_phase = 'NEW', top_up_below = NULL, top_up_asked = false WHERE id = $1
"""
_LEFT = """
SELECT w.balance, w.held, w.debt,
       EXISTS (SELECT 1 FROM purchases WHERE wallet_id = w.id
               AND status IN ('PENDING_APPROVAL', 'AWAITING_PAYMENT', 'PROCESSING')) AS buying,
       EXISTS (SELECT 1 FROM lots WHERE wallet_id = w.id AND remaining > 0 AND frozen_by IS NOT NULL) AS frozen
FROM wallets w WHERE w.id = $1
"""


async def delete_department(publisher: Publisher, actor: Actor, department_id: str) -> None:
    """Its credits go back to the pool; its members, its standing order and what was requested for it go with it.
    Refused: NOT_EMPTY while something is promised, bought, owed or frozen. Raises NotFound where it is gone."""

    async def work() -> list[BalanceChange]:
        async with in_transaction() as connection:
            department = await lock_open(connection, Department, department_id)
            pool_id: str = department.__dict__["pool_id"]
            await connection.execute_query("DELETE FROM allocation_rules WHERE department_id = $1", [department_id])
            await cancel_of(connection, [department_id])
            told = await _take_back(connection, actor, department_id, into=pool_id)
            await connection.execute_query("DELETE FROM department_members WHERE department_id = $1", [department_id])
            await _mark_deleted(connection, actor, "deleteDepartment", department)
            return told

    await tell(publisher, await trying_again(work))


async def delete_pool(publisher: Publisher, actor: Actor, pool_id: str) -> None:
    """Its credits go back to the account; its administrators and its own approval policies go with it. Refused:
    NOT_EMPTY as for a department, and while it has departments. Raises NotFound where it is gone."""

    async def work() -> list[BalanceChange]:
        async with in_transaction() as connection:
            pool = await lock_open(connection, Pool, pool_id)
            if await Department.filter(pool_id=pool_id, deleted_at=None).using_db(connection).exists():
                raise _not_empty("It has departments. Delete them first.")
            told = await _take_back(connection, actor, pool_id, into=account_of(pool))
            await connection.execute_query("DELETE FROM pool_administrators WHERE pool_id = $1", [pool_id])
            await connection.execute_query("DELETE FROM approval_policies WHERE pool_id = $1", [pool_id])
            await _mark_deleted(connection, actor, "deletePool", pool)
            return told

    await tell(publisher, await trying_again(work))


async def _take_back(connection: BaseDBAsyncClient, actor: Actor, owner_id: str, *, into: str) -> list[BalanceChange]:
    """Empty the wallet into that of the other owner, with what has lapsed booked as such."""
    found = await connection.execute_query_dict(_WALLETS, [[owner_id, into]])
    wallets = {row["owner_id"]: row["id"] for row in found}
    await lock_wallets(connection, wallets.values())
    await connection.execute_query(_SILENCE, [wallets[owner_id]])
    await stop(connection, wallets[owner_id])
    lapsed = Sweep(id=make_id(Kind.TRANSACTION), wallet_id=wallets[owner_id], actor=SYSTEM, limit=MAX_OPERATION)
    reclaims = [
        Transfer(
            id=make_id(Kind.TRANSFER),
            wallet_id=wallets[owner_id],
            to_wallet_id=wallets[into],
            actor=actor,
            kind=TransactionKind.RECLAIM,
            credits=MAX_OPERATION,
            up_to=True,
        )
        for _ in range(_RECLAIMS)
    ]
    result = await post(connection, [lapsed, *reclaims])
    await _check_empty(connection, wallets[owner_id], [outcome for (outcome,) in result.outcomes])
    return result.told


async def _check_empty(connection: BaseDBAsyncClient, wallet_id: str, outcomes: list[Outcome]) -> None:
    (left,) = await connection.execute_query_dict(_LEFT, [wallet_id])
    if left["held"]:
        raise _not_empty(f"{left['held']:,} credits are promised to open holds. Capture or release these first.")
    if left["buying"]:
        raise _not_empty("A purchase for it is under way. Cancel it, or wait until it is paid or has ended.")
    if left["debt"]:
        raise _not_empty(f"It owes {left['debt']:,} credits for a payment that was taken back. Repay them first.")
    if left["frozen"]:
        raise _not_empty("Credits in it are frozen by a payment dispute. Wait until the dispute has ended.")
    if left["balance"]:
        refused = next(outcome for outcome in outcomes if isinstance(outcome, Refused))
        raise Refusal(refused.code, refused.message)


def _not_empty(message: str) -> Refusal:
    return Refusal(RefusalCode.NOT_EMPTY, message, field="id")


async def _mark_deleted(connection: BaseDBAsyncClient, actor: Actor, action: str, part: Pool | Department) -> None:
    await connection.execute_query(
        f"UPDATE {part._meta.db_table} SET deleted_at = credits_now() WHERE id = $1", [part.id]
    )
    await record(connection, actor, action, account_id=account_of(part), target=part.id, before={"name": part.name})
