"""A bar for what takes its time, where somebody is looking."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from credits.progress import Progress


@contextmanager
def progress_bar(label: str) -> Iterator[Progress]:
    """Shows how far it is, on a terminal; elsewhere nothing."""
    with typer.progressbar(length=1, label=label, file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:

        def show(done: int, of: int) -> None:
            bar.length = of
            bar.update(done - bar.pos)

        yield show
