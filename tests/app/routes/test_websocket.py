"""The protocol graphql-transport-ws: with what each wrong frame closes the socket, and what may be subscribed to."""

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from app.demo import email_of
from app.routes.websocket import INIT_WITHIN, MAX_SUBSCRIPTIONS
from credits.ids import Kind, make_id
from tests.app.routes.support import ACCOUNT, BALANCE, INTERNALS, PURCHASE, SPEND, Shop, closed, error_of, token_for
from tests.support.service import Live, Service


def _subscribe(**payload: Any) -> str:
    return json.dumps({"id": "1", "type": "subscribe", "payload": payload})


WRONG_FRAMES = {
    "no JSON": "{",
    "nothing": "",
    "a list": "[]",
    "null": "null",
    "a number": "1",
    "a string": '"x"',
    "100,000 nested lists": "[" * 100_000,
    "NaN": '{"type": "ping", "payload": {"a": NaN}}',
    "a key twice": '{"type": "ping", "type": "ping"}',
    "no type": "{}",
    "a number as type": '{"type": 1}',
    "an unknown type": '{"type": "start"}',
    "an unknown type with a long name": json.dumps({"type": "ß" * 10_000}),
    "no payload": '{"id": "1", "type": "subscribe"}',
    "null as payload": '{"id": "1", "type": "subscribe", "payload": null}',
    "a list as payload": '{"id": "1", "type": "subscribe", "payload": []}',
    "a number as query": _subscribe(query=5),
    "a list as variables": _subscribe(query=BALANCE, variables=[]),
    "a number as operationName": _subscribe(query=BALANCE, operationName=1),
    "a fraction as a variable": _subscribe(query=BALANCE, variables={"wallet": 1.5}),
    "half of a surrogate pair": _subscribe(query=BALANCE, variables={"wallet": "\ud800"}),
    "NUL": _subscribe(query=BALANCE, variables={"wallet": "\x00"}),
    "something else with a long name": _subscribe(query=BALANCE, **{"ß" * 10_000: 1}),
    "no id": '{"type": "subscribe", "payload": {"query": "{ packages { name } }"}}',
    "an empty id": '{"id": "", "type": "subscribe", "payload": {"query": "{ packages { name } }"}}',
    "a number as id": '{"id": 1, "type": "complete"}',
    "an id of 101 characters": json.dumps({"id": "x" * 101, "type": "complete"}),
}


@pytest.mark.parametrize("frame", WRONG_FRAMES.values(), ids=WRONG_FRAMES)
async def test_a_frame_of_the_wrong_shape_closes_with_4400_and_says_why(service: Service, frame: str) -> None:
    async with service.live() as live:
        await live.socket.send(frame)

        code, reason = await closed(live.socket)

    assert code == 4400
    assert reason
    assert not INTERNALS.search(reason)


@pytest.mark.parametrize("payload", [None, [], "x", 1])
async def test_an_init_whose_payload_is_no_object_closes_with_4400(service: Service, payload: Any) -> None:
    async with service.raw_socket() as connection:
        await connection.send(json.dumps({"type": "connection_init", "payload": payload}))

        assert (await closed(connection))[0] == 4400


async def test_a_binary_frame_closes_with_4400(service: Service) -> None:
    async with service.live() as live:
        await live.socket.send(b'{"type": "ping"}')

        assert (await closed(live.socket))[0] == 4400


async def test_a_frame_of_more_than_128_kib_closes_with_1009(service: Service) -> None:
    async with service.live() as live:
        await live.send({"type": "ping", "payload": {"a": "x" * (129 * 1024)}})

        assert (await closed(live.socket))[0] == 1009


async def test_a_second_init_closes_with_4429(service: Service) -> None:
    async with service.live() as live:
        await live.send({"type": "connection_init"})

        assert (await closed(live.socket))[0] == 4429


async def test_a_subscription_before_the_init_closes_with_4401(service: Service) -> None:
    async with service.raw_socket() as connection:
        await Live(connection).subscribe(BALANCE, wallet=make_id(Kind.WALLET))

        assert (await closed(connection))[0] == 4401


async def test_an_id_that_is_in_use_closes_with_4409(service: Service) -> None:
    async with service.live() as live:
        operation_id = await live.subscribe(BALANCE, wallet=service.demo.wallets["account"])
        await live.next()
        await live.send({"id": operation_id, "type": "subscribe", "payload": {"query": BALANCE}})

        assert (await closed(live.socket))[0] == 4409


async def test_without_an_init_the_connection_closes_with_4408(service: Service) -> None:
    async with service.raw_socket() as connection:
        code, _ = await closed(connection, within_s=INIT_WITHIN.total_seconds() + 3)

    assert code == 4408


async def test_another_protocol_is_not_spoken(service: Service) -> None:
    async with connect(f"ws://127.0.0.1:{service.settings.port}/graphql", proxy=None) as connection:
        assert (await closed(connection))[0] == 4406


async def test_a_page_of_another_site_may_not_connect(service: Service) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with service.raw_socket(origin="https://evil.example"):
            pass

    assert refused.value.response.status_code == 403


async def test_a_page_of_the_service_itself_may_connect(service: Service) -> None:
    async with service.raw_socket(origin=service.settings.url) as connection:
        await connection.send('{"type": "connection_init"}')

        assert json.loads(await connection.recv()) == {"type": "connection_ack"}


@pytest.mark.parametrize(
    "authorization", ["Bearer x", "Bearer a.b.c", "Bearer sck_" + "x" * 43, "Basic b3duZXI6", "Bearer é.é.é"]
)
async def test_a_token_that_is_none_closes_with_4403(service: Service, authorization: str) -> None:
    async with service.raw_socket() as connection:
        await Live(connection).send({"type": "connection_init", "payload": {"authorization": authorization}})

        assert await closed(connection) == (4403, "Forbidden")


async def test_a_token_that_has_expired_closes_with_4403(service: Service) -> None:
    token = token_for(service, email_of("owner"), -timedelta(seconds=1))

    async with service.raw_socket() as connection:
        await Live(connection).send({"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}})

        assert await closed(connection) == (4403, "Forbidden")


async def test_a_token_that_expires_takes_the_connection_with_it(service: Service) -> None:
    token = token_for(service, email_of("owner"), timedelta(seconds=2))

    async with service.live(token) as live:
        await live.subscribe(BALANCE, wallet=service.demo.wallets["account"])
        await live.next()
        expired = await closed(live.socket)

    assert expired == (4403, "Token expired")


@pytest.mark.parametrize("kind", ["mutation", "query"])
async def test_only_subscriptions_run_over_the_websocket(shop: Shop, kind: str) -> None:
    before = await shop.state()
    document = SPEND if kind == "mutation" else "query ($wallet: ID!) { wallet(id: $wallet) { id } }"
    key = {"key": uuid4().hex} if kind == "mutation" else {}

    async with shop.service.live(shop.key) as live:
        operation_id = await live.subscribe(document, wallet=shop.wallet_id, **key)
        error = await error_of(live, operation_id)

    assert error["extensions"]["code"] == "BAD_REQUEST"
    assert error["message"].startswith("Only subscriptions run over the websocket.")
    assert await shop.state() == before


REFUSED: dict[str, tuple[str, dict[str, str], str]] = {
    "a wallet that there is not": (BALANCE, {"wallet": make_id(Kind.WALLET)}, "NOT_FOUND"),
    "an account that there is not": (ACCOUNT, {"account": make_id(Kind.ACCOUNT)}, "NOT_FOUND"),
    "a purchase that there is not": (PURCHASE, {"purchase": make_id(Kind.PURCHASE)}, "NOT_FOUND"),
    "no id": (BALANCE, {"wallet": "x"}, "BAD_USER_INPUT"),
    "another kind": (PURCHASE, {"purchase": make_id(Kind.WALLET)}, "BAD_USER_INPUT"),
    "no variable": (BALANCE, {}, "BAD_USER_INPUT"),
    "an unknown field": ("subscription { balance { id } }", {}, "BAD_REQUEST"),
    "no GraphQL": ("subscription {", {}, "BAD_REQUEST"),
    "too much": ("subscription {" + " a { b }" * 200 + " }", {}, "QUERY_TOO_COMPLEX"),
}


@pytest.mark.parametrize(("query", "variables", "code"), REFUSED.values(), ids=REFUSED)
async def test_what_cannot_be_subscribed_to_ends_with_an_error_and_the_connection_stays(
    service: Service, query: str, variables: dict[str, str], code: str
) -> None:
    async with service.live() as live:
        operation_id = await live.subscribe(query, **variables)
        error = await error_of(live, operation_id)
        await live.send({"type": "ping"})
        after = await live.receive()

    assert error["extensions"]["code"] == code
    assert after == {"type": "pong"}


async def test_without_a_token_there_is_nothing_to_subscribe_to(service: Service) -> None:
    async with service.live(token=None) as live:
        operation_id = await live.subscribe(BALANCE, wallet=service.demo.wallets["account"])
        error = await error_of(live, operation_id)

    assert error["extensions"]["code"] == "UNAUTHENTICATED"


async def test_a_connection_carries_ten_subscriptions_and_another_when_one_is_completed(service: Service) -> None:
    wallet = service.demo.wallets["account"]

    async with service.live() as live:
        ids = [await live.subscribe(BALANCE, wallet=wallet) for _ in range(MAX_SUBSCRIPTIONS)]
        begun = [await live.receive() for _ in ids]
        refused_id = await live.subscribe(BALANCE, wallet=wallet)
        error = await error_of(live, refused_id)
        await live.send({"id": ids[0], "type": "complete"})
        taken_id = await live.subscribe(BALANCE, wallet=wallet)
        taken = await live.receive()

    assert sorted(message["id"] for message in begun) == sorted(ids)
    assert error["extensions"]["code"] == "BAD_REQUEST"
    assert error["message"] == "A connection carries 10 subscriptions. Complete one, or open another."
    assert (taken["type"], taken["id"]) == ("next", taken_id)


async def test_a_completed_subscription_is_told_nothing_more(shop: Shop) -> None:
    async with shop.service.live(shop.key) as live:
        operation_id = await live.subscribe(BALANCE, wallet=shop.wallet_id)
        await live.next()
        await live.send({"id": operation_id, "type": "complete"})
        await live.send({"type": "ping"})
        ponged = await live.receive()
        await shop.call(SPEND)
        await live.send({"type": "ping"})
        after = await live.receive()

    assert (ponged, after) == ({"type": "pong"}, {"type": "pong"})
