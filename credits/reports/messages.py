"""What the outbox is told of closed months, and the card that people read of one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from credits.gateways.cards import Card, Picture
from credits.ledger.models import TransactionKind
from credits.outbox import Message, Queue
from credits.reports.months import Statement, named, together

CLOSED_JOB = "statements.closed"
# A card holds some thousand characters; a longer list says how much it leaves out.
_LISTED = 20
# Movements within an account add up to nothing, and are not shown of it as a whole.
_SHOWN = (
    ("Bought", (TransactionKind.PURCHASE,)),
    ("Granted", (TransactionKind.GRANT,)),
    ("Used", (TransactionKind.DEDUCTION,)),
    ("Refunded", (TransactionKind.REFUND,)),
    ("Expired", (TransactionKind.EXPIRY,)),
    ("Clawed back", (TransactionKind.CLAWBACK,)),
    ("Adjusted", (TransactionKind.ADJUSTMENT,)),
    ("Moved", (TransactionKind.ALLOCATION, TransactionKind.RECLAIM, TransactionKind.TRANSFER)),
)
_ALWAYS = {"Bought", "Used", "Refunded", "Expired"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A wallet's statement, with what its owner is called."""

    name: str
    statement: Statement


def closed_message(account_id: str, month: date) -> Message:
    """All of the account's wallets have their statement of the month."""
    payload = {"account_id": account_id, "month": month.isoformat()}
    return Message(account_id=account_id, queue=Queue.BULK, job=CLOSED_JOB, payload=payload)


def closed_card(*, name: str, month: date, parts: Sequence[Part], picture: Picture | None) -> Card:
    """The figures of a month, of an account or a pool with all that is below it."""
    opening = sum(part.statement.opening for part in parts)
    closing = sum(part.statement.closing for part in parts)
    return Card(
        summary=f"{name} in {named(month)}: {closing:,} credits at the end",
        title=f"Statement of {named(month)}",
        text="\n".join((f"{name} closed {named(month)} with {closing:,} credits.", *_listed(parts))),
        fields=(("Opening", f"{opening:,}"), *_figures(parts), ("Closing", f"{closing:,}")),
        picture=picture,
        notes=("The statement as PDF and CSV: `csvUrl` and `pdfUrl` of the wallet's statement.",),
    )


def _figures(parts: Sequence[Part]) -> list[tuple[str, str]]:
    sums = {each.kind: each.credits for each in together(line for part in parts for line in part.statement.movements)}
    shown = [(label, sum(sums.get(kind, 0) for kind in kinds)) for label, kinds in _SHOWN]
    return [(label, signed(credits_)) for label, credits_ in shown if credits_ or label in _ALWAYS]


def _listed(parts: Sequence[Part]) -> list[str]:
    """A line for each wallet, where there are several."""
    if len(parts) < 2:
        return []
    lines = [f"{part.name}: {part.statement.opening:,} → {part.statement.closing:,}" for part in parts]
    more = [f"and {len(lines) - _LISTED:,} more"] if len(lines) > _LISTED else []
    return [*lines[:_LISTED], *more]


def signed(credits_: int) -> str:
    """A movement: with its sign."""
    return f"{credits_:+,}" if credits_ else "0"
