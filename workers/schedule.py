"""What is done again and again: each job is put in its queue at its interval.

Every worker does so; the jobs are written to be done twice without harm.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Self

import structlog

_log = structlog.get_logger()


class Schedule:
    """Sends each job every so many seconds while the block lasts."""

    def __init__(self, jobs: Mapping[Callable[[], Any], float]) -> None:
        self._jobs = jobs
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(_repeat(send, every_s)) for send, every_s in self._jobs.items()]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _repeat(send: Callable[[], Any], every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        try:
            # Sending is blocking I/O.
            await asyncio.to_thread(send)
        except Exception as error:
            _log.warning("job_not_sent", error=repr(error))
