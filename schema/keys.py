"""API keys: what an owner gives to programs. The secret is told once, when the key is made."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self

import strawberry

import schema.ledger
from credits.access import changes, keys, models, queries
from credits.accounts.rules import Action, visible
from credits.errors import Forbidden, NotFound
from credits.ids import Kind
from schema.context import Context, Info
from schema.errors import UserError, refusals_as
from schema.ids import IdInput, IdPayload
from schema.node import Node
from schema.permissions import account_place, check_kind, place_for, require

if TYPE_CHECKING:
    from schema.ledger import Wallet

LazyWallet = Annotated["Wallet", strawberry.lazy("schema.ledger")]


@strawberry.type(description="What a program shows instead of a person's token.")
class ApiKey(Node):
    wallet_ids: strawberry.Private[list[str]]
    name: str
    prefix: str
    scopes: list[str]
    created_at: datetime
    last_used_at: datetime | None = strawberry.field(description="To the minute.")
    expires_at: datetime | None
    revoked_at: datetime | None

    @classmethod
    def of(cls, row: models.ApiKey) -> Self:
        """From the row; the caller may see it."""
        return cls(
            id=strawberry.ID(row.id),
            wallet_ids=row.wallet_ids,
            name=row.name,
            prefix=row.prefix,
            scopes=row.scopes,
            created_at=row.created_at,
            last_used_at=row.last_used_at,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
        )

    @strawberry.field(description="Only these wallets, when there are any.")
    async def wallets(self, info: Info) -> list[LazyWallet]:
        places = await info.context.loaders.places.load_many(self.wallet_ids)
        return [schema.ledger.Wallet.of(place) for place in places if place]


async def _key_for(context: Context, key_id: str) -> models.ApiKey:
    """The key, for a caller who may manage the account's keys."""
    standing = context.standing
    check_kind(key_id, Kind.API_KEY, field="id")
    row = await models.ApiKey.get_or_none(id=key_id)
    if row is None:
        raise NotFound
    place = await account_place(context, row.__dict__["account_id"])
    if not visible(standing, place):
        raise NotFound
    require(standing, Action.MANAGE_KEYS, place)
    return row


async def api_key(context: Context, key_id: str) -> ApiKey:
    """The key, for a caller who may manage the account's keys; for any other person there is none."""
    try:
        return ApiKey.of(await _key_for(context, key_id))
    except Forbidden:
        if context.standing.key or context.standing.service:
            raise
        raise NotFound from None


async def account_keys(account_id: str) -> list[ApiKey]:
    """The account's keys, for a caller who may manage them."""
    return [ApiKey.of(row) for row in await queries.keys_of(account_id)]


@strawberry.input
class CreateApiKeyInput:
    account_id: strawberry.ID
    name: str
    scopes: list[str] = strawberry.field(description="Of read, spend, purchase, allocate and manage.")
    wallet_ids: list[strawberry.ID] | None = strawberry.field(
        default=None, description="Only these wallets of the account."
    )
    expires_at: datetime | None = None


@strawberry.type
class CreateApiKeyPayload:
    api_key: ApiKey | None = None
    secret: str | None = strawberry.field(default=None, description="Shown this once; keep it.")
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class KeyMutation:
    @strawberry.mutation(description="Make a key for a program. Its secret is shown this once.")
    @refusals_as(CreateApiKeyPayload)
    async def create_api_key(
        self,
        info: Info,
        input: CreateApiKeyInput,  # noqa: A002 the API's name for it
    ) -> CreateApiKeyPayload | None:
        context = info.context
        await place_for(context, input.account_id, Kind.ACCOUNT, Action.MANAGE_KEYS, field="accountId")
        await context.loaders.places.load_many(input.wallet_ids or ())
        for wallet_id in input.wallet_ids or ():
            wallet = await place_for(context, wallet_id, Kind.WALLET, Action.SEE, field="walletIds")
            if wallet.account_id != input.account_id:
                raise NotFound
        wanted = keys.NewKey(
            account_id=input.account_id,
            name=input.name,
            scopes=input.scopes,
            wallet_ids=input.wallet_ids,
            expires_at=input.expires_at,
        )
        row, secret = await keys.create_key(context.standing.actor, wanted)
        return CreateApiKeyPayload(api_key=ApiKey.of(row), secret=secret)

    @strawberry.mutation(description="Believe a key no more, from now on; one that is revoked already stays so.")
    @refusals_as(IdPayload)
    async def revoke_api_key(
        self,
        info: Info,
        input: IdInput,  # noqa: A002 the API's name for it
    ) -> IdPayload | None:
        context = info.context
        row = await _key_for(context, input.id)
        await keys.revoke_key(context.standing.actor, row)
        await changes.told(context.services.checkouts.publisher, account_id=row.__dict__["account_id"])
        return IdPayload(id=input.id)
