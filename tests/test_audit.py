"""The audit as operators meet it: the commands with their exit codes, and the hourly job's lines in the log."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from dramatiq import Worker
from structlog.testing import capture_logs

from app.database import credentials
from credits.ledger.invariants import INVARIANTS
from tests.credits.ledger.test_heads import CUT
from tests.support.ledger import filled_ledger
from tests.support.service import environment_of
from tests.support.slack import eventually
from workers import audit
from workers.broker import make_broker
from workers.schedule import declare

ROOT = Path(__file__).parents[1]
HOT, OTHER = "wal_" + "0" * 26, "wal_" + "1".rjust(26, "0")


@pytest.fixture(scope="module")
async def url(postgres: str) -> AsyncIterator[str]:
    """A database of its own, which may be broken: the address."""
    async with filled_ledger(postgres, "audit", transactions=10_000) as url:
        yield url


async def credits_(url: str, folder: Path, *words: str, answer: str = "") -> tuple[int, str]:
    """The exit code of a command, and what it said."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", "from app.cli import main; main()", *words],
        env={"PATH": "/usr/bin:/bin", "CREDITS_DATA_DIR": str(folder), **environment_of(url)},
        cwd=ROOT,
        input=answer,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout


@asynccontextmanager
async def behind_its_back(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection for which no trigger and no foreign key watches."""
    connection = await asyncpg.connect(**credentials(url))
    await connection.execute("SET session_replication_role = replica")
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def hand_edited_balance(url: str) -> AsyncIterator[None]:
    """The hot wallet has a credit more until the block ends."""
    async with behind_its_back(url) as connection:
        await connection.execute("UPDATE wallets SET balance = balance + 1 WHERE id = $1", HOT)
        try:
            yield
        finally:
            await connection.execute("UPDATE wallets SET balance = balance - 1 WHERE id = $1", HOT)


async def test_verify_says_of_each_promise_that_it_holds(url: str, tmp_path: Path) -> None:
    code, said = await credits_(url, tmp_path, "verify")

    assert code == 0
    assert [line.split()[:2] for line in said.splitlines()] == [["holds", each.name] for each in INVARIANTS]


async def test_verify_names_the_row_of_a_hand_edited_balance_and_what_to_do_and_ends_with_1(
    url: str, tmp_path: Path
) -> None:
    async with hand_edited_balance(url):
        code, said = await credits_(url, tmp_path, "verify")

    assert code == 1
    lines = said.splitlines()
    (at,) = (number for number, line in enumerate(lines) if line.startswith("BROKEN"))
    assert lines[at].split()[1] == "balance"
    assert lines[at + 1].strip() == f"first: {HOT}"
    assert "Put nothing right by hand" in said


async def test_heads_tell_of_a_tail_that_verify_does_not_miss(url: str, tmp_path: Path) -> None:
    code, said = await credits_(url, tmp_path, "ledger", "heads")
    (file := tmp_path / "heads").write_text(said)
    assert (code, len(said.splitlines())) == (0, 1_001)
    whole = await credits_(url, tmp_path, "ledger", "heads", "--against", str(file))
    async with behind_its_back(url) as connection:
        for statement in CUT:
            await connection.execute(statement, OTHER)

    verified, _ = await credits_(url, tmp_path, "verify")
    compared, told = await credits_(url, tmp_path, "ledger", "heads", "--against", str(file))

    assert whole == (0, "All 1,001 heads are in their chains.\n")
    assert verified == 0
    assert compared == 1
    assert told.startswith(f"{OTHER}: its transaction 5 with the hash ")
    assert len(told.splitlines()) == 2


async def test_a_file_without_heads_is_told(url: str, tmp_path: Path) -> None:
    (file := tmp_path / "notes").write_text("Nothing here\n")

    code, said = await credits_(url, tmp_path, "ledger", "heads", "--against", str(file))

    assert code == 1
    assert said.startswith(f"{file} names no heads.")


async def test_text_is_erased_when_somebody_says_yes(url: str, tmp_path: Path) -> None:
    async with behind_its_back(url) as connection:
        await connection.execute(
            "INSERT INTO users (id, name, email, created_at) SELECT actor_id, 'Jane', 'Jane@x.example', now()"
            " FROM transactions LIMIT 1"
        )
        texts = await connection.fetchval("SELECT count(*) FROM transaction_texts")

        asked = await credits_(url, tmp_path, "ledger", "erase-text", "jane@x.example", answer="n\n")
        kept = await connection.fetchval("SELECT count(*) FROM transaction_texts")
        done = await credits_(url, tmp_path, "ledger", "erase-text", "jane@x.example", "--yes")
        left = await connection.fetchval("SELECT count(*) FROM transaction_texts")

    assert asked[0] == 1
    assert f"Erase the text of {texts:,} transactions and 0 holds for good?" in asked[1]
    assert done == (0, f"Erased the text of {texts:,} transactions and 0 holds.\n")
    assert (kept, left) == (texts, 0)
    assert (await credits_(url, tmp_path, "verify"))[0] == 0
    again = await credits_(url, tmp_path, "ledger", "erase-text", "jane@x.example")
    assert again == (0, "There is no text to erase.\n")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["nobody@x.example"], 1, "Nobody here has the id or e-mail address nobody@x.example.\n"),
        ([], 2, ""),
        (["jane@x.example", "--transaction", "txn_x"], 2, ""),
        (["--reference", "12 Elm Street"], 2, ""),
    ],
)
async def test_nothing_is_erased_for_want_of_whose(
    url: str, tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    assert await credits_(url, tmp_path, "ledger", "erase-text", "--yes", *words) == (code, said)


async def test_use_is_added_up_anew_and_told_where_it_differed(url: str, tmp_path: Path) -> None:
    rebuild = ("ledger", "rebuild-usage")
    whole = await credits_(url, tmp_path, *rebuild)
    async with behind_its_back(url) as connection:
        await connection.execute("UPDATE usage_days SET credits = credits + 1 WHERE wallet_id = $1", HOT)
        await connection.execute("DELETE FROM usage_months WHERE wallet_id <> $1", HOT)

    one = await credits_(url, tmp_path, *rebuild, "--account", "acct_" + "1".rjust(26, "0"))
    nobody = await credits_(url, tmp_path, *rebuild, "--account", "acct_x")
    again = await credits_(url, tmp_path, *rebuild)

    assert whole == again == (0, "What is kept as used in 1,001 wallets is what their transactions say.\n")
    code, said = one
    assert code == 0
    first, *_, more, summary = said.splitlines()
    assert first.startswith(f"{HOT}: day 2026-01-01, BASIC_ROOM, usr_")
    assert (more, summary) == ("And 981 more.", "1,001 rows of 1,001 wallets were put right.")
    assert nobody == (1, "There is no wallet of an account acct_x.\n")
    assert (await credits_(url, tmp_path, "verify"))[0] == 0


async def test_the_hourly_job_logs_the_heads_and_what_is_broken(url: str) -> None:
    async with hand_edited_balance(url):
        logged = await work_logs(url)

    heads = [line for line in logged if line["event"] == "ledger_head"]
    (broken,) = (line for line in logged if line["event"] == "ledger_broken")
    assert len({line["wallet"] for line in heads}) == len(heads) == 1_001
    assert all(line["sequence"] >= 1 and len(line["hash"]) == 64 for line in heads)
    assert (broken["log_level"], broken["invariant"], broken["first"]) == ("error", "balance", [HOT])


async def work_logs(url: str) -> list[dict[str, Any]]:
    """What is logged when a worker takes the job from its queue."""

    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(**credentials(url))

    async def finished() -> bool:
        return any(line["event"] == "ledger_audited" for line in logged)

    broker = make_broker("", asyncio.get_running_loop())
    (actor,) = declare(broker, [audit.scheduled(connect)]).values()
    running = Worker(broker, queues={audit.QUEUE}, worker_threads=1, worker_timeout=100)
    running.start()
    try:
        with capture_logs() as logged:
            await asyncio.to_thread(actor.send)
            await eventually(finished, bool)
    finally:
        await asyncio.to_thread(running.stop, timeout=2_000)
        await asyncio.to_thread(broker.close)
    return [dict(line) for line in logged]
