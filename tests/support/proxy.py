"""A small TCP proxy in front of a server, which can be slow, silent, or cut off in the middle."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(slots=True)
class Proxy:
    """What lies in between, and how it behaves towards connections from now on: `delay_s` before each piece that comes
    back, `blackhole` takes everything and answers nothing, `refuse` closes at once, `cut_after` closes after so many
    bytes of the answer."""

    url: str = ""
    delay_s: float = 0.0
    blackhole: bool = False
    refuse: bool = False
    cut_after: int | None = None
    hanging: int = 0
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def heal(self) -> None:
        """Only pass on, from now on."""
        self.delay_s, self.blackhole, self.refuse, self.cut_after = 0.0, False, False, None

    async def until_hanging(self, count: int) -> None:
        """Wait until so many connections have been swallowed; fails when they do not come within half a minute."""
        async with asyncio.timeout(30):
            while self.hanging < count:
                self.asked.clear()
                await self.asked.wait()


@asynccontextmanager
async def proxy_to(url: str) -> AsyncIterator[Proxy]:
    """A proxy of the server at that address, until the block ends; its `url` has the same path."""
    parts = urlsplit(url)
    proxy = Proxy()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        proxy._tasks.add(task)
        try:
            await _serve(proxy, parts.hostname or "", parts.port or 80, reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            proxy._tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    proxy.url = parts._replace(netloc=f"127.0.0.1:{port}").geturl()
    try:
        yield proxy
    finally:
        server.close()
        # Connections that were taken just now come to nothing either.
        proxy.refuse = True
        while proxy._tasks:
            for task in tuple(proxy._tasks):
                task.cancel()
            await asyncio.gather(*proxy._tasks, return_exceptions=True)


async def _serve(
    proxy: Proxy, host: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    if proxy.refuse:
        return
    if proxy.blackhole:
        await reader.read(1)
        proxy.hanging += 1
        proxy.asked.set()
        try:
            while await reader.read(65536):
                pass
        finally:
            proxy.hanging -= 1
        return
    upstream, onward = await asyncio.open_connection(host, port)
    there = asyncio.create_task(_pass_on(reader, onward))
    try:
        await _pass_back(proxy, upstream, writer)
    finally:
        there.cancel()
        onward.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()


async def _pass_back(proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    passed = 0
    while piece := await reader.read(65536):
        await asyncio.sleep(proxy.delay_s)
        if proxy.cut_after is not None and passed + len(piece) > proxy.cut_after:
            writer.write(piece[: proxy.cut_after - passed])
            await writer.drain()
            return
        writer.write(piece)
        await writer.drain()
        passed += len(piece)
