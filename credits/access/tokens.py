"""Bearer tokens of people: JSON Web Tokens, HS256, with issuer, audience and expiry checked (RFC 7519, RFC 8725)."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import jwt

from credits.errors import Unauthenticated

ALGORITHM = "HS256"


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


def read(rules: TokenRules, token: str) -> Claims:
    """The claims of a valid token. Raises Unauthenticated, saying what is wrong with any other."""
    try:
        claims = jwt.decode(
            token,
            rules.secret,
            algorithms=[ALGORITHM],
            issuer=rules.issuer,
            audience=rules.audience,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
    except jwt.ExpiredSignatureError as error:
        raise Unauthenticated("This token has expired. Sign in again.") from error
    except jwt.InvalidTokenError as error:
        raise Unauthenticated(
            "This token is not valid here. Sign in again, or check whom it was issued for."
        ) from error
    return Claims(
        issuer=claims["iss"],
        subject=claims["sub"],
        email=claims.get("email"),
        email_verified=claims.get("email_verified") is True,
        expires_at=datetime.fromtimestamp(claims["exp"], UTC),
    )
