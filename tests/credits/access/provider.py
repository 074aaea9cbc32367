"""An identity provider of the tests: real keys, published over real HTTP, and tokens signed with them."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from credits.access.providers import Provider
from tests.app.service import served

AUDIENCE = "credits-of-the-tests"
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """A new one."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def ec_key(curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    """A new one, of P-256 unless told otherwise."""
    return ec.generate_private_key(curve or ec.SECP256R1())


def jwk(private: PrivateKey, name: str) -> dict[str, Any]:
    """The public half as it is published."""
    if isinstance(private, rsa.RSAPrivateKey):
        public = RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
    else:
        public = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    return {**public, "kid": name, "use": "sig"}


@dataclass(slots=True, kw_only=True)
class IdentityProvider:
    """What it has published, how often it was asked, and how it answers instead, if it does."""

    url: str = ""
    keys: dict[str, PrivateKey] = field(default_factory=dict)
    asked: int = 0
    instead: Callable[[], Awaitable[Response]] | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def issuer(self) -> str:
        """`iss` of its tokens."""
        return f"{self.url}/"

    @property
    def provider(self) -> Provider:
        """As the service knows it."""
        return Provider(issuer=self.issuer, audiences=("another", AUDIENCE), keys_url=f"{self.url}/jwks")

    @property
    def setting(self) -> str:
        """The entry of JWT_PROVIDERS."""
        return f"{self.issuer} another {AUDIENCE} {self.url}/jwks"

    async def silent(self) -> Response:
        """No answer, as long as anybody waits for one."""
        await self.over.wait()
        return Response()

    async def show(self, _request: Request) -> Response:
        """The set of keys."""
        self.asked += 1
        if self.instead:
            return await self.instead()
        return JSONResponse({"keys": [jwk(key, name) for name, key in self.keys.items()]})

    def token(self, key_name: str, /, *, signed_with: Any = None, algorithm: str = "", **changes: Any) -> str:
        """A token that names this key, for a person of its own unless told otherwise; what is None is left out."""
        person = uuid4().hex
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "sub": person,
            "email": f"{person}@provider.example",
            "email_verified": True,
            "exp": datetime.now(UTC) + timedelta(minutes=5),
        }
        given = {claim: value for claim, value in (claims | changes).items() if value is not None}
        key = signed_with if signed_with is not None else self.keys[key_name]
        fitting = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
        return jwt.encode(given, key, algorithm=algorithm or fitting, headers={"kid": key_name})


@asynccontextmanager
async def published() -> AsyncIterator[IdentityProvider]:
    """A provider with a key of each kind, until the block ends."""
    provider = IdentityProvider(keys={"rsa": rsa_key(), "ec": ec_key()})
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    provider.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with served(Starlette(routes=[Route("/jwks", provider.show)]), listener):
        yield provider
        provider.over.set()
