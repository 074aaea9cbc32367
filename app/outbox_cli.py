"""`credits outbox`: what waits to be told, and what could not be."""

import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer

from credits import outbox
from credits.outbox import DeadLetter, OutboxMessage

cli = typer.Typer(no_args_is_help=True, help="What waits to be told to the outside, and what could not be.")
Run = Callable[[Callable[[], Awaitable[Any]]], Any]
Ids = Annotated[list[str], typer.Argument(help="Ids as `credits outbox list` prints them.")]


def with_database(run: Run) -> typer.Typer:
    """The commands; `run` does something over an open database."""

    @cli.command("list")
    def list_() -> None:
        """Print what waits and what is put aside, oldest first."""
        waiting, dead = run(_everything)
        for row in waiting:
            _say(f"{row.id}  waiting  {row.job:<20} due {row.due_at:%Y-%m-%d %H:%M:%S}  attempts {row.attempts}")
        for row in dead:
            _say(f"{row.id}  dead     {row.job:<20} since {row.died_at:%Y-%m-%d %H:%M:%S}  {row.last_error}")
        _say(f"{len(waiting)} waiting, {len(dead)} put aside.")

    @cli.command()
    def retry(ids: Ids) -> None:
        """Try again what was put aside."""

        async def work() -> list[bool]:
            return [await outbox.revive(message_id) for message_id in ids]

        _tell(ids, run(work), "will be tried again")

    @cli.command()
    def drop(ids: Ids) -> None:
        """Give up what was put aside, for good."""

        async def work() -> list[bool]:
            return [bool(await DeadLetter.filter(id=message_id[:40]).delete()) for message_id in ids]

        _tell(ids, run(work), "is given up")

    return cli


async def _everything() -> tuple[list[OutboxMessage], list[DeadLetter]]:
    return await OutboxMessage.all().order_by("due_at").limit(1000), await DeadLetter.all().order_by("died_at")


def _tell(ids: list[str], done: list[bool], what: str) -> None:
    for message_id, found in zip(ids, done, strict=True):
        _say(
            f"{message_id} {what}." if found else f"{message_id} is not put aside; `credits outbox list` shows what is."
        )
    if not all(done):
        raise typer.Exit(1)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
