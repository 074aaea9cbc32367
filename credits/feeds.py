"""What listeners need: to hear of a channel, and to know when they may have missed something."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Heard:
    """What came since the last time, oldest first. `complete` is False where something may be missing: then the
    reader reads the present state itself."""

    payloads: Sequence[str]
    complete: bool


class Subscription(Protocol):
    """One listener on one channel. It keeps a bounded number of payloads and drops the oldest for a slow reader."""

    async def hear(self, *, at_most_s: float) -> Heard:
        """Wait for something to be told, at most so many seconds; nothing heard counts as incomplete, so that a
        reader looks for itself from time to time."""


class Feeds(Protocol):
    """Where to listen."""

    def subscribe(self, channel: str, *, rights_of: str | None = None) -> AbstractContextManager[Subscription]:
        """Listen from now on, until the block ends. `rights_of` is the account by whose roles and keys the listener may
        do so: when these change, what it hears next is not complete, and it asks anew."""


def rights_channel(account_id: str) -> str:
    """Where it is told that keys or roles of an account have changed."""
    return f"rights:{account_id}"
