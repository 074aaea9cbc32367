"""From what a caller shows to how they stand: a person's token, an account's API key, or the platform's service key.

Tokens and keys are never logged; keys are kept as hashes and compared in constant time.
"""

import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from tortoise.connection import get_connection

from credits.access import tokens
from credits.access.keys import KEY_PREFIX, hash_of
from credits.access.last_use import LastUses
from credits.access.people import person_of
from credits.access.providers import ProviderKeys
from credits.accounts.queries import memberships
from credits.accounts.rules import KeyGrant, Scope, Standing
from credits.actors import Actor, ActorKind
from credits.errors import Unauthenticated

_API_KEY = """
SELECT id, account_id, scopes, wallet_ids, expires_at, revoked_at, expires_at <= credits_now() AS lapsed,
       last_used_at IS NULL OR last_used_at < credits_now() - interval '1 minute' AS unnoted
FROM api_keys WHERE """


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Whom this deployment believes: how its own tokens must be signed, the identity providers by issuer, service keys
    with their names (a name may have several), operators by e-mail address (lower case); and whether a stranger with a
    valid token gets an account."""

    tokens: tokens.TokenRules
    providers: Mapping[str, ProviderKeys]
    service_keys: Sequence[tuple[str, str]]
    operators: frozenset[str]
    may_sign_up: bool
    last_uses: LastUses


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A caller and until when what they showed is good (None: until it is revoked)."""

    standing: Standing
    expires_at: datetime | None


async def authenticate(access: Access, bearer: str) -> Caller:
    """Who shows this token or key. Raises Unauthenticated for one that is not valid (any more), and Unavailable for a
    token that cannot be verified now."""
    if bearer.startswith(KEY_PREFIX):
        return await _api_key(access, bearer)
    if bearer.count(".") == 2:
        return await _person(access, bearer)
    return _service(access, bearer)


async def _read(sql: str, *values: Any) -> list[dict[str, Any]]:
    return await get_connection("default").execute_query_dict(sql, list(values))


async def _person(access: Access, token: str) -> Caller:
    claims = await tokens.verified(access.tokens, access.providers, token)
    user_id, email = await person_of(claims, may_sign_up=access.may_sign_up, operators=access.operators)
    standing = Standing(
        actor=Actor(kind=ActorKind.USER, id=user_id), user_id=user_id, operator=email.lower() in access.operators
    )
    return Caller(standing=await refreshed(standing), expires_at=claims.expires_at)


async def standing_of(access: Access, actor: Actor) -> Standing:
    """How a person or key stands now, of whom only the id is known, as in a link that we signed for them. Raises
    Unauthenticated where there is none (any more), and for whoever else acts."""
    if actor.kind is ActorKind.API_KEY:
        return _standing_of_key(_good_key(await _read(_API_KEY + "id = $1", actor.id)))
    found = await _read("SELECT email FROM users WHERE id = $1", actor.id) if actor.kind is ActorKind.USER else []
    if not found:
        raise Unauthenticated("Whoever asked for this is not known any more. Sign in, and ask again.")
    operator = found[0]["email"].lower() in access.operators
    return await refreshed(Standing(actor=actor, user_id=actor.id, operator=operator))


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
    if found[0]["lapsed"]:
        raise Unauthenticated("This API key has expired. An owner of the account can make a new one.")
    return found[0]


async def _api_key(access: Access, secret: str) -> Caller:
    row = _good_key(await _read(_API_KEY + "secret_hash = $1", hash_of(secret)))
    if row["unnoted"]:
        access.last_uses.note(row["id"])
    return Caller(standing=_standing_of_key(row), expires_at=row["expires_at"])


def _standing_of_key(row: dict[str, Any]) -> Standing:
    grant = KeyGrant(
        account_id=row["account_id"],
        scopes=frozenset(Scope(scope) for scope in json.loads(row["scopes"])),
        wallet_ids=frozenset(json.loads(row["wallet_ids"])),
    )
    return Standing(actor=Actor(kind=ActorKind.API_KEY, id=row["id"]), key=grant)


def _service(access: Access, bearer: str) -> Caller:
    shown = bearer.encode()
    matches = [name for name, secret in access.service_keys if hmac.compare_digest(secret.encode(), shown)]
    if not matches:
        raise Unauthenticated("This is no token or key of this service. Send Authorization: Bearer <token>.")
    actor = Actor(kind=ActorKind.SERVICE, id=f"svc_{matches[0]}")
    return Caller(standing=Standing(actor=actor, service=True), expires_at=None)
