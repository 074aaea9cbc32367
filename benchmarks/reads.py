"""What reading costs on a long history: pages against those of ten thousand transactions, a report from the roll-ups
against one from the transactions, and the liability of a month.

    .venv/bin/python -m benchmarks.reads [transactions | address of a database]

Two databases of their own, filled as `credits demo --history` does, or, for the large one, a database that was filled
so before and stays; the sides take turns. Wants PostgreSQL on localhost, as the tests do.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from datetime import timedelta
from random import Random
from typing import Any

from tortoise.connection import get_connection

from app.database import database
from app.history.filling import fill
from credits.ledger.audit import snapshot
from credits.ledger.queries import LineFilter, account_lines, now, wallet_lines
from credits.reports.liability import liability
from tests.support import servers
from tests.support.history import catalogue_database

_SMALL = 10_000
_ROUNDS = 5
_PAGES = 100
_PAGE = 26
_HOT = "SELECT id, account_id, sequence FROM wallets ORDER BY sequence DESC LIMIT 1"
_MONTHLY = """
SELECT month, sum(credits - refunded) AS credits FROM usage_months
WHERE wallet_id = $1 AND month >= $2 AND month < $3 GROUP BY 1 ORDER BY 1
"""
_RAW = """
SELECT date_trunc('month', local_day::timestamp)::date AS month, sum(-change) AS credits FROM transactions
WHERE wallet_id = $1 AND local_day >= $2 AND local_day < $3 AND kind IN ('DEDUCTION', 'REFUND') GROUP BY 1 ORDER BY 1
"""


async def _query(sql: str, *values: Any) -> list[dict[str, Any]]:
    return await get_connection("default").execute_query_dict(sql, list(values))


async def _timed(work: Awaitable[Any]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    await work
    return (time.perf_counter() - began) * 1000


async def _pages(url: str) -> tuple[list[float], list[float]]:
    """Milliseconds of pages anywhere in the history of the busiest wallet, and of its account."""
    chance = Random(1)  # noqa: S311 which pages are looked at is no secret
    async with database(url):
        (hot,) = await _query(_HOT)
        numbers = [chance.randint(_PAGE, hot["sequence"]) for _ in range(_PAGES)]
        places = await _query(
            "SELECT created_at, id, sequence FROM transactions WHERE wallet_id = $1 AND sequence = ANY($2)",
            hot["id"], numbers,
        )  # fmt: skip
        wallet, account = [], []
        for each in places * 2:
            below, before = each["sequence"], (each["created_at"], each["id"])
            wallet.append(await _timed(wallet_lines(hot["id"], LineFilter(), limit=_PAGE, before_sequence=below)))
            account.append(await _timed(account_lines(hot["account_id"], LineFilter(), limit=_PAGE, before=before)))
    # The first time each is read from the disk, and the statement made.
    return wallet[len(places) :], account[len(places) :]


async def compare_pages(small: str, large: str) -> None:
    """A page of the large history against one of the small."""
    async with database(large, answer_within_s=None):
        (counted,) = await _query("SELECT sum(sequence)::bigint AS n FROM wallets")
    found: dict[str, tuple[list[float], list[float]]] = {small: ([], []), large: ([], [])}
    for _ in range(_ROUNDS):
        for url, lists in found.items():
            for times, more in zip(lists, await _pages(url), strict=True):
                times += more
    for number, what in enumerate(("wallet", "account")):
        of_small, of_large = (statistics.median(found[url][number]) for url in (small, large))
        _say(
            f"page of the busiest {what}: {of_large:.2f} ms at {counted['n']:,}, {of_small:.2f} ms at {_SMALL:,}:"
            f" {of_large / of_small:.2f} times"
        )


async def compare_usage(large: str) -> None:
    """A year of the busiest wallet by month, from the roll-ups and from the transactions."""
    async with database(large, answer_within_s=None):
        (hot,) = await _query(_HOT)
        today = (await now()).date()
        year = hot["id"], (today - timedelta(days=365)).replace(day=1), today.replace(day=1)
        await get_connection("default").execute_query("SET statement_timeout = 0")
        kept, raw = [], []
        for _ in range(_ROUNDS):
            kept += [await _timed(_query(_MONTHLY, *year)) for _ in range(10)]
            raw.append(await _timed(_query(_RAW, *year)))
        if await _query(_MONTHLY, *year) != await _query(_RAW, *year):
            raise SystemExit("The roll-ups are not what the transactions add up to.")
    of_kept, of_raw = statistics.median(kept), statistics.median(raw)
    _say(
        f"a year by month of a wallet with {hot['sequence']:,}: {of_kept:.2f} ms from the roll-ups, {of_raw:.0f} ms"
        f" from the transactions: {of_raw / of_kept:.0f} times"
    )


async def time_liability(large: str) -> None:
    """The report of a month a year ago."""
    async with (
        database(large, answer_within_s=None),
        get_connection("default").acquire_connection() as connection,
        snapshot(connection),
    ):
        month = ((await now()) - timedelta(days=365)).date().replace(day=1)
        began = time.perf_counter()
        found = await liability(connection, month)
    if found.disagreements:
        raise SystemExit("The liability does not add up.")
    _say(f"liability of a month: {time.perf_counter() - began:.1f} s")


async def main(large: str) -> None:
    """Fill, measure and print."""
    async with AsyncExitStack() as stack:
        small = await stack.enter_async_context(catalogue_database(servers.LOCAL_POSTGRES, "reads_small"))
        await fill(small, lines=_SMALL, seed=1)
        if large.isdecimal():
            transactions = int(large)
            large = await stack.enter_async_context(catalogue_database(servers.LOCAL_POSTGRES, "reads"))
            began = time.perf_counter()
            filled = await fill(large, lines=transactions, seed=1)
            seconds = time.perf_counter() - began
            _say(f"{filled.lines:,} transactions written in {seconds:.0f} s: {filled.lines / seconds:,.0f} a second")
        await compare_pages(small, large)
        await compare_usage(large)
        await time_liability(large)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "1000000"))
