"""What is done again and again, by one worker among many: whoever holds the lock in the database.

The lock is the database session's: a leader that dies, or is cut off, loses it with its connection, and another takes
over within seconds. The jobs are written to be done twice without harm, for the moment in which two believe.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import asyncpg
import dramatiq
import structlog
from dramatiq import Actor, Broker

# "schedule", as a number that nobody else takes for an advisory lock by chance.
_LOCK = 0x7363686564756C65
QUEUE = "schedule"
_RETRY_S = 2.0
_ANSWER_S = 5.0
_TICK_S = 0.5
# What is due once an hour does not wait an hour when a new leader takes over.
_FIRST_WITHIN_S = 60.0
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Job:
    """Work that is due every so many seconds, and may take as long; what takes long has a queue of its own."""

    name: str
    every_s: float
    work: Callable[[], Awaitable[Any]]
    queue: str = QUEUE


def declare(broker: Broker, jobs: list[Job]) -> Mapping[Job, Actor[[], None]]:
    """An actor for each job. None is retried: it comes again by itself."""

    def actor(job: Job) -> Actor[[], None]:
        @dramatiq.actor(
            broker=broker,
            actor_name=job.name,
            queue_name=job.queue,
            max_retries=0,
            max_age=int(max(job.every_s, 60) * 1000),
            time_limit=int(max(job.every_s, 600) * 1000),
        )
        async def run() -> None:
            await job.work()

        return run

    return {job: actor(job) for job in jobs}


class Schedule:
    """Sends each job when it is due, while the block lasts and this process holds the lock."""

    def __init__(
        self, connect: Callable[[], Awaitable[asyncpg.Connection]], actors: Mapping[Job, Actor[[], None]]
    ) -> None:
        self._connect = connect
        self._actors = actors
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                connection = await self._connect()
                try:
                    await self._lead(connection)
                finally:
                    await connection.close(timeout=1)
            except Exception as error:
                _log.warning("schedule_interrupted", error=repr(error))
            await asyncio.sleep(random.uniform(_RETRY_S / 2, _RETRY_S))  # noqa: S311 jitter, not a secret

    async def _lead(self, connection: asyncpg.Connection) -> None:
        """Send what is due for as long as the lock is ours; returns at once where another holds it."""
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK, timeout=_ANSWER_S):
            return
        loop = asyncio.get_running_loop()
        due = {job: loop.time() + min(job.every_s, _FIRST_WITHIN_S) for job in self._actors}
        while True:
            await connection.fetchval("SELECT 1", timeout=_ANSWER_S)  # still connected, and so still the leader
            for job, at in due.items():
                if at <= loop.time():
                    await asyncio.to_thread(self._actors[job].send)
                    due[job] = loop.time() + job.every_s
            await asyncio.sleep(_TICK_S)
