"""The schedule: one leader among many, and another when it is gone."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import asyncpg
from dramatiq.brokers.stub import StubBroker

from app.database import credentials
from tests.support.service import Service
from tests.support.slack import eventually
from workers.schedule import Job, Schedule, declare


async def nothing() -> None:
    """What the job does; nobody takes it from the queue."""


def sent(broker: StubBroker) -> int:
    """How often the job was put in the queue."""
    return int(broker.queues["schedule"].qsize())


def test_a_job_goes_into_its_own_queue_may_take_its_time_and_is_not_tried_again() -> None:
    broker = StubBroker()

    (actor,) = declare(broker, [Job("slow", every_s=3600, work=nothing, queue="slow")]).values()

    assert (actor.queue_name, actor.options["max_retries"], actor.options["time_limit"]) == ("slow", 0, 3_600_000)
    assert sorted(broker.queues) == ["slow", "slow.DQ"]


async def test_one_of_three_sends_and_when_it_is_cut_off_another_does(service: Service, database_url: str) -> None:
    brokers = [StubBroker() for _ in range(3)]
    connections: dict[int, asyncpg.Connection] = {}

    def connect(number: int) -> Callable[[], object]:
        async def open_one() -> asyncpg.Connection:
            connections[number] = await asyncpg.connect(**credentials(database_url))
            return connections[number]

        return open_one

    async def leaders() -> list[int]:
        return [number for number, broker in enumerate(brokers) if sent(broker)]

    async with service.workers.away(), AsyncExitStack() as stack:
        for number, broker in enumerate(brokers):
            actors = declare(broker, [Job("tick", every_s=0.1, work=nothing)])
            await stack.enter_async_context(Schedule(connect(number), actors))  # type: ignore[arg-type]
        (leader,) = await eventually(leaders, bool)
        await eventually(lambda: _count(brokers[leader]), lambda count: count >= 2)
        alone = await leaders()
        before = sent(brokers[leader])
        connections[leader].terminate()
        two = await eventually(leaders, lambda seen: len(seen) == 2 or sent(brokers[leader]) > before)

    assert alone == [leader]
    assert leader in two


async def _count(broker: StubBroker) -> int:
    await asyncio.sleep(0)
    return sent(broker)
