"""Ids and idempotency keys over HTTP: what names nothing, names it wrongly, or was used before.

In the list of bad input these are the rows 33 and 35-37.
"""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from tortoise.connection import get_connection

from credits.ids import Kind, make_id
from tests.app.routes.support import BUY, GRANT, OPEN_ACCOUNT, SPEND, Shop, as_body, post, told
from tests.support.service import Service

KINDS = {
    "wallet": Kind.WALLET,
    "account": Kind.ACCOUNT,
    "pool": Kind.POOL,
    "department": Kind.DEPARTMENT,
    "transaction": Kind.TRANSACTION,
    "purchase": Kind.PURCHASE,
    "approval": Kind.APPROVAL,
    "node": Kind.WALLET,
}
MALFORMED = ["", " ", "x", "wal_", "WAL_" + "0" * 26, "wal_" + "u" * 26, "wal_" + "0" * 27, "é" * 30]


@pytest.mark.parametrize("field", KINDS)
@pytest.mark.parametrize("given", [*MALFORMED, "another kind", "a wallet and more"])
async def test_an_id_that_is_malformed_or_of_another_kind_is_bad_input(shop: Shop, field: str, given: str) -> None:
    named = {"another kind": make_id(Kind.MEMBERSHIP), "a wallet and more": f"{shop.wallet_id}\n"}.get(given, given)

    response = await post(
        shop.service, as_body(f"query ($id: ID!) {{ {field}(id: $id) {{ id }} }}", variables={"id": named})
    )

    (error,) = response.json()["errors"]
    told(response)
    assert response.status_code == 200
    assert (error["extensions"]["code"], error["extensions"]["field"]) == ("BAD_USER_INPUT", ["id"])


@pytest.mark.parametrize("field", KINDS)
async def test_an_id_of_nothing_is_not_found(service: Service, field: str) -> None:
    answer = await service.gql(f"query ($id: ID!) {{ {field}(id: $id) {{ id }} }}", id=make_id(KINDS[field]))

    assert (answer.status, answer.codes) == (200, ["NOT_FOUND"])
    assert answer.body["data"] == {field: None}


@pytest.mark.parametrize("mutation", [SPEND, GRANT, BUY])
@pytest.mark.parametrize("given", [*MALFORMED, make_id(Kind.TRANSACTION)])
async def test_a_wallets_id_that_is_none_is_invalid_in_a_mutation(shop: Shop, mutation: str, given: str) -> None:
    answer = await shop.call(mutation, token="operator" if mutation is GRANT else shop.key, wallet=given)

    (error,) = answer.data["result"]["userErrors"]
    assert (error["code"], error["field"]) == ("INVALID", ["walletId"])


@pytest.mark.parametrize("mutation", [SPEND, GRANT, BUY])
async def test_a_wallet_that_there_is_not_is_not_found_in_a_mutation(shop: Shop, mutation: str) -> None:
    answer = await shop.call(mutation, token="operator" if mutation is GRANT else shop.key, wallet=make_id(Kind.WALLET))

    assert (answer.status, answer.codes) == (200, ["NOT_FOUND"])


@pytest.mark.parametrize("given", [*MALFORMED, make_id(Kind.WALLET), make_id(Kind.USER)])
async def test_nobody_is_spent_for_who_is_not_there(shop: Shop, given: str) -> None:
    before = await shop.state()

    answer = await shop.call(SPEND, **{"for": given})

    (error,) = answer.data["result"]["userErrors"]
    assert (error["code"], error["field"]) == ("INVALID", ["onBehalfOf"])
    assert await shop.state() == before


async def _rows() -> dict[str, int]:
    tables = ("accounts", "purchases", "transactions", "idempotency_keys")
    columns = ", ".join(f"(SELECT count(*) FROM {table}) AS {table}" for table in tables)
    (row,) = await get_connection("default").execute_query_dict(f"SELECT {columns}")
    return row


KEYED = {"spend": (SPEND, None), "grant": (GRANT, "operator"), "buy": (BUY, None), "open": (OPEN_ACCOUNT, "operator")}


@pytest.mark.parametrize(("mutation", "token"), KEYED.values(), ids=KEYED)
@pytest.mark.parametrize(
    "key", ["", " ", "k" * 256, "a\nb", "a\x7f", "\u2028"], ids=["empty", "blank", "long", "newline", "delete", "line"]
)
async def test_an_idempotency_key_that_is_none_is_invalid_and_moves_nothing(
    shop: Shop, mutation: str, token: str | None, key: str
) -> None:
    before = await _rows()

    answer = await shop.call(mutation, token, key=key)

    (error,) = answer.data["result"]["userErrors"]
    assert (error["code"], error["field"]) == ("INVALID", ["idempotencyKey"])
    assert await _rows() == before


@pytest.mark.parametrize(("mutation", "token"), KEYED.values(), ids=KEYED)
async def test_without_an_idempotency_key_nothing_is_done(shop: Shop, mutation: str, token: str | None) -> None:
    before = await _rows()

    null = await shop.call(mutation, token, key=None)
    missing = await shop.call(mutation.replace("idempotencyKey: $key", ""), token)

    assert (null.status, null.codes) == (400, ["BAD_USER_INPUT"])
    assert (missing.status, {*missing.codes}) == (400, {"BAD_REQUEST"})
    assert await _rows() == before


@pytest.mark.parametrize("key", ["k", "k" * 255, "ключ 🔑", "null", "' OR 1=1 --"])
async def test_any_printable_key_is_a_key(shop: Shop, key: str) -> None:
    first = await shop.call(SPEND, key=key)
    second = await shop.call(SPEND, key=key)

    assert second.data["result"] == first.data["result"] | {"replayed": True}
    assert await shop.state() == (99, 2)


@pytest.mark.parametrize("principal", ["the other key", "the service"])
async def test_the_same_key_and_input_of_another_principal_get_the_first_result(shop: Shop, principal: str) -> None:
    key = uuid4().hex
    first = (await shop.call(SPEND, key=key, reference="A-17")).data["result"]

    token = shop.other_key if principal == "the other key" else "service"
    second = (await shop.call(SPEND, token, key=key, reference="A-17")).data["result"]

    assert second == first | {"replayed": True}
    assert await shop.state() == (99, 2)


@pytest.mark.parametrize(
    ("mutation", "token", "changes"),
    [
        (SPEND, None, {"quantity": 2}),
        (SPEND, None, {"type": "BASIC_ROOM"}),
        (SPEND, None, {"reference": "A-17"}),
        (SPEND, None, {"metadata": {}}),
        (SPEND, "service", {"quantity": 2}),
        (BUY, None, {}),
        (GRANT, "operator", {}),
    ],
)
async def test_a_key_with_other_input_or_for_another_mutation_is_refused(
    shop: Shop, mutation: str, token: str | None, changes: dict[str, Any]
) -> None:
    key = uuid4().hex
    await shop.call(SPEND, key=key)
    before, rows = await shop.state(), await _rows()

    answer = await shop.call(mutation, token, key=key, **changes)

    (error,) = answer.data["result"]["userErrors"]
    assert (error["code"], error["field"]) == ("IDEMPOTENCY_KEY_REUSED", ["idempotencyKey"])
    assert await shop.state() == before
    assert await _rows() == rows


async def test_keys_of_two_accounts_have_nothing_to_do_with_each_other(shop: Shop, service: Service) -> None:
    other = await service.account(credits_given=5)
    key = uuid4().hex

    here = (await shop.call(SPEND, key=key)).data["result"]
    there = (await shop.call(SPEND, "service", key=key, wallet=other.wallet_id)).data["result"]

    assert here["transaction"]["id"] != there["transaction"]["id"]
    assert (here["replayed"], there["replayed"]) == (False, False)


async def test_a_refused_call_binds_no_key(shop: Shop) -> None:
    key = uuid4().hex

    refusal = (await shop.call(SPEND, key=key, quantity=101)).data["result"]
    done = (await shop.call(SPEND, key=key, quantity=100)).data["result"]

    assert [error["code"] for error in refusal["userErrors"]] == ["INSUFFICIENT_CREDITS"]
    assert done["transaction"]["change"] == -100
    assert done["replayed"] is False


async def test_the_same_call_twenty_times_at_once_is_done_once_and_answered_alike(shop: Shop) -> None:
    key = uuid4().hex

    answers = await asyncio.gather(*(shop.call(SPEND, key=key) for _ in range(20)))

    results = [answer.data["result"] for answer in answers]
    assert {result["transaction"]["id"] for result in results} == {results[0]["transaction"]["id"]}
    assert [result["replayed"] for result in results].count(False) == 1
    assert await shop.state() == (99, 2)


async def test_a_purchase_asked_for_twenty_times_at_once_is_one(shop: Shop) -> None:
    key = uuid4().hex

    answers = await asyncio.gather(*(shop.call(BUY, key=key) for _ in range(20)))

    results = [answer.data["result"] for answer in answers]
    assert {result["purchase"]["id"] for result in results} == {results[0]["purchase"]["id"]}
    assert [result["replayed"] for result in results].count(False) == 1
