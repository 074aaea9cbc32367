"""Identity providers: whose tokens are believed, and the public keys by which they are (RFC 7517).

Keys are fetched when a token needs one, kept for a while, and fetched anew when a token names one that is not there:
providers change them. Whatever callers send, a provider is asked once in so many seconds and never twice at once.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from credits.errors import Unavailable
from credits.gateways.errors import GatewayUnavailable

FRESH_S = 600.0
KEPT_S = 24 * 3600.0
ASKED_AGAIN_AFTER_S = 10.0
_MOST_KEYS = 100
_LEAST_RSA_BITS = 2048
# What a key is good for follows from what it is; nothing else is taken, above all no shared secret.
_ALGORITHMS = {("RSA", None): "RS256", ("EC", "P-256"): "ES256"}
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """An identity provider: `iss` of its tokens, the `aud` that are ours, and where it publishes its keys."""

    issuer: str
    audiences: tuple[str, ...]
    keys_url: str


class KeySource(Protocol):
    """Where providers publish their keys."""

    async def fetch(self, url: str) -> bytes:
        """The document there, as it is now. Raises GatewayUnavailable, also for one that is too large."""


class ProviderKeys:
    """The keys of one provider as this process knows them."""

    def __init__(self, provider: Provider, source: KeySource, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.provider = provider
        self._source = source
        self._clock = clock
        self._keys: dict[str, PyJWK] = {}
        self._fetched_at = self._asked_at = float("-inf")
        self._answers = False
        self._asking = asyncio.Lock()

    async def find(self, name: str) -> PyJWK | None:
        """The key of that name (`kid`); None where the provider has none. While the provider does not answer, what it
        said last goes on for a day; raises Unavailable for a key that is not among that."""
        # One call waits for the provider; others meanwhile go by what is known.
        if not self._known(name, FRESH_S) and not (self._asking.locked() and self._known(name, KEPT_S)):
            await self._ask(name)
        if self._known(name, KEPT_S):
            return self._keys[name]
        if not self._answers:
            raise Unavailable("The identity provider does not answer. Try again.")
        return None

    def _known(self, name: str, within_s: float) -> bool:
        return name in self._keys and self._clock() - self._fetched_at < within_s

    async def _ask(self, name: str) -> None:
        async with self._asking:
            now = self._clock()
            if self._known(name, FRESH_S) or now - self._asked_at < ASKED_AGAIN_AFTER_S:
                return
            self._asked_at, self._answers = now, False
            try:
                self._keys = keys_of(await self._source.fetch(self.provider.keys_url))
            except (GatewayUnavailable, ValueError, RecursionError) as error:
                _log.warning("identity_provider_silent", issuer=self.provider.issuer, error=repr(error))
                return
            self._fetched_at, self._answers = now, True


def keys_of(document: bytes) -> dict[str, PyJWK]:
    """The keys of a set by name, as far as they are public, strong enough and meant for signatures by RS256 or ES256.
    Raises ValueError for what is no set of keys."""
    found = json.loads(document)
    if not isinstance(found, dict) or not isinstance(found.get("keys"), list):
        raise ValueError("no set of keys")  # noqa: TRY004 of a document, not of an argument
    entries = [entry for entry in found["keys"][:_MOST_KEYS] if isinstance(entry, dict)]
    return {entry["kid"]: key for entry in entries if isinstance(entry.get("kid"), str) and (key := _key(entry))}


def _key(entry: Mapping[str, Any]) -> PyJWK | None:
    kind, curve = entry.get("kty"), entry.get("crv")
    algorithm = _ALGORITHMS.get((kind, curve)) if isinstance(kind, str) and isinstance(curve, str | None) else None
    fits = entry.get("alg", algorithm) == algorithm and entry.get("use", "sig") == "sig" and "d" not in entry
    if algorithm is None or not fits:
        return None
    try:
        key = PyJWK(dict(entry), algorithm)
    except PyJWTError:
        return None
    strong = not isinstance(key.key, RSAPublicKey) or key.key.key_size >= _LEAST_RSA_BITS
    return key if strong else None
