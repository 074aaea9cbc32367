"""`credits`: the command line of those who run and develop the service."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from pydantic import ValidationError
from tortoise.connection import get_connection

from app import demo as demonstration
from app import embedded, keys_cli, ledger_cli, log, outbox_cli, payments_cli, reports_cli, slack_cli
from app.auth import token_rules
from app.database import TablesMissing, make_migrations
from app.database import migrate as apply_migrations
from app.embedded import EmbeddedPostgresError
from app.history.filling import HistoryRefused, fill
from app.parts import ClockMoved, Parts, parts, workspaces_of
from app.progress import progress_bar
from app.server import PortTaken, database_of, run, work
from app.server import serve as serve_until_stopped
from app.settings import Settings, env_example, markdown_table
from credits.access import tokens
from credits.catalogue.service import load
from credits.ledger.audit import Finding, audit, snapshot

T = TypeVar("T")
_INTERRUPTED = 130
_BROKEN = """
The ledger does not hold together. Look at the rows whose ids are named; what wrote to them, other than this service,
has to be found. Put nothing right by hand: keep this answer and a copy of the database, let `credits ledger heads
--against` an earlier print or log say what was cut off or rewritten, and ask those who look after the database and the
code of the ledger. Balances that are wrong are put right by an adjustment, once it is known why."""

cli = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Prepaid credits for virtual staging.",
)
schema_cli = typer.Typer(no_args_is_help=True, help="The GraphQL schema.")
cli.add_typer(schema_cli, name="schema")


class _Unusable(Exception):
    """The settings do not add up; the message says which and what would be right."""


def _settings() -> Settings:
    try:
        settings = Settings.load()
    except ValidationError as error:
        raise _Unusable("\n".join(f"{_where(entry['loc'])}{entry['msg']}" for entry in error.errors())) from error
    except ValueError as error:
        raise _Unusable(str(error)) from error
    log.configure(settings.log_format)
    return settings


def _where(location: tuple[int | str, ...]) -> str:
    return f"{location[0]}: " if location else ""


def _over_database(work: Callable[[], Awaitable[T]]) -> T:
    """The result of work over the open database of the settings."""
    return _over_parts(lambda _: work())


def _over_parts(work: Callable[[Parts], Awaitable[T]]) -> T:
    """The result of work with all that a process of the service has."""
    settings = _settings()
    results: list[T] = []

    async def main() -> None:
        running = embedded.beside(settings.data_dir) if settings.embedded else None
        async with AsyncExitStack() as stack:
            # Beside a service that runs: its server is asked, and left as it is.
            url = running if running else await stack.enter_async_context(database_of(settings))
            shared = await stack.enter_async_context(parts(settings, url, answer_within_s=None))
            results.append(await work(shared))

    run(main())
    if not results:
        raise typer.Exit(_INTERRUPTED)
    return results[0]


cli.add_typer(keys_cli.cli, name="service-key")
cli.add_typer(ledger_cli.with_database(_over_database), name="ledger")
cli.add_typer(outbox_cli.with_database(_over_database), name="outbox")
cli.add_typer(payments_cli.with_parts(_over_parts), name="payments")
cli.command("reconcile")(payments_cli.reconcile_with(_over_parts))
cli.add_typer(reports_cli.with_database(_over_database), name="report")
cli.add_typer(
    slack_cli.with_database(
        _over_database, workspaces=lambda: workspaces_of(Settings.load()), url=lambda: Settings().url
    ),
    name="slack",
)


@cli.command()
def serve() -> None:
    """Serve the API. Without DATABASE_URL everything runs in this one process."""
    settings = _settings()
    run(serve_until_stopped(settings, started=lambda: _say(f"Listening on {settings.url} ({settings.mode})")))


@cli.command()
def worker() -> None:
    """Work on the jobs, beside any number of `credits serve`."""
    settings = _settings()
    if settings.embedded or not settings.redis_url:
        raise _Unusable(
            "A worker of its own needs DATABASE_URL and REDIS_URL. Without them `credits serve` does the jobs itself."
        )
    run(work(settings, started=lambda: _say("Working on the jobs.")))


@cli.command()
def migrate(
    check: Annotated[bool, typer.Option(help="Only say whether code and migrations agree.")] = False,
    make: Annotated[str, typer.Option(help="Write what is missing as a migration of this name.")] = "",
) -> None:
    """Bring the tables up to date; any number of processes may do so at once."""
    if check or make:
        names = asyncio.run(make_migrations(write=make or None))
        _say("\n".join(names) or "Code and migrations agree.")
        raise typer.Exit(1 if names and check else 0)
    settings = _settings()

    async def bring_up_to_date() -> None:
        async with database_of(settings) as url:
            await apply_migrations(url, sandbox=settings.sandboxed)

    run(bring_up_to_date())
    _say("The tables are up to date.")


@cli.command()
def catalogue(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A TOML file like catalogue.toml.")],
) -> None:
    """Make packages and staging types what a file says; those it does not name are no longer offered."""
    document = file.read_text(encoding="utf-8")

    async def take_over() -> None:
        await load(document)

    try:
        _over_database(take_over)
    except ValueError as error:
        raise _Unusable(f"{file}: {error}") from error
    _say("The catalogue is what the file says.")


@cli.command()
def verify() -> None:
    """Check every promise of the ledger against the rows; ends with 1 when one does not hold."""

    with progress_bar("Checking") as progress:

        async def check() -> list[Finding]:
            async with get_connection("default").acquire_connection() as connection, snapshot(connection):
                return await audit(connection, progress=progress)

        findings = _over_database(check)
    for found in findings:
        _say(f"{'BROKEN' if found.broken else 'holds '}  {found.invariant.name:<9}  {found.invariant.promise}")
        if found.broken:
            _say(f"        first: {', '.join(found.broken)}")
    if any(found.broken for found in findings):
        _say(_BROKEN)
        raise typer.Exit(1)


@cli.command()
def demo(
    history: Annotated[
        int,
        typer.Option(min=0, help="Write so many transactions of the last two years first, for accounts of their own."),
    ] = 0,
    history_seed: Annotated[int, typer.Option("--seed", min=0, help="Another number, another history.")] = 1,
) -> None:
    """Serve with an enterprise, people and tokens to play with."""
    settings = _settings()
    if settings.live:
        raise _Unusable("The demonstration wants no live Stripe key. Unset STRIPE_SECRET_KEY.")
    if history and not settings.sandboxed:
        raise _Unusable("A history is written in the sandbox only. Unset STRIPE_SECRET_KEY, or leave --history out.")
    seeded: list[demonstration.Demo] = []

    async def seed(shared: Parts) -> None:
        seeded.append(await demonstration.seed(settings, shared.hub))
        if history:
            _say(await _with_history(settings, seeded[0], history, history_seed))

    def told() -> None:
        file = demonstration.keep(seeded[0], settings.data_dir)
        _say(demonstration.banner(settings, seeded[0], file))

    run(serve_until_stopped(settings, before=seed, started=told))


async def _with_history(settings: Settings, demo: demonstration.Demo, lines: int, seed: int) -> str:
    """Write a history beside the demonstration, and say what there is now."""
    url = embedded.beside(settings.data_dir) if settings.embedded else settings.database_url
    try:
        with progress_bar(f"Writing {lines:,} transactions") as progress:
            filled = await fill(url or "", lines=lines, seed=seed, progress=progress)
    except HistoryRefused as refused:
        return f"No history was written. {refused}"
    await demonstration.show(demo, filled.account_ids[0])
    return (
        f"Wrote {filled.lines:,} transactions of {len(filled.account_ids):,} accounts. The largest is"
        f" {filled.account_ids[0]}; the owner's token opens it."
    )


@cli.command()
def token(
    email: Annotated[str, typer.Argument(help="The person's e-mail address.")],
    days: Annotated[int, typer.Option(min=1, help="How long it is valid, in days.")] = 30,
) -> None:
    """Print a bearer token for a person, signed with this deployment's secret."""
    _say(tokens.sign(token_rules(_settings()), email=email, valid_for=timedelta(days=days)))


@cli.command()
def settings(
    as_env: Annotated[bool, typer.Option("--env", help="As .env.example instead of a table.")] = False,
) -> None:
    """Print every setting with its default and meaning, as the README has it."""
    _say(env_example() if as_env else markdown_table())


@schema_cli.command("export")
def schema_export(
    file: Annotated[Path | None, typer.Argument(help="Where to; standard output when left out.")] = None,
) -> None:
    """Print the schema in GraphQL's own language."""
    # Here and not above: what builds the schema takes as long to import as all else.
    from schema.build import build_schema

    text = build_schema().as_str()
    if file is None:
        _say(text)
    else:
        file.write_text(text + "\n", encoding="utf-8")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    """Run the command line; what a person can mend is told in a sentence and not as a traceback."""
    try:
        cli()
    except (_Unusable, PortTaken, EmbeddedPostgresError, ClockMoved, TablesMissing) as error:
        sys.stderr.write(f"credits: {error}\n")
        raise SystemExit(2) from error
