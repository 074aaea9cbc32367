"""Telling changes: to whom, how much is kept for a slow reader, and that whoever may have missed something knows."""

import asyncio
import socket
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from app.pubsub import Hub, LocalSubscription, hub
from credits.feeds import Heard

KEPT = 64
SOON_S = 5
# Long enough for what is there to be heard, and no longer.
AT_ONCE_S = 0.01


async def test_what_is_put_is_heard_in_order_and_once() -> None:
    mailbox = LocalSubscription()

    mailbox.put("one")
    mailbox.put("two")
    heard = await mailbox.hear(at_most_s=SOON_S)
    nothing = await mailbox.hear(at_most_s=AT_ONCE_S)

    assert heard == Heard(("one", "two"), complete=True)
    assert nothing == Heard((), complete=False)


async def test_a_waiting_reader_is_woken() -> None:
    mailbox = LocalSubscription()
    reading = asyncio.create_task(mailbox.hear(at_most_s=SOON_S))

    await asyncio.wait([reading], timeout=0)
    mailbox.put("one")

    assert await reading == Heard(("one",), complete=True)


async def test_a_reader_that_keeps_up_just_so_misses_nothing() -> None:
    mailbox = LocalSubscription()

    for number in range(KEPT):
        mailbox.put(str(number))

    assert await mailbox.hear(at_most_s=AT_ONCE_S) == Heard(tuple(map(str, range(KEPT))), complete=True)


async def test_a_slow_reader_keeps_the_newest_and_is_told_that_some_are_missing() -> None:
    mailbox = LocalSubscription()

    for number in range(100_000):
        mailbox.put(str(number))
    heard = await mailbox.hear(at_most_s=AT_ONCE_S)
    mailbox.put("next")
    after = await mailbox.hear(at_most_s=AT_ONCE_S)

    assert heard == Heard(tuple(map(str, range(100_000 - KEPT, 100_000))), complete=False)
    assert after == Heard(("next",), complete=True)


async def test_who_is_told_that_something_may_be_missing_hears_it_with_what_is_there() -> None:
    mailbox = LocalSubscription()

    mailbox.put("one")
    mailbox.missed()
    heard = await mailbox.hear(at_most_s=AT_ONCE_S)
    mailbox.missed()
    alone = await mailbox.hear(at_most_s=AT_ONCE_S)

    assert heard == Heard(("one",), complete=False)
    assert alone == Heard((), complete=False)


async def test_each_listener_of_a_channel_hears_it_and_nobody_else() -> None:
    local = Hub()

    with local.subscribe("a") as first, local.subscribe("a") as second, local.subscribe("b") as other:
        await local.publish("a", "one")

        assert await first.hear(at_most_s=AT_ONCE_S) == Heard(("one",), complete=True)
        assert await second.hear(at_most_s=AT_ONCE_S) == Heard(("one",), complete=True)
        assert await other.hear(at_most_s=AT_ONCE_S) == Heard((), complete=False)


async def test_nothing_is_kept_of_listeners_that_are_gone() -> None:
    local = Hub()

    with local.subscribe("a") as stays:
        with local.subscribe("a"), local.subscribe("b"):
            assert {name: len(listeners) for name, listeners in local._listeners.items()} == {"a": 2, "b": 1}
        await local.publish("b", "one")

        assert {name: len(listeners) for name, listeners in local._listeners.items()} == {"a": 1}
        assert await stays.hear(at_most_s=AT_ONCE_S) == Heard((), complete=False)
    assert not local._listeners


@pytest.fixture
async def two_hubs(redis_url: str) -> AsyncIterator[tuple[Hub, Hub]]:
    """As two processes have them, both connected."""
    async with hub(redis_url) as one, hub(redis_url) as other:
        with one.subscribe("ready") as at_one, other.subscribe("ready") as at_other:
            # Connected, each tells its listeners that they may have missed something.
            await at_one.hear(at_most_s=SOON_S)
            await at_other.hear(at_most_s=SOON_S)
        yield one, other


async def test_what_one_process_publishes_the_listeners_in_both_hear_once(two_hubs: tuple[Hub, Hub]) -> None:
    one, other = two_hubs
    channel = f"test:{uuid4().hex}"

    with one.subscribe(channel) as here, other.subscribe(channel) as there:
        await one.publish(channel, '{"words": "with spaces, ümläuts and\\n"}')
        await other.publish(channel, "second")
        heard_there = [await there.hear(at_most_s=SOON_S) for _ in range(2)]
        heard_here = [await here.hear(at_most_s=SOON_S) for _ in range(2)]

        payloads = {'{"words": "with spaces, ümläuts and\\n"}', "second"}
        for heard in (heard_here, heard_there):
            told = [payload for each in heard for payload in each.payloads]
            assert len(told) == 2
            assert {*told} == payloads


async def test_after_a_lost_connection_listeners_are_told_and_then_hear_again(
    two_hubs: tuple[Hub, Hub], redis_url: str
) -> None:
    one, other = two_hubs
    channel = f"test:{uuid4().hex}"

    with other.subscribe(channel) as listener:
        async with Redis.from_url(redis_url) as administration:
            killed = await administration.client_kill_filter(_type="pubsub")
        lost = await listener.hear(at_most_s=SOON_S)
        await one.publish(channel, "after")
        heard = await listener.hear(at_most_s=SOON_S)

    assert killed >= 2
    assert lost == Heard((), complete=False)
    assert heard.payloads == ("after",)


async def test_without_redis_the_own_process_is_told_all_the_same() -> None:
    async with hub("redis://127.0.0.1:1/0") as alone:
        with alone.subscribe("a") as listener:
            await alone.publish("a", "one")

            assert await listener.hear(at_most_s=SOON_S) == Heard(("one",), complete=True)


async def test_a_redis_that_takes_connections_and_says_nothing_holds_up_nobody() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        async with hub(f"redis://127.0.0.1:{silent.getsockname()[1]}") as shared:
            with shared.subscribe("balance") as listener:
                async with asyncio.timeout(2):
                    for number in range(1_000):
                        await shared.publish("balance", str(number))
                heard = await listener.hear(at_most_s=1)

    assert heard.payloads[-1] == "999"
