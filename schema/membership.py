"""Who belongs to an account, administers its pools and spends in its departments."""

from collections.abc import Awaitable, Callable

import strawberry

from credits.access import changes
from credits.accounts import models, people
from credits.accounts.models import AccountRole
from credits.accounts.rules import Action, may
from credits.actors import Actor
from credits.errors import Forbidden
from credits.ids import Kind
from schema.accounts import account_at
from schema.context import Context, Info
from schema.errors import UserError, refusals_as
from schema.people import Membership, User
from schema.permissions import account_place, check_kind, place_for
from schema.settings import AccountPayload
from schema.structure import DepartmentPayload, PoolPayload, department_payload, pool_payload

_OWNERS_MAKE_OWNERS = "A key neither makes nor removes owners. An owner of the account can."


@strawberry.input
class AddMemberInput:
    account_id: strawberry.ID
    email: str
    name: str = strawberry.field(description="Of somebody who is not known here yet.")
    role: AccountRole


@strawberry.input
class SetMemberRoleInput:
    account_id: strawberry.ID
    user_id: strawberry.ID
    role: AccountRole


@strawberry.input
class RemoveMemberInput:
    account_id: strawberry.ID
    user_id: strawberry.ID


@strawberry.input
class PoolPersonInput:
    pool_id: strawberry.ID
    user_id: strawberry.ID


@strawberry.input
class DepartmentPersonInput:
    department_id: strawberry.ID
    user_id: strawberry.ID


@strawberry.type
class MembershipPayload:
    membership: Membership | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


async def _membership_payload(context: Context, account_id: str, user_id: str) -> MembershipPayload:
    context.forget()
    row = await models.Membership.get(account_id=account_id, user_id=user_id).prefetch_related("user")
    place = await account_place(context, account_id)
    shown = User.of(row.user, show_email=may(context.standing, Action.SEE_EMAILS, place))
    return MembershipPayload(membership=Membership(user=shown, role=row.role, since=row.since))


async def _told(context: Context, account_id: str) -> None:
    await changes.told(context.services.checkouts.publisher, account_id=account_id)


@strawberry.type
class MembershipMutation:
    @strawberry.mutation(
        description="Invites somebody who is not known here yet: their first token with this address is theirs."
    )
    @refusals_as(MembershipPayload)
    async def add_member(
        self,
        info: Info,
        input: AddMemberInput,  # noqa: A002 the API's name for it
    ) -> MembershipPayload | None:
        context = info.context
        await place_for(context, input.account_id, Kind.ACCOUNT, Action.MANAGE_PEOPLE, field="accountId")
        if context.standing.key and input.role is AccountRole.OWNER:
            raise Forbidden(_OWNERS_MAKE_OWNERS)
        user_id = await people.add_member(
            context.standing.actor, input.account_id, email=input.email, name=input.name, role=input.role
        )
        await _told(context, input.account_id)
        return await _membership_payload(context, input.account_id, user_id)

    @strawberry.mutation(
        description="Whoever becomes an auditor administers, spends and approves no more. Refused (LAST_OWNER) when"
        " nobody would own the account."
    )
    @refusals_as(MembershipPayload)
    async def set_member_role(
        self,
        info: Info,
        input: SetMemberRoleInput,  # noqa: A002 the API's name for it
    ) -> MembershipPayload | None:
        context = info.context
        await place_for(context, input.account_id, Kind.ACCOUNT, Action.SET_ROLES, field="accountId")
        user_id = check_kind(input.user_id, Kind.USER, field="userId")
        await people.set_role(context.standing.actor, input.account_id, user_id, input.role)
        await _told(context, input.account_id)
        return await _membership_payload(context, input.account_id, user_id)

    @strawberry.mutation(
        description="Also out of the account's pools, departments and approval policies; a policy with too few"
        " approvers left has to be set anew. Refused (LAST_OWNER) when nobody would own the account."
    )
    @refusals_as(AccountPayload)
    async def remove_member(
        self,
        info: Info,
        input: RemoveMemberInput,  # noqa: A002 the API's name for it
    ) -> AccountPayload | None:
        context = info.context
        await place_for(context, input.account_id, Kind.ACCOUNT, Action.MANAGE_PEOPLE, field="accountId")
        user_id = check_kind(input.user_id, Kind.USER, field="userId")
        if context.standing.key and await people.role_of(input.account_id, user_id) is AccountRole.OWNER:
            raise Forbidden(_OWNERS_MAKE_OWNERS)
        await people.remove_member(context.standing.actor, input.account_id, user_id)
        await _told(context, input.account_id)
        context.forget()
        return AccountPayload(account=await account_at(context, await account_place(context, input.account_id)))

    @strawberry.mutation(description="Let a member, but no auditor, administer a pool and its departments.")
    @refusals_as(PoolPayload)
    async def add_pool_administrator(
        self,
        info: Info,
        input: PoolPersonInput,  # noqa: A002 the API's name for it
    ) -> PoolPayload | None:
        return await _change_pool(info.context, input, people.add_administrator)

    @strawberry.mutation(description="Let a member administer a pool no more.")
    @refusals_as(PoolPayload)
    async def remove_pool_administrator(
        self,
        info: Info,
        input: PoolPersonInput,  # noqa: A002 the API's name for it
    ) -> PoolPayload | None:
        return await _change_pool(info.context, input, people.remove_administrator)

    @strawberry.mutation(description="Let a member, but no auditor, spend a department's credits.")
    @refusals_as(DepartmentPayload)
    async def add_department_member(
        self,
        info: Info,
        input: DepartmentPersonInput,  # noqa: A002 the API's name for it
    ) -> DepartmentPayload | None:
        return await _change_department(info.context, input, people.add_spender)

    @strawberry.mutation(description="Let a member spend a department's credits no more.")
    @refusals_as(DepartmentPayload)
    async def remove_department_member(
        self,
        info: Info,
        input: DepartmentPersonInput,  # noqa: A002 the API's name for it
    ) -> DepartmentPayload | None:
        return await _change_department(info.context, input, people.remove_spender)


Change = Callable[[Actor, str, str], Awaitable[None]]


async def _change_pool(context: Context, wanted: PoolPersonInput, change: Change) -> PoolPayload:
    place = await place_for(context, wanted.pool_id, Kind.POOL, Action.MANAGE_POOL, field="poolId")
    user_id = check_kind(wanted.user_id, Kind.USER, field="userId")
    await change(context.standing.actor, wanted.pool_id, user_id)
    await _told(context, place.account_id)
    return await pool_payload(context, wanted.pool_id)


async def _change_department(context: Context, wanted: DepartmentPersonInput, change: Change) -> DepartmentPayload:
    place = await place_for(context, wanted.department_id, Kind.DEPARTMENT, Action.MANAGE_POOL, field="departmentId")
    user_id = check_kind(wanted.user_id, Kind.USER, field="userId")
    await change(context.standing.actor, wanted.department_id, user_id)
    await _told(context, place.account_id)
    return await department_payload(context, wanted.department_id)
