"""The worker: Dramatiq's threads hand the actors to this process's event loop, where the database is open."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from dramatiq import Worker

from app.auth import links_of, pages_of, tickets_of
from app.database import connection_of_its_own
from app.parts import Parts
from app.settings import Settings
from credits.approvals.telling import Teller as ApprovalTeller
from credits.desk.desk import Desk
from credits.outbox import Queue
from credits.reports.telling import Teller
from workers import (
    alerts,
    allocations,
    approvals,
    audit,
    delivery,
    interactions,
    ledger,
    operators,
    purchases,
    reports,
    schedule,
    top_ups,
)
from workers.broker import make_broker
from workers.delivery import Relay
from workers.schedule import QUEUE as SCHEDULE_QUEUE
from workers.schedule import Job, Schedule

# Threads of its own for each queue: what is slow in one holds up no other.
_THREADS = {
    Queue.ALERTS.value: 4,
    Queue.APPROVALS.value: 4,
    Queue.BULK.value: 2,
    Queue.PAYMENTS.value: 4,
    SCHEDULE_QUEUE: 2,
    alerts.QUEUE: 1,
    allocations.QUEUE: 1,
    audit.QUEUE: 1,
    purchases.QUEUE: 2,
    purchases.DAILY_QUEUE: 1,
    reports.QUEUE: 1,
}


@asynccontextmanager
async def worker(settings: Settings, shared: Parts) -> AsyncIterator[None]:
    """Work on the outbox and the schedule until the block ends."""
    broker = make_broker(settings.redis_url, asyncio.get_running_loop())
    actors = delivery.declare(broker, _handlers(settings, shared))
    timed = schedule.declare(broker, _jobs(shared))
    # Dramatiq's own command line says this; without it middleware that waits for the process never wakes.
    broker.emit_after("process_boot")
    async with AsyncExitStack() as stack:
        stack.push_async_callback(asyncio.to_thread, broker.close)
        for queue, threads in _THREADS.items():
            running = Worker(broker, queues={queue}, worker_threads=threads, worker_timeout=100)
            running.start()
            stack.push_async_callback(asyncio.to_thread, running.stop, timeout=2_000)
        await stack.enter_async_context(Relay(actors))
        await stack.enter_async_context(Schedule(lambda: connection_of_its_own(shared.database_url), timed))
        yield


def _handlers(settings: Settings, shared: Parts) -> dict[str, delivery.Handler]:
    pictures = links_of(settings) if settings.pictures else None
    return {
        **purchases.handlers(shared.checkouts, shared.payments, shared.messenger),
        **alerts.handlers(shared.messenger),
        **approvals.handlers(ApprovalTeller(messenger=shared.messenger, pages=pages_of(settings))),
        **interactions.handlers(_desk(settings, shared)),
        **allocations.handlers(shared.messenger),
        **top_ups.handlers(shared.checkouts, shared.messenger),
        **operators.handlers(shared.messenger, settings.operators_at),
        **reports.handlers(Teller(messenger=shared.messenger, pictures=pictures)),
    }


def _desk(settings: Settings, shared: Parts) -> Desk:
    return Desk(
        messenger=shared.messenger,
        publisher=shared.hub,
        checkouts=shared.checkouts,
        pages=pages_of(settings),
        tickets=tickets_of(settings),
    )


def _jobs(shared: Parts) -> list[Job]:
    return [
        *purchases.scheduled(shared.checkouts, shared.payments),
        top_ups.scheduled(shared.payments),
        ledger.scheduled(shared.hub),
        alerts.scheduled(),
        *allocations.scheduled(shared.hub),
        approvals.scheduled(shared.hub),
        audit.scheduled(lambda: connection_of_its_own(shared.database_url)),
        reports.scheduled(),
    ]
