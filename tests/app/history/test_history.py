"""A generated history: what the audit says of it, whether it looks like a trade, what is left when it is stopped."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import httpx
import pytest

from app.database import credentials
from app.history.calendar import Calendar
from app.history.filling import HistoryRefused, fill
from app.history.plan import accounts_of
from credits.ledger.audit import audit, snapshot
from tests.support.history import catalogue_database
from tests.support.processes import started

LINES = 20_000
START, END = datetime(2023, 11, 28, tzinfo=UTC), datetime(2025, 11, 27, tzinfo=UTC)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(**credentials(url))
    try:
        yield connection
    finally:
        await connection.close()


async def broken_in(url: str) -> dict[str, tuple[str, ...]]:
    """What the audit finds in another database than the tests' own."""
    async with connected(url) as connection, snapshot(connection):
        return {each.invariant.name: each.broken for each in await audit(connection) if each.broken}


@pytest.fixture(scope="module")
async def empty(postgres: str) -> AsyncIterator[str]:
    """What the others are copied from."""
    async with catalogue_database(postgres, "history_empty") as url:
        yield url


@pytest.fixture(scope="module")
async def history(postgres: str, empty: str) -> AsyncIterator[asyncpg.Connection]:
    async with catalogue_database(postgres, "history", like=empty) as url:
        await fill(url, lines=LINES, seed=7)
        assert await broken_in(url) == {}
        async with connected(url) as connection:
            yield connection


async def counted(history: asyncpg.Connection, what: str, where: str = "true") -> dict[str, int]:
    rows = await history.fetch(f"SELECT {what} AS what, count(*) AS lines FROM transactions WHERE {where} GROUP BY 1")
    return {str(row["what"]): row["lines"] for row in rows}


async def test_it_has_as_many_transactions_as_were_asked_for_all_of_them_in_the_past(
    history: asyncpg.Connection,
) -> None:
    row = await history.fetchrow("SELECT count(*) AS lines, max(created_at) < credits_now() AS past FROM transactions")
    longest = await history.fetchval("SELECT max(created_at) - min(created_at) FROM transactions")

    assert LINES <= row["lines"] < LINES * 1.01
    assert row["past"]
    assert timedelta(days=700) < longest <= timedelta(days=730)


async def test_every_kind_of_life_is_in_it_and_staging_is_most_of_it(history: asyncpg.Connection) -> None:
    kinds = await counted(history, "kind")
    types = await counted(history, "staging_type", "kind = 'DEDUCTION'")

    assert {"PURCHASE", "GRANT", "ALLOCATION", "DEDUCTION", "REFUND", "EXPIRY", "CLAWBACK", "TRANSFER"} <= kinds.keys()
    assert kinds["DEDUCTION"] > 0.8 * LINES
    assert 0.01 < kinds["REFUND"] / kinds["DEDUCTION"] < 0.03
    assert types["BASIC_ROOM"] == max(types.values())
    assert types["OUTDOOR"] == min(types.values())


async def test_spring_is_busy_and_weekends_are_quiet(history: asyncpg.Connection) -> None:
    months = await counted(history, "extract(month FROM local_day)")
    days = await counted(history, "extract(isodow FROM local_day)")

    assert months["4"] + months["5"] > 2 * (months["12"] + months["1"])
    assert days["6"] + days["7"] < 0.15 * sum(days.values())


async def test_a_listing_is_a_few_to_forty_photos_with_one_reference(history: asyncpg.Connection) -> None:
    rows = await history.fetch("""
        SELECT x.reference, count(*) AS photos, count(DISTINCT t.wallet_id) AS wallets
        FROM transactions t JOIN transaction_texts x ON x.transaction_id = t.id WHERE t.kind = 'DEDUCTION' GROUP BY 1
    """)
    photos = [row["photos"] for row in rows]

    assert max(photos) <= 40
    # An account's last listing ends where its share of the whole does.
    assert sum(each < 5 for each in photos) < 0.1 * len(photos)
    assert all(row["wallets"] == 1 for row in rows)


async def test_few_wallets_do_most_of_it(history: asyncpg.Connection) -> None:
    spending = sorted((await counted(history, "wallet_id", "kind = 'DEDUCTION'")).values(), reverse=True)

    assert spending[0] > 8 * spending[len(spending) // 2]
    assert spending[0] > 0.1 * sum(spending)


async def test_the_same_seed_writes_the_same_and_another_one_something_else(postgres: str, empty: str) -> None:
    heads: list[set[bytes]] = []
    for number, seed in enumerate((1, 1, 2)):
        async with catalogue_database(postgres, f"history_{number}", like=empty) as url:
            await fill(url, lines=2_000, seed=seed, processes=2 - number % 2)
            async with connected(url) as connection:
                heads.append({row["last_hash"] for row in await connection.fetch("SELECT last_hash FROM wallets")})

    assert heads[0] == heads[1]
    assert len(heads[0] & heads[2]) <= 1  # the hash of wallets without a transaction


async def test_stopped_half_way_it_leaves_a_whole_ledger_and_begins_no_second_time(postgres: str, empty: str) -> None:
    async with catalogue_database(postgres, "history_stopped", like=empty) as url:
        halfway = asyncio.Event()
        filling = asyncio.create_task(
            fill(url, lines=1_000_000, seed=1, progress=lambda done, of: halfway.set() if done else None)
        )
        await asyncio.wait({filling, asyncio.create_task(halfway.wait())}, return_when=asyncio.FIRST_COMPLETED)

        filling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await filling

        async with connected(url) as connection:
            written = await connection.fetchval("SELECT count(*) FROM transactions")
        assert 0 < written < 500_000
        assert await broken_in(url) == {}
        with pytest.raises(HistoryRefused, match="--seed"):
            await fill(url, lines=1_000, seed=1)


async def test_a_database_with_people_that_may_be_real_gets_none(postgres: str, empty: str) -> None:
    async with catalogue_database(postgres, "history_real", like=empty) as url, connected(url) as connection:
        await connection.execute(
            "INSERT INTO users (id, name, email, created_at) VALUES ('usr_x', 'Ann', 'ann@corp.com', now())"
        )

        with pytest.raises(HistoryRefused, match="1 people"):
            await fill(url, lines=1_000, seed=1)

        assert await connection.fetchval("SELECT count(*) FROM accounts") == 0


def test_the_calendar_goes_from_the_start_to_the_end_and_never_back() -> None:
    calendar = Calendar("America/New_York", START, END)

    instants = [calendar.at(number / 1000) for number in range(1001)]

    assert instants == sorted(instants)
    assert (instants[0], instants[-1]) == (START, END)


def test_all_accounts_together_do_what_was_asked_for() -> None:
    plans = list(accounts_of(lines=12_345, seed=3, start=START, end=END))

    assert sum(plan.lines for plan in plans) == 12_345
    assert [plan.lines for plan in plans] == sorted((plan.lines for plan in plans), reverse=True)
    assert len({wallet for plan in plans for wallet in plan.wallets}) == sum(len(list(plan.wallets)) for plan in plans)


async def test_the_demonstration_comes_with_a_history_that_its_owner_sees(open_path: Path) -> None:
    async with (
        started("demo --history 1000", open_path / "data") as running,
        httpx.AsyncClient(trust_env=False) as http,
    ):
        demo = running.demo()
        answer = await http.post(
            demo["graphql"],
            json={"query": "{ viewer { accounts { name transactions(first: 5) { nodes { kind } } } } }"},
            headers={"authorization": f"Bearer {demo['tokens']['owner']}"},
        )
        printed = running.printed.read_text()

    accounts = answer.json()["data"]["viewer"]["accounts"]
    assert "transactions of 4 accounts" in printed
    assert len(accounts) == 2
    assert all(account["transactions"]["nodes"] for account in accounts)
