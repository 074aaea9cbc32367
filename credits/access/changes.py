"""Keys and roles that have changed: open connections ask at once whether they may still be told what they are told.

Calls over HTTP read keys and roles each time and need no telling.
"""

from credits.feeds import rights_channel
from credits.gateways.publisher import Publisher


async def told(publisher: Publisher, *, account_id: str) -> None:
    """Tell every process, after the commit, that keys or roles of this account have changed."""
    await publisher.publish(rights_channel(account_id), account_id)
