"""The people of an account: members and their roles, administrators of pools, members of departments.

Whoever changes them holds the account's row, so that of two who do at once the second sees what the first did.
"""

from collections.abc import Mapping

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from credits.accounts import service
from credits.accounts.audit_log import record
from credits.accounts.models import AccountRole, Department, Membership, Pool
from credits.accounts.structure import Part, account_of, lock_open
from credits.actors import Actor
from credits.errors import Refusal, RefusalCode
from credits.faults import trying_again
from credits.ledger.queries import now

# Foreign keys look at the row too: they are not kept waiting.
_HOLD_PEOPLE = "SELECT 1 FROM accounts WHERE id = $1 FOR NO KEY UPDATE"
_ADD_ADMINISTRATOR = """
INSERT INTO pool_administrators (account_id, pool_id, user_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING 1
"""
_REMOVE_ADMINISTRATOR = """
DELETE FROM pool_administrators WHERE account_id = $1 AND pool_id = $2 AND user_id = $3 RETURNING 1
"""
_ADD_SPENDER = """
INSERT INTO department_members (account_id, department_id, user_id) VALUES ($1, $2, $3)
ON CONFLICT DO NOTHING RETURNING 1
"""
_REMOVE_SPENDER = """
DELETE FROM department_members WHERE account_id = $1 AND department_id = $2 AND user_id = $3 RETURNING 1
"""
_RELIEVE = (
    "DELETE FROM pool_administrators WHERE account_id = $1 AND user_id = $2",
    "DELETE FROM department_members WHERE account_id = $1 AND user_id = $2",
    "UPDATE approval_policies SET approver_ids = approver_ids - $2::text, escalate_to_ids = escalate_to_ids - $2::text"
    " WHERE account_id = $1 AND (approver_ids ? $2::text OR escalate_to_ids ? $2::text)",
)


async def add_member(actor: Actor, account_id: str, *, email: str, name: str, role: AccountRole) -> str:
    """Give the person with this e-mail address a role; returns their id. Somebody unknown so far is made, which invites
    them: their first token with this address is theirs. Refused: who is a member already."""
    address = service.clean_email(email, field="email")
    called = service.clean_name(name, field="name")
    at = await now()

    async def work() -> str:
        async with in_transaction() as connection:
            await connection.execute_query(_HOLD_PEOPLE, [account_id])
            person = await service.find_or_make_user(connection, name=called, email=address, at=at)
            if await _membership(connection, account_id, person.id):
                raise Refusal(
                    RefusalCode.INVALID,
                    "This person is a member already. setMemberRole changes their role.",
                    field="email",
                )
            await service.add_membership(connection, account_id=account_id, user_id=person.id, role=role, at=at)
            made = {"name": person.name, "role": role}
            await record(connection, actor, "addMember", account_id=account_id, target=person.id, after=made)
            return person.id

    return await trying_again(work)


async def set_role(actor: Actor, account_id: str, user_id: str, role: AccountRole) -> None:
    """Another role. Whoever becomes an auditor administers, spends and approves no more. Refused: who is no member, and
    LAST_OWNER when nobody would own the account."""

    async def work() -> None:
        async with in_transaction() as connection:
            membership = await _member(connection, account_id, user_id)
            before = membership.role
            if before is role:
                return
            await _keep_an_owner(connection, account_id, membership)
            membership.role = role
            await membership.save(using_db=connection, update_fields=["role"])
            if role is AccountRole.AUDITOR:
                await _relieve(connection, account_id, user_id)
            await record(
                connection,
                actor,
                "setMemberRole",
                account_id=account_id,
                target=user_id,
                before={"role": before},
                after={"role": role},
            )

    await trying_again(work)


async def remove_member(actor: Actor, account_id: str, user_id: str) -> None:
    """Take a person out of the account, its pools and departments and the policies that name them; what they are asked
    to decide already, they can no longer. Refused: who is no member, and LAST_OWNER when nobody would own the
    account."""

    async def work() -> None:
        async with in_transaction() as connection:
            membership = await _member(connection, account_id, user_id)
            await _keep_an_owner(connection, account_id, membership)
            await membership.delete(using_db=connection)
            await _relieve(connection, account_id, user_id)
            was = {"role": membership.role}
            await record(connection, actor, "removeMember", account_id=account_id, target=user_id, before=was)

    await trying_again(work)


async def role_of(account_id: str, user_id: str) -> AccountRole | None:
    """A person's role in the account, if they have one."""
    found = await Membership.get_or_none(account_id=account_id, user_id=user_id)
    return found.role if found else None


async def add_administrator(actor: Actor, pool_id: str, user_id: str) -> None:
    """Let a member administer the pool; who does already, goes on. Refused: who is no member, and auditors. Raises
    NotFound for a pool that is gone."""
    await _assign(actor, "addPoolAdministrator", Pool, pool_id, user_id, _ADD_ADMINISTRATOR)


async def remove_administrator(actor: Actor, pool_id: str, user_id: str) -> None:
    """Let a member administer the pool no more. Refused: who is no member. Raises NotFound for a pool that is gone."""
    await _assign(actor, "removePoolAdministrator", Pool, pool_id, user_id, _REMOVE_ADMINISTRATOR)


async def add_spender(actor: Actor, department_id: str, user_id: str) -> None:
    """Let a member spend the department's credits; who may already, goes on. Refused: who is no member, and auditors.
    Raises NotFound for a department that is gone."""
    await _assign(actor, "addDepartmentMember", Department, department_id, user_id, _ADD_SPENDER)


async def remove_spender(actor: Actor, department_id: str, user_id: str) -> None:
    """Let a member spend the department's credits no more. Refused: who is no member. Raises NotFound for a department
    that is gone."""
    await _assign(actor, "removeDepartmentMember", Department, department_id, user_id, _REMOVE_SPENDER)


async def _assign(actor: Actor, action: str, kind: type[Part], part_id: str, user_id: str, change: str) -> None:
    adding = action.startswith("add")

    async def work() -> None:
        async with in_transaction() as connection:
            account_id = account_of(await kind.get(id=part_id, using_db=connection))
            membership = await _member(connection, account_id, user_id)
            await lock_open(connection, kind, part_id)
            if adding and membership.role is AccountRole.AUDITOR:
                raise Refusal(
                    RefusalCode.INVALID,
                    "An auditor looks on, and neither administers nor spends. Give them another role first.",
                    field="userId",
                )
            if await connection.execute_query_dict(change, [account_id, part_id, user_id]):
                told: Mapping[str, object] = {"userId": user_id}
                await record(
                    connection,
                    actor,
                    action,
                    account_id=account_id,
                    target=part_id,
                    before=None if adding else told,
                    after=told if adding else None,
                )

    await trying_again(work)


async def _member(connection: BaseDBAsyncClient, account_id: str, user_id: str) -> Membership:
    """The membership, with all of the account's held until the caller's database transaction ends."""
    await connection.execute_query(_HOLD_PEOPLE, [account_id])
    found = await _membership(connection, account_id, user_id)
    if found is None:
        raise Refusal(
            RefusalCode.INVALID, "Nobody of this id is a member of the account. addMember makes one.", field="userId"
        )
    return found


async def _membership(connection: BaseDBAsyncClient, account_id: str, user_id: str) -> Membership | None:
    return await Membership.get_or_none(account_id=account_id, user_id=user_id, using_db=connection)


async def _keep_an_owner(connection: BaseDBAsyncClient, account_id: str, leaving: Membership) -> None:
    if leaving.role is not AccountRole.OWNER:
        return
    others = Membership.filter(account_id=account_id, role=AccountRole.OWNER).exclude(id=leaving.id)
    if not await others.using_db(connection).exists():
        raise Refusal(
            RefusalCode.LAST_OWNER, "Nobody else owns this account. Make somebody else an owner first.", field="userId"
        )


async def _relieve(connection: BaseDBAsyncClient, account_id: str, user_id: str) -> None:
    """From all that a person does in the account beside being a member."""
    for statement in _RELIEVE:
        await connection.execute_query(statement, [account_id, user_id])
