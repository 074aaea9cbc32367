"""Pools and departments: making, renaming and what is told of them. Deleting one is in `closing.py`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.exceptions import IntegrityError
from tortoise.transactions import in_transaction

from credits.accounts import service
from credits.accounts.audit_log import record
from credits.accounts.models import Account, AccountKind, Department, Pool
from credits.actors import Actor
from credits.errors import NotFound, Refusal, RefusalCode
from credits.faults import trying_again, violated
from credits.ledger.queries import now
from credits.text import clean

Part = TypeVar("Part", Pool, Department)

_NAMES = {"pools_name_unique": "pool of this account", "departments_name_unique": "department of this pool"}
CHANNEL_LENGTH = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifications:
    """What is told of a pool's departments, and in which channel of Slack."""

    slack_channel: str | None
    allocation_use: bool
    weekly_digest: bool


async def add_pool(actor: Actor, account_id: str, *, name: str) -> str:
    """A pool with its wallet; returns its id. Refused: an individual's account, and NAME_TAKEN."""
    wanted = service.clean_name(name, field="name")
    at = await now()

    async def work() -> str:
        async with in_transaction() as connection:
            account = await Account.get(id=account_id, using_db=connection)
            if account.kind is not AccountKind.ENTERPRISE:
                raise Refusal(
                    RefusalCode.INVALID,
                    "Only an enterprise has pools, and this is an individual's account. Ask support for an enterprise.",
                    field="accountId",
                )
            pool = await service.create_pool(connection, account_id=account_id, name=wanted, at=at)
            await record(connection, actor, "createPool", account_id=account_id, target=pool.id, after={"name": wanted})
            return pool.id

    with _a_free_name():
        return await trying_again(work)


async def add_department(actor: Actor, pool_id: str, *, name: str) -> str:
    """A department with its wallet; returns its id. Refused: NAME_TAKEN. Raises NotFound for a pool that is gone."""
    wanted = service.clean_name(name, field="name")
    at = await now()

    async def work() -> str:
        async with in_transaction() as connection:
            pool = await lock_open(connection, Pool, pool_id)
            department = await service.create_department(connection, pool=pool, name=wanted, at=at)
            await record(
                connection,
                actor,
                "createDepartment",
                account_id=account_of(pool),
                target=department.id,
                after={"name": wanted, "poolId": pool_id},
            )
            return department.id

    with _a_free_name():
        return await trying_again(work)


async def rename_pool(actor: Actor, pool_id: str, *, name: str) -> None:
    """Another name. Refused: NAME_TAKEN. Raises NotFound for a pool that is gone."""
    await _rename(actor, "renamePool", Pool, pool_id, name)


async def rename_department(actor: Actor, department_id: str, *, name: str) -> None:
    """Another name. Refused: NAME_TAKEN. Raises NotFound for a department that is gone."""
    await _rename(actor, "renameDepartment", Department, department_id, name)


async def _rename(actor: Actor, action: str, kind: type[Part], part_id: str, name: str) -> None:
    wanted = service.clean_name(name, field="name")

    async def work() -> None:
        async with in_transaction() as connection:
            part = await lock_open(connection, kind, part_id)
            before, part.name = part.name, wanted
            if before == wanted:
                return
            await part.save(using_db=connection, update_fields=["name"])
            await record(
                connection,
                actor,
                action,
                account_id=account_of(part),
                target=part_id,
                before={"name": before},
                after={"name": wanted},
            )

    with _a_free_name():
        await trying_again(work)


async def set_notifications(actor: Actor, pool_id: str, wanted: Notifications) -> None:
    """What is to be told of the pool's departments, and where. Raises NotFound for a pool that is gone."""
    channel = clean(wanted.slack_channel, field="slackChannel", limit=CHANNEL_LENGTH)

    async def work() -> None:
        async with in_transaction() as connection:
            pool = await lock_open(connection, Pool, pool_id)
            before = _told_of(pool)
            pool.slack_channel = channel
            pool.tell_allocation_use = wanted.allocation_use
            pool.tell_weekly = wanted.weekly_digest
            after = _told_of(pool)
            if before == after:
                return
            await pool.save(using_db=connection, update_fields=["slack_channel", "tell_allocation_use", "tell_weekly"])
            await record(
                connection,
                actor,
                "setPoolNotifications",
                account_id=account_of(pool),
                target=pool_id,
                before=before,
                after=after,
            )

    await trying_again(work)


def _told_of(pool: Pool) -> dict[str, object]:
    return {
        "slackChannel": pool.slack_channel,
        "allocationUse": pool.tell_allocation_use,
        "weeklyDigest": pool.tell_weekly,
    }


async def lock_open(connection: BaseDBAsyncClient, kind: type[Part], part_id: str) -> Part:
    """The pool or department, locked until the caller's database transaction ends, so that nobody deletes it meanwhile.
    Raises NotFound where it is gone."""
    found = await kind.filter(id=part_id, deleted_at=None).using_db(connection).select_for_update(no_key=True).first()
    if found is None:
        raise NotFound
    return found


def account_of(part: Pool | Department) -> str:
    """The account that it belongs to."""
    account_id: str = part.__dict__["account_id"]
    return account_id


@contextmanager
def _a_free_name() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        what = _NAMES.get(violated(error) or "")
        if what is None:
            raise
        raise Refusal(
            RefusalCode.NAME_TAKEN, f"Another {what} has this name; case is ignored. Choose another.", field="name"
        ) from error
