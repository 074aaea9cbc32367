"""Stripe slow, silent, out of reach, or cut off in the middle: spending goes on, and whatever was paid is credited."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from tortoise.connection import get_connection

from app.sandbox.models import CheckoutSession
from credits.accounts.rules import Place
from credits.actors import SYSTEM
from credits.gateways.errors import GatewayUnavailable
from credits.ledger.audit import broken
from credits.ledger.queries import balances
from credits.purchases import checkouts, healing
from credits.purchases import service as purchases
from credits.purchases.checkouts import Checkouts
from credits.purchases.models import Purchase, PurchaseStatus
from tests.support.proxy import Proxy, proxy_to
from tests.support.service import Service
from tests.test_purchases import provider_at, wanted
from tests.test_spending import DEDUCT

HANGING = 30


@pytest.fixture
async def proxy(service: Service) -> AsyncIterator[Proxy]:
    async with proxy_to(f"{service.settings.local_url}/sandbox/stripe") as proxy:
        yield proxy


async def buy(through: Checkouts, place: Place) -> str:
    """A purchase's id, whatever the provider does."""
    purchase, _ = await purchases.request_purchase(through, SYSTEM, place, wanted(place))
    return purchase.id


async def healed(service: Service, purchase_ids: list[str]) -> list[Purchase]:
    """The purchases, after the jobs had their turn."""
    while await checkouts.finish_checkouts(service.shared.checkouts, older_than_s=0):
        pass
    await Purchase.filter(id__in=purchase_ids).update(looked_at=None)
    await healing.look_at_open(service.shared.checkouts)
    return await Purchase.filter(id__in=purchase_ids)


async def test_spending_goes_on_while_thirty_purchases_hang(service: Service, proxy: Proxy) -> None:
    place, spender = await service.account(), await service.account(credits_given=1_000)
    proxy.blackhole = True
    async with provider_at(service, proxy.url, timeout_s=60, wait_s=60.0) as silent:
        buying = [asyncio.create_task(buy(silent, place)) for _ in range(HANGING)]
        await proxy.until_hanging(HANGING)

        spent = await asyncio.gather(
            *(
                service.gql(
                    DEDUCT,
                    "service",
                    input={"walletId": spender.wallet_id, "stagingType": "BASIC_ROOM", "idempotencyKey": uuid4().hex},
                )
                for _ in range(200)
            )
        )

        assert not any(task.done() for task in buying)
        assert all(answer.data["done"]["userErrors"] == [] for answer in spent)
        for task in buying:
            task.cancel()
        await asyncio.gather(*buying, return_exceptions=True)
    assert spender.wallet_id
    assert (await balances([spender.wallet_id]))[spender.wallet_id].credits < 1_000


async def test_no_database_connection_is_held_while_the_provider_is_asked(service: Service, proxy: Proxy) -> None:
    place = await service.account()
    proxy.blackhole = True

    async with service.workers.away(), provider_at(service, proxy.url, timeout_s=60, wait_s=60.0) as silent:
        buying = [asyncio.create_task(buy(silent, place)) for _ in range(HANGING)]
        await proxy.until_hanging(HANGING)
        (row,) = await get_connection("default").execute_query_dict(
            "SELECT count(*) FILTER (WHERE state LIKE 'idle in transaction%') AS held FROM pg_stat_activity"
            " WHERE datname = current_database()"
        )
        pool = get_connection("default")._pool
        free, all_there_are = pool.get_idle_size(), pool.get_size()
        hanging = sum(not task.done() for task in buying)
        for task in buying:
            task.cancel()
        await asyncio.gather(*buying, return_exceptions=True)

    assert (hanging, row["held"]) == (HANGING, 0)
    assert free == all_there_are


@pytest.mark.parametrize("cut_after", [0, 1, 40, 400])
async def test_an_answer_that_is_cut_off_leaves_one_checkout_and_one_credit(
    service: Service, proxy: Proxy, cut_after: int
) -> None:
    place = await service.account()
    proxy.cut_after = cut_after
    async with provider_at(service, proxy.url, wait_s=3.0) as cut:
        purchase_id = await buy(cut, place)
    before = await Purchase.get(id=purchase_id)

    (opened,) = await healed(service, [purchase_id])
    await service.pay(opened.checkout_url or "", deliveries=0)
    (paid,) = await healed(service, [purchase_id])

    assert before.status is PurchaseStatus.AWAITING_PAYMENT
    assert before.checkout_url is None
    assert await CheckoutSession.filter(client_reference_id=purchase_id).count() == 1
    assert paid.status is PurchaseStatus.PAID
    assert place.wallet_id
    assert (await balances([place.wallet_id]))[place.wallet_id].credits == 100
    assert await broken() == {}


async def test_a_provider_that_falls_silent_when_all_have_paid_leaves_none_uncredited(
    service: Service, proxy: Proxy
) -> None:
    places = [await service.account() for _ in range(10)]
    bought = await asyncio.gather(*(buy(service.shared.checkouts, place) for place in places))
    for each in await Purchase.filter(id__in=bought):
        await service.pay(each.checkout_url or "", deliveries=0)
    await Purchase.filter(id__in=bought).update(looked_at=None)
    proxy.blackhole = True
    async with provider_at(service, proxy.url) as silent:
        await healing.look_at_open(silent)
    meanwhile = {each.status for each in await Purchase.filter(id__in=bought)}

    after = await healed(service, bought)

    assert meanwhile == {PurchaseStatus.AWAITING_PAYMENT}
    assert {each.status for each in after} == {PurchaseStatus.PAID}
    found = await balances([place.wallet_id or "" for place in places])
    assert {balance.credits for balance in found.values()} == {100}


async def test_slow_is_waited_for_within_the_time_there_is_and_then_left_to_a_job(
    service: Service, proxy: Proxy
) -> None:
    place = await service.account()
    proxy.delay_s = 5.0
    async with provider_at(service, proxy.url, wait_s=0.2) as slow:
        purchase_id = await buy(slow, place)
        late = await Purchase.get(id=purchase_id)
        proxy.heal()
        while await checkouts.finish_checkouts(slow, older_than_s=0):
            pass

    assert late.status is PurchaseStatus.AWAITING_PAYMENT
    assert late.checkout_url is None
    assert (await Purchase.get(id=purchase_id)).checkout_url


async def test_a_connection_that_is_refused_is_no_answer(service: Service, proxy: Proxy) -> None:
    proxy.refuse = True
    async with provider_at(service, proxy.url) as refusing:
        with pytest.raises(GatewayUnavailable):
            await refusing.gateway.checkout("cs_test_1")
