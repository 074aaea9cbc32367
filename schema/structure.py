"""An enterprise's pools and departments: made, renamed, deleted, and what is told of them."""

import strawberry

from credits.access import changes
from credits.accounts import closing, structure
from credits.accounts.rules import Action
from credits.ids import Kind
from schema.accounts import Department, Pool, department_at, pool_at
from schema.context import Context, Info
from schema.errors import UserError, refusals_as
from schema.ids import IdInput, IdPayload
from schema.permissions import place_for, place_of


@strawberry.input
class CreatePoolInput:
    account_id: strawberry.ID
    name: str


@strawberry.input
class CreateDepartmentInput:
    pool_id: strawberry.ID
    name: str


@strawberry.input
class RenameInput:
    id: strawberry.ID
    name: str


@strawberry.input
class SetPoolNotificationsInput:
    pool_id: strawberry.ID
    slack_channel: str | None = None
    allocation_use: bool = True
    weekly_digest: bool = True


@strawberry.type
class PoolPayload:
    pool: Pool | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class DepartmentPayload:
    department: Department | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


async def pool_payload(context: Context, pool_id: str) -> PoolPayload:
    """The pool as it is now, for a caller who was let change it."""
    context.forget()
    return PoolPayload(pool=await pool_at(context, await place_of(context, pool_id)))


async def department_payload(context: Context, department_id: str) -> DepartmentPayload:
    """The department as it is now, for a caller who was let change it."""
    context.forget()
    return DepartmentPayload(department=await department_at(context, await place_of(context, department_id)))


@strawberry.type
class StructureMutation:
    @strawberry.mutation(description="A pool of an enterprise, with a wallet of its own.")
    @refusals_as(PoolPayload)
    async def create_pool(
        self,
        info: Info,
        input: CreatePoolInput,  # noqa: A002 the API's name for it
    ) -> PoolPayload | None:
        context = info.context
        await place_for(context, input.account_id, Kind.ACCOUNT, Action.MANAGE_POOLS, field="accountId")
        pool_id = await structure.add_pool(context.standing.actor, input.account_id, name=input.name)
        return await pool_payload(context, pool_id)

    @strawberry.mutation(description="Another name for a pool.")
    @refusals_as(PoolPayload)
    async def rename_pool(
        self,
        info: Info,
        input: RenameInput,  # noqa: A002 the API's name for it
    ) -> PoolPayload | None:
        context = info.context
        await place_for(context, input.id, Kind.POOL, Action.MANAGE_POOL)
        await structure.rename_pool(context.standing.actor, input.id, name=input.name)
        return await pool_payload(context, input.id)

    @strawberry.mutation(
        description="Its credits go back to the account, and its history stays. Refused (NOT_EMPTY) while it has"
        " departments, and while credits in it are promised, bought, owed or frozen."
    )
    @refusals_as(IdPayload)
    async def delete_pool(
        self,
        info: Info,
        input: IdInput,  # noqa: A002 the API's name for it
    ) -> IdPayload | None:
        context = info.context
        place = await place_for(context, input.id, Kind.POOL, Action.MANAGE_POOLS)
        publisher = context.services.checkouts.publisher
        await closing.delete_pool(publisher, context.standing.actor, input.id)
        await changes.told(publisher, account_id=place.account_id)
        context.forget()
        return IdPayload(id=input.id)

    @strawberry.mutation(description="What is told of the pool's departments, and in which channel of Slack.")
    @refusals_as(PoolPayload)
    async def set_pool_notifications(
        self,
        info: Info,
        input: SetPoolNotificationsInput,  # noqa: A002 the API's name for it
    ) -> PoolPayload | None:
        context = info.context
        await place_for(context, input.pool_id, Kind.POOL, Action.MANAGE_POOL, field="poolId")
        wanted = structure.Notifications(
            slack_channel=input.slack_channel,
            allocation_use=input.allocation_use,
            weekly_digest=input.weekly_digest,
        )
        await structure.set_notifications(context.standing.actor, input.pool_id, wanted)
        return await pool_payload(context, input.pool_id)

    @strawberry.mutation(description="A department of a pool, with a wallet of its own.")
    @refusals_as(DepartmentPayload)
    async def create_department(
        self,
        info: Info,
        input: CreateDepartmentInput,  # noqa: A002 the API's name for it
    ) -> DepartmentPayload | None:
        context = info.context
        await place_for(context, input.pool_id, Kind.POOL, Action.MANAGE_POOL, field="poolId")
        made = await structure.add_department(context.standing.actor, input.pool_id, name=input.name)
        return await department_payload(context, made)

    @strawberry.mutation(description="Another name for a department.")
    @refusals_as(DepartmentPayload)
    async def rename_department(
        self,
        info: Info,
        input: RenameInput,  # noqa: A002 the API's name for it
    ) -> DepartmentPayload | None:
        context = info.context
        await place_for(context, input.id, Kind.DEPARTMENT, Action.MANAGE_POOL)
        await structure.rename_department(context.standing.actor, input.id, name=input.name)
        return await department_payload(context, input.id)

    @strawberry.mutation(
        description="Its credits go back to the pool, and its history stays. Refused (NOT_EMPTY) while credits in it"
        " are promised, bought, owed or frozen."
    )
    @refusals_as(IdPayload)
    async def delete_department(
        self,
        info: Info,
        input: IdInput,  # noqa: A002 the API's name for it
    ) -> IdPayload | None:
        context = info.context
        place = await place_for(context, input.id, Kind.DEPARTMENT, Action.MANAGE_POOL)
        publisher = context.services.checkouts.publisher
        await closing.delete_department(publisher, context.standing.actor, input.id)
        await changes.told(publisher, account_id=place.account_id)
        context.forget()
        return IdPayload(id=input.id)
