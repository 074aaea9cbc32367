"""Events from outside, each handled once: a row per (source, event), marked handled in the commit that acted on it."""

import json
from dataclasses import dataclass

from tortoise import fields
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.connection import get_connection
from tortoise.models import Model


class InboxEvent(Model):
    """An event as it came. `handled_at` is null until it was acted on; `outcome` says in a word what came of it."""

    id = fields.BigIntField(primary_key=True, generated=True)
    source = fields.CharField(20)
    event_id = fields.CharField(255)
    type = fields.CharField(100)
    payload = fields.JSONField[dict[str, object]]()
    received_at = fields.DatetimeField()
    handled_at = fields.DatetimeField(null=True)
    outcome = fields.CharField(200, null=True)

    class Meta:
        table = "inbox_events"
        unique_together = (("source", "event_id"),)


@dataclass(frozen=True, slots=True)
class Received:
    """An event that was not there before, in the database transaction that acts on it."""

    id: int

    async def conclude(self, connection: BaseDBAsyncClient, outcome: str) -> None:
        """Mark it handled, with what came of it."""
        await connection.execute_query(
            "UPDATE inbox_events SET handled_at = credits_now(), outcome = $2 WHERE id = $1", [self.id, outcome]
        )


async def first_time(
    connection: BaseDBAsyncClient, source: str, event_id: str, event_type: str, payload: dict[str, object]
) -> Received | None:
    """The event's row, made now; None where the same event was handled before. Of several at once the others wait for
    the first to commit."""
    rows = await connection.execute_query_dict(
        "INSERT INTO inbox_events (source, event_id, type, payload, received_at) VALUES ($1, $2, $3, $4, credits_now())"
        " ON CONFLICT (source, event_id) DO NOTHING RETURNING id",
        [source, event_id, event_type, json.dumps(payload)],
    )
    return Received(rows[0]["id"]) if rows else None


async def change(source: str, event_id: str, *, before: str, after: str) -> bool:
    """Let the event's outcome become another, in a commit of its own; False where it is not what it should be before.
    Of several at once one does it."""
    changed, _ = await get_connection("default").execute_query(
        "UPDATE inbox_events SET outcome = $4 WHERE source = $1 AND event_id = $2 AND outcome = $3",
        [source, event_id, before, after],
    )
    return changed == 1
