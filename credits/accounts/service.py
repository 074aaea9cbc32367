"""Making accounts, pools, departments and people. Every one of the first three gets its wallet in the same commit."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import available_timezones

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from credits.accounts.audit_log import record
from credits.accounts.models import (
    NAME_LENGTH,
    Account,
    AccountKind,
    AccountRole,
    Department,
    DepartmentMember,
    Membership,
    Pool,
    PoolAdministrator,
    User,
)
from credits.actors import Actor
from credits.errors import Refusal, RefusalCode
from credits.faults import trying_again
from credits.idempotency import Key, claim, difference, make_key
from credits.ids import Kind, make_id
from credits.ledger.models import OwnerKind
from credits.ledger.store import open_wallet
from credits.text import clean

# RFC 5321 leaves more room than anybody uses; what matters is that mail can be sent there.
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,250}\.[^@\s.]{2,60}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """What an account is made from; `time_zone` is an IANA name."""

    name: str
    kind: AccountKind
    time_zone: str
    owner_email: str
    owner_name: str
    idempotency_key: str

    def fields(self) -> Mapping[str, object]:
        """What tells this call from another with the same key."""
        return {
            "name": self.name,
            "kind": self.kind.value,
            "timeZone": self.time_zone,
            "ownerEmail": self.owner_email,
            "ownerName": self.owner_name,
        }


async def create_account(actor: Actor, wanted: NewAccount) -> tuple[Account, bool]:
    """The account, and whether it had been made before by the same call. Its owner is the person with that e-mail
    address, made if there is none yet. Refused: names that are empty or too long, no such time zone, no address."""
    key = make_key(scope=actor.id, key=wanted.idempotency_key, operation="createAccount", fields=wanted.fields())
    name = clean_name(wanted.name, field="name")
    owner_name = clean_name(wanted.owner_name, field="ownerName")
    email = clean_email(wanted.owner_email, field="ownerEmail")
    check_time_zone(wanted.time_zone)

    # Made once: found again after a commit whose answer was lost, it is no replay.
    account_id = make_id(Kind.ACCOUNT)

    async def work() -> tuple[Account, bool]:
        async with in_transaction() as connection:
            now, made_before = await _claimed(connection, key, account_id)
            if made_before:
                return await Account.get(id=made_before, using_db=connection), made_before != account_id
            owner = await find_or_make_user(connection, name=owner_name, email=email, at=now)
            account = await open_account(
                connection,
                actor,
                account_id=account_id,
                name=name,
                kind=wanted.kind,
                time_zone=wanted.time_zone,
                owner_id=owner.id,
                at=now,
            )
            return account, False

    return await trying_again(work)


async def open_account(
    connection: BaseDBAsyncClient,
    actor: Actor,
    *,
    account_id: str,
    name: str,
    kind: AccountKind,
    time_zone: str,
    owner_id: str,
    at: datetime,
) -> Account:
    """An account with its wallet and its owner."""
    account = await Account.create(
        id=account_id, name=name, kind=kind, time_zone=time_zone, created_at=at, using_db=connection
    )
    await open_wallet(connection, account_id=account_id, owner_kind=OwnerKind.ACCOUNT, owner_id=account_id, at=at)
    await add_membership(connection, account_id=account_id, user_id=owner_id, role=AccountRole.OWNER, at=at)
    made = {"name": name, "kind": kind, "timeZone": time_zone, "owner": owner_id}
    await record(connection, actor, "createAccount", account_id=account_id, target=account_id, after=made)
    return account


async def _claimed(connection: BaseDBAsyncClient, key: Key, result_id: str) -> tuple[datetime, str | None]:
    now, taken = await claim(connection, [(key, result_id)])
    used = taken.get(key.identity)
    if used is None:
        return now, None
    if reason := difference(key, used):
        raise Refusal(RefusalCode.IDEMPOTENCY_KEY_REUSED, reason, field="idempotencyKey")
    return now, used.result_id


async def find_or_make_user(connection: BaseDBAsyncClient, *, name: str, email: str, at: datetime) -> User:
    """The person with this e-mail address (case ignored), made if there is none; two at once make one."""
    await connection.execute_query(
        "INSERT INTO users (id, name, email, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT (lower(email)) DO NOTHING",
        [make_id(Kind.USER), name, email, at],
    )
    (row,) = await connection.execute_query_dict("SELECT id FROM users WHERE lower(email) = lower($1)", [email])
    return await User.get(id=row["id"], using_db=connection)


async def add_membership(
    connection: BaseDBAsyncClient, *, account_id: str, user_id: str, role: AccountRole, at: datetime
) -> None:
    """Give a person a role in an account."""
    await Membership.create(
        id=make_id(Kind.MEMBERSHIP), account_id=account_id, user_id=user_id, role=role, since=at, using_db=connection
    )


async def create_pool(connection: BaseDBAsyncClient, *, account_id: str, name: str, at: datetime) -> Pool:
    """A pool with its wallet."""
    pool = await Pool.create(
        id=make_id(Kind.POOL), account_id=account_id, name=name, created_at=at, using_db=connection
    )
    await open_wallet(connection, account_id=account_id, owner_kind=OwnerKind.POOL, owner_id=pool.id, at=at)
    return pool


async def create_department(connection: BaseDBAsyncClient, *, pool: Pool, name: str, at: datetime) -> Department:
    """A department of a pool, with its wallet."""
    account_id = pool.account_id  # type: ignore[attr-defined] # Tortoise makes the column's attribute at run time
    department = await Department.create(
        id=make_id(Kind.DEPARTMENT),
        account_id=account_id,
        pool_id=pool.id,
        name=name,
        created_at=at,
        using_db=connection,
    )
    await open_wallet(connection, account_id=account_id, owner_kind=OwnerKind.DEPARTMENT, owner_id=department.id, at=at)
    return department


async def add_pool_administrator(connection: BaseDBAsyncClient, *, account_id: str, pool_id: str, user_id: str) -> None:
    """Make a member of the account an administrator of the pool."""
    await PoolAdministrator.create(account_id=account_id, pool_id=pool_id, user_id=user_id, using_db=connection)


async def add_department_member(
    connection: BaseDBAsyncClient, *, account_id: str, department_id: str, user_id: str
) -> None:
    """Let a member of the account spend the department's credits."""
    await DepartmentMember.create(
        account_id=account_id, department_id=department_id, user_id=user_id, using_db=connection
    )


def clean_name(value: str, *, field: str) -> str:
    """The name without spaces around it; refused when nothing of it can be seen or over 200 characters."""
    name = (clean(value, field=field, limit=NAME_LENGTH) or "").strip()
    if not any(unicodedata.category(character)[0] in "LNPS" for character in name):
        raise Refusal(RefusalCode.INVALID, "A name has at least one character that can be seen.", field=field)
    return name


def clean_email(value: str, *, field: str) -> str:
    """The address without spaces around it; refused when it is none."""
    email = (clean(value, field=field, limit=320) or "").strip()
    if not _EMAIL.fullmatch(email):
        raise Refusal(RefusalCode.INVALID, "This is no e-mail address. One looks like name@example.com.", field=field)
    return email


def check_time_zone(name: str) -> None:
    """Refuse what is no IANA name."""
    if name not in available_timezones():
        raise Refusal(
            RefusalCode.INVALID,
            "There is no such time zone. Give an IANA name such as Europe/Berlin.",
            field="timeZone",
        )
