"""What the platform owes its customers: credits outstanding and what was paid for them, month by month.

By UTC, since it is about all accounts. The end of a month is what is left today less what was moved after it, its
beginning what was moved before it; what happened between must lead from the one to the other, or it is said so.
"""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from fractions import Fraction

import asyncpg

from credits.ledger.models import TransactionKind


class Entry(StrEnum):
    """The lines of the report, in their order."""

    OPENING = "OPENING"
    SOLD = "SOLD"
    GRANTED = "GRANTED"
    USED = "USED"
    EXPIRED = "EXPIRED"
    CLAWED_BACK = "CLAWED_BACK"
    ADJUSTED = "ADJUSTED"
    CLOSING = "CLOSING"


_ENTRIES = {
    TransactionKind.PURCHASE: Entry.SOLD,
    TransactionKind.GRANT: Entry.GRANTED,
    TransactionKind.DEDUCTION: Entry.USED,
    TransactionKind.REFUND: Entry.USED,
    TransactionKind.EXPIRY: Entry.EXPIRED,
    TransactionKind.CLAWBACK: Entry.CLAWED_BACK,
    TransactionKind.ADJUSTMENT: Entry.ADJUSTED,
}


@dataclass(frozen=True, slots=True)
class Worth:
    """Credits, and what was paid for them in the currency's smallest unit, exactly."""

    credits: int = 0
    minor: Fraction = Fraction(0)

    def __add__(self, other: "Worth") -> "Worth":
        return Worth(self.credits + other.credits, self.minor + other.minor)

    def __neg__(self) -> "Worth":
        return Worth(-self.credits, -self.minor)

    @property
    def rounded(self) -> int:
        """Whole smallest units, half to even."""
        return round(self.minor)


# By entry, of the credits that were paid for in one currency; None: of those that were given.
Columns = Mapping[str | None, Mapping[Entry, Worth]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Liability:
    """A month. What does not add up stands in `disagreements`, in sentences; there is none while all is well. `over` is
    false of the month that still runs."""

    month: date
    over: bool
    columns: Columns
    disagreements: tuple[str, ...]


# What was put into and drawn from lots, by what was paid for them: before the month ($1), in it, and after it ($2).
_DRAWN = """
SELECT l.currency, l.paid_minor, l.paid_for, sum(d.credits)::bigint AS credits,
       CASE WHEN t.created_at < $1 THEN 'BEFORE' WHEN t.created_at < $2 THEN t.kind ELSE 'AFTER' END AS moved
FROM transaction_lots d JOIN transactions t ON t.id = d.transaction_id JOIN lots l ON l.id = d.lot_id
GROUP BY 1, 2, 3, 5
"""
_LEFT = """
SELECT currency, paid_minor, paid_for, sum(remaining)::bigint AS credits, 'LEFT' AS moved FROM lots GROUP BY 1, 2, 3
"""
_CHANGED = """
SELECT kind, sum(change)::bigint AS credits FROM transactions WHERE created_at >= $1 AND created_at < $2 GROUP BY 1
"""
_PAID = """
SELECT p.currency, sum(p.credits)::bigint AS credits, sum(p.total_minor)::bigint AS minor
FROM purchases p JOIN transactions t ON t.id = p.transaction_id
WHERE t.created_at >= $1 AND t.created_at < $2 GROUP BY 1
"""


async def liability(connection: asyncpg.Connection, month: date) -> Liability:
    """The report of the month that begins on that day, as of one instant: inside `audit.snapshot`. Refused
    (ValueError): a month that has not begun."""
    start = datetime(month.year, month.month, 1, tzinfo=UTC)
    end = datetime.combine(_next(month), datetime.min.time(), UTC)
    now = await connection.fetchval("SELECT credits_now()")
    if now < start:
        raise ValueError(f"{month:%Y-%m} has not begun yet.")
    moved: defaultdict[tuple[str | None, str], Worth] = defaultdict(Worth)
    async for row in _rows(connection, start, end):
        worth = Worth(row["credits"], Fraction(row["credits"] * row["paid_minor"], row["paid_for"]))
        moved[row["currency"], row["moved"]] += worth
    columns = {currency: _column(currency, moved) for currency in sorted({key[0] for key in moved}, key=_given_first)}
    changed = {row["kind"]: row["credits"] for row in await connection.fetch(_CHANGED, start, end)}
    paid = {
        row["currency"]: Worth(row["credits"], Fraction(row["minor"]))
        for row in await connection.fetch(_PAID, start, end)
    }
    disagreements = (*_gaps(columns, moved), *_other_sums(moved, changed), *_unpaid(columns, paid))
    return Liability(month=start.date(), over=now >= end, columns=columns, disagreements=disagreements)


def _given_first(currency: str | None) -> str:
    return currency or ""


def _next(month: date) -> date:
    return (month.replace(day=1) + timedelta(days=32)).replace(day=1)


async def _rows(connection: asyncpg.Connection, start: datetime, end: datetime) -> AsyncIterator[asyncpg.Record]:
    async for row in connection.cursor(_DRAWN, start, end):
        yield row
    async for row in connection.cursor(_LEFT):
        yield row


def _column(currency: str | None, moved: Mapping[tuple[str | None, str], Worth]) -> Mapping[Entry, Worth]:
    column = dict.fromkeys(Entry, Worth())
    for kind, entry in _ENTRIES.items():
        column[entry] += moved.get((currency, kind), Worth())
    column[Entry.OPENING] = moved.get((currency, "BEFORE"), Worth())
    column[Entry.CLOSING] = moved.get((currency, "LEFT"), Worth()) + -moved.get((currency, "AFTER"), Worth())
    return column


def _gaps(columns: Columns, moved: Mapping[tuple[str | None, str], Worth]) -> list[str]:
    """Where the month does not lead from its beginning to its end, and where credits were lost on the way between
    wallets."""
    found = []
    for currency, column in columns.items():
        what = currency or "granted credits"
        gap = sum((column[entry] for entry in Entry if entry is not Entry.CLOSING), Worth()) + -column[Entry.CLOSING]
        if gap != Worth():
            found.append(f"{what}: opening and movements are not the closing; {gap.credits:,} credits are between.")
        for kind in (TransactionKind.ALLOCATION, TransactionKind.RECLAIM, TransactionKind.TRANSFER):
            lost = moved.get((currency, kind), Worth())
            if lost != Worth():
                found.append(f"{what}: {kind} adds up to {lost.credits:,} credits; it should be none.")
    return found


def _other_sums(moved: Mapping[tuple[str | None, str], Worth], changed: Mapping[str, int]) -> list[str]:
    """Kinds whose transactions say something else than what they moved in lots."""
    drawn: Counter[str] = Counter()
    for (_, kind), worth in moved.items():
        drawn[kind] += worth.credits
    return [
        f"{kind}: the transactions add up to {changed.get(kind, 0):,} credits, their lots to {drawn[kind]:,}."
        for kind in TransactionKind
        if changed.get(kind, 0) != drawn[kind]
    ]


def _unpaid(columns: Columns, paid: Mapping[str, Worth]) -> list[str]:
    """Currencies in which what was sold is not what was paid."""
    sold = {currency: column[Entry.SOLD] for currency, column in columns.items() if column[Entry.SOLD] != Worth()}
    return [
        f"{currency}: credits for {sold.get(currency, Worth()).rounded:,} were sold, purchases for"
        f" {paid.get(currency or '', Worth()).rounded:,} were paid (in the smallest unit)."
        for currency in sorted({*sold, *paid}, key=_given_first)
        if sold.get(currency, Worth()) != paid.get(currency or "", Worth())
    ]
