"""Jobs done by real workers: within the process, and through Redis."""

import asyncio
from pathlib import Path

from redis.asyncio import Redis
from tortoise.connection import get_connection

from app.worker import worker
from credits.actors import SYSTEM
from credits.purchases import service as purchases
from credits.purchases.channel import purchase_channel
from credits.purchases.models import Purchase, PurchaseStatus
from tests.support.service import Service, settings_for
from tests.test_purchases import provider_at, wanted


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


async def test_a_worker_of_redis_takes_what_is_sent_through_redis(
    service: Service, redis_url: str, tmp_path: Path
) -> None:
    settings = settings_for(service.settings.port, data_dir=tmp_path, redis_url=redis_url)
    async with Redis.from_url(redis_url) as redis:
        await redis.flushdb()
        async with worker(settings, service.shared) as jobs:
            message = jobs.finish_checkouts.send()
            queued = await redis.keys("staging-credits:*")
            # Fails when nobody takes it.
            await asyncio.to_thread(jobs.finish_checkouts.broker.join, "purchases", timeout=5_000)

    assert message.queue_name == "purchases"
    assert queued
