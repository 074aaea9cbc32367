"""How fast a channel takes messages: one a second, whoever posts, and none while the chat asks us to wait.

https://docs.slack.dev/apis/web-api/rate-limits
"""

import asyncio

from tortoise.connection import get_connection

from credits.gateways.errors import GatewayUnavailable

# Who would wait longer lets others go first and comes again.
_LONGEST_WAIT_S = 2.0

# Real time: the chat knows nothing of a clock that was moved.
_TURN = """
INSERT INTO chat_paces AS p (team_id, channel, free_at) VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3))
ON CONFLICT (team_id, channel) DO UPDATE
    SET free_at = greatest(p.free_at, clock_timestamp()) + make_interval(secs => $3)
    WHERE p.free_at <= clock_timestamp() + make_interval(secs => $4)
RETURNING extract(epoch FROM free_at - clock_timestamp())::float8 - $3 AS wait_s
"""
_HOLD = """
INSERT INTO chat_paces AS p (team_id, channel, free_at) VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3))
ON CONFLICT (team_id, channel) DO UPDATE
    SET free_at = greatest(p.free_at, clock_timestamp() + make_interval(secs => $3))
"""
_FREE_IN = """
SELECT extract(epoch FROM free_at - clock_timestamp())::float8 AS wait_s FROM chat_paces
WHERE team_id = $1 AND channel = $2
"""


async def turn(team_id: str, channel: str, *, every_s: float) -> None:
    """Wait until the channel takes a message from us. Raises GatewayUnavailable, with when to come again, where that
    would take more than two seconds."""
    connection = get_connection("default")
    rows = await connection.execute_query_dict(_TURN, [team_id, channel, every_s, _LONGEST_WAIT_S])
    if not rows:
        (row,) = await connection.execute_query_dict(_FREE_IN, [team_id, channel])
        raise GatewayUnavailable("Others post there just now.", retry_after_s=max(row["wait_s"], every_s))
    await asyncio.sleep(max(rows[0]["wait_s"], 0))


async def hold(team_id: str, channel: str, seconds: float) -> None:
    """Post nothing there for so long: the chat said so."""
    await get_connection("default").execute_query(_HOLD, [team_id, channel, seconds])
