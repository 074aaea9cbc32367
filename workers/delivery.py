"""From the outbox to those who do the work: the relay hands over what is due, an actor for each queue does it.

The outbox row is the truth. A message of the broker only says that there is something to look at: lost, it is sent
again when its lease has run out; doubled, the second finds the work begun or done.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self

import dramatiq
import structlog
from dramatiq import Actor, Broker

from credits import outbox
from credits.errors import Unavailable
from credits.faults import out_of_reach
from credits.gateways.errors import GatewayUnavailable
from credits.outbox import Leased, Queue

Handler = Callable[[Mapping[str, Any]], Awaitable[None]]
Deliver = Actor[[str, int], None]

_POLL_S = 0.25
_log = structlog.get_logger()


def declare(broker: Broker, handlers: Mapping[str, Handler]) -> Mapping[Queue, Deliver]:
    """An actor for each queue, which does the jobs that have handlers. The broker retries nothing: the outbox does."""

    async def deliver(message_id: str, attempts: int) -> None:
        await attempt(handlers, message_id, attempts)

    return {
        queue: dramatiq.actor(broker=broker, actor_name=f"deliver_{queue}", queue_name=queue.value, max_retries=0)(
            deliver
        )
        for queue in Queue
    }


async def attempt(handlers: Mapping[str, Handler], message_id: str, attempts: int) -> None:
    """Do the work of a message once; what fails comes again later, or is put aside after the last attempt."""
    message = await outbox.take(message_id, attempts)
    if message is None:
        return
    keeping = asyncio.create_task(_keep(message))
    try:
        await handlers[message.job](message.payload)
    except Exception as error:
        passes = isinstance(error, (GatewayUnavailable, Unavailable)) or out_of_reach(error)
        after_s = getattr(error, "retry_after_s", None)
        dead = await outbox.failed(message, repr(error), passes=passes, after_s=after_s)
        level = _log.error if dead else _log.warning
        level("dead_letter" if dead else "job_failed", job=message.job, message=message.id, error=repr(error))
    else:
        await outbox.done(message)
    finally:
        keeping.cancel()


async def _keep(message: Leased) -> None:
    """Renew the lease while the work takes its time."""
    while True:
        await asyncio.sleep(outbox.LEASE_S / 3)
        await outbox.keep(message)


class Relay:
    """Hands over what is due while the block lasts. Any number may run at once: each takes what no other has."""

    def __init__(self, actors: Mapping[Queue, Deliver]) -> None:
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
                handed_over = await self.hand_over()
            except Exception as error:
                # Neither the database nor the broker may be out of reach for good; what is due waits.
                _log.warning("relay_failed", error=repr(error))
                handed_over = 0
            if not handed_over:
                await asyncio.sleep(_POLL_S)

    async def hand_over(self) -> int:
        """Give what is due to the broker; returns how much that was."""
        due = await outbox.due()
        for message in due:
            # Sending is blocking I/O.
            await asyncio.to_thread(self._actors[message.queue].send, message.id, message.attempts)
        return len(due)
