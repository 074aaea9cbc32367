"""The outbox: nothing is lost, one works at a time, and what cannot be done is put aside."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from tortoise.connection import get_connection
from tortoise.transactions import in_transaction

from credits import outbox
from credits.ledger.queries import now
from credits.outbox import DeadLetter, Due, Message, OutboxMessage, Queue
from tests.support.service import Service
from workers.delivery import attempt


async def written(job: str = "test", **payload: Any) -> Message:
    """A message that no relay takes: it is handed over already."""
    message = Message(account_id="acct", queue=Queue.BULK, job=job, payload=payload)
    async with in_transaction() as connection:
        await outbox.add(connection, [message])
        await connection.execute_query(
            "UPDATE outbox SET leased_until = clock_timestamp() + interval '1 hour' WHERE id = $1", [message.id]
        )
    return message


async def lapse(message: Message) -> None:
    await get_connection("default").execute_query(
        "UPDATE outbox SET leased_until = clock_timestamp() - interval '1 second',"
        " due_at = credits_now() - interval '1 second' WHERE id = $1",
        [message.id],
    )


async def test_a_message_of_a_rolled_back_transaction_never_was(service: Service) -> None:
    message = Message(account_id="acct", queue=Queue.BULK, job="test", payload={})

    async def crash() -> None:
        async with in_transaction() as connection:
            await outbox.add(connection, [message])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await crash()

    assert not await OutboxMessage.exists(id=message.id)


async def test_of_many_deliveries_of_one_message_one_works(service: Service) -> None:
    seen = []

    async def handle(payload: Mapping[str, Any]) -> None:
        seen.append(payload)
        await asyncio.sleep(0)

    message = await written(n=1)

    await asyncio.gather(*(attempt({"test": handle}, message.id, 0) for _ in range(10)))

    assert seen == [{"n": 1}]
    assert not await OutboxMessage.exists(id=message.id)


async def test_what_fails_comes_again_later_and_in_the_end_is_put_aside(service: Service) -> None:
    tried = []

    async def handle(payload: Mapping[str, Any]) -> None:
        tried.append(payload)
        raise RuntimeError("not today")

    message = await written(n=1)
    pauses = []
    for number in range(outbox.MAX_ATTEMPTS):
        await attempt({"test": handle}, message.id, number)
        row = await OutboxMessage.get_or_none(id=message.id)
        if row:
            assert row.last_error == "RuntimeError('not today')"
            pauses.append((row.due_at - await now()).total_seconds())
        await get_connection("default").execute_query(
            "UPDATE outbox SET leased_until = clock_timestamp() + interval '1 hour' WHERE id = $1", [message.id]
        )

    assert len(tried) == outbox.MAX_ATTEMPTS
    longest = [min(2**number, 300) for number in range(outbox.MAX_ATTEMPTS - 1)]
    # Half of it at least, and a second for the machine to be slow in.
    assert all(most / 2 - 1 < pause <= most for pause, most in zip(pauses, longest, strict=True))
    assert not await OutboxMessage.exists(id=message.id)
    dead = await DeadLetter.get(id=message.id)
    assert (dead.attempts, dead.last_error, dead.payload) == (
        outbox.MAX_ATTEMPTS,
        "RuntimeError('not today')",
        {"n": 1},
    )


async def test_a_dead_letter_can_be_tried_anew(service: Service) -> None:
    message = await written(n=1)
    for number in range(outbox.MAX_ATTEMPTS):
        leased = await outbox.take(message.id, number)
        assert leased
        await outbox.failed(leased, "no")

    revived = await outbox.revive(message.id)
    again = await outbox.revive(message.id)

    assert (revived, again) == (True, False)
    assert not await DeadLetter.exists(id=message.id)
    await OutboxMessage.filter(id=message.id).delete()


async def test_what_a_killed_worker_held_is_handed_out_again_and_the_dead_one_counts_no_more(service: Service) -> None:
    message = await written(job=f"nobody-{uuid4().hex}")
    held = await outbox.take(message.id, 0)
    assert held
    await lapse(message)

    due = await outbox.due(limit=1000)
    again = await outbox.take(message.id, 1)
    await outbox.done(held)

    assert Due(id=message.id, queue=Queue.BULK, attempts=1) in due
    assert again
    assert await OutboxMessage.exists(id=message.id)
    await outbox.done(again)
    assert not await OutboxMessage.exists(id=message.id)


async def test_alerts_are_handed_over_before_all_that_waited_longer(service: Service) -> None:
    at = await now()

    def flood(queue: Queue, number: int, *, minutes_ago: int) -> list[Message]:
        due_at = at - timedelta(minutes=minutes_ago)
        return [Message(account_id="acct", queue=queue, job="test", payload={}, due_at=due_at) for _ in range(number)]

    alerts, others = flood(Queue.ALERTS, 3, minutes_ago=1), flood(Queue.BULK, 300, minutes_ago=60)
    found: list[Due] = []
    with suppress(RuntimeError):
        # (Nobody else sees them: they are never committed.)
        async with in_transaction() as connection:
            await outbox.add(connection, [*others, *alerts])
            found = await outbox.due(limit=100)
            raise RuntimeError

    assert {each.id for each in found[:3]} == {message.id for message in alerts}
    assert [each.queue for each in found[3:]] == [Queue.BULK] * 100
