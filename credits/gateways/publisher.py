"""What tells other processes, and the sockets that they hold, that something happened."""

from typing import Protocol


class Publisher(Protocol):
    """Tells every process that something changed; best effort, the latest wins."""

    async def publish(self, channel: str, payload: str) -> None:
        """Hand `payload` (JSON) to whoever listens on `channel`. Never raises for want of listeners."""
