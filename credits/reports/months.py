"""Months of an account, and how statements follow from what was posted: each begins where the one before it ends.

Pure. A month is named by its first day; which month a transaction is of, its local day says, fixed when it was posted.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from credits.ledger.models import TransactionKind

_ORDER = {kind: place for place, kind in enumerate(TransactionKind)}


def month_of(day: date) -> date:
    """The month that the day is in."""
    return day.replace(day=1)


def following(month: date) -> date:
    """The month after it."""
    return (month + timedelta(days=32)).replace(day=1)


def last_day(month: date) -> date:
    """Its last day."""
    return following(month) - timedelta(days=1)


def named(month: date) -> str:
    """As people read it."""
    return f"{month:%B %Y}"


def months(first: date, last: date) -> Iterator[date]:
    """From one month to another, both included; none where the first is the later."""
    while first <= last:
        yield first
        first = following(first)


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """All transactions of one kind: their credits, signed, and how many they were."""

    kind: TransactionKind
    credits: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """What was posted of one kind in a month, up to the sequence number of the last of it."""

    month: date
    movement: Movement
    last_sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A month of a wallet: the transactions above `after_sequence`, up to `last_sequence`. Opening and movements are
    the closing. `closed_at` is None while the month runs, or has not been closed yet."""

    wallet_id: str
    month: date
    opening: int
    closing: int
    after_sequence: int
    last_sequence: int
    movements: tuple[Movement, ...]
    closed_at: datetime | None = None

    @property
    def closed(self) -> bool:
        """Whether it will never change."""
        return self.closed_at is not None

    @property
    def count(self) -> int:
        """How many transactions there were."""
        return sum(each.count for each in self.movements)


def statements(wallet_id: str, before: Statement | None, posted: Sequence[Posted], *, upto: date) -> list[Statement]:
    """The statements after `before`, or from the month of the first transaction on (of none: `upto`), each of a month
    up to that one. What was posted after a month had been closed (by a clock that was set back) is of the next."""
    first = following(before.month) if before else min((each.month for each in posted), default=upto)
    found: list[Statement] = []
    for month in months(first, upto):
        moved = [each for each in posted if max(each.month, first) == month]
        found.append(_next(wallet_id, found[-1] if found else before, month, moved))
    return found


def _next(wallet_id: str, before: Statement | None, month: date, moved: Sequence[Posted]) -> Statement:
    opening, after = (before.closing, before.last_sequence) if before else (0, 0)
    movements = together(each.movement for each in moved)
    return Statement(
        wallet_id=wallet_id,
        month=month,
        opening=opening,
        closing=opening + sum(each.credits for each in movements),
        after_sequence=after,
        last_sequence=max((each.last_sequence for each in moved), default=after),
        movements=movements,
    )


def together(movements: Iterable[Movement]) -> tuple[Movement, ...]:
    """One for each kind, in the order of the kinds."""
    sums: dict[TransactionKind, Movement] = {}
    for each in movements:
        so_far = sums.get(each.kind, Movement(kind=each.kind, credits=0, count=0))
        sums[each.kind] = Movement(
            kind=each.kind, credits=so_far.credits + each.credits, count=so_far.count + each.count
        )
    return tuple(sorted(sums.values(), key=lambda each: _ORDER[each.kind]))
