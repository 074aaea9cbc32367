"""The worker: Dramatiq's threads hand the actors to this process's event loop, where the database is open."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dramatiq import Worker

from app.settings import Settings
from app.web import Parts
from workers import purchases
from workers.broker import make_broker
from workers.schedule import Schedule

_THREADS = 4


@asynccontextmanager
async def worker(settings: Settings, shared: Parts) -> AsyncIterator[purchases.PurchaseJobs]:
    """Work on the jobs until the block ends; the jobs can be sent through what it gives."""
    broker = make_broker(settings.redis_url, asyncio.get_running_loop())
    jobs = purchases.declare(broker, shared.checkouts)
    # Dramatiq's own command line says this; without it middleware that waits for the process never wakes.
    broker.emit_after("process_boot")
    running = Worker(broker, worker_threads=_THREADS, worker_timeout=100)
    running.start()
    try:
        async with Schedule({jobs.finish_checkouts.send: purchases.FINISH_CHECKOUTS_EVERY_S}):
            yield jobs
    finally:
        await asyncio.to_thread(running.stop, timeout=2_000)
        await asyncio.to_thread(broker.close)
