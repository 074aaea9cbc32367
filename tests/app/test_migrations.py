"""Databases of an earlier version: what a squashed migration replaces is not done again, and never half known."""

import asyncio
import os
from collections.abc import AsyncIterator
from importlib import import_module

import asyncpg
import pytest

from app.database import TablesMissing, credentials, migrate
from tests.support.servers import database_on

Records = set[tuple[str, str]]

SQUASHED = {("credits", "0014_tables"), ("credits", "0015_guards"), ("sandbox", "0006_tables")}
FOLDERS = {"credits": "credits.migrations", "sandbox": "app.sandbox.migrations"}
REPLACED: Records = {
    tuple(each) for app, name in SQUASHED for each in import_module(f"{FOLDERS[app]}.{name}").Migration.replaces
}


class Database:
    def __init__(self, url: str, connection: asyncpg.Connection) -> None:
        self.url = url
        self._connection = connection

    async def records(self) -> Records:
        """What was applied to it."""
        return {(row["app"], row["name"]) for row in await self._connection.fetch("SELECT * FROM tortoise_migrations")}

    async def say(self, records: Records) -> None:
        """Let it say that these were applied, and no others."""
        await self._connection.execute("DELETE FROM tortoise_migrations")
        await self._connection.executemany(
            "INSERT INTO tortoise_migrations (app, name, applied_at) VALUES ($1, $2, now())", sorted(records)
        )


@pytest.fixture
async def made(postgres: str) -> AsyncIterator[Database]:
    async with database_on(postgres, f"credits_migrations_{os.getpid()}") as url:
        connection = await asyncpg.connect(**credentials(url))
        try:
            yield Database(url, connection)
        finally:
            await connection.close()


async def test_a_database_of_the_version_before_is_left_as_it_is(made: Database) -> None:
    later = await made.records() - SQUASHED
    await made.say(REPLACED | later)

    await asyncio.gather(*(migrate(made.url, sandbox=True) for _ in range(3)))

    assert await made.records() == REPLACED | SQUASHED | later


@pytest.mark.parametrize("lacking", [("credits", "0013_warnings"), ("sandbox", "0005_mail")])
async def test_an_older_database_is_refused_with_what_to_do(made: Database, lacking: tuple[str, str]) -> None:
    before = REPLACED - {lacking}
    await made.say(before)

    with pytest.raises(TablesMissing, match=rf"before {lacking[0]}\.{lacking[1]}.* version before this one first"):
        await migrate(made.url, sandbox=True)

    assert {each for each in await made.records() if each[0] == lacking[0]} == {
        each for each in before if each[0] == lacking[0]
    }
