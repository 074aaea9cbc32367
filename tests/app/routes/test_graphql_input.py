"""Arguments that are never right, over HTTP, row by row of the list of bad input, and that nothing was changed by them.

The numbers are those of the list: numbers 22-27, text 28-30.
"""

import base64
import json
import unicodedata
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.app.routes.support import BUY, GRANT, SPEND, Shop, as_body, post, refused, told

AMOUNTS: dict[str, tuple[str, dict[str, Any], str]] = {
    "22 quantity 0": (SPEND, {"quantity": 0}, "quantity"),
    "22 quantity -1": (SPEND, {"quantity": -1}, "quantity"),
    "22 credits 0": (GRANT, {"credits": 0}, "credits"),
    "22 credits -1": (GRANT, {"credits": -1}, "credits"),
    "22 packages 0": (BUY, {"quantity": 0}, "quantity"),
    "22 packages -1": (BUY, {"quantity": -1}, "quantity"),
    "23 a quantity of 2^31 - 1": (SPEND, {"quantity": 2**31 - 1}, "quantity"),
    "23 credits of 2^31 - 1": (GRANT, {"credits": 2**31 - 1}, "credits"),
    "23 packages of 2^31 - 1": (BUY, {"quantity": 2**31 - 1}, "quantity"),
    "23 priority -1": (GRANT, {"priority": -1}, "priority"),
    "23 priority 101": (GRANT, {"priority": 101}, "priority"),
}


@pytest.mark.parametrize(("mutation", "variables", "field"), AMOUNTS.values(), ids=AMOUNTS)
async def test_an_amount_that_can_never_be_right_is_invalid_and_moves_nothing(
    shop: Shop, mutation: str, variables: dict[str, Any], field: str
) -> None:
    before = await shop.state()

    answer = await shop.call(mutation, token="operator" if mutation is GRANT else shop.key, **variables)

    (error,) = answer.data["result"]["userErrors"]
    assert (error["code"], error["field"]) == ("INVALID", [field])
    assert await shop.state() == before


NO_INTS = {
    "23 2^31": ("2147483648", "BAD_USER_INPUT"),
    "23 2^63": ("9223372036854775808", "BAD_USER_INPUT"),
    "24 5,000 digits": ("9" * 5_000, "BAD_REQUEST"),
    "25 1.5": ("1.5", "BAD_REQUEST"),
    "25 1.0": ("1.0", "BAD_REQUEST"),
    "25 1e3": ("1e3", "BAD_REQUEST"),
    "25 a string": ('"1"', "BAD_USER_INPUT"),
    "25 true": ("true", "BAD_USER_INPUT"),
    "25 NaN": ("NaN", "BAD_REQUEST"),
    "25 1e400": ("1e400", "BAD_REQUEST"),
    "25 null": ("null", "BAD_USER_INPUT"),
    "25 a list": ("[1]", "BAD_USER_INPUT"),
}


@pytest.mark.parametrize(("written", "code"), NO_INTS.values(), ids=NO_INTS)
async def test_what_is_no_int_is_refused_as_a_variable(shop: Shop, written: str, code: str) -> None:
    before = await shop.state()
    variables = json.dumps({"wallet": shop.wallet_id, "key": uuid4().hex, "quantity": 0})

    response = await post(
        shop.service,
        as_body(SPEND, variables={}).replace(b"{}", variables.replace(": 0}", f": {written}}}").encode()),
        authorization=f"Bearer {shop.key}",
    )

    refused(response, 400, code)
    assert await shop.state() == before


@pytest.mark.parametrize("written", ["2147483648", "9" * 5_000, "1.5", "1e3", '"1"', "true", "NaN", "1e400", "null"])
async def test_what_is_no_int_is_refused_in_a_document(shop: Shop, written: str) -> None:
    before = await shop.state()

    response = await post(
        shop.service,
        as_body(
            f'mutation {{ deductCredits(input: {{walletId: "{shop.wallet_id}", stagingType: "BASIC_ROOM", '
            f'idempotencyKey: "{uuid4().hex}", quantity: {written}}}) {{ replayed }} }}'
        ),
        authorization=f"Bearer {shop.key}",
    )

    refused(response, 400, "BAD_REQUEST")
    assert await shop.state() == before


async def test_credits_beyond_what_a_wallet_can_hold_are_refused_whole(shop: Shop) -> None:
    for credits_given in (1_000_000_000, 1_000_000_000, 147_483_000):
        await shop.call(GRANT, token="operator", credits=credits_given)
    before = await shop.state()

    granted = await shop.call(GRANT, token="operator", credits=548)
    bought = await shop.call(BUY, quantity=6)

    assert before[0] == 2**31 - 548
    assert [error["code"] for error in granted.data["result"]["userErrors"]] == ["BALANCE_LIMIT_EXCEEDED"]
    assert [error["code"] for error in bought.data["result"]["userErrors"]] == ["BALANCE_LIMIT_EXCEEDED"]
    assert await shop.state() == before


LISTS = {
    "wallet.transactions": "wallet(id: $wallet) {{ list: transactions({}) {{ nodes {{ id }} }} }}",
    "wallet.lots": "wallet(id: $wallet) {{ list: lots({}) {{ nodes {{ id }} }} }}",
    "account.transactions": "account(id: $account) {{ list: transactions({}) {{ nodes {{ id }} }} }}",
    "account.members": "account(id: $account) {{ list: members({}) {{ nodes {{ role }} }} }}",
    "account.purchases": "account(id: $account) {{ list: purchases({}) {{ nodes {{ id }} }} }}",
    "account.approvals": "account(id: $account) {{ list: approvals({}) {{ nodes {{ id }} }} }}",
}


async def _page(shop: Shop, name: str, arguments: str, **more: str) -> httpx.Response:
    kind = name.partition(".")[0]
    variables = {kind: shop.wallet_id if kind == "wallet" else shop.account_id} | more
    declared = f"${kind}: ID!" + "".join(f", ${variable}: String" for variable in more)
    query = f"query ({declared}) {{ {LISTS[name].format(arguments)} }}"
    operator = shop.service.demo.tokens["operator"]
    return await post(shop.service, as_body(query, variables=variables), authorization=f"Bearer {operator}")


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("first", [-1, 0, 101, 2**31 - 1])
async def test_a_page_has_1_to_100_entries(shop: Shop, name: str, first: int) -> None:
    response = await _page(shop, name, f"first: {first}")

    (error,) = response.json()["errors"]
    told(response)
    assert response.status_code == 200
    assert (error["extensions"]["code"], error["extensions"]["field"]) == ("BAD_USER_INPUT", ["first"])


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("arguments", ["first: 1", "first: 100", "first: null", "after: null"])
async def test_a_page_of_1_of_100_and_of_nothing_said_is_answered(shop: Shop, name: str, arguments: str) -> None:
    response = await _page(shop, name, arguments)

    assert response.status_code == 200
    assert "errors" not in response.json()


def _written(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


# Each from the list's own name, so that nothing but what is said is wrong with it.
FORGED: dict[str, Callable[[str], str]] = {
    "nothing": lambda _: "",
    "no base 64": lambda _: "!",
    "no ASCII": lambda _: "é",
    "no JSON": lambda _: "e3t7",
    "no list": _written,
    "100,000 nested lists": lambda _: base64.urlsafe_b64encode(b"[" * 100_000).decode(),
    "another list's": lambda name: _written([name[:-1], "1"]),
    "too short": lambda name: _written([name]),
    "too long": lambda name: _written([name, "1", "1", "1"]),
    "numbers": lambda name: _written([name, 1] if name.startswith(("lots", "members")) else [name, 1, 1]),
    "NUL": lambda name: _written([name, "\x00"] if name.startswith(("lots", "members")) else [name, "\x00", "\x00"]),
}
FORGED_POSITIONS = {
    "no number": ("wallet.transactions", ["x"]),
    "a negative number": ("wallet.transactions", ["-1"]),
    "2^63": ("wallet.transactions", [str(2**63)]),
    "5,000 digits": ("wallet.transactions", ["9" * 5_000]),
    "NUL": ("wallet.transactions", ["\x00"]),
    "no instant": ("account.transactions", ["yesterday", "txn"]),
    "an instant without a zone": ("account.transactions", ["2026-11-22T09:30:00", "txn"]),
    "an instant that no database knows": ("account.transactions", ["0001-01-01T00:00:00+23:59", "txn"]),
    "no instant of an approval": ("account.approvals", ["yesterday", "apr"]),
    "no instant of a purchase": ("account.purchases", ["yesterday", "pur"]),
    "an instant of a purchase without a zone": ("account.purchases", ["2026-11-22T09:30:00", "pur"]),
    "an instant of a purchase that no database knows": ("account.purchases", ["9999-12-31T23:59:59-23:59", "pur"]),
}


async def _refused_cursor(shop: Shop, name: str, cursor: str) -> None:
    response = await _page(shop, name, "after: $after", after=cursor)

    (error,) = response.json()["errors"]
    told(response)
    assert response.status_code == 200
    assert (error["extensions"]["code"], error["extensions"]["field"]) == ("BAD_USER_INPUT", ["after"])


def _list_name(shop: Shop, name: str) -> str:
    kind, _, field = name.partition(".")
    return f"{field}:{shop.wallet_id if kind == 'wallet' else shop.account_id}"


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
async def test_a_cursor_of_another_list_or_of_nobody_is_bad_input(
    shop: Shop, name: str, forge: Callable[[str], str]
) -> None:
    await _refused_cursor(shop, name, forge(_list_name(shop, name)))


@pytest.mark.parametrize(("name", "position"), FORGED_POSITIONS.values(), ids=FORGED_POSITIONS)
async def test_a_cursor_of_the_list_with_a_position_that_cannot_be_is_bad_input(
    shop: Shop, name: str, position: list[str]
) -> None:
    await _refused_cursor(shop, name, _written([_list_name(shop, name), *position]))


NOT_KEPT: dict[str, dict[str, Any]] = {
    "30 a reference with a line break": {"reference": "a\nb"},
    "30 a reference with a control character": {"reference": "a\x1bb"},
    "30 a reference with a deletion": {"reference": "a\x7f"},
    "30 a reference that turns the direction": {"reference": "a\u202eb"},
    "30 a reference with an isolate": {"reference": "\u2066a"},
    "30 a reference of 501 characters": {"reference": "a" * 501},
    "30 a description with a control character": {"description": "a\x00b".replace("\x00", "\x08")},
    "30 a description that turns the direction": {"description": "a\u202eb"},
    "30 a description of 10,001 characters": {"description": "a" * 10_001},
    "30 a description of 501 characters that look like 500": {"description": "e" + "x\u0301" * 250},
    "30 metadata with a control character": {"metadata": {"a": "\x1b"}},
    "30 metadata with a key that turns the direction": {"metadata": {"\u202e": "a"}},
    "30 metadata with a line break in a key": {"metadata": {"a\nb": "a"}},
    "30 metadata with an empty key": {"metadata": {"": "a"}},
    "30 metadata with a key of 41 characters": {"metadata": {"a" * 41: "a"}},
    "30 metadata with a value of 501 characters": {"metadata": {"a": "a" * 501}},
    "30 metadata of 21 entries": {"metadata": {f"a{n}": "a" for n in range(21)}},
}


@pytest.mark.parametrize("text", NOT_KEPT.values(), ids=NOT_KEPT)
async def test_text_that_is_not_kept_is_invalid_and_moves_nothing(shop: Shop, text: dict[str, Any]) -> None:
    before = await shop.state()

    answer = await shop.call(SPEND, **text)

    (error,) = answer.data["result"]["userErrors"]
    assert (error["code"], error["field"]) == ("INVALID", [*text])
    assert await shop.state() == before


@pytest.mark.parametrize("field", ["reference", "description", "metadata"])
@pytest.mark.parametrize("character", ["\x00", "\ud800"])
async def test_characters_that_no_database_takes_are_refused_with_the_whole_request(
    shop: Shop, field: str, character: str
) -> None:
    before = await shop.state()
    text = {"a": character} if field == "metadata" else character

    response = await post(
        shop.service,
        as_body(SPEND, variables={"wallet": shop.wallet_id, "key": uuid4().hex, field: text}),
        authorization=f"Bearer {shop.key}",
    )

    refused(response, 400, "BAD_REQUEST")
    assert await shop.state() == before


@pytest.mark.parametrize("metadata", ["x", [], 1, {"a": 1}, {"a": None}, {"a": {"b": "c"}}, {"a": ["b"]}])
async def test_metadata_that_is_no_flat_object_of_strings_is_bad_input(shop: Shop, metadata: Any) -> None:
    before = await shop.state()

    response = await post(
        shop.service,
        as_body(SPEND, variables={"wallet": shop.wallet_id, "key": uuid4().hex, "metadata": metadata}),
        authorization=f"Bearer {shop.key}",
    )

    refused(response, 400, "BAD_USER_INPUT")
    assert await shop.state() == before


async def test_text_is_kept_as_it_was_written_in_its_composed_form(shop: Shop) -> None:
    decomposed = unicodedata.normalize("NFD", "Café Zürich")
    text: dict[str, Any] = {
        "reference": decomposed,
        "description": f"{decomposed}\n\t<!channel> =HYPERLINK(1) \U0001f3e0\u200d",
        "metadata": {decomposed: decomposed, "b": ""},
    }

    kept = (await shop.call(SPEND, **text)).data["result"]["transaction"]

    assert kept["reference"] == "Café Zürich"
    assert kept["description"] == "Café Zürich\n\t<!channel> =HYPERLINK(1) \U0001f3e0\u200d"
    assert kept["metadata"] == {"Café Zürich": "Café Zürich", "b": ""}


async def test_text_of_just_the_limits_is_kept(shop: Shop) -> None:
    text: dict[str, Any] = {
        "reference": "e\u0301" * 500,
        "description": "\U0001f3e0" * 500,
        "metadata": {f"{n:02}".ljust(40, "k"): "v" * 500 for n in range(20)},
    }

    kept = (await shop.call(SPEND, **text)).data["result"]["transaction"]

    assert kept["reference"] == "é" * 500
    assert kept["description"] == text["description"]
    assert kept["metadata"] == text["metadata"]


@pytest.mark.parametrize("written", ['search: "\\u0000"', 'reference: "\\u0000"', 'stagingTypes: ["\\u0000"]'])
async def test_nul_in_a_filter_is_refused_too(shop: Shop, written: str) -> None:
    response = await _page(shop, "wallet.transactions", f"filter: {{{written}}}")

    refused(response, 400, "BAD_REQUEST")
