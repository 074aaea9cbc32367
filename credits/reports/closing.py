"""Closing months: once a month is over where the account is, each of its wallets' statements is written, for ever.

What is over stands still as soon as the wallet's lock was had after it: whoever posts later posts at a later time. So
the lock is held for a moment, and what may be much is added up after it. Done twice at once it comes to the same.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import structlog
from tortoise.connection import get_connection
from tortoise.transactions import in_transaction

from credits import outbox
from credits.accounts.zones import Zones
from credits.faults import trying_again
from credits.ledger.store import lock_wallets
from credits.reports.messages import closed_message
from credits.reports.months import Posted, Statement, following, month_of, statements
from credits.reports.statements import PORTION, posted, statement_of

_log = structlog.get_logger()
_ACCOUNTS_AT_ONCE = 200
_WALLETS_AT_ONCE = 100
# Servers' clocks are put right by moments, also backwards: a month is over a little later.
_SETTLED = timedelta(minutes=1)

_ACCOUNTS = """
SELECT id, time_zone, former_time_zone, time_zone_from, credits_now() AS now FROM accounts
WHERE id > $1 ORDER BY id LIMIT $2
"""
_ACCOUNT = """
SELECT id, time_zone, former_time_zone, time_zone_from, credits_now() AS now FROM accounts WHERE id = $1
"""
# Of a wallet without statements the day of its first transaction; of one whose owner was deleted that of its last.
_WALLETS = """
SELECT w.id, w.account_id, s.*,
       CASE WHEN s.month IS NULL THEN
           (SELECT t.local_day FROM transactions t WHERE t.wallet_id = w.id AND t.sequence = 1) END AS first_day,
       CASE WHEN w.balance = 0 AND coalesce(d.deleted_at, p.deleted_at) IS NOT NULL THEN
           (SELECT t.local_day FROM transactions t WHERE t.wallet_id = w.id AND t.sequence = w.sequence)
       END AS last_day, coalesce(d.deleted_at, p.deleted_at) AS deleted_at
FROM wallets w LEFT JOIN pools p ON p.id = w.owner_id LEFT JOIN departments d ON d.id = w.owner_id
LEFT JOIN LATERAL (
    SELECT s.wallet_id, s.month, s.opening, s.closing, s.after_sequence, s.last_sequence, s.movements, s.closed_at
    FROM statements s WHERE s.wallet_id = w.id ORDER BY s.month DESC LIMIT 1
) s ON true
WHERE w.account_id = ANY($1) AND w.sequence > 0 ORDER BY w.id
"""
_WRITE = """
INSERT INTO statements (wallet_id, month, account_id, opening, closing, after_sequence, last_sequence, movements,
                        closed_at)
SELECT wallet_id, month, $1, opening, closing, after_sequence, last_sequence, movements, credits_now()
FROM unnest($2::text[], $3::date[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::jsonb[])
    AS s (wallet_id, month, opening, closing, after_sequence, last_sequence, movements)
ORDER BY wallet_id, month
ON CONFLICT (wallet_id, month) DO NOTHING RETURNING month
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unclosed:
    """A wallet and the months of it that want closing: from `first` to `last`, after the statement `before`."""

    wallet_id: str
    before: Statement | None
    first: date
    last: date


async def close_months() -> int:
    """Close every month that is over, missed ones too, in order; returns how many statements were written. Safe to be
    done many times at once, and to be broken off anywhere."""
    written, after = 0, ""
    while rows := await get_connection("default").execute_query_dict(_ACCOUNTS, [after, _ACCOUNTS_AT_ONCE]):
        accounts = {row["id"]: row for row in rows}
        for account_id in await _unclosed(accounts):
            try:
                written += await close_account(account_id)
            except Exception:
                # An account that cannot be closed now keeps no other from it.
                _log.exception("month_not_closed", account=account_id)
        after = rows[-1]["id"]
    return written


async def close_account(account_id: str) -> int:
    """Close the months of one account that are over; returns how many statements were written. The account is told of
    the latest one only: nobody reads a year of cards."""
    (account,) = await get_connection("default").execute_query_dict(_ACCOUNT, [account_id])
    unclosed = (await _unclosed({account_id: account})).get(account_id, [])
    if not unclosed:
        return 0
    heads = await _stand_still([each.wallet_id for each in unclosed])
    made = [statement for each in unclosed for statement in await _made(each, heads[each.wallet_id])]
    return await trying_again(lambda: _write(account_id, made, latest=_over(account)))


def _over(account: dict[str, Any]) -> date:
    """The latest month that is over where the account is."""
    return month_of(month_of(_day(account, account["now"] - _SETTLED)) - timedelta(days=1))


def _day(account: dict[str, Any], at: datetime) -> date:
    zones = Zones(name=account["time_zone"], former=account["former_time_zone"], since=account["time_zone_from"])
    return zones.day(at)


async def _unclosed(accounts: dict[str, dict[str, Any]]) -> dict[str, list[Unclosed]]:
    """The wallets of these accounts that want closing, by account."""
    found: dict[str, list[Unclosed]] = {}
    for row in await get_connection("default").execute_query_dict(_WALLETS, [list(accounts)]):
        account = accounts[row["account_id"]]
        before = statement_of(row) if row["month"] else None
        first = following(before.month) if before else month_of(row["first_day"])
        last = _over(account)
        if row["last_day"] is not None:
            # Emptied when its owner was deleted: nothing comes after that, unless something was posted later.
            last = min(last, month_of(max(row["last_day"], _day(account, row["deleted_at"]))))
        if first <= last:
            wanting = Unclosed(wallet_id=row["id"], before=before, first=first, last=last)
            found.setdefault(row["account_id"], []).append(wanting)
    return found


async def _stand_still(wallet_ids: Sequence[str]) -> dict[str, int]:
    """The sequence numbers of the wallets' last transactions, from when on nothing more comes into months that are
    over."""
    heads: dict[str, int] = {}
    for start in range(0, len(wallet_ids), _WALLETS_AT_ONCE):
        some = wallet_ids[start : start + _WALLETS_AT_ONCE]

        async def lock(some: Sequence[str] = some) -> dict[str, int]:
            async with in_transaction() as connection:
                locked = await lock_wallets(connection, some)
                return {wallet_id: wallet.sequence for wallet_id, wallet in locked.items()}

        heads |= await trying_again(lock)
    return heads


async def _made(wallet: Unclosed, head: int) -> list[Statement]:
    """The statements of its months, added up in portions."""
    after = wallet.before.last_sequence if wallet.before else 0
    found: list[Posted] = []
    while after < head:
        portion = await posted(wallet.wallet_id, after=after, upto=min(after + PORTION, head))
        found += portion
        after += PORTION
        if all(each.month > wallet.last for each in portion):
            break
    return statements(wallet.wallet_id, wallet.before, found, upto=wallet.last)


async def _write(account_id: str, made: Sequence[Statement], *, latest: date) -> int:
    """Write what nobody wrote before, and the message about the latest month in the same commit."""
    async with in_transaction() as connection:
        rows = await connection.execute_query_dict(_WRITE, [account_id, *_columns(made)])
        if any(row["month"] == latest for row in rows):
            await outbox.add(connection, [closed_message(account_id, latest)])
        return len(rows)


def _columns(made: Sequence[Statement]) -> list[list[Any]]:
    return [
        [each.wallet_id for each in made],
        [each.month for each in made],
        [each.opening for each in made],
        [each.closing for each in made],
        [each.after_sequence for each in made],
        [each.last_sequence for each in made],
        [
            json.dumps([{"kind": line.kind, "credits": line.credits, "count": line.count} for line in each.movements])
            for each in made
        ],
    ]
