"""Jobs done by real workers: within the process, and through Redis."""

import asyncio
from collections.abc import Mapping
from typing import Any

from dramatiq import Worker
from redis.asyncio import Redis
from tortoise.connection import get_connection

from credits.actors import SYSTEM
from credits.outbox import OutboxMessage, Queue
from credits.purchases import service as purchases
from credits.purchases.channel import purchase_channel
from credits.purchases.models import Purchase, PurchaseStatus
from tests.credits.test_outbox import written
from tests.support.service import Service
from tests.test_purchases import provider_at, wanted
from workers.broker import make_broker
from workers.delivery import declare


async def waiting_purchase(service: Service) -> str:
    """A purchase whose provider could not be reached, some time ago."""
    place = await service.account()
    async with provider_at(service, "http://127.0.0.1:9") as out_of_reach:
        purchase, _ = await purchases.request_purchase(out_of_reach, SYSTEM, place, wanted(place))
    assert purchase.checkout_url is None
    await get_connection("default").execute_query(
        "UPDATE purchases SET created_at = created_at - interval '1 minute' WHERE id = $1", [purchase.id]
    )
    return purchase.id


async def test_a_purchase_without_an_address_gets_it_from_the_worker_in_the_process(service: Service) -> None:
    purchase_id = await waiting_purchase(service)

    with service.shared.hub.subscribe(purchase_channel(purchase_id)) as subscription:
        heard = await subscription.hear(at_most_s=15)

    assert heard.payloads == (purchase_id,)
    found = await Purchase.get(id=purchase_id)
    assert found.status is PurchaseStatus.AWAITING_PAYMENT
    assert found.checkout_url


async def test_a_worker_takes_from_redis_what_was_sent_there(service: Service, redis_url: str) -> None:
    done = asyncio.Event()

    async def handle(payload: Mapping[str, Any]) -> None:
        assert payload == {"n": 1}
        done.set()

    async with Redis.from_url(redis_url) as redis:
        await redis.flushdb()
    message = await written(n=1)
    broker = make_broker(redis_url, asyncio.get_running_loop())
    actors = declare(broker, {"test": handle})
    running = Worker(broker, worker_threads=1, worker_timeout=100)
    running.start()
    try:
        await asyncio.to_thread(actors[Queue.BULK].send, message.id, 0)
        await asyncio.wait_for(done.wait(), 10)
        await asyncio.to_thread(broker.join, "bulk", timeout=5_000)
    finally:
        await asyncio.to_thread(running.stop, timeout=2_000)
        await asyncio.to_thread(broker.close)

    assert not await OutboxMessage.exists(id=message.id)
