"""Messages to the outside, written in the database transaction whose news they are, and delivered after it.

The row is the truth: it is there until its work is done, whatever becomes of brokers and workers in between. Who
works on it holds a lease; what a killed worker held is free again when its lease has run out.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from tortoise import fields
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.connection import get_connection
from tortoise.models import Model

from credits.accounts.models import ID_LENGTH
from credits.ids import Kind, make_id

LEASE_S = 15
MAX_ATTEMPTS = 12
# What is out of reach may be so for a night; what is wrong stays wrong.
GIVE_UP_AFTER_S = 3 * 24 * 3600
_FIRST_BACK_OFF_S = 1
_LONGEST_BACK_OFF_S = 300


class Queue(StrEnum):
    """Each is worked on by itself, so that a slow one holds up no other."""

    ALERTS = "alerts"
    APPROVALS = "approvals"
    BULK = "bulk"
    PAYMENTS = "payments"


class OutboxMessage(Model):
    """Work to be done once its time has come; deleted when it is done."""

    id = fields.CharField(ID_LENGTH, primary_key=True)
    account_id = fields.CharField(ID_LENGTH)
    queue = fields.CharEnumField(Queue, max_length=20)
    job = fields.CharField(60)
    payload = fields.JSONField[dict[str, Any]]()
    created_at = fields.DatetimeField()
    due_at = fields.DatetimeField()
    attempts = fields.IntField()
    leased_until = fields.DatetimeField(null=True)
    last_error = fields.TextField(null=True)

    class Meta:
        table = "outbox"


class DeadLetter(Model):
    """What could not be delivered after many attempts, for a person to look at."""

    id = fields.CharField(ID_LENGTH, primary_key=True)
    account_id = fields.CharField(ID_LENGTH)
    queue = fields.CharEnumField(Queue, max_length=20)
    job = fields.CharField(60)
    payload = fields.JSONField[dict[str, Any]]()
    created_at = fields.DatetimeField()
    died_at = fields.DatetimeField()
    attempts = fields.IntField()
    last_error = fields.TextField(null=True)

    class Meta:
        table = "dead_letters"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Work to be written down: `job` names who does it, `due_at` when it may begin (None: at once)."""

    account_id: str
    queue: Queue
    job: str
    payload: Mapping[str, Any]
    due_at: datetime | None = None
    id: str = field(default_factory=lambda: make_id(Kind.OUTBOX_MESSAGE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Leased:
    """Work that is ours until the lease runs out; `attempt` counts from 1, `age_s` are seconds since it was written."""

    id: str
    account_id: str
    queue: Queue
    job: str
    payload: Mapping[str, Any]
    attempt: int
    age_s: float


_ADD = """
INSERT INTO outbox (id, account_id, queue, job, payload, created_at, due_at, attempts)
SELECT id, account_id, queue, job, payload, credits_now(), coalesce(due_at, credits_now()), 0
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::jsonb[], $6::timestamptz[])
    AS m (id, account_id, queue, job, payload, due_at)
"""
# Handed to the broker and not taken for so long, it is handed over again: the broker may have lost it.
# Alerts are looked for apart from all else: neither waits behind many of the other.
_WAITING = """
SELECT id FROM outbox WHERE queue {which}
AND due_at <= (SELECT credits_now()) AND (leased_until IS NULL OR leased_until < clock_timestamp())
ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED
"""
_DUE = f"""
WITH alerts AS ({_WAITING.format(which="= 'alerts'")}), others AS ({_WAITING.format(which="<> 'alerts'")})
UPDATE outbox SET leased_until = clock_timestamp() + make_interval(secs => $1)
WHERE id IN (SELECT id FROM alerts UNION ALL SELECT id FROM others)
RETURNING id, queue, attempts, due_at
"""
_TAKE = """
UPDATE outbox SET attempts = attempts + 1, leased_until = clock_timestamp() + make_interval(secs => $2)
WHERE id = $1 AND attempts = $3 RETURNING id, account_id, queue, job, payload, attempts,
    extract(epoch FROM credits_now() - created_at)::float8 AS age_s
"""
_KEEP = """
UPDATE outbox SET leased_until = clock_timestamp() + make_interval(secs => $2) WHERE id = $1 AND attempts = $3
"""
# Only the attempt that is the last may end it: one that was stopped and wakes up late no longer counts.
_DONE = "DELETE FROM outbox WHERE id = $1 AND attempts = $2"
_AGAIN = """
UPDATE outbox SET leased_until = NULL, last_error = $3,
    due_at = credits_now() + make_interval(
        secs => coalesce($6, least($4 * 2 ^ least($2 - 1, 20), $5) * (0.5 + random() / 2)))
WHERE id = $1 AND attempts = $2
"""
_DIE = """
WITH dead AS (DELETE FROM outbox WHERE id = $1 AND attempts = $2 RETURNING *)
INSERT INTO dead_letters (id, account_id, queue, job, payload, created_at, died_at, attempts, last_error)
SELECT id, account_id, queue, job, payload, created_at, credits_now(), attempts, $3 FROM dead
"""
_REVIVE = """
WITH dead AS (DELETE FROM dead_letters WHERE id = $1 RETURNING *)
INSERT INTO outbox (id, account_id, queue, job, payload, created_at, due_at, attempts)
SELECT id, account_id, queue, job, payload, created_at, credits_now(), 0 FROM dead RETURNING id
"""


async def add(connection: BaseDBAsyncClient, messages: Sequence[Message]) -> None:
    """Write messages down in the caller's database transaction."""
    if not messages:
        return
    columns: list[list[Any]] = [
        [message.id for message in messages],
        [message.account_id for message in messages],
        [message.queue.value for message in messages],
        [message.job for message in messages],
        [json.dumps(dict(message.payload)) for message in messages],
        [message.due_at for message in messages],
    ]
    await connection.execute_query(_ADD, columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """Work whose time has come; `attempts` is how often it was begun so far."""

    id: str
    queue: Queue
    attempts: int


async def due(*, limit: int = 100) -> list[Due]:
    """Messages whose time has come and that nobody works on; they are ours to hand to the broker. Alerts first, so many
    at most, and then as many others; of each the longest due first."""
    rows = await get_connection("default").execute_query_dict(_DUE, [LEASE_S, limit])
    rows.sort(key=lambda row: (row["queue"] != Queue.ALERTS, row["due_at"]))
    return [Due(id=row["id"], queue=Queue(row["queue"]), attempts=row["attempts"]) for row in rows]


async def take(message_id: str, attempts: int) -> Leased | None:
    """Begin an attempt on work that was begun so often when it was handed over; None where it is done already, or
    another has begun: of two that the broker delivers, one works."""
    rows = await get_connection("default").execute_query_dict(_TAKE, [message_id, LEASE_S, attempts])
    if not rows:
        return None
    row = rows[0]
    return Leased(
        id=row["id"],
        account_id=row["account_id"],
        queue=Queue(row["queue"]),
        job=row["job"],
        payload=json.loads(row["payload"]),
        attempt=row["attempts"],
        age_s=row["age_s"],
    )


async def done(message: Leased) -> None:
    """The work is done."""
    await get_connection("default").execute_query(_DONE, [message.id, message.attempt])


async def keep(message: Leased) -> None:
    """Still at it: a new lease, as long as no other attempt has begun."""
    await get_connection("default").execute_query(_KEEP, [message.id, LEASE_S, message.attempt])


async def failed(message: Leased, error: str, *, passes: bool = False, after_s: float | None = None) -> bool:
    """The attempt failed: it comes again after a pause (`after_s` where it is known, else one that doubles each time,
    with jitter), or is put aside: after the last attempt, and a fault that `passes` after three days. Returns whether
    it was put aside."""
    connection = get_connection("default")
    if message.age_s >= GIVE_UP_AFTER_S if passes else message.attempt >= MAX_ATTEMPTS:
        await connection.execute_query(_DIE, [message.id, message.attempt, error])
        return True
    values = [message.id, message.attempt, error, _FIRST_BACK_OFF_S, _LONGEST_BACK_OFF_S, after_s]
    await connection.execute_query(_AGAIN, values)
    return False


async def revive(message_id: str) -> bool:
    """Put a dead letter back, to be tried from the beginning; whether there was one."""
    return bool(await get_connection("default").execute_query_dict(_REVIVE, [message_id]))
