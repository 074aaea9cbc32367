"""A database of its own with the catalogue of the demonstration, to be filled with a history."""

import os
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import asyncpg

from app.database import credentials
from app.demo import CATALOGUE
from tests.support import servers

_TYPE = "INSERT INTO staging_types (code, name, credits, active, position) VALUES ($1, $2, $3, true, 1)"
_PACKAGE = """
INSERT INTO packages (code, name, credits, price_minor, currency, minimum_credits, tiers, active, position)
VALUES ($1, $2, $3, $4, $5, $6, '[]', true, 1)
"""


@asynccontextmanager
async def catalogue_database(postgres: str, name: str, *, like: str | None = None) -> AsyncIterator[str]:
    """The address of such a database on that server, dropped in the end. `like` one that nobody is connected to, it is
    there at once."""
    database = f"credits_{name}_{os.getpid()}"
    server = await asyncpg.connect(**credentials(postgres))
    if like:
        await server.execute(f"CREATE DATABASE {database} TEMPLATE {urlsplit(like).path.lstrip('/')}")
    else:
        await servers.make_database(server, postgres, database)
    url = servers.on_server(postgres, database)
    try:
        if not like:
            await _load_catalogue(url)
        yield url
    finally:
        await server.execute(f"DROP DATABASE {database} WITH (FORCE)")
        await server.close()


async def _load_catalogue(url: str) -> None:
    document = tomllib.loads(CATALOGUE.read_text(encoding="utf-8"))
    connection = await asyncpg.connect(**credentials(url))
    for each in document["staging_types"]:
        await connection.execute(_TYPE, each["code"], each["name"], each["credits"])
    for each in document["packages"]:
        more = [each.get(column) for column in ("credits", "price_minor", "currency", "minimum_credits")]
        await connection.execute(_PACKAGE, each["code"], each["name"], *more)
    await connection.close()
