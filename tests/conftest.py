"""One database and one running service for the whole run; tests keep apart by accounts of their own."""

import os
import re
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from credits.ledger.audit import broken
from tests.support import servers
from tests.support.service import Service, distributed, running

_LEFT_OUT: list[str] = []
_MADE = re.compile(r"(?i)\b[a-z]{3,4}_0[0-9a-hjkmnp-tv-z]{25,}")


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a server on which databases may be made."""
    with servers.postgres_server() as (url, what):
        if servers.INSIST and what == "the embedded PostgreSQL" and os.environ.get("CREDITS_TEST_EMBEDDED") != "1":
            pytest.fail("CREDITS_TEST_INSIST wants a PostgreSQL server; none answers")
        _LEFT_OUT.append(f"PostgreSQL: {what}")
        yield url


@pytest.fixture
def open_path() -> Iterator[Path]:
    """As `tmp_path`, for what another user must get to: that one is closed to them anew whenever another run of pytest
    begins on the machine."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        yield Path(name).resolve()


@pytest.fixture(scope="session")
async def database_url(postgres: str) -> AsyncIterator[str]:
    """A database of this run with all tables, dropped after it."""
    async with servers.database_on(postgres, f"credits_tests_{os.getpid()}") as url:
        yield url


@pytest.fixture(scope="session")
async def service(
    request: pytest.FixtureRequest, database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    """The service, running: in this process, or with CREDITS_TEST_PROCESSES=1 as two web and two worker processes."""
    data_dir = Path(tmp_path_factory.mktemp("data"))
    if os.environ.get("CREDITS_TEST_PROCESSES") == "1":
        async with distributed(database_url, request.getfixturevalue("redis_url"), data_dir) as service:
            yield service
            assert await broken() == {}
    else:
        async with running(database_url, data_dir) as service:
            yield service
            assert await broken() == {}


@pytest.fixture(scope="session")
def redis_url() -> str:
    """A Redis that answers; without one the test is left out, and the end of the run says so."""
    url = servers.redis_url()
    if url is None:
        if servers.INSIST:
            pytest.fail("CREDITS_TEST_INSIST wants Redis; none answers")
        _LEFT_OUT.append("left out for want of Redis: what needs two processes")
        pytest.skip("no Redis answers")
    return url


def pytest_make_parametrize_id(val: object) -> str | None:
    """Tests are named alike in every process: an id that was made for one stands in its name without what is random."""
    named = _MADE.sub("id", val) if isinstance(val, str) else val
    return named if isinstance(named, str) and named != val else None


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Of several processes that test at once, this one hands what it would say to the one that started it."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = _LEFT_OUT


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """Take over what a process that has ended would have said."""
    _LEFT_OUT.extend(getattr(node, "workeroutput", {}).get("left_out", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what the tests ran on, and what did not run."""
    for line in dict.fromkeys(_LEFT_OUT):
        terminalreporter.write_line(line)
