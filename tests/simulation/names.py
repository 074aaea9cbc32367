"""The account of a simulation, its wallets, and the ids that follow from what is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from credits.ids import Kind, Series
from credits.ledger.commands import (
    AboutPayment,
    CaptureHold,
    Command,
    ExtendHold,
    Refund,
    ReleaseHold,
    Unit,
    commands_of,
)
from credits.ledger.models import TransactionKind


def numbered(kind: Kind, number: int) -> str:
    """An id that sorts as its number does and leaves room for the series that begins with it."""
    return f"{kind}_{number:022d}0000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The wallets of an account: its own, two pools', three departments', of which two are in the first pool."""

    account_id: str = numbered(Kind.ACCOUNT, 1)
    account: str = numbered(Kind.WALLET, 1)
    pools: tuple[str, str] = (numbered(Kind.WALLET, 2), numbered(Kind.WALLET, 3))
    departments: tuple[str, str, str] = (
        numbered(Kind.WALLET, 4),
        numbered(Kind.WALLET, 5),
        numbered(Kind.WALLET, 6),
    )

    @property
    def wallets(self) -> tuple[str, ...]:
        """All of them."""
        return (self.account, *self.pools, *self.departments)

    @property
    def rooms(self) -> Mapping[str, int]:
        """How many credits each may come to hold, short of purchases; the rest is promised to open ones."""
        return dict(zip(self.wallets, (120, 70, 60, 55, 45, 40), strict=True))

    @property
    def ways(self) -> tuple[tuple[str, str, TransactionKind], ...]:
        """Every way in which credits can be moved."""
        one, two = self.pools
        first, second, third = self.departments
        down = [(self.account, one), (self.account, two), (one, first), (one, second), (two, third)]
        return (
            *((source, target, TransactionKind.ALLOCATION) for source, target in down),
            *((target, source, TransactionKind.RECLAIM) for source, target in down),
            (first, second, TransactionKind.TRANSFER),
            (second, first, TransactionKind.TRANSFER),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One call of the ledger: what it is asked for, when, and how the world around it is by then. A price of None: the
    type is not offered any more."""

    number: int
    at: datetime
    suspended: bool
    prices: Mapping[str, int | None]
    units: tuple[Unit, ...]

    @property
    def commands(self) -> tuple[Command, ...]:
        """All that is asked for."""
        return tuple(command for unit in self.units for command in commands_of(unit))


def refers_to(command: Command) -> str | None:
    """The id of what must have come to be before the command makes sense: a hold, a transaction, a purchase."""
    match command:
        case CaptureHold() | ReleaseHold() | ExtendHold():
            return command.hold_id
        case Refund():
            return command.deduction_id
        case AboutPayment():
            return command.purchase_id
    return None


def item_id(hold_id: str, number: int) -> str:
    """The id of a hold's item; the first is number 0."""
    return _following(hold_id, Kind.HOLD_ITEM, number)


def captured_id(capture_id: str, number: int) -> str:
    """The id of a deduction that a capture makes; the first is number 0."""
    return _following(capture_id, Kind.TRANSACTION, number)


def _following(first: str, kind: Kind, number: int) -> str:
    series = Series(first)
    return [series.next(kind) for _ in range(number + 1)][-1]
