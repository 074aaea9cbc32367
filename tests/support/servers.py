"""Where the tests' PostgreSQL and Redis are: named, on this machine, or, for PostgreSQL, the embedded one.

What had to be left out for want of a server is told in the last lines of the run; with CREDITS_TEST_INSIST=1 it fails.
"""

import asyncio
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from redis import Redis
from redis.exceptions import RedisError

from app import embedded
from app.database import credentials, migrate
from app.sandbox import migrations as sandbox_migrations
from credits import migrations as credits_migrations

LOCAL_POSTGRES = "postgresql://postgres@127.0.0.1:5432/postgres"
LOCAL_REDIS = "redis://127.0.0.1:6379/15"
# "template", as a number that nobody else takes for an advisory lock by chance.
_TEMPLATE_LOCK = 0x74656D706C617465
INSIST = os.environ.get("CREDITS_TEST_INSIST") == "1"


async def _answers(url: str) -> bool:
    try:
        connection = await asyncpg.connect(**credentials(url), timeout=2)
    except (OSError, TimeoutError, asyncpg.PostgresError):
        return False
    await connection.close()
    return True


@contextmanager
def postgres_server() -> Iterator[tuple[str, str]]:
    """The address of a server on which databases may be made, and what it is, for people."""
    named = os.environ.get("CREDITS_TEST_DATABASE_URL")
    if named:
        yield named, "CREDITS_TEST_DATABASE_URL"
    elif os.environ.get("CREDITS_TEST_EMBEDDED") != "1" and asyncio.run(_answers(LOCAL_POSTGRES)):
        yield LOCAL_POSTGRES, "PostgreSQL on localhost"
    else:
        with tempfile.TemporaryDirectory(prefix="credits-tests-") as folder:
            server = embedded.start(Path(folder))
            try:
                yield server.url, "the embedded PostgreSQL"
            finally:
                server.stop()


def on_server(url: str, database: str) -> str:
    """The address of another database on the same server."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, f"/{database}", parts.query, ""))


async def make_database(server: asyncpg.Connection, server_url: str, name: str) -> None:
    """A database of this name with all tables. They are copied from one that is made once for these migrations and
    stays on the server: to apply them all takes Tortoise as long as some hundred tests take."""
    template = f"credits_template_{_digest_of_migrations()}"
    await server.execute("SELECT pg_advisory_lock($1)", _TEMPLATE_LOCK)
    try:
        if not await server.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", template):
            await server.execute("DROP DATABASE IF EXISTS credits_template_unfinished WITH (FORCE)")
            await server.execute("CREATE DATABASE credits_template_unfinished ENCODING 'UTF8' TEMPLATE template0")
            await migrate(on_server(server_url, "credits_template_unfinished"), sandbox=True)
            await server.execute(f"ALTER DATABASE credits_template_unfinished RENAME TO {template}")
        await server.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    finally:
        await server.execute("SELECT pg_advisory_unlock($1)", _TEMPLATE_LOCK)


def _digest_of_migrations() -> str:
    files = sorted(file for package in (credits_migrations, sandbox_migrations) for file in _files_of(package))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def _files_of(package: ModuleType) -> list[Path]:
    return list(Path(package.__path__[0]).glob("*.py"))


@asynccontextmanager
async def database_on(server_url: str, name: str) -> AsyncIterator[str]:
    """A database of this name with all tables, dropped after the block."""
    server = await asyncpg.connect(**credentials(server_url))
    await make_database(server, server_url, name)
    url = on_server(server_url, name)
    try:
        yield url
    finally:
        await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await server.close()


def _of_this_process(url: str) -> str:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    number = int(urlsplit(url).path.removeprefix("/") or 0)
    return on_server(url, str(number - worker)) if worker else url


def redis_url() -> str | None:
    """The address of a Redis that answers, or None: of several processes that test at once each has a database of its
    own, since some tests empty theirs."""
    url = _of_this_process(os.environ.get("CREDITS_TEST_REDIS_URL", LOCAL_REDIS))
    try:
        with Redis.from_url(url, socket_connect_timeout=1) as redis:
            redis.ping()
    except (RedisError, OSError):
        return None
    return url
