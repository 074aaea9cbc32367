"""`credits ledger`: the heads of the chains, the erasure of what people wrote, and what was used added up anew."""

import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from tortoise.connection import get_connection

from app.progress import progress_bar
from credits.accounts.queries import find_person
from credits.ledger import erasure, rebuilding
from credits.ledger.audit import snapshot
from credits.ledger.erasure import Texts
from credits.ledger.heads import PORTION, Head, heads, lost, parse
from credits.ledger.rebuilding import Rebuilt

cli = typer.Typer(
    no_args_is_help=True, help="The heads of the chains, erasing what people wrote, adding up what was used."
)
Run = Callable[[Callable[[], Awaitable[Any]]], Any]


def with_database(run: Run) -> typer.Typer:
    """The commands; `run` does something over an open database."""

    @cli.command("heads")
    def heads_(
        against: Annotated[
            Path | None,
            typer.Option(exists=True, dir_okay=False, help="An earlier print, or a worker's log, to compare with."),
        ] = None,
    ) -> None:
        """Print the last transaction of every wallet: wallet, number, hash. Kept elsewhere, a print shows later whether
        anything that it names was cut off or rewritten."""
        if against is None:
            run(_print_heads)
        else:
            _compare(run, against)

    @cli.command("erase-text")
    def erase_text(
        person: Annotated[str, typer.Argument(help="Who wrote it or had it written: usr_… or an e-mail address.")] = "",
        account: Annotated[str, typer.Option(help="With --reference: in which account, acct_….")] = "",
        reference: Annotated[str, typer.Option(help="What carries this reference.")] = "",
        transaction: Annotated[list[str] | None, typer.Option(help="What this transaction says; repeatable.")] = None,
        yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    ) -> None:
        """Erase references, descriptions and metadata for good. The chains stay whole."""
        if bool(person) + bool(reference) + bool(transaction) != 1 or bool(reference) != bool(account):
            raise typer.BadParameter("Name one of: a person, --transaction, or --reference with --account.")

        async def find() -> Texts | None:
            if person:
                user_id = await find_person(person)
                return await erasure.texts_by(user_id) if user_id else None
            if reference:
                return await erasure.texts_with(account, reference)
            return await erasure.texts_of(transaction or [])

        found = run(find)
        if found is None:
            _say(f"Nobody here has the id or e-mail address {person}.")
            raise typer.Exit(1)
        _erase(run, found, yes)

    @cli.command("rebuild-usage")
    def rebuild_usage(
        account: Annotated[str, typer.Option(help="Only what is of this account, acct_….")] = "",
    ) -> None:
        """Add up anew, from the transactions, what was used by day and by month, and say what was kept otherwise."""
        with progress_bar("Adding up") as progress:
            rebuilt = run(lambda: rebuilding.rebuild(account, progress=progress))
        _tell(rebuilt, account)

    return cli


def _tell(rebuilt: Rebuilt, account: str) -> None:
    if not rebuilt.wallets:
        _say(f"There is no wallet of an account {account}." if account else "There are no wallets.")
        raise typer.Exit(1 if account else 0)
    if not rebuilt.differed:
        _say(f"What is kept as used in {rebuilt.wallets:,} wallets is what their transactions say.")
        return
    for difference in rebuilt.first:
        _say(str(difference))
    if more := rebuilt.differed - len(rebuilt.first):
        _say(f"And {more:,} more.")
    _say(f"{rebuilt.differed:,} rows of {rebuilt.wallets:,} wallets were put right.")


async def _print_heads() -> None:
    async with get_connection("default").acquire_connection() as connection, snapshot(connection):
        async for portion in heads(connection):
            _say("\n".join(map(str, portion)))


def _compare(run: Run, file: Path) -> None:
    compared, missing = run(lambda: _missing(file))
    for head in missing:
        _say(
            f"{head.wallet_id}: its transaction {head.sequence} with the hash {head.hash.hex()} is not there any more."
        )
    if missing:
        _say(
            "Chains were cut off or rewritten. Leave the database as it is, and compare it with a backup from the time"
            " of the file."
        )
    elif compared:
        _say(f"All {compared:,} heads are in their chains.")
    else:
        _say(f"{file} names no heads. Give it what `credits ledger heads` printed, or the log of a worker.")
    if missing or not compared:
        raise typer.Exit(1)


async def _missing(file: Path) -> tuple[int, list[Head]]:
    """How many heads the file names, and those that are lost."""
    compared = 0
    missing: list[Head] = []
    async with get_connection("default").acquire_connection() as connection, snapshot(connection):
        with file.open(encoding="utf-8", errors="replace") as lines:
            told = _heads_in(lines)
            while portion := list(islice(told, PORTION)):
                compared += len(portion)
                missing += await lost(connection, portion)
    return compared, missing


def _heads_in(lines: Iterable[str]) -> Iterator[Head]:
    return (head for head in map(parse, lines) if head)


def _erase(run: Run, texts: Texts, yes: bool) -> None:
    what = f"the text of {len(texts.transactions):,} transactions and {len(texts.holds):,} holds"
    if not texts.transactions and not texts.holds:
        _say("There is no text to erase.")
        return
    if not yes:
        typer.confirm(f"Erase {what} for good?", abort=True)
    with progress_bar("Erasing") as progress:
        run(lambda: erasure.erase(texts, progress))
    _say(f"Erased {what}.")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
