"""Running the processes: uvicorn in the foreground, the worker beside it when embedded, and a clean end of both."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress

import uvicorn
import uvloop
from starlette.applications import Starlette

from app import embedded
from app.database import migrate
from app.parts import Parts, parts
from app.settings import Settings
from app.worker import worker

_WEBSOCKET_BYTES = 128 * 1024
_DRAIN_S = 3


class PortTaken(Exception):
    """Somebody else listens there; the message says how to choose another port."""


def listen(settings: Settings) -> socket.socket:
    """The listening socket, taken before anything else is started. Raises PortTaken."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # Named as TCP, or asyncio would not turn off the delay of small packets on its connections.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((settings.host, settings.port))
        sock.listen(2048)
    except OSError as error:
        sock.close()
        raise PortTaken(
            f"{settings.host}:{settings.port} cannot be listened on ({error.strerror}). "
            f"Choose another port: PORT={settings.port + 1} make demo"
        ) from error
    return sock


@asynccontextmanager
async def database_of(settings: Settings) -> AsyncIterator[str]:
    """The address of the database: the one of the settings, or the embedded one, run until the block ends and brought
    up to date."""
    if not settings.embedded:
        yield settings.database_url
        return
    starting = asyncio.create_task(asyncio.to_thread(embedded.start, settings.data_dir))
    try:
        await asyncio.shield(starting)
        await migrate(starting.result().url, sandbox=settings.sandboxed)
        yield starting.result().url
    finally:
        # Told to stop while it starts: what a thread has begun is waited for, so that nothing is left running.
        await asyncio.wait([starting])
        if starting.exception() is None:
            await asyncio.to_thread(starting.result().stop)


async def serve(
    settings: Settings,
    *,
    before: Callable[[Parts], Awaitable[None]] | None = None,
    started: Callable[[], None],
) -> None:
    """Serve until cancelled, then end cleanly. `before` runs when the database is open and nothing is served yet;
    `started` when requests are answered. Without Redis the jobs run in this process too."""
    sock = listen(settings)
    async with AsyncExitStack() as stack:
        stack.callback(sock.close)
        database_url = await stack.enter_async_context(database_of(settings))
        shared = await stack.enter_async_context(parts(settings, database_url))
        if before is not None:
            await before(shared)
        # Here and not above: a worker and the commands start without it, in half the time.
        from app.web import web

        app = await stack.enter_async_context(web(settings, shared))
        if not settings.redis_url:
            await stack.enter_async_context(worker(settings, shared))
        await _run(app, sock, started)


async def _run(app: Starlette, sock: socket.socket, started: Callable[[], None]) -> None:
    server = _Server(
        uvicorn.Config(
            app,
            lifespan="off",
            log_level="warning",
            access_log=False,
            ws_max_size=_WEBSOCKET_BYTES,
            # Compression costs 38 KiB a connection and most of the CPU of a push.
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=_DRAIN_S,
            server_header=False,
        ),
        started,
    )
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.should_exit = True
        await serving
        raise


class _Server(uvicorn.Server):
    """uvicorn's server, telling when it answers. Signals are the caller's: uvicorn raises them anew after it has
    stopped, and SIGTERM would end the process before the database was."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._tell_started = started

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them alone."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell."""
        await super().startup(sockets=sockets)
        if not self.should_exit:
            self._tell_started()


async def work(settings: Settings, *, started: Callable[[], None]) -> None:
    """Run the jobs until cancelled."""
    async with AsyncExitStack() as stack:
        shared = await stack.enter_async_context(parts(settings, settings.database_url))
        await stack.enter_async_context(worker(settings, shared))
        started()
        await asyncio.Event().wait()


def run(main: Coroutine[None, None, None]) -> None:
    """Run until done, or until SIGINT, SIGTERM or SIGHUP, the first of which cancels it and begins the clean-up."""

    async def until_signalled() -> None:
        task = asyncio.create_task(main)
        told = False

        def end() -> None:
            # A terminal and make may both pass one on: the second must not cut the clean-up short.
            nonlocal told
            if not told:
                told = True
                task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, end)
        with suppress(asyncio.CancelledError):
            await task

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(until_signalled())
