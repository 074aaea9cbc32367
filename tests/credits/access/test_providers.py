"""Tokens of identity providers, verified with the keys that a real server publishes."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import ValidationError
from starlette.responses import RedirectResponse, Response

from app.gateways import identity
from app.gateways.identity import PublishedKeys
from credits.access.providers import ASKED_AGAIN_AFTER_S, FRESH_S, KEPT_S, ProviderKeys, keys_of
from credits.errors import Unavailable
from tests.app.routes.support import closed
from tests.credits.access.provider import IdentityProvider, ec_key, jwk, rsa_key
from tests.support.service import JWT_SECRET, Live, Service, settings_for

VIEWER = "{ viewer { user { id email } } }"
LATE = datetime.now(UTC) - timedelta(seconds=60)


@pytest.mark.parametrize("name", ["rsa", "ec"])
async def test_a_token_signed_with_a_published_key_is_believed(
    believer: Service, provider: IdentityProvider, name: str
) -> None:
    email = f"{uuid4().hex}@provider.example"

    answer = await believer.gql(VIEWER, provider.token(name, email=email))
    async with believer.live(provider.token(name)):
        pass

    assert answer.data["viewer"]["user"]["email"] == email
    assert provider.asked == 1


async def test_a_token_of_this_deployment_is_believed_beside_them(
    believer: Service, provider: IdentityProvider
) -> None:
    answer = await believer.gql(VIEWER, "owner")

    assert answer.data["viewer"]["user"]["email"] == "owner@demo.example"
    assert provider.asked == 0


def _public_pem(provider: IdentityProvider) -> bytes:
    return (
        provider.keys["rsa"]
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def _signed_as_hmac(provider: IdentityProvider) -> str:
    """What a verifier that took the algorithm from the token would believe: the public key as a shared secret."""
    header, payload, _ = provider.token("rsa").split(".")
    forged = jwt.utils.base64url_encode(json.dumps({"alg": "HS256", "typ": "JWT", "kid": "rsa"}).encode()).decode()
    hmac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signature = hmac.sign(f"{forged}.{payload}".encode(), _public_pem(provider))
    assert header != forged
    return f"{forged}.{payload}.{jwt.utils.base64url_encode(signature).decode()}"


def _with_its_own_key(provider: IdentityProvider) -> str:
    """The token brings the key along by which it wants to be verified."""
    claims = jwt.decode(provider.token("rsa"), options={"verify_signature": False})
    stranger = rsa_key()
    return jwt.encode(claims, stranger, algorithm="RS256", headers={"kid": "rsa", "jwk": jwk(stranger, "rsa")})


NOT_BELIEVED = {
    "another audience": lambda provider: provider.token("rsa", aud="somebody-else"),
    "no audience": lambda provider: provider.token("rsa", aud=None),
    "the deployment's audience": lambda provider: provider.token("rsa", aud="staging-credits"),
    "another issuer": lambda provider: provider.token("rsa", iss="https://evil.example/"),
    "the deployment's issuer": lambda provider: provider.token("rsa", iss="staging-credits", aud="staging-credits"),
    "no issuer": lambda provider: provider.token("rsa", iss=None),
    "expired": lambda provider: provider.token("rsa", exp=LATE),
    "no expiry": lambda provider: provider.token("ec", exp=None),
    "not yet valid": lambda provider: provider.token("ec", nbf=datetime.now(UTC) + timedelta(minutes=5)),
    "no subject": lambda provider: provider.token("ec", sub=None),
    "a long subject": lambda provider: provider.token("ec", sub="s" * 321),
    "another's key": lambda provider: provider.token("rsa", signed_with=rsa_key()),
    "the other key's name": lambda provider: provider.token("ec", signed_with=provider.keys["rsa"]),
    "PSS instead": lambda provider: provider.token("rsa", algorithm="PS256"),
    "RS512 instead": lambda provider: provider.token("rsa", algorithm="RS512"),
    "no signature": lambda provider: provider.token("rsa", signed_with="", algorithm="none"),
    "this deployment's secret": lambda provider: provider.token("rsa", signed_with=JWT_SECRET, algorithm="HS256"),
    "the public key as a secret": _signed_as_hmac,
    "a key that it brings along": _with_its_own_key,
    "an unknown key": lambda provider: provider.token("unknown", signed_with=provider.keys["rsa"]),
    "a key without a name": lambda provider: jwt.encode(
        jwt.decode(provider.token("rsa"), options={"verify_signature": False}), provider.keys["rsa"], algorithm="RS256"
    ),
    "very long": lambda provider: provider.token("rsa", more="x" * 20_000),
    "nested": lambda provider: _unsigned("[" * 10_000),
    "no object": lambda provider: _unsigned("[]"),
}


def _unsigned(header: str) -> str:
    return ".".join([jwt.utils.base64url_encode(header.encode()).decode()] * 3)


@pytest.mark.parametrize("make", NOT_BELIEVED.values(), ids=NOT_BELIEVED)
async def test_what_is_not_signed_as_it_should_be_is_answered_401(
    believer: Service, provider: IdentityProvider, make: Any
) -> None:
    answer = await believer.gql(VIEWER, make(provider))

    assert (answer.status, answer.codes) == (401, ["UNAUTHENTICATED"])
    assert "data" not in answer.body


async def test_while_the_provider_is_out_of_reach_its_tokens_are_answered_503(
    believer: Service, provider: IdentityProvider
) -> None:
    provider.instead = _broken

    answer = await believer.gql(VIEWER, provider.token("rsa"))
    async with believer.raw_socket() as connection:
        payload = {"Authorization": f"Bearer {provider.token('ec')}"}
        await Live(connection).send({"type": "connection_init", "payload": payload})
        told = await closed(connection)

    assert (answer.status, answer.codes) == (503, ["UNAVAILABLE"])
    assert answer.body["errors"][0]["message"] == "The identity provider does not answer. Try again."
    assert told == (1013, "The identity provider does not answer. Try again.")
    assert provider.asked == 1


async def _broken() -> Response:
    return Response(status_code=500)


class Clock:
    """Time that passes when told."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def keys(provider: IdentityProvider, clock: Clock) -> AsyncIterator[ProviderKeys]:
    """The provider's keys, fetched over HTTP."""
    source = PublishedKeys()
    yield ProviderKeys(provider.provider, source, clock=clock)
    await source.close()


async def test_keys_are_fetched_once_and_again_when_they_are_old(
    keys: ProviderKeys, provider: IdentityProvider, clock: Clock
) -> None:
    first = [await keys.find(name) for name in ("rsa", "ec", "rsa")]
    clock.now += FRESH_S - 1
    await keys.find("rsa")
    asked = provider.asked
    clock.now += 1
    await keys.find("rsa")

    assert [key.algorithm_name for key in first if key] == ["RS256", "ES256", "RS256"]
    assert (asked, provider.asked) == (1, 2)


async def test_a_new_key_is_found_within_seconds_and_one_that_was_taken_back_is_forgotten(
    keys: ProviderKeys, provider: IdentityProvider, clock: Clock
) -> None:
    assert await keys.find("rsa")
    provider.keys = {"new": ec_key()}

    too_soon = await keys.find("new")
    clock.now += ASKED_AGAIN_AFTER_S
    found = await keys.find("new")
    taken_back = await keys.find("rsa")

    assert (too_soon, taken_back) == (None, None)
    assert found
    assert provider.asked == 2


async def test_many_names_that_there_are_not_ask_the_provider_once_in_ten_seconds(
    keys: ProviderKeys, provider: IdentityProvider, clock: Clock
) -> None:
    found = await asyncio.gather(*(keys.find(uuid4().hex) for _ in range(500)))
    clock.now += ASKED_AGAIN_AFTER_S
    found += await asyncio.gather(*(keys.find(uuid4().hex) for _ in range(500)))

    assert set(found) == {None}
    assert provider.asked == 2


async def test_while_the_provider_is_out_of_reach_known_keys_go_on_for_a_day(
    keys: ProviderKeys, provider: IdentityProvider, clock: Clock
) -> None:
    await keys.find("rsa")
    provider.instead = _broken
    clock.now += FRESH_S

    still = await keys.find("rsa")
    with pytest.raises(Unavailable, match="does not answer"):
        await keys.find("new")
    clock.now += KEPT_S - FRESH_S
    with pytest.raises(Unavailable, match="does not answer"):
        await keys.find("rsa")
    provider.instead = None
    clock.now += ASKED_AGAIN_AFTER_S

    assert still
    assert await keys.find("rsa")


async def _huge() -> Response:
    return Response(b" " * 300_000 + b'{"keys": []}')


async def _elsewhere() -> Response:
    return RedirectResponse("/elsewhere")


async def _no_json() -> Response:
    return Response("<html>")


async def _no_set() -> Response:
    return Response("[]")


async def _nested() -> Response:
    return Response("[" * 100_000)


@pytest.mark.parametrize("instead", [_broken, _huge, _elsewhere, _no_json, _no_set, _nested])
async def test_what_is_no_set_of_keys_is_as_no_answer(
    keys: ProviderKeys, provider: IdentityProvider, instead: Any
) -> None:
    provider.instead = instead

    with pytest.raises(Unavailable):
        await keys.find("rsa")

    assert provider.asked == 1


async def test_a_provider_that_hangs_is_given_up(
    keys: ProviderKeys, provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "_WITHIN_S", 0.3)
    provider.instead = provider.silent

    with pytest.raises(Unavailable):
        await keys.find("rsa")


async def test_those_whose_key_is_known_do_not_wait_for_a_provider_that_hangs(
    keys: ProviderKeys, provider: IdentityProvider, clock: Clock
) -> None:
    await keys.find("rsa")
    arrived, answer = asyncio.Event(), asyncio.Event()

    async def slow() -> Response:
        arrived.set()
        await answer.wait()
        return Response(status_code=500)

    provider.instead = slow
    clock.now += FRESH_S
    waiting = asyncio.create_task(keys.find("rsa"))
    await arrived.wait()

    meanwhile = [await keys.find(name) for name in ("rsa", "ec")]
    answer.set()

    assert all(meanwhile)
    assert await waiting
    assert provider.asked == 2


def test_of_a_set_only_public_keys_for_signatures_are_taken_that_are_strong() -> None:
    good, curve = rsa_key(), ec_key()
    secret = {"kty": "oct", "k": jwt.utils.base64url_encode(b"s" * 32).decode(), "kid": "secret"}
    private = jwt.algorithms.ECAlgorithm.to_jwk(ec_key(), as_dict=True)
    entries: list[Any] = [
        jwk(good, "good"),
        jwk(curve, "curve") | {"alg": "ES256"},
        jwk(good, "for secrecy") | {"use": "enc"},
        jwk(good, "for another algorithm") | {"alg": "RS512"},
        jwk(good, "for a shared secret") | {"alg": "HS256"},
        jwk(good, "for none") | {"alg": "none"},
        jwk(rsa_key(1024), "weak"),
        jwk(ec_key(ec.SECP384R1()), "another curve"),
        jwk(good, "broken") | {"n": "!"},
        private | {"kid": "private"},
        secret,
        {name: value for name, value in jwk(good, "").items() if name != "kid"},
        jwk(good, "odd") | {"kid": 1},
        jwk(good, "odd") | {"kty": []},
        jwk(curve, "odd") | {"crv": {}},
        None,
        "good",
    ]

    found = keys_of(json.dumps({"keys": entries}).encode())

    assert {name: key.algorithm_name for name, key in found.items()} == {"good": "RS256", "curve": "ES256"}


@pytest.mark.parametrize(
    "entries",
    [
        ("https://issuer.example/",),
        ("https://issuer.example/ https://issuer.example/jwks",),
        ("https://issuer.example/ ours http://issuer.example/jwks",),
        ("https://issuer.example/ ours ftp://127.0.0.1:1/jwks",),
        ("staging-credits ours https://issuer.example/jwks",),
        ("same ours https://issuer.example/1", "same ours https://issuer.example/2"),
        ("i" * 201 + " ours https://issuer.example/jwks",),
    ],
)
def test_providers_that_do_not_add_up_are_refused(service: Service, entries: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError, match="JWT_PROVIDERS"):
        settings_for(8000, data_dir=service.settings.data_dir, jwt_providers=entries)


def test_several_providers_and_audiences_are_read_from_the_environment(service: Service) -> None:
    told = "https://one.example/ web app https://one.example/jwks, two ours http://localhost:99/jwks"

    settings = settings_for(8000, data_dir=service.settings.data_dir, jwt_providers=told)

    one, two = settings.identity_providers
    assert (one.issuer, one.audiences, one.keys_url) == (
        "https://one.example/",
        ("web", "app"),
        "https://one.example/jwks",
    )
    assert (two.issuer, two.audiences) == ("two", ("ours",))
