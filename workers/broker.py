"""The broker: Redis between processes, or within the one process when there is no Redis.

An actor binds the broker it is made with, so each process makes its broker first and declares its actors on it.
"""

import asyncio

from dramatiq import Broker, Middleware
from dramatiq.brokers.redis import RedisBroker
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import AgeLimit, Callbacks, Pipelines, Retries, ShutdownNotifications, TimeLimit
from redis import Redis

from workers.middleware import OnLoop

# As they come, what a killed worker held is given to another only after minutes.
_HEARTBEAT_MS = 5_000
_MAINTENANCE_PERMILLE = 100_000
# Without a limit, a Redis that hangs would hang whoever sends.
_ANSWER_S = 5.0


def make_broker(redis_url: str, loop: asyncio.AbstractEventLoop) -> Broker:
    """A broker whose asynchronous actors run on `loop`."""
    middleware: list[Middleware] = [
        AgeLimit(),
        TimeLimit(),
        ShutdownNotifications(),
        Callbacks(),
        Pipelines(),
        Retries(),
        OnLoop(loop),
    ]
    if not redis_url:
        return StubBroker(middleware=middleware)
    return RedisBroker(  # type: ignore[no-untyped-call] # Dramatiq types its constructor not at all
        client=Redis.from_url(redis_url, socket_timeout=_ANSWER_S, socket_connect_timeout=_ANSWER_S),
        middleware=middleware,
        namespace="staging-credits",
        heartbeat_timeout=_HEARTBEAT_MS,
        maintenance_chance=_MAINTENANCE_PERMILLE,
    )
