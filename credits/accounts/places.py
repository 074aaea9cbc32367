"""What places are called, for people to read."""

from collections.abc import Iterable

from tortoise.connection import get_connection

_NAMES = """
SELECT w.id, coalesce(d.name, p.name, a.name) AS name
FROM wallets w JOIN accounts a ON a.id = w.account_id
LEFT JOIN pools p ON p.id = w.owner_id LEFT JOIN departments d ON d.id = w.owner_id
WHERE w.id = ANY($1)
"""


async def names_of(wallet_ids: Iterable[str]) -> dict[str, str]:
    """What the owners of these wallets are called, by wallet."""
    rows = await get_connection("default").execute_query_dict(_NAMES, [list(wallet_ids)])
    return {row["id"]: row["name"] for row in rows}
