"""From what a caller shows to how they stand: a person's token, an account's API key, or the platform's service key.

Tokens and keys are never logged; keys are kept as hashes and compared in constant time.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.connection import get_connection

from credits.access import tokens
from credits.access.models import ApiKey
from credits.accounts.queries import memberships
from credits.accounts.rules import KeyGrant, Scope, Standing
from credits.actors import Actor, ActorKind
from credits.errors import Unauthenticated
from credits.ids import Kind, make_id

KEY_PREFIX = "sck_"
_SHOWN = 12

_BY_IDENTITY = """
SELECT u.id, u.email FROM identities i JOIN users u ON u.id = i.user_id WHERE i.issuer = $1 AND i.subject = $2
"""
# The first token of a person who is known by e-mail links the two, once; a second at the same moment finds it done.
_LINK = """
WITH known AS (SELECT id, email FROM users WHERE lower(email) = lower($3)),
     linked AS (INSERT INTO identities (issuer, subject, user_id) SELECT $1, $2, id FROM known ON CONFLICT DO NOTHING)
SELECT id, email FROM known
"""
# The platform's staff are named by the settings; their first token makes them known. Their next links the two.
_NEW_OPERATOR = """
INSERT INTO users (id, name, email, created_at) VALUES ($1, $2, $2, credits_now())
ON CONFLICT (lower(email)) DO UPDATE SET email = users.email RETURNING id, email
"""
_API_KEY = "SELECT id, account_id, scopes, wallet_ids, expires_at, revoked_at FROM api_keys WHERE "


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Whom this deployment believes: how tokens must be signed, service keys by name, operators by e-mail address
    (lower case)."""

    tokens: tokens.TokenRules
    service_keys: Mapping[str, str]
    operators: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A caller and until when what they showed is good (None: until it is revoked)."""

    standing: Standing
    expires_at: datetime | None


async def authenticate(access: Access, bearer: str) -> Caller:
    """Who shows this token or key. Raises Unauthenticated for one that is not valid (any more)."""
    if bearer.startswith(KEY_PREFIX):
        return await _api_key(bearer)
    if bearer.count(".") == 2:
        return await _person(access, bearer)
    return _service(access, bearer)


async def _read(sql: str, *values: Any) -> list[dict[str, Any]]:
    return await get_connection("default").execute_query_dict(sql, list(values))


async def _person(access: Access, token: str) -> Caller:
    claims = tokens.read(access.tokens, token)
    found = await _read(_BY_IDENTITY, claims.issuer, claims.subject)
    if not found and claims.email and claims.email_verified:
        found = await _read(_LINK, claims.issuer, claims.subject, claims.email)
        if not found and claims.email.lower() in access.operators:
            found = await _read(_NEW_OPERATOR, make_id(Kind.USER), claims.email)
    if not found:
        raise Unauthenticated("Nobody here is known by this token. Ask an owner of your account to add you.")
    user_id = found[0]["id"]
    standing = Standing(
        actor=Actor(kind=ActorKind.USER, id=user_id),
        user_id=user_id,
        operator=found[0]["email"].lower() in access.operators,
    )
    return Caller(standing=await refreshed(standing), expires_at=claims.expires_at)


async def refreshed(standing: Standing) -> Standing:
    """The same caller with the rights that they have by now. Raises Unauthenticated for a key that was revoked or has
    lapsed since."""
    if standing.key is not None:
        _good_key(await _read(_API_KEY + "id = $1", standing.actor.id))
    if standing.user_id is None:
        return standing
    roles, pools, departments = await memberships(standing.user_id)
    return replace(standing, memberships=roles, pool_ids=pools, department_ids=departments)


def _good_key(found: list[dict[str, Any]]) -> dict[str, Any]:
    if not found or found[0]["revoked_at"] is not None:
        raise Unauthenticated("This API key is not valid. An owner of the account can make a new one.")
    if found[0]["expires_at"] is not None and found[0]["expires_at"] <= datetime.now(UTC):
        raise Unauthenticated("This API key has expired. An owner of the account can make a new one.")
    return found[0]


async def _api_key(secret: str) -> Caller:
    row = _good_key(await _read(_API_KEY + "secret_hash = $1", hash_of(secret)))
    grant = KeyGrant(
        account_id=row["account_id"],
        scopes=frozenset(Scope(scope) for scope in json.loads(row["scopes"])),
        wallet_ids=frozenset(json.loads(row["wallet_ids"])),
    )
    standing = Standing(actor=Actor(kind=ActorKind.API_KEY, id=row["id"]), key=grant)
    return Caller(standing=standing, expires_at=row["expires_at"])


def _service(access: Access, bearer: str) -> Caller:
    shown = bearer.encode()
    matches = [name for name, secret in access.service_keys.items() if hmac.compare_digest(secret.encode(), shown)]
    if not matches:
        raise Unauthenticated("This is no token or key of this service. Send Authorization: Bearer <token>.")
    actor = Actor(kind=ActorKind.SERVICE, id=f"svc_{matches[0]}")
    return Caller(standing=Standing(actor=actor, service=True), expires_at=None)


def hash_of(secret: str) -> str:
    """What is kept of a key. Its 256 random bits need no salt and no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


def new_secret() -> str:
    """A fresh API key."""
    return KEY_PREFIX + secrets.token_urlsafe(32)


async def add_api_key(
    connection: BaseDBAsyncClient,
    *,
    account_id: str,
    name: str,
    secret: str,
    scopes: frozenset[Scope],
    at: datetime,
) -> ApiKey:
    """Keep a key of the account; only its hash and first characters stay."""
    return await ApiKey.create(
        id=make_id(Kind.API_KEY),
        account_id=account_id,
        name=name,
        prefix=secret[:_SHOWN],
        secret_hash=hash_of(secret),
        scopes=sorted(scope.value for scope in scopes),
        wallet_ids=[],
        created_at=at,
        using_db=connection,
    )
