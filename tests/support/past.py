"""What was posted in the past: by the real ledger, with the clock set back for one database transaction alone."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tortoise.transactions import in_transaction

from credits.actors import SYSTEM, Actor, ActorKind
from credits.ids import Kind, make_id
from credits.ledger.commands import Command, Deduction, Grant, Refund, RefundReason, Sweep, Transfer
from credits.ledger.models import TransactionKind
from credits.ledger.posting import Posted
from credits.ledger.store import Outcome, post
from credits.ledger.text import SALT_BYTES, Text

_ENGINE = Actor(kind=ActorKind.SERVICE, id="svc_staging")
# Nobody else sees the clock meanwhile: what is not committed is not there.
_SET = """
INSERT INTO clock_offset (advance) VALUES ($1::timestamptz - clock_timestamp())
ON CONFLICT (singleton) DO UPDATE SET advance = excluded.advance
"""


async def posted(at: datetime, commands: Sequence[Command]) -> list[Outcome]:
    """Post these at an instant; what became of each."""
    async with in_transaction() as connection:
        before = await connection.execute_query_dict("SELECT advance FROM clock_offset")
        await connection.execute_query(_SET, [at])
        result = await post(connection, list(commands))
        await connection.execute_query("DELETE FROM clock_offset")
        for row in before:
            await connection.execute_query("INSERT INTO clock_offset (advance) VALUES ($1)", [row["advance"]])
    return [outcome for (outcome,) in result.outcomes]


async def gave(at: datetime, wallet_id: str, credits_: int, *, expires_at: datetime | None = None) -> str:
    """Credits given; the transaction's id."""
    grant = Grant(
        id=make_id(Kind.TRANSACTION), wallet_id=wallet_id, actor=SYSTEM, credits=credits_, expires_at=expires_at,
        priority=50, text=_text(description="For a test"),
    )  # fmt: skip
    return await _id_of(at, grant)


async def spent(at: datetime, wallet_id: str, quantity: int, *, actor: Actor | None = None, **text: Any) -> str:
    """One credit each, for furniture removal; the transaction's id."""
    deduction = Deduction(
        id=make_id(Kind.TRANSACTION), wallet_id=wallet_id, actor=actor or _ENGINE,
        staging_type="FURNITURE_REMOVAL", quantity=quantity, text=_text(**text) if text else None,
    )  # fmt: skip
    return await _id_of(at, deduction)


async def refunded(at: datetime, wallet_id: str, deduction_id: str, credits_: int | None = None) -> str:
    """A deduction undone; the transaction's id."""
    refund = Refund(
        id=make_id(Kind.TRANSACTION), wallet_id=wallet_id, actor=SYSTEM, deduction_id=deduction_id, credits=credits_,
        reason=RefundReason.QUALITY,
    )  # fmt: skip
    return await _id_of(at, refund)


async def moved(at: datetime, from_wallet_id: str, to_wallet_id: str, credits_: int) -> None:
    """Credits allocated."""
    transfer = Transfer(
        id=make_id(Kind.TRANSFER), wallet_id=from_wallet_id, to_wallet_id=to_wallet_id, actor=SYSTEM,
        kind=TransactionKind.ALLOCATION, credits=credits_,
    )  # fmt: skip
    (outcome,) = await posted(at, [transfer])
    assert isinstance(outcome, Posted), outcome


async def swept(at: datetime, wallet_id: str) -> None:
    """What has lapsed by then, booked."""
    await posted(at, [Sweep(id=make_id(Kind.TRANSACTION), wallet_id=wallet_id, actor=SYSTEM, limit=100)])


def _text(*, reference: str | None = None, description: str | None = None) -> Text:
    return Text(salt=b"s" * SALT_BYTES, reference=reference, description=description, metadata=None)


async def _id_of(at: datetime, command: Command) -> str:
    (outcome,) = await posted(at, [command])
    assert isinstance(outcome, Posted), outcome
    return outcome.lines[0].id
