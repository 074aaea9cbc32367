"""What was used, added up anew from the transactions, wallet by wallet.

What was posted never changes, so the bulk of a busy wallet is read without its lock; only what came meanwhile, and the
comparison with what is kept, are done under it.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.connection import get_connection
from tortoise.transactions import in_transaction

from credits.faults import trying_again
from credits.ledger import usage_rows
from credits.ledger.store import lock_wallets
from credits.ledger.usage import Use, UseKey, by_month, total
from credits.progress import Progress, untold

PORTION = 20_000
NAMED = 20
_WALLETS_AT_ONCE = 1_000
_TO_THE_END = 2**63 - 1

_WALLETS = """
SELECT id, sequence FROM wallets WHERE id > $1 AND ($2 = '' OR account_id = $2) ORDER BY id LIMIT $3
"""
_LINES = "SELECT coalesce(sum(sequence), 0)::bigint AS lines FROM wallets WHERE $1 = '' OR account_id = $1"
_HEAD = "SELECT coalesce(max(sequence), 0) AS sequence FROM transactions WHERE wallet_id = $1"
_BOOKED = usage_rows.used_in("(SELECT * FROM transactions WHERE wallet_id = $1 AND sequence > $2 AND sequence <= $3)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What was `kept` of a day (or month) and what the transactions say, None where there is nothing."""

    unit: str
    kept: Use | None
    booked: Use | None

    def __str__(self) -> str:
        use = self.booked or self.kept
        assert use is not None  # noqa: S101 for mypy: of nothing and nothing there is no difference
        what = f"{use.wallet_id}: {self.unit} {use.since}, {use.staging_type}, {use.person_id}"
        return f"{what}: kept was {_said(self.kept)}; booked is {_said(self.booked)}."


def _said(use: Use | None) -> str:
    if use is None:
        return "nothing"
    return f"{use.credits:,} credits, {use.refunded:,} refunded, {use.operations:,} jobs"


@dataclass(slots=True)
class Rebuilt:
    """How many rows differed, in how many wallets were looked at, and the first of them."""

    wallets: int = 0
    differed: int = 0
    first: list[Difference] = field(default_factory=list)


async def rebuild(account_id: str = "", *, progress: Progress = untold, portion: int = PORTION) -> Rebuilt:
    """Put right what is kept as used in every wallet, or in those of one account, while others go on writing. May be
    stopped anywhere and run again. `progress` hears how many of how many transactions were read."""
    (row,) = await get_connection("default").execute_query_dict(_LINES, [account_id])
    done, result = 0, Rebuilt()
    async for wallet_id, lines in _wallets(account_id):
        found = await _rebuild_wallet(wallet_id, portion)
        result.wallets += 1
        result.differed += len(found)
        result.first += found[: NAMED - len(result.first)]
        done += lines
        progress(done, max(done, row["lines"]))
    return result


async def _wallets(account_id: str) -> AsyncIterator[tuple[str, int]]:
    last = ""
    while found := await get_connection("default").execute_query_dict(_WALLETS, [last, account_id, _WALLETS_AT_ONCE]):
        for row in found:
            yield row["id"], row["sequence"]
        last = found[-1]["id"]


async def _rebuild_wallet(wallet_id: str, portion: int) -> list[Difference]:
    connection = get_connection("default")
    booked: dict[UseKey, Use] = {}
    read_to = 0
    while (await connection.execute_query_dict(_HEAD, [wallet_id]))[0]["sequence"] - read_to > portion:
        booked = total(booked.values(), await _booked(connection, wallet_id, read_to, read_to + portion))
        read_to += portion

    async def finish() -> list[Difference]:
        async with in_transaction() as locked:
            await lock_wallets(locked, [wallet_id])
            rest = await _booked(locked, wallet_id, read_to, _TO_THE_END)
            days = total(booked.values(), rest)
            months = {use.key: use for use in by_month(list(days.values()))}
            return [
                *await _put_right(locked, wallet_id, "day", days),
                *await _put_right(locked, wallet_id, "month", months),
            ]

    return await trying_again(finish)


async def _booked(connection: BaseDBAsyncClient, wallet_id: str, after: int, to: int) -> list[Use]:
    return [_use(row, "day") for row in await connection.execute_query_dict(_BOOKED, [wallet_id, after, to])]


async def _put_right(
    connection: BaseDBAsyncClient, wallet_id: str, unit: str, booked: Mapping[UseKey, Use]
) -> list[Difference]:
    found = await connection.execute_query_dict(f"SELECT * FROM usage_{unit}s WHERE wallet_id = $1", [wallet_id])
    kept = {use.key: use for use in (_use(row, unit) for row in found)}
    wrong = [key for key in sorted({*kept, *booked}) if kept.get(key) != booked.get(key)]
    if gone := [kept[key] for key in wrong if key in kept]:
        await connection.execute_query(usage_rows.delete(unit), usage_rows.use_columns(gone)[:4])
    if right := [booked[key] for key in wrong if key in booked]:
        await connection.execute_query(usage_rows.add(unit), usage_rows.use_columns(right))
    return [Difference(unit=unit, kept=kept.get(key), booked=booked.get(key)) for key in wrong]


def _use(row: Mapping[str, Any], unit: str) -> Use:
    return Use(
        wallet_id=row["wallet_id"],
        since=row[unit],
        staging_type=row["staging_type"],
        person_id=row["person_id"],
        account_id=row["account_id"],
        credits=row["credits"],
        refunded=row["refunded"],
        operations=row["operations"],
    )
