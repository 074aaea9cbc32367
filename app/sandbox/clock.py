"""The service's clock, which the sandbox can move forward so that what expires can be watched expiring.

All that the service dates goes by the database's `credits_now()`; signatures and deliveries go by real time.
"""

from datetime import UTC, datetime
from typing import TypedDict

from tortoise.connection import get_connection

from app.sandbox.errors import ApiError

STEP_LIMIT_S = 10 * 365 * 86_400
TOTAL_LIMIT_S = 100 * 365 * 86_400

_NOW = """
SELECT credits_now() AS now,
    coalesce((SELECT extract(epoch FROM advance) FROM clock_offset), 0)::bigint AS advanced_s
"""
_ADVANCE = """
INSERT INTO clock_offset AS clock (advance) VALUES ($1::bigint * interval '1 second')
ON CONFLICT (singleton) DO UPDATE SET advance = clock.advance + excluded.advance
    WHERE clock.advance + excluded.advance <= $2::bigint * interval '1 second'
RETURNING singleton
"""


class Reading(TypedDict):
    """What the clock shows (ISO 8601, UTC) and how far it is ahead of real time."""

    now: str
    advanced_s: int


async def now() -> datetime:
    """The service's time."""
    rows = await get_connection("default").execute_query_dict("SELECT credits_now() AS now")
    return _utc(rows[0]["now"])


async def reading() -> Reading:
    """The service's time as it is told outside."""
    row = (await get_connection("default").execute_query_dict(_NOW))[0]
    return {"now": _utc(row["now"]).isoformat().replace("+00:00", "Z"), "advanced_s": row["advanced_s"]}


async def advance(seconds: object) -> Reading:
    """Move the clock forward. Refused: what is no whole number from 0 to ten years' seconds, and what would bring the
    clock more than a hundred years ahead altogether, where dates end."""
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not 0 <= seconds <= STEP_LIMIT_S:
        raise ApiError(
            400,
            f"advance_s wants a whole number of seconds from 0 to {STEP_LIMIT_S} (10 years): "
            "the clock only goes forward.",
            param="advance_s",
        )
    moved = await get_connection("default").execute_query_dict(_ADVANCE, [seconds, TOTAL_LIMIT_S])
    if not moved:
        raise ApiError(400, "The clock is 100 years ahead already. Start with a fresh database.", param="advance_s")
    return await reading()


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)
