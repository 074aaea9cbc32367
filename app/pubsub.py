"""Telling changes: within the process, and through Redis to the others where there is one.

Best effort. A listener that may have missed something is told so and reads for itself.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from uuid_utils import uuid7

from credits.feeds import Heard, rights_channel

_KEPT = 64
_REDIS_CHANNEL = "staging-credits:changes"
_RECONNECT_S = 1.0
_SEND_S = 2.0
_OUTGOING = 10_000
_log = structlog.get_logger()


class LocalSubscription:
    """A listener's mailbox. A reader that does not keep up loses the oldest and is told so."""

    def __init__(self) -> None:
        self._payloads: deque[str] = deque(maxlen=_KEPT)
        self._complete = True
        self._news = asyncio.Event()

    def put(self, payload: str) -> None:
        """Deliver; never waits."""
        if len(self._payloads) == _KEPT:
            self._complete = False
        self._payloads.append(payload)
        self._news.set()

    def missed(self) -> None:
        """Something may not have been delivered."""
        self._complete = False
        self._news.set()

    async def hear(self, *, at_most_s: float) -> Heard:
        """See `credits.feeds.Subscription`."""
        try:
            await asyncio.wait_for(self._news.wait(), at_most_s)
        except TimeoutError:
            return Heard((), complete=False)
        heard = Heard(tuple(self._payloads), complete=self._complete)
        self._payloads.clear()
        self._complete = True
        self._news.clear()
        return heard


class Hub:
    """Publisher and feeds of one process."""

    def __init__(self) -> None:
        self._listeners: dict[str, set[LocalSubscription]] = defaultdict(set)
        self._doubters: dict[str, set[LocalSubscription]] = defaultdict(set)

    async def publish(self, channel: str, payload: str) -> None:
        """See `credits.gateways.publisher.Publisher`."""
        self.deliver(channel, payload)

    def deliver(self, channel: str, payload: str) -> None:
        """Hand it to the listeners in this process."""
        for listener in self._listeners.get(channel, ()):
            listener.put(payload)
        for listener in self._doubters.get(channel, ()):
            listener.missed()

    def missed(self) -> None:
        """Tell every listener that something may be missing."""
        for listeners in self._listeners.values():
            for listener in listeners:
                listener.missed()

    @contextmanager
    def subscribe(self, channel: str, *, rights_of: str | None = None) -> Iterator[LocalSubscription]:
        """See `credits.feeds.Feeds`."""
        listener = LocalSubscription()
        places = [(self._listeners, channel)]
        if rights_of is not None:
            places.append((self._doubters, rights_channel(rights_of)))
        for listeners, name in places:
            listeners[name].add(listener)
        try:
            yield listener
        finally:
            for listeners, name in places:
                listeners[name].discard(listener)
                if not listeners[name]:
                    del listeners[name]


class RedisHub(Hub):
    """The same across processes: what one publishes, the listeners in all of them hear.

    One channel for all: each process hears every change and passes on those that somebody listens for.
    """

    def __init__(self, redis: Redis) -> None:
        super().__init__()
        self._redis = redis
        self._own = uuid7().hex
        self._outgoing: deque[str] = deque(maxlen=_OUTGOING)
        self._more = asyncio.Event()

    async def publish(self, channel: str, payload: str) -> None:
        """See `credits.gateways.publisher.Publisher`. Never waits for Redis: one that is out of reach, or hangs, costs
        the other processes a delay and nobody else anything."""
        self.deliver(channel, payload)
        self._outgoing.append(f"{self._own} {channel} {payload}")
        self._more.set()

    async def send(self) -> None:
        """Pass on to the other processes what was published, for ever; what cannot be sent is dropped, since they
        read for themselves from time to time."""
        while True:
            await self._more.wait()
            self._more.clear()
            batch = [self._outgoing.popleft() for _ in range(len(self._outgoing))]
            try:
                async with asyncio.timeout(_SEND_S), self._redis.pipeline(transaction=False) as pipeline:
                    for message in batch:
                        pipeline.publish(_REDIS_CHANNEL, message)
                    await pipeline.execute()
            except (RedisError, OSError, TimeoutError) as error:
                _log.warning("push_not_sent", messages=len(batch), error=repr(error))

    async def relay(self) -> None:
        """Pass on what other processes publish, for ever; after a break everybody reads for themselves."""
        while True:
            try:
                async with self._redis.pubsub() as pubsub:
                    await pubsub.subscribe(_REDIS_CHANNEL)
                    self.missed()
                    async for message in pubsub.listen():
                        if message["type"] == "message":
                            self._pass_on(message["data"].decode())
            except (RedisError, OSError) as error:
                _log.warning("push_connection_lost", error=repr(error))
                await asyncio.sleep(_RECONNECT_S)

    def _pass_on(self, message: str) -> None:
        sender, _, rest = message.partition(" ")
        channel, _, payload = rest.partition(" ")
        if sender != self._own and payload:
            self.deliver(channel, payload)


@asynccontextmanager
async def hub(redis_url: str) -> AsyncIterator[Hub]:
    """The hub of this process, through Redis where there is one, until the block ends."""
    if not redis_url:
        yield Hub()
        return
    async with Redis.from_url(redis_url, socket_timeout=None, socket_connect_timeout=2) as redis:
        shared = RedisHub(redis)
        tasks = [asyncio.create_task(shared.relay()), asyncio.create_task(shared.send())]
        try:
            yield shared
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
