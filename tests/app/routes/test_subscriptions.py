"""What subscriptions tell: the present state, each change, and nothing more to who may no longer see it."""

import asyncio
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from tortoise.transactions import in_transaction
from websockets.exceptions import ConnectionClosed

from credits.accounts.models import AccountRole, Membership
from credits.accounts.service import add_membership, find_or_make_user
from schema import balances
from tests.app.routes.support import ACCOUNT, BALANCE, BUY, PURCHASE, SPEND, Shop, token_for
from tests.support.service import Live, Service


async def _member(service: Service, account_id: str) -> tuple[str, str]:
    """A new member of the account; their id and a token."""
    email = f"{uuid4().hex}@test.example"
    async with in_transaction() as connection:
        at = datetime.now(UTC)
        person = await find_or_make_user(connection, name="A member", email=email, at=at)
        await add_membership(connection, account_id=account_id, user_id=person.id, role=AccountRole.MEMBER, at=at)
    return person.id, token_for(service, email)


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
        spending = asyncio.create_task(_spend_on(shop))
        with pytest.raises(ConnectionClosed, match="4403"):
            await asyncio.wait_for(_hear_all(live), 10)
        spending.cancel()


async def _hear_all(live: Live) -> None:
    while True:
        await live.receive()


async def _spend_on(shop: Shop) -> None:
    while True:
        await shop.call(SPEND)


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
