"""How far something is that takes its time."""

from collections.abc import Callable

# So much is done, of so much.
Progress = Callable[[int, int], None]


def untold(done: int, of: int) -> None:
    """Nobody wants to know."""
