"""Subscriptions over graphql-transport-ws: with what each wrong frame closes the socket, and what a right one brings."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from tortoise.transactions import in_transaction
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from app.auth import token_rules
from app.demo import email_of
from app.routes.websocket import INIT_WITHIN, MAX_SUBSCRIPTIONS
from credits.access import tokens
from credits.accounts.models import AccountRole, Membership
from credits.accounts.service import add_membership, find_or_make_user
from credits.ids import Kind, make_id
from schema import balances
from tests.app.routes.support import BUY, INTERNALS, SPEND, Shop
from tests.support.service import Live, Service

BALANCE = "subscription ($wallet: ID!) { balanceChanged(walletId: $wallet) { walletId balance { available } causes } }"
ACCOUNT = "subscription ($account: ID!) { accountBalanceChanged(accountId: $account) { walletId causes } }"
PURCHASE = """subscription ($purchase: ID!) { purchaseUpdated(purchaseId: $purchase) {
  status checkoutUrl wallet { balance { available } } transaction { change } } }"""


async def closed(connection: ClientConnection, *, within_s: float = 5) -> tuple[int | None, str | None]:
    """Wait until the service has closed; the code and the reason."""
    await asyncio.wait_for(connection.wait_closed(), within_s)
    return connection.close_code, connection.close_reason


async def error_of(live: Live, operation_id: str) -> dict[str, Any]:
    """The one error with which a subscription ended, checked for what holds of every error."""
    message = await live.receive()
    assert (message["type"], message["id"]) == ("error", operation_id), message
    (error,) = message["payload"]
    assert error["extensions"]["requestId"].startswith("req_")
    assert not INTERNALS.search(json.dumps(error))
    found: dict[str, Any] = error
    return found


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


def _token(service: Service, email: str, valid_for: timedelta = timedelta(minutes=5)) -> str:
    return tokens.sign(token_rules(service.settings), email=email, valid_for=valid_for)


async def test_a_token_that_has_expired_closes_with_4403(service: Service) -> None:
    token = _token(service, email_of("owner"), -timedelta(seconds=1))

    async with service.raw_socket() as connection:
        await Live(connection).send({"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}})

        assert await closed(connection) == (4403, "Forbidden")


async def test_a_token_that_expires_takes_the_connection_with_it(service: Service) -> None:
    token = _token(service, email_of("owner"), timedelta(seconds=2))

    async with service.live(token) as live:
        await live.subscribe(BALANCE, wallet=service.demo.wallets["account"])
        await live.next()
        expired = await closed(live.socket)

    assert expired == (4403, "Token expired")


async def _member(service: Service, account_id: str) -> tuple[str, str]:
    """A new member of the account; their id and a token."""
    email = f"{uuid4().hex}@test.example"
    async with in_transaction() as connection:
        at = datetime.now(UTC)
        person = await find_or_make_user(connection, name="A member", email=email, at=at)
        await add_membership(connection, account_id=account_id, user_id=person.id, role=AccountRole.MEMBER, at=at)
    return person.id, _token(service, email)


async def test_a_role_that_is_lost_closes_with_4403_before_anything_more_is_told(shop: Shop) -> None:
    user_id, token = await _member(shop.service, shop.account_id)

    async with shop.service.live(token) as live:
        await live.subscribe(BALANCE, wallet=shop.wallet_id)
        await live.next()
        await Membership.filter(user_id=user_id).delete()
        shop.service.shared.hub.missed()

        with pytest.raises(ConnectionClosed, match="4403"):
            await live.receive()


async def test_a_role_that_is_lost_is_noticed_while_much_is_told(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(balances, "REREAD_AFTER_S", 0.2)
    user_id, token = await _member(shop.service, shop.account_id)

    async with shop.service.live(token) as live:
        await live.subscribe(BALANCE, wallet=shop.wallet_id)
        await live.next()
        await Membership.filter(user_id=user_id).delete()
        async with asyncio.timeout(5):
            while live.socket.close_code is None:
                await shop.call(SPEND)

    assert live.socket.close_code == 4403


async def test_who_may_no_longer_see_a_purchase_is_not_told_of_its_payment(shop: Shop) -> None:
    user_id, token = await _member(shop.service, shop.account_id)
    bought = (await shop.call(BUY.replace("{ id }", "{ id checkoutUrl }"), token)).data["result"]["purchase"]

    async with shop.service.live(token) as live:
        await live.subscribe(PURCHASE, purchase=bought["id"])
        await live.next()
        await Membership.filter(user_id=user_id).delete()
        await shop.service.pay(bought["checkoutUrl"])

        with pytest.raises(ConnectionClosed, match="4403"):
            await live.receive()


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


async def test_every_listener_is_told_of_a_balance(shop: Shop) -> None:
    async with shop.service.live(shop.key) as one, shop.service.live("service") as other:
        for live in (one, other):
            await live.subscribe(BALANCE, wallet=shop.wallet_id)
            await live.next()
        await shop.call(SPEND)
        heard = [(await live.next())["balanceChanged"] for live in (one, other)]

    told = {"walletId": shop.wallet_id, "balance": {"available": 99}, "causes": ["DEDUCTION"]}
    assert heard == [told, told]


async def test_who_may_have_missed_something_is_told_the_present_state_and_only_if_it_is_another(shop: Shop) -> None:
    async with shop.service.live(shop.key) as live:
        await live.subscribe(BALANCE, wallet=shop.wallet_id)
        await live.next()
        shop.service.shared.hub.missed()
        await shop.call(SPEND)
        spent = await live.next()

    assert spent["balanceChanged"]["balance"] == {"available": 99}


async def test_a_listener_of_an_account_is_told_of_each_of_its_wallets(service: Service) -> None:
    wallets = service.demo.wallets
    spend = "mutation ($wallet: ID!, $key: String!) { deductCredits(input: {walletId: $wallet, idempotencyKey: $key, "
    spend += 'stagingType: "FURNITURE_REMOVAL"}) { replayed } }'

    async with service.live("auditor") as live:
        await live.subscribe(ACCOUNT, account=service.demo.accounts["demo"])
        present = [(await live.next())["accountBalanceChanged"] for _ in range(4)]
        await service.gql(spend, "pool_admin", wallet=wallets["pool"], key=uuid4().hex)
        of_the_pool = await live.next()
        await service.gql(spend, "department_member", wallet=wallets["department"], key=uuid4().hex)
        of_the_department = await live.next()

    assert {change["walletId"] for change in present} == set(wallets.values()) - {wallets["other"]}
    assert [change["causes"] for change in present] == [[]] * 4
    assert of_the_pool["accountBalanceChanged"] == {"walletId": wallets["pool"], "causes": ["DEDUCTION"]}
    assert of_the_department["accountBalanceChanged"] == {"walletId": wallets["department"], "causes": ["DEDUCTION"]}


async def test_a_purchase_is_told_until_it_is_paid_and_what_hangs_on_it_is_read_anew(shop: Shop) -> None:
    bought = (await shop.call(BUY.replace("{ id }", "{ id checkoutUrl }"))).data["result"]["purchase"]

    async with shop.service.live(shop.key) as live:
        operation_id = await live.subscribe(PURCHASE, purchase=bought["id"])
        waiting = (await live.next())["purchaseUpdated"]
        await shop.service.pay(bought["checkoutUrl"])
        paid = (await live.next())["purchaseUpdated"]
        last = await live.receive()

    assert waiting == {
        "status": "AWAITING_PAYMENT",
        "checkoutUrl": bought["checkoutUrl"],
        "wallet": {"balance": {"available": 100}},
        "transaction": None,
    }
    assert paid == {
        "status": "PAID",
        "checkoutUrl": None,
        "wallet": {"balance": {"available": 200}},
        "transaction": {"change": 100},
    }
    assert last == {"id": operation_id, "type": "complete"}


async def test_a_purchase_that_has_ended_is_told_once_and_completes(shop: Shop) -> None:
    bought = (await shop.call(BUY)).data["result"]["purchase"]
    cancel = "mutation ($id: ID!) { cancelPurchase(input: {purchaseId: $id}) { purchase { status } } }"
    await shop.service.gql(cancel, shop.key, id=bought["id"])

    async with shop.service.live(shop.key) as live:
        operation_id = await live.subscribe(PURCHASE, purchase=bought["id"])
        told = await live.next()
        last = await live.receive()

    assert told["purchaseUpdated"]["status"] == "CANCELED"
    assert last == {"id": operation_id, "type": "complete"}
