"""Actors on the process's own event loop: one database context per loop, and a push reaches this process's listeners.

Dramatiq's `AsyncIO` starts a loop of its own in a thread; this hands it ours.
"""

import asyncio
import logging
from typing import Any

from dramatiq import Broker, Middleware, Worker
from dramatiq.asyncio import EventLoopThread, get_event_loop_thread, set_event_loop_thread

_CHECK_S = 0.1


class _Running(EventLoopThread):
    """A loop that runs already; never started or stopped as a thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(logging.getLogger(__name__), _CHECK_S)
        self.loop.close()
        self.loop = loop

    def run_coroutine(self, coro: Any) -> Any:
        """Run it on the loop; one that is over takes no more."""
        if not self.loop.is_running():
            coro.close()
        return super().run_coroutine(coro)


class OnLoop(Middleware):
    """Runs asynchronous actors on the given loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._before: EventLoopThread | None = None

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Offer the loop to the actors."""
        self._before = get_event_loop_thread()
        set_event_loop_thread(_Running(self._loop))

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Take it back."""
        set_event_loop_thread(self._before)
