"""The one database of a process: Tortoise over asyncpg, opened once per event loop, migrated under a lock.

Traps this file is about: three migrations at once crash (an advisory lock lets one run), a context that has
migrated must not be used again, and the pool comes with five connections and no time-outs.
"""

import importlib
import pkgutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg
from tortoise.connection import get_connection
from tortoise.context import TortoiseContext
from tortoise.migrations.api import migrate as apply_migrations
from tortoise.migrations.autodetector import MigrationAutodetector
from tortoise.migrations.writer import format_migration_name

CREDITS_MODELS = (
    "credits.accounts.models",
    "credits.accounts.audit_log",
    "credits.access.models",
    "credits.catalogue.models",
    "credits.ledger.models",
    "credits.purchases.models",
    "credits.approvals.models",
    "credits.alerts.models",
    "credits.allocations.models",
    "credits.top_ups.models",
    "credits.chat.models",
    "credits.inbox",
    "credits.outbox",
)
# "credits", as a number that nobody else takes for an advisory lock by chance.
_MIGRATION_LOCK = 0x63726564697473
_STATEMENT_TIMEOUT = "4s"
_LOCK_TIMEOUT = "2s"
_IDLE_TIMEOUT = "30s"
ANSWER_WITHIN_S = 6.0


def credentials(url: str) -> dict[str, Any]:
    """The parts of a `postgresql://` address as asyncpg takes them; `?host=/folder` names a socket's folder.

    Refused (ValueError): another scheme, or no database name.
    """
    parts = urlsplit(url)
    database = unquote(parts.path.lstrip("/"))
    if parts.scheme not in {"postgresql", "postgres"} or not database:
        raise ValueError("DATABASE_URL wants postgresql://user:password@host:5432/database")
    query = parse_qs(parts.query)
    if unknown := query.keys() - {"host", "sslmode"}:
        raise ValueError(f"DATABASE_URL has an option {min(unknown)!r}; those known are host and sslmode.")
    return {
        **({"ssl": query["sslmode"][0]} if "sslmode" in query else {}),
        "host": query.get("host", [parts.hostname or "localhost"])[0],
        "port": parts.port or 5432,
        "user": unquote(parts.username or "postgres"),
        "password": unquote(parts.password) if parts.password else None,
        "database": database,
    }


def tortoise_config(
    url: str, *, pool: int = 20, sandbox: bool = False, answer_within_s: float | None = ANSWER_WITHIN_S
) -> dict[str, Any]:
    """Tortoise's configuration: the service's tables and, where it is mounted, the sandbox's."""
    apps: dict[str, Any] = {
        "credits": {
            "models": list(CREDITS_MODELS),
            "default_connection": "default",
            "migrations": "credits.migrations",
        }
    }
    if sandbox:
        apps["sandbox"] = {
            "models": ["app.sandbox.models"],
            "default_connection": "default",
            "migrations": "app.sandbox.migrations",
        }
    server_settings = {
        "application_name": "staging-credits",
        "statement_timeout": _STATEMENT_TIMEOUT,
        "lock_timeout": _LOCK_TIMEOUT,
        "idle_in_transaction_session_timeout": _IDLE_TIMEOUT,
        "timezone": "UTC",
        "jit": "off",
    }
    return {
        "connections": {
            "default": {
                "engine": "tortoise.backends.asyncpg",
                "credentials": {
                    **credentials(url),
                    "minsize": 2,
                    "maxsize": pool,
                    # The server's own limits are of no use when it is gone without a word.
                    "command_timeout": answer_within_s,
                    "server_settings": server_settings,
                },
            }
        },
        "apps": apps,
        "use_tz": True,
        "timezone": "UTC",
    }


@asynccontextmanager
async def database(
    url: str, *, pool: int = 20, sandbox: bool = False, answer_within_s: float | None = ANSWER_WITHIN_S
) -> AsyncIterator[TortoiseContext]:
    """Open the database for this event loop. Every task of the process sees it, whatever made the task."""
    context = TortoiseContext()
    # Entered only while it is set up; afterwards every task finds it as the process's one.
    with context:
        config = tortoise_config(url, pool=pool, sandbox=sandbox, answer_within_s=answer_within_s)
        await context.init(config=config, _enable_global_fallback=True)
    try:
        yield context
    finally:
        await context.close_connections()


async def connection_of_its_own(url: str, **server_settings: str) -> asyncpg.Connection:
    """A connection beside the pool, for work that takes longer than a request may. Cut off without a word, it is given
    up within seconds."""
    alive = {"tcp_keepalives_idle": "5", "tcp_keepalives_interval": "2", "tcp_keepalives_count": "3"}
    return await asyncpg.connect(**credentials(url), timeout=5, server_settings=alive | server_settings)


async def migrate(url: str, *, sandbox: bool = False) -> None:
    """Bring the tables up to date. Any number of processes may call it at once: the first does it, the others wait
    and find nothing left to do."""
    lock = await asyncpg.connect(**credentials(url))
    try:
        await lock.execute("SELECT pg_advisory_lock($1)", _MIGRATION_LOCK)
        await _take_as_applied(lock, sandbox=sandbox)
        async with TortoiseContext() as context:
            await apply_migrations(
                config=_without_timeouts(tortoise_config(url, pool=2, sandbox=sandbox, answer_within_s=None))
            )
            await context.close_connections()
    finally:
        await lock.close()


async def _take_as_applied(connection: asyncpg.Connection, *, sandbox: bool) -> None:
    """Record a migration as applied where all that it `replaces` are: a squashed one makes the same tables. Tortoise
    keeps that list and does nothing about it (1.1.9). Raises TablesMissing where only some of them are."""
    if not await connection.fetchval("SELECT to_regclass('tortoise_migrations') IS NOT NULL"):
        return
    applied = {(row["app"], row["name"]) for row in await connection.fetch("SELECT app, name FROM tortoise_migrations")}
    for app, name, replaced in _squashed(sandbox=sandbox):
        if (app, name) in applied or applied.isdisjoint(replaced):
            continue
        if missing := replaced - applied:
            raise TablesMissing(
                f"The database stands before {app}.{min(missing)[1]}, which this version no longer has. "
                "Bring it up to date with the version before this one first: credits migrate"
            )
        await connection.execute(
            "INSERT INTO tortoise_migrations (app, name, applied_at) VALUES ($1, $2, now())", app, name
        )


def _squashed(*, sandbox: bool) -> Iterator[tuple[str, str, set[tuple[str, str]]]]:
    for app, name, module in _known_migrations(sandbox=sandbox):
        if replaced := importlib.import_module(module).Migration.replaces:
            yield app, name, set(replaced)


def _known_migrations(*, sandbox: bool) -> Iterator[tuple[str, str, str]]:
    """Of each migration that this code has: app, name, module."""
    apps = tortoise_config("postgresql://nobody@localhost/nothing", sandbox=sandbox)["apps"]
    for label, app in apps.items():
        package = app["migrations"]
        for found in pkgutil.iter_modules(importlib.import_module(package).__path__):
            yield label, found.name, f"{package}.{found.name}"


def _without_timeouts(config: dict[str, Any]) -> dict[str, Any]:
    settings = config["connections"]["default"]["credentials"]["server_settings"]
    settings.update(statement_timeout="0", lock_timeout="0")
    return config


class TablesMissing(Exception):
    """The database has not been brought up to date; the message says how to."""


async def require_tables(*, sandbox: bool) -> None:
    """Raises TablesMissing when the open database lacks a migration that this code knows."""
    known = {(app, name) for app, name, _ in _known_migrations(sandbox=sandbox)}
    connection = get_connection("default")
    (table,) = await connection.execute_query_dict("SELECT to_regclass('tortoise_migrations') IS NOT NULL AS there")
    rows = await connection.execute_query_dict("SELECT app, name FROM tortoise_migrations") if table["there"] else []
    missing = known - {(row["app"], row["name"]) for row in rows}
    if missing:
        names = ", ".join(f"{label}.{name}" for label, name in sorted(missing))
        raise TablesMissing(f"The database lacks {names}. Bring it up to date first: credits migrate")


async def make_migrations(*, write: str | None = None) -> list[str]:
    """Names of the migrations that the rows in the code still need; with `write` they are written under that name.

    An empty list says that code and migrations agree. No database is asked.
    """
    config = tortoise_config("postgresql://nobody@localhost/nothing", sandbox=True)
    async with TortoiseContext() as context:
        await context.init(config=config, init_connections=False)
        assert context.apps is not None  # noqa: S101 for mypy: init has just made it
        writers = await MigrationAutodetector(context.apps, config["apps"]).changes()
    if write:
        for writer in writers:
            writer.name = format_migration_name(int(writer.name.split("_", 1)[0]), write)
            writer.write()
    return [f"{writer.app_label}.{writer.name}" for writer in writers]
