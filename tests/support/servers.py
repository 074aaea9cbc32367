"""Where the tests' PostgreSQL and Redis are: named, on this machine, or, for PostgreSQL, the embedded one.

What had to be left out for want of a server is told in the last lines of the run; with CREDITS_TEST_INSIST=1 it fails.
"""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from redis import Redis
from redis.exceptions import RedisError

from app import embedded
from app.database import credentials, migrate

LOCAL_POSTGRES = "postgresql://postgres@127.0.0.1:5432/postgres"
LOCAL_REDIS = "redis://127.0.0.1:6379/15"
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


@asynccontextmanager
async def database_on(server_url: str, name: str) -> AsyncIterator[str]:
    """A database of this name with all tables, dropped after the block."""
    server = await asyncpg.connect(**credentials(server_url))
    await server.execute(f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")
    url = on_server(server_url, name)
    try:
        await migrate(url, sandbox=True)
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
