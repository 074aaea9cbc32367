"""Bad requests over raw HTTP: what the list of bad input expects, row by row, and that nothing was changed by it.

The numbers are those of the list: transport 1-12, documents 13-21, characters 28 and 29, callers 39.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest

from app.auth import token_rules
from credits.access.keys import hash_of
from credits.access.models import ApiKey
from credits.ids import Kind, make_id
from tests.app.routes.support import ASK, JSON, RESPONSE_JSON, Shop, as_body, post, refused
from tests.support.service import Service

NOT_A_REQUEST = {
    "1 empty": b"",
    "1 an open brace": b"{",
    "2 null": b"null",
    "3 a number": b"1",
    "3 a string": b'"x"',
    "4 no UTF-8": b'{"query": "{ packages { name } } # \xff"}',
    "4 a surrogate written in UTF-8": b'{"query": "{ packages { name } } # \xed\xa0\x80"}',
    "5 100,000 nested lists": b"[" * 100_000,
    "5 100,000 nested lists in variables": b'{"query": "{ packages { name } }", "variables": {"a": ' + b"[" * 100_000,
    "6 a batch": b"[" + as_body(ASK) + b"," + as_body(ASK) + b"]",
    "6 an empty batch": b"[]",
    "9 the query twice": b'{"query": "{ packages { name } }", "query": "{ stagingTypes { name } }"}',
    "9 a variable twice": b'{"query": "{ packages { name } }", "variables": {"a": 1, "a": 2}}',
    "11 a number as operationName": as_body(ASK, operationName=1),
    "11 a list as variables": as_body(ASK, variables=[]),
    "11 a string as variables": as_body(ASK, variables="x"),
    "11 no query": b"{}",
    "11 null as query": b'{"query": null}',
    "11 an object as query": b'{"query": {}}',
    "11 a blank query": as_body("  \n"),
    "11 something else": as_body(ASK, more=1),
    "11 a long name of something else": as_body(ASK, **{"more" * 100_000: 1}),
    "24 5,000 digits": b'{"query": "{ packages { name } }", "variables": {"a": ' + b"9" * 5_000 + b"}}",
    "25 NaN": b'{"query": "{ packages { name } }", "variables": {"a": NaN}}',
    "25 Infinity": b'{"query": "{ packages { name } }", "variables": {"a": -Infinity}}',
    "25 1e400": b'{"query": "{ packages { name } }", "variables": {"a": 1e400}}',
    "28 NUL": as_body(ASK, variables={"a": "\x00"}),
    "28 NUL in a key": as_body(ASK, variables={"a": {"\x00": 1}}),
    "28 NUL as it is": b'{"query": "{ packages { name } } # \x00"}',
    "29 half of a surrogate pair": as_body(ASK, variables={"a": ["\ud800"]}),
    "29 half of a surrogate pair in the name": as_body("query a " + ASK, operationName="\udfff"),
}


@pytest.mark.parametrize("body", NOT_A_REQUEST.values(), ids=NOT_A_REQUEST)
async def test_what_is_no_request_is_refused_before_anything_runs(service: Service, body: bytes) -> None:
    refused(await post(service, body), 400, "BAD_REQUEST")


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/graphql",
        "application/json; charset=utf-16",
        "application/json; profile=x; Charset=UTF-16",
        "application/json; charset=latin-1; charset=utf-8",
    ],
)
async def test_what_is_not_declared_as_json_in_utf_8_is_refused(service: Service, content_type: str) -> None:
    message = refused(await post(service, as_body(ASK), content_type=content_type), 400, "BAD_REQUEST")

    assert message == "Send application/json in UTF-8, with that as Content-Type."


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json;charset=utf-8", 'Application/JSON; charset="UTF-8"; profile=x'],
)
async def test_json_in_utf_8_may_be_declared_in_every_way_that_http_knows(service: Service, content_type: str) -> None:
    response = await post(service, as_body(ASK), content_type=content_type)

    assert response.status_code == 200


async def test_a_body_is_refused_by_its_declared_length_before_it_is_sent(service: Service) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", service.settings.port)
    head = f"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: {JSON}\r\nContent-Length: {3 * 1024 * 1024}\r\n\r\n"

    writer.write(head.encode())
    answer = await asyncio.wait_for(reader.readuntil(b"}]}"), 5)
    writer.close()

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["errors"][0]["extensions"]["code"] == "BODY_TOO_LARGE"


async def test_a_body_in_chunks_is_refused_as_soon_as_it_is_too_long(service: Service) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(48):
            yield b" " * 64 * 1024

    response = await service.http.post("/graphql", content=chunks(), headers={"content-type": JSON})

    refused(response, 413, "BODY_TOO_LARGE")


async def test_a_body_of_just_the_limit_is_read(service: Service) -> None:
    limit = service.settings.max_body_bytes

    within = await post(service, as_body(ASK).ljust(limit))
    beyond = await post(service, as_body(ASK).ljust(limit + 1))

    assert within.status_code == 200
    refused(beyond, 413, "BODY_TOO_LARGE")


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("query", [ASK, "mutation { cancelPurchase(input: {purchaseId: 1}) { purchase { id } } }"])
async def test_operations_are_sent_by_post_only(service: Service, method: str, query: str) -> None:
    response = await service.http.request(method, "/graphql", params={"query": query})

    refused(response, 405, "BAD_REQUEST")
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize(("accept", "answered"), [(RESPONSE_JSON, RESPONSE_JSON), (JSON, JSON), ("*/*", JSON)])
async def test_the_answer_is_of_the_type_that_was_asked_for(service: Service, accept: str, answered: str) -> None:
    good = await post(service, as_body(ASK), accept=accept)
    not_a_request = await post(service, b"{", accept=accept)
    not_valid = await post(service, as_body("{ package }"), accept=accept)
    too_complex = await post(service, as_body("{" + " packages { name }" * 151 + " }"), accept=accept)
    wrong_variable = await post(service, as_body("query ($id: ID!) { wallet(id: $id) { id } }"), accept=accept)
    not_found = await post(
        service, as_body(f'{{ wallet(id: "{make_id(Kind.WALLET)}") {{ id }} }}'), accept=f"{accept}, text/html;q=0.1"
    )

    responses = (good, not_a_request, not_valid, too_complex, wrong_variable, not_found)
    assert [response.headers["content-type"].partition(";")[0] for response in responses] == [answered] * 6
    assert [response.status_code for response in responses] == [200, 400, 400, 400, 400, 200]
    assert not_found.json()["data"] == {"wallet": None}


FRAGMENTS = " ".join(f"fragment f{n} on Query {{ ...f{n + 1} ...f{n + 1} }}" for n in range(30))
DOCUMENTS = {
    "13 two operations and no name": ("query a { packages { name } } query b { packages { name } }", {}, "BAD_REQUEST"),
    "13 a name that there is not": ("query a { packages { name } }", {"operationName": "b"}, "BAD_REQUEST"),
    "14 an unknown field": ("{ package { name } }", {}, "BAD_REQUEST"),
    "14 an unknown argument": ('{ wallet(ids: "x") { id } }', {}, "BAD_REQUEST"),
    "14 an unknown type": ("query ($a: Walet) { packages { name } }", {}, "BAD_REQUEST"),
    "14 an unknown member of an enumeration": (
        '{ account(id: "x") { purchases(status: [PAYED]) { nodes { id } } } }',
        {},
        "BAD_REQUEST",
    ),
    "14 an unknown field of an input": (
        'mutation { cancelPurchase(input: {purchaseID: "x"}) { purchase { id } } }',
        {},
        "BAD_REQUEST",
    ),
    "15 depth 11": (
        '{ account(id: "x") { pools { departments { pool { departments { pool { departments { pool { departments { '
        "pool { name } } } } } } } } } } }",
        {},
        "QUERY_TOO_COMPLEX",
    ),
    "16 31 aliases": ("{" + "".join(f" a{n}: packages {{ name }}" for n in range(31)) + " }", {}, "QUERY_TOO_COMPLEX"),
    "17 thirty doublings": (
        f"{{ ...f0 }} {FRAGMENTS} fragment f30 on Query {{ packages {{ name }} }}",
        {},
        "QUERY_TOO_COMPLEX",
    ),
    "17 thirty doublings that nobody spreads": (
        f"{ASK} {FRAGMENTS} fragment f30 on Query {{ packages {{ name }} }}",
        {},
        "BAD_REQUEST",
    ),
    "18 a cycle": ("{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }", {}, "BAD_REQUEST"),
    "19 2,001 tokens": ("{ packages {" + " name" * 1_996 + " } }", {}, "QUERY_TOO_COMPLEX"),
    "19 31 directives": ("{ packages" + " @skip(if: false)" * 31 + " { name } }", {}, "QUERY_TOO_COMPLEX"),
    "21 a subscription": ('subscription { balanceChanged(walletId: "x") { walletId } }', {}, "BAD_REQUEST"),
    "24 5,000 digits": ("{ wallet(id: " + "9" * 5_000 + ") { id } }", {}, "BAD_REQUEST"),
    "28 NUL": ('{ wallet(id: "\\u0000") { id } }', {}, "BAD_REQUEST"),
    "29 half of a surrogate pair": ('{ wallet(id: "\\uD800") { id } }', {}, "BAD_REQUEST"),
}


@pytest.mark.parametrize(("query", "more", "code"), DOCUMENTS.values(), ids=DOCUMENTS)
async def test_a_document_that_cannot_be_run_is_refused_whole(
    service: Service, query: str, more: dict[str, Any], code: str
) -> None:
    refused(await post(service, as_body(query, **more)), 400, code)


async def test_a_subscription_by_post_is_told_where_to_go(service: Service) -> None:
    query = 'subscription { balanceChanged(walletId: "x") { walletId } }'

    message = refused(await post(service, as_body(query)), 400, "BAD_REQUEST")

    assert message == "Subscribe over the websocket, with the protocol graphql-transport-ws."


def _spending(wallet_id: str, count: int) -> str:
    return " ".join(
        f'm{n}: deductCredits(input: {{walletId: "{wallet_id}", stagingType: "BASIC_ROOM", '
        f'idempotencyKey: "{uuid4().hex}"}}) {{ replayed }}'
        for n in range(count)
    )


@pytest.mark.parametrize(
    ("count", "document"),
    [
        (6, "mutation {{ {fields} }}"),
        (6, "mutation {{ ... on Mutation {{ {fields} }} }}"),
        (6, "mutation {{ ...f }} fragment f on Mutation {{ {fields} }}"),
        (100, "mutation {{ {fields} }}"),
    ],
)
async def test_of_more_than_five_mutations_none_is_executed(shop: Shop, count: int, document: str) -> None:
    before = await shop.state()

    response = await post(
        shop.service,
        as_body(document.format(fields=_spending(shop.wallet_id, count))),
        authorization=f"Bearer {shop.key}",
    )

    refused(response, 400, "QUERY_TOO_COMPLEX")
    assert await shop.state() == before


async def test_five_mutations_are_executed_in_their_order(shop: Shop) -> None:
    fields = _spending(shop.wallet_id, 5).replace("replayed", "transaction { balanceAfter }")

    answer = await shop.service.gql(f"mutation {{ {fields} }}", token=shop.key)

    assert [done["transaction"]["balanceAfter"] for done in answer.data.values()] == [98, 96, 94, 92, 90]


WRONG_CREDENTIALS = {
    "no scheme": "no-scheme",
    "another scheme": "Basic b3duZXI6",
    "nothing after the scheme": "Bearer",
    "no token": "Bearer x",
    "no JSON in the token": "Bearer a.b.c",
    "no ASCII in the token": "Bearer \xe9.\xe9.\xe9",
    "a key of another environment": "Bearer sck_" + "x" * 43,
    "a service key of another environment": "Bearer svc_" + "0" * 48,
    "a long token": "Bearer " + "x" * 10_000,
}
WRONG_TOKENS: dict[str, dict[str, Any]] = {
    "expired": {"exp": datetime(2026, 1, 1, tzinfo=UTC)},
    "without an end": {"exp": None},
    "not valid yet": {"nbf": datetime(2126, 1, 1, tzinfo=UTC)},
    "of another issuer": {"iss": "https://elsewhere.example"},
    "for another audience": {"aud": "elsewhere"},
    "of nobody who is known": {"sub": "nobody", "email": None},
    "with an address that nobody checked": {"sub": "somebody", "email_verified": False},
    "without a subject": {"sub": None},
}


def _token(service: Service, *, secret: str | None = None, algorithm: str = "HS256", **changes: Any) -> str:
    rules = token_rules(service.settings)
    claims = {
        "iss": rules.issuer,
        "aud": rules.audience,
        "sub": "owner@demo.example",
        "email": "owner@demo.example",
        "email_verified": True,
        "exp": datetime.now(UTC) + timedelta(minutes=5),
    }
    claims = {name: value for name, value in (claims | changes).items() if value is not None}
    return jwt.encode(claims, rules.secret if secret is None else secret, algorithm=algorithm)


async def _refused_as_nobody(service: Service, authorization: str) -> None:
    """Neither what needs a caller nor what needs none is answered to a caller who is not who they say."""
    for query in ("{ viewer { operator } }", ASK):
        response = await service.http.post(
            "/graphql",
            json={"query": query},
            headers={b"authorization": authorization.encode("latin-1")},
        )
        refused(response, 401, "UNAUTHENTICATED")
        assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("authorization", WRONG_CREDENTIALS.values(), ids=WRONG_CREDENTIALS)
async def test_credentials_that_are_none_are_refused(service: Service, authorization: str) -> None:
    await _refused_as_nobody(service, authorization)


@pytest.mark.parametrize("changes", WRONG_TOKENS.values(), ids=WRONG_TOKENS)
async def test_a_token_with_wrong_claims_is_refused(service: Service, changes: dict[str, Any]) -> None:
    await _refused_as_nobody(service, f"Bearer {_token(service, **changes)}")


@pytest.mark.filterwarnings("ignore::jwt.InsecureKeyLengthWarning")
@pytest.mark.parametrize(
    ("secret", "algorithm"),
    [("another secret, as long as the right one is", "HS256"), (None, "HS512"), ("", "none")],
)
async def test_a_token_that_is_signed_otherwise_is_refused(
    service: Service, secret: str | None, algorithm: str
) -> None:
    await _refused_as_nobody(service, f"Bearer {_token(service, secret=secret, algorithm=algorithm)}")


async def test_without_a_token_only_prices_are_told(service: Service) -> None:
    prices = await service.gql("{ packages { name } stagingTypes { name } }", token=None)
    viewer = await service.gql("{ viewer { operator } packages { name } }", token=None)

    assert len(prices.data["packages"]) == 3
    assert (viewer.status, viewer.codes) == (401, ["UNAUTHENTICATED"])
    assert viewer.body["data"]["viewer"] is None


async def test_a_key_is_good_until_it_is_revoked_or_has_expired(shop: Shop) -> None:
    before = await shop.service.gql("{ viewer { actor { kind } } }", token=shop.key)
    await ApiKey.filter(secret_hash=hash_of(shop.key)).update(revoked_at=datetime.now(UTC))
    await ApiKey.filter(secret_hash=hash_of(shop.other_key)).update(expires_at=datetime.now(UTC))

    assert before.data["viewer"]["actor"]["kind"] == "API_KEY"
    await _refused_as_nobody(shop.service, f"Bearer {shop.key}")
    await _refused_as_nobody(shop.service, f"Bearer {shop.other_key}")
