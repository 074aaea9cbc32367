"""CSV out of the database to whoever reads it: written there, passed on as it comes, nothing of it kept here.

RFC 4180 in UTF-8, with the mark at the start by which spreadsheets know that it is.
"""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from credits.reports.entries import FORMULA_SIGNS, STATEMENT_COLUMNS
from credits.reports.months import Statement, last_day, named
from credits.reports.statements import Owner

MARK = "\ufeff".encode()
# A reader who takes nothing for so long is given up: the database keeps what it shows for them all the while.
_STALLED_S = 60.0
_LONGEST_S = 3600.0
# The order comes from an index, and what is joined is looked up: nothing is sorted or hashed as a whole, so that the
# first line comes at once.
_PLANS = {
    "application_name": "staging-credits export",
    "timezone": "UTC",
    "jit": "off",
    "statement_timeout": f"{_LONGEST_S:.0f}s",
    "max_parallel_workers_per_gather": "0",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_sort": "off",
    "enable_bitmapscan": "off",
    "default_transaction_read_only": "on",
}
Send = Callable[[bytes], Awaitable[None]]
Connect = Callable[..., Awaitable[asyncpg.Connection]]


@asynccontextmanager
async def reading(connect: Connect) -> AsyncIterator[asyncpg.Connection]:
    """A connection for one export. Left before its end, the database is told to stop."""
    connection = await connect(**_PLANS)
    try:
        yield connection
    finally:
        connection.terminate()


async def copy(
    connection: asyncpg.Connection,
    sql: str,
    values: list[Any],
    send: Send,
    *,
    header: bool,
    patience_s: float = _STALLED_S,
) -> None:
    """Send what the statement finds, as it is read. Raises TimeoutError for a reader who takes nothing for so long."""

    async def pass_on(data: bytes) -> None:
        async with asyncio.timeout(patience_s):
            await send(data)

    await connection.copy_from_query(
        sql, *values, output=pass_on, format="csv", header=header, timeout=_LONGEST_S, encoding="utf-8"
    )


def lines(rows: Iterable[Iterable[object]]) -> bytes:
    """These rows as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def head_of(statement: Statement, owner: Owner) -> bytes:
    """What stands above the transactions of a statement: the columns, and what the month began with."""
    what = f"{owner.account}: {owner.name}, {named(statement.month)}"
    opening = {
        "line": "opening",
        "time_local": statement.month.isoformat(),
        "balance_after": statement.opening,
        "description": safe(what),
    }
    return MARK + lines([STATEMENT_COLUMNS, _row(opening)])


def foot_of(statement: Statement) -> bytes:
    """What stands below them: what the month ended with, and the totals by kind."""
    closing = {
        "line": "closing" if statement.closed else "so far",
        "time_local": last_day(statement.month).isoformat(),
        "balance_after": statement.closing,
        "transactions": statement.count,
    }
    totals = (
        {"line": "total", "kind": each.kind.value, "credits": each.credits, "transactions": each.count}
        for each in statement.movements
    )
    return lines([_row(closing), *map(_row, totals)])


def _row(cells: Mapping[str, object]) -> list[object]:
    return [cells.get(column, "") for column in STATEMENT_COLUMNS]


def safe(text: str) -> str:
    """Text that no spreadsheet runs."""
    return f"'{text}" if text.startswith(FORMULA_SIGNS) else text
