"""API keys of an account: made with a secret that is shown once, and revoked. Only a hash is kept."""

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from credits.access.models import ApiKey
from credits.accounts import audit_log
from credits.accounts.rules import Scope
from credits.accounts.service import clean_name
from credits.actors import Actor, ActorKind
from credits.errors import Refusal, RefusalCode
from credits.faults import trying_again
from credits.ids import Kind, make_id
from credits.ledger.queries import now as database_now

KEY_PREFIX = "sck_"
MAX_KEYS = 100
MAX_WALLETS = 100
_SHOWN = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """What a key is made from. Wallets are of the account, which the caller has made sure of; None: all of them."""

    account_id: str
    name: str
    scopes: Collection[str]
    wallet_ids: Collection[str] | None
    expires_at: datetime | None


def hash_of(secret: str) -> str:
    """What is kept of a key. Its 256 random bits need no salt and no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


def new_secret() -> str:
    """A fresh API key."""
    return KEY_PREFIX + secrets.token_urlsafe(32)


async def create_key(actor: Actor, wanted: NewKey) -> tuple[ApiKey, str]:
    """The key and its secret, which nobody can be shown again. Refused: no scope or one that there is not, no wallet
    where wallets are named, an expiry that has passed, and more than 100 keys in force."""
    name, scopes = clean_name(wanted.name, field="name"), _scopes(wanted.scopes)
    if wanted.wallet_ids is not None and not 0 < len(wanted.wallet_ids) <= MAX_WALLETS:
        raise Refusal(
            RefusalCode.INVALID,
            f"Name between 1 and {MAX_WALLETS} wallets, or leave this out for all of them.",
            field="walletIds",
        )
    at = await database_now()
    if wanted.expires_at is not None and wanted.expires_at <= at:
        raise Refusal(RefusalCode.INVALID, "This time has passed. Name one to come.", field="expiresAt")
    key_id, secret = make_id(Kind.API_KEY), new_secret()

    async def work() -> ApiKey:
        async with in_transaction() as connection:
            # Found again after a commit whose answer was lost.
            if made := await ApiKey.get_or_none(id=key_id, using_db=connection):
                return made
            in_force = ApiKey.filter(account_id=wanted.account_id, revoked_at=None).using_db(connection)
            if await in_force.count() >= MAX_KEYS:
                raise Refusal(RefusalCode.INVALID, f"An account has at most {MAX_KEYS} keys. Revoke one first.")
            row = await add_api_key(
                connection,
                key_id=key_id,
                account_id=wanted.account_id,
                name=name,
                secret=secret,
                scopes=scopes,
                wallet_ids=sorted(set(wanted.wallet_ids or ())),
                made_by=actor.id if actor.kind is ActorKind.USER else None,
                expires_at=wanted.expires_at,
                at=at,
            )
            await audit_log.record(
                connection, actor, "createApiKey", account_id=wanted.account_id, target=key_id, after=_recorded(row)
            )
            return row

    return await trying_again(work), secret


def _scopes(given: Collection[str]) -> frozenset[Scope]:
    known = {scope.value: scope for scope in Scope}
    if not given or not known.keys() >= set(given):
        raise Refusal(
            RefusalCode.INVALID, f"Name at least one scope, and of these only: {', '.join(known)}.", field="scopes"
        )
    return frozenset(known[each] for each in given)


def _recorded(row: ApiKey) -> dict[str, object]:
    return {
        "name": row.name,
        "scopes": ", ".join(row.scopes),
        "walletIds": ", ".join(row.wallet_ids) or None,
        "expiresAt": row.expires_at and row.expires_at.isoformat(),
    }


async def add_api_key(
    connection: BaseDBAsyncClient,
    *,
    account_id: str,
    name: str,
    secret: str,
    scopes: frozenset[Scope],
    at: datetime,
    key_id: str | None = None,
    wallet_ids: Collection[str] = (),
    made_by: str | None = None,
    expires_at: datetime | None = None,
) -> ApiKey:
    """Keep a key of the account; only its hash and first characters stay."""
    return await ApiKey.create(
        id=key_id or make_id(Kind.API_KEY),
        account_id=account_id,
        name=name,
        prefix=secret[:_SHOWN],
        secret_hash=hash_of(secret),
        scopes=sorted(scope.value for scope in scopes),
        wallet_ids=list(wallet_ids),
        made_by=made_by,
        created_at=at,
        expires_at=expires_at,
        using_db=connection,
    )


async def revoke_key(actor: Actor, key: ApiKey) -> None:
    """Believe the key no more; one that is revoked already stays so."""
    account_id: str = key.__dict__["account_id"]

    async def work() -> None:
        async with in_transaction() as connection:
            revoked = await connection.execute_query_dict(
                "UPDATE api_keys SET revoked_at = credits_now() WHERE id = $1 AND revoked_at IS NULL RETURNING id",
                [key.id],
            )
            if revoked:
                await audit_log.record(
                    connection,
                    actor,
                    "revokeApiKey",
                    account_id=account_id,
                    target=key.id,
                    before={"name": key.name},
                )

    await trying_again(work)
