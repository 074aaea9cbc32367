"""Bearer tokens of people: JSON Web Tokens with issuer, audience and expiry checked (RFC 7519, RFC 8725).

This deployment signs its own with a secret (HS256); those of identity providers are verified with the public keys that
the provider publishes. Which algorithm a key is good for is the key's to say, never the token's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from credits.access.providers import Provider, ProviderKeys
from credits.errors import Unauthenticated

ALGORITHM = "HS256"
_LONGEST = 16_384
# The provider's clock and ours are not one.
_CLOCKS_DIFFER = timedelta(seconds=10)
_NOT_VALID = "This token is not valid here. Sign in again, or check whom it was issued for."


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRules:
    """What a token must have been signed with, and for whom."""

    secret: str
    issuer: str
    audience: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a valid token says of the person. `expires_at` is when it ceases to be valid."""

    issuer: str
    subject: str
    email: str | None
    email_verified: bool
    name: str | None
    expires_at: datetime


def sign(rules: TokenRules, *, email: str, valid_for: timedelta) -> str:
    """A token for the person with this e-mail address, valid from now on."""
    now = datetime.now(UTC)
    claims = {
        "iss": rules.issuer,
        "aud": rules.audience,
        "sub": email.lower(),
        "email": email,
        "email_verified": True,
        "iat": now,
        "exp": now + valid_for,
    }
    return jwt.encode(claims, rules.secret, algorithm=ALGORITHM)


async def verified(rules: TokenRules, providers: Mapping[str, ProviderKeys], token: str) -> Claims:
    """The claims of a valid token, ours or of a provider. Raises Unauthenticated, saying what is wrong with any other,
    and Unavailable when its key is not known yet and the provider does not answer."""
    issuer, key_name = _origin(token)
    if issuer not in providers:
        return read(rules, token)
    keys = providers[issuer]
    key = await keys.find(key_name) if key_name else None
    if key is None:
        raise Unauthenticated("The identity provider does not know the key of this token. Sign in again.")
    return _read_of(keys.provider, key, token)


def read(rules: TokenRules, token: str) -> Claims:
    """The claims of a valid token of this deployment. Raises Unauthenticated, saying what is wrong with any other."""
    return _read(token, rules.secret, [ALGORITHM], rules.issuer, [rules.audience])


def _read_of(provider: Provider, key: jwt.PyJWK, token: str) -> Claims:
    return _read(token, key, [key.algorithm_name], provider.issuer, provider.audiences, leeway=_CLOCKS_DIFFER)


def _origin(token: str) -> tuple[str, str | None]:
    """Who a token says it is from, and the key it names: believed for nothing but the choice of the key."""
    if len(token) > _LONGEST:
        raise Unauthenticated(_NOT_VALID)
    try:
        named = jwt.get_unverified_header(token).get("kid")
        issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
    except (jwt.InvalidTokenError, ValueError, RecursionError) as error:
        raise Unauthenticated(_NOT_VALID) from error
    return (issuer if isinstance(issuer, str) else ""), (named if isinstance(named, str) else None)


def _read(
    token: str,
    key: str | jwt.PyJWK,
    algorithms: Sequence[str],
    issuer: str,
    audiences: Sequence[str],
    *,
    leeway: timedelta = timedelta(0),
) -> Claims:
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=algorithms,
            issuer=issuer,
            audience=audiences,
            leeway=leeway,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
        return _claims(claims)
    except jwt.ExpiredSignatureError as error:
        raise Unauthenticated("This token has expired. Sign in again.") from error
    except (jwt.InvalidTokenError, ValueError, OverflowError, OSError, RecursionError) as error:
        raise Unauthenticated(_NOT_VALID) from error


def _claims(claims: Mapping[str, Any]) -> Claims:
    return Claims(
        issuer=claims["iss"],
        subject=claims["sub"],
        email=_text(claims.get("email")),
        email_verified=claims.get("email_verified") is True,
        name=_text(claims.get("name")),
        expires_at=datetime.fromtimestamp(int(claims["exp"]), UTC),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
