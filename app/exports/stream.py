"""A long answer, sent as it is made: with bounds on how many are under way, and broken off visibly where it fails."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from credits.faults import out_of_reach

TRY_AGAIN = "Other exports are under way here. Open the link again in a minute."
_GONE = "The ledger did not answer in time. Open the link again in a minute."
_LATER = {"retry-after": "60", "cache-control": "no-store"}
_log = structlog.get_logger()

Write = Callable[[Callable[[bytes], Awaitable[None]]], Coroutine[None, None, None]]


class TooMany(Exception):
    """As much is under way as may be."""


@dataclass(slots=True)
class Slots:
    """So many may be at it at once in this process; nobody waits in line."""

    most: int
    taken: int = field(default=0, init=False)

    @contextmanager
    def one(self) -> Iterator[None]:
        """One of them, until the block ends. Raises TooMany."""
        if self.taken >= self.most:
            raise TooMany
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1


def later(message: str) -> Response:
    """Not now, and what to do."""
    return PlainTextResponse(message, status_code=503, headers=_LATER)


class Stream(Response):
    """What `write` hands on, as it does. A reader who goes away ends it; an error in its midst ends the connection
    without the end of the body, so that nobody takes what came for all there is."""

    def __init__(self, write: Write, slots: Slots, *, headers: Mapping[str, str]) -> None:
        super().__init__(headers=headers)
        del self.headers["content-length"]
        self._write = write
        self._slots = slots

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            with self._slots.one():
                if scope["method"] == "HEAD":
                    await self._end(send, started=False)
                else:
                    await self._run(scope, receive, send)
        except TooMany:
            await later(TRY_AGAIN)(scope, receive, send)

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def pass_on(data: bytes) -> None:
            nonlocal started
            if not started:
                await self._begin(send)
                started = True
            await send({"type": "http.response.body", "body": data, "more_body": True})

        writing = asyncio.create_task(self._write(pass_on))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait({writing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            there = writing.done()
            for task in (writing, leaving):
                task.cancel()
            await asyncio.gather(writing, leaving, return_exceptions=True)
        error = writing.exception() if there else None
        if error is None:
            if there:
                await self._end(send, started=started)
        elif started or not out_of_reach(error):
            _log.warning("export_broken_off", error=repr(error))
            raise error
        else:
            await later(_GONE)(scope, receive, send)

    async def _begin(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})

    async def _end(self, send: Send, *, started: bool) -> None:
        if not started:
            await self._begin(send)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _left(receive: Receive) -> None:
    """Until whoever reads has gone away."""
    while (await receive())["type"] != "http.disconnect":
        pass
