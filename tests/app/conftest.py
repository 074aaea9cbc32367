"""Fixtures of the tests of the processes: an open database of their own, and the small service over it."""

import os
from collections.abc import AsyncIterator

import asyncpg
import pytest
from tortoise.connection import get_connection
from tortoise.context import TortoiseContext

from app.database import credentials, migrate, tortoise_config
from app.sandbox.models import CheckoutSession, IdempotencyKey
from tests.app.service import Service, running_service

SERVER = os.environ.get("CREDITS_TEST_DATABASE_URL", "postgresql://postgres@localhost:5432/postgres")


@pytest.fixture(scope="session")
async def sandbox_database() -> AsyncIterator[str]:
    """A scratch database with all tables, open for the whole run and dropped after it; its address."""
    name = f"credits_sandbox_tests_{os.getpid()}"
    server = await asyncpg.connect(**credentials(SERVER))
    await server.execute(f"CREATE DATABASE {name}")
    url = f"{SERVER.rpartition('/')[0]}/{name}"
    try:
        await migrate(url, sandbox=True)
        async with TortoiseContext() as context:
            await context.init(config=tortoise_config(url, sandbox=True), _enable_global_fallback=True)
            yield url
    finally:
        await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await server.close()


@pytest.fixture
async def service(sandbox_database: str) -> AsyncIterator[Service]:
    """The small service, with nothing in its sandbox and its clock at real time."""
    await CheckoutSession.all().delete()
    await IdempotencyKey.all().delete()
    await get_connection("default").execute_query("DELETE FROM clock_offset")
    async with running_service() as service:
        yield service
