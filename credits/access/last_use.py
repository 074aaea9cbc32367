"""When an API key was last used, to the minute: written beside the requests, never within one."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress

import structlog
from tortoise.connection import get_connection

_WRITE = """
WITH used AS (SELECT id FROM api_keys WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED)
UPDATE api_keys SET last_used_at = credits_now() FROM used WHERE api_keys.id = used.id
"""
_log = structlog.get_logger()


class LastUses:
    """The keys whose use is to be written down; those that come together are written together."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._more = asyncio.Event()

    def note(self, key_id: str) -> None:
        """The key was used, and that is not written down yet for this minute. Never waits."""
        self._used.add(key_id)
        self._more.set()

    @asynccontextmanager
    async def written(self) -> AsyncIterator[None]:
        """Write down what is noted until the block ends, and then what is left."""
        writing = asyncio.create_task(self._write_for_ever())
        try:
            yield
        finally:
            writing.cancel()
            with suppress(asyncio.CancelledError):
                await writing
            await self._write()

    async def _write_for_ever(self) -> None:
        while True:
            await self._more.wait()
            self._more.clear()
            await self._write()

    async def _write(self) -> None:
        used, self._used = self._used, set()
        if used:
            await _write_down(used)


async def _write_down(key_ids: Iterable[str]) -> None:
    try:
        await get_connection("default").execute_query(_WRITE, [list(key_ids)])
    except Exception as error:
        # Whoever uses the key next notes it again.
        _log.warning("last_use_not_written", error=repr(error))
