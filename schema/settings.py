"""Accounts as the platform's staff and their owners keep them: found, made, renamed, suspended."""

from collections.abc import Sequence

import strawberry

import schema.accounts
from credits.accounts import models, queries, service, settings
from credits.accounts.models import AccountKind
from credits.accounts.rules import Action, Place
from credits.errors import Forbidden
from credits.ids import Kind
from credits.text import clean
from schema.accounts import Account
from schema.context import Info
from schema.errors import UserError, refusals_as
from schema.pagination import After, Connection, First, Position, connection, instant_at
from schema.permissions import place_for

_LONGEST_SEARCH = 200


@strawberry.type
class StaffQuery:
    @strawberry.field(description="Operators: by part of the name or of a member's e-mail address, or by id.")
    async def accounts(
        self, info: Info, search: str | None = None, first: First = 25, after: After = None
    ) -> Connection[Account] | None:
        context = info.context
        if not context.standing.operator:
            raise Forbidden("Only the platform's staff looks for accounts. The query viewer has your own.")
        wanted = (clean(search, field="search", limit=_LONGEST_SEARCH) or "").strip()

        async def read(limit: int, position: Position | None) -> Sequence[tuple[models.Account, Place]]:
            before = (instant_at(position, 0), position[1]) if position else None
            ids = await queries.find_accounts(wanted, limit=limit, before=before)
            rows = await context.loaders.accounts.load_many(ids)
            places = await context.loaders.places.load_many(ids)
            return [(row, place) for row, place in zip(rows, places, strict=True) if row and place]

        return await connection(
            list_name="accounts",
            first=first,
            after=after,
            key=lambda found: (found[0].created_at.isoformat(), found[0].id),
            key_length=2,
            read=read,
            node=lambda found: Account.of(*found),
        )


@strawberry.input
class CreateAccountInput:
    name: str
    kind: AccountKind
    owner_email: str
    owner_name: str
    idempotency_key: str
    time_zone: str = "UTC"


@strawberry.input
class UpdateAccountInput:
    account_id: strawberry.ID
    name: str | None = None
    time_zone: str | None = strawberry.field(
        default=None, description="IANA name, such as Europe/Berlin; applies from the next month on."
    )


@strawberry.input
class SuspendAccountInput:
    account_id: strawberry.ID
    suspended: bool
    reason: str = strawberry.field(description="The account's owners read it in the audit log.")


@strawberry.type
class AccountPayload:
    account: Account | None = None
    replayed: bool = False
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class AccountMutation:
    @strawberry.mutation(description="Operators and the platform's own service only.")
    @refusals_as(AccountPayload)
    async def create_account(
        self,
        info: Info,
        input: CreateAccountInput,  # noqa: A002 the API's name for it
    ) -> AccountPayload | None:
        standing = info.context.standing
        if not (standing.operator or standing.service):
            raise Forbidden("Only the platform's staff makes accounts. Write to support.")
        row, replayed = await service.create_account(
            standing.actor,
            service.NewAccount(
                name=input.name,
                kind=input.kind,
                time_zone=input.time_zone,
                owner_email=input.owner_email,
                owner_name=input.owner_name,
                idempotency_key=input.idempotency_key,
            ),
        )
        return AccountPayload(account=await schema.accounts.account(info.context, row.id), replayed=replayed)

    @strawberry.mutation(description="Another name, or another time zone from the next month on.")
    @refusals_as(AccountPayload)
    async def update_account(
        self,
        info: Info,
        input: UpdateAccountInput,  # noqa: A002 the API's name for it
    ) -> AccountPayload | None:
        context = info.context
        await place_for(context, input.account_id, Kind.ACCOUNT, Action.MANAGE_ACCOUNT, field="accountId")
        await settings.update_account(
            context.standing.actor, input.account_id, name=input.name, time_zone=input.time_zone
        )
        context.forget()
        return AccountPayload(account=await schema.accounts.account(context, input.account_id))

    @strawberry.mutation(
        description="Keep an account from spending, promising, moving and buying credits, or let it again. Operators"
        " only."
    )
    @refusals_as(AccountPayload)
    async def suspend_account(
        self,
        info: Info,
        input: SuspendAccountInput,  # noqa: A002 the API's name for it
    ) -> AccountPayload | None:
        context = info.context
        if not context.standing.operator:
            raise Forbidden("Only the platform's staff suspends accounts. Write to support.")
        await place_for(context, input.account_id, Kind.ACCOUNT, Action.SEE, field="accountId")
        await settings.suspend_account(
            context.standing.actor, input.account_id, suspended=input.suspended, reason=input.reason
        )
        context.forget()
        return AccountPayload(account=await schema.accounts.account(context, input.account_id))
