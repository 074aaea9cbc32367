"""Tokens and keys: who is believed, and who is not."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest
from tortoise.connection import get_connection
from tortoise.transactions import in_transaction

from app.auth import token_rules
from credits.access import tokens
from credits.access.keys import add_api_key, new_secret
from credits.access.models import ApiKey
from credits.accounts.models import Identity
from credits.accounts.rules import Scope
from credits.accounts.service import find_or_make_user
from tests.support.service import JWT_SECRET, SERVICE_KEY, Service

VIEWER = "{ viewer { actor { id kind name } user { email } operator accounts { id } } }"


def token(**changes: Any) -> str:
    claims: dict[str, Any] = {
        "iss": "staging-credits",
        "aud": "staging-credits",
        "sub": "owner@demo.example",
        "email": "owner@demo.example",
        "email_verified": True,
        "exp": datetime.now(UTC) + timedelta(minutes=5),
    }
    secret = changes.pop("secret", JWT_SECRET)
    algorithm = changes.pop("algorithm", "HS256")
    given = {name: value for name, value in (claims | changes).items() if value is not None}
    return jwt.encode(given, secret, algorithm=algorithm)


@pytest.mark.parametrize(
    "bearer",
    [
        token(secret="another-secret-that-is-long-enough-too"),
        token(exp=datetime.now(UTC) - timedelta(seconds=1)),
        token(exp=None),
        token(iss="somebody-else"),
        token(aud="somebody-else"),
        token(aud=None),
        token(sub=None),
        token(nbf=datetime.now(UTC) + timedelta(minutes=5)),
        token(secret="", algorithm="none"),
        token(sub="nobody", email=None),
        token(sub="nobody", email="no address"),
        token(sub="no\x00body", email="nobody@test.example"),
        token(exp=10**18),
        token(sub="unverified", email="member@demo.example", email_verified=False),
        token(sub="unverified", email="member@demo.example", email_verified="true"),
        "a.b.c",
        "nothing",
        "sck_" + "0" * 40,
        SERVICE_KEY[:-1],
        SERVICE_KEY + "0",
    ],
)
async def test_what_is_not_valid_is_answered_401_and_nothing_is_told(service: Service, bearer: str) -> None:
    answer = await service.gql(VIEWER, bearer)

    assert answer.status == 401
    assert answer.codes == ["UNAUTHENTICATED"]
    assert "data" not in answer.body


@pytest.mark.parametrize("header", ["Bearer", "Basic b3duZXI6eA==", "owner"])
async def test_a_header_that_is_no_bearers_is_answered_401(service: Service, header: str) -> None:
    answer = await service.http.post("/graphql", json={"query": VIEWER}, headers={"authorization": header})

    assert answer.status_code == 401


async def test_the_first_token_of_a_known_person_links_the_two_once(service: Service) -> None:
    email = f"{uuid4().hex}@Test.example"
    async with in_transaction() as connection:
        person = await find_or_make_user(connection, name="New", email=email, at=datetime.now(UTC))
    bearer = token(sub="their-subject", email=email.lower())

    answers = [await service.gql(VIEWER, bearer) for _ in range(2)]
    # From now on the subject counts, whatever address the issuer writes beside it.
    renamed = await service.gql(VIEWER, token(sub="their-subject", email="other@test.example"))

    assert [answer.data["viewer"]["actor"]["id"] for answer in (*answers, renamed)] == [person.id] * 3
    assert await Identity.filter(user_id=person.id).count() == 1


async def test_operators_are_those_of_the_settings(service: Service) -> None:
    operator = await service.gql(VIEWER, "operator")
    owner = await service.gql(VIEWER, "owner")

    assert (operator.data["viewer"]["operator"], owner.data["viewer"]["operator"]) == (True, False)


async def test_an_api_key_is_its_accounts_until_it_lapses_or_is_revoked(service: Service) -> None:
    account_id = service.demo.accounts["demo"]
    secret = new_secret()
    async with in_transaction() as connection:
        key = await add_api_key(
            connection,
            account_id=account_id,
            name="Nightly",
            secret=secret,
            scopes=frozenset({Scope.READ}),
            at=datetime.now(UTC),
        )

    good = await service.gql(VIEWER, secret)
    await ApiKey.filter(id=key.id).update(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    lapsed = await service.gql(VIEWER, secret)
    await ApiKey.filter(id=key.id).update(expires_at=None, revoked_at=datetime.now(UTC))
    revoked = await service.gql(VIEWER, secret)

    viewer = good.data["viewer"]
    assert viewer["actor"] == {"id": key.id, "kind": "API_KEY", "name": "Nightly"}
    assert viewer["user"] is None
    assert [account["id"] for account in viewer["accounts"]] == [account_id]
    assert (lapsed.status, revoked.status) == (401, 401)


async def test_no_key_is_kept_as_it_is(service: Service) -> None:
    secret = service.demo.tokens["api_key"]

    rows = await get_connection("default").execute_query_dict("SELECT api_keys::text AS row FROM api_keys")

    assert rows
    assert not [row for row in rows if secret in row["row"]]


async def test_a_token_signed_here_is_believed_here(service: Service) -> None:
    rules = token_rules(service.settings)

    claims = tokens.read(rules, tokens.sign(rules, email="Owner@demo.example", valid_for=timedelta(seconds=30)))

    assert (claims.subject, claims.email, claims.email_verified) == ("owner@demo.example", "Owner@demo.example", True)
