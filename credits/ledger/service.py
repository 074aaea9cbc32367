"""What people ask of the ledger: their input checked, made a command, handed to the writer, and the answer read back.

Who may is decided before: these functions are told the wallet's place and trust it.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from credits.accounts.rules import Place
from credits.actors import Actor
from credits.errors import NotFound, Refusal, RefusalCode
from credits.idempotency import make_key
from credits.ids import Kind, make_id
from credits.ledger import queries
from credits.ledger.commands import Deduction, Grant, check_amount
from credits.ledger.rules import Posted, Refused
from credits.ledger.store import Outcome, Replayed
from credits.ledger.text import SALT_BYTES, Text, clean_metadata
from credits.ledger.wallet import BalanceView, Line
from credits.ledger.writer import Writer
from credits.text import clean


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a call did, now or when it was first sent, and the balance as it is now."""

    line: Line
    balance: BalanceView
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DeductionInput:
    """A staging job to be paid: `quantity` of a type, at the catalogue's price."""

    wallet_id: str
    staging_type: str
    quantity: int
    reference: str | None
    description: str | None
    metadata: Mapping[str, str] | None
    on_behalf_of: str | None
    idempotency_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantInput:
    """Credits to be given. `priority` is 0 to 100, lower is spent first."""

    wallet_id: str
    credits: int
    reason: str
    expires_at: datetime | None
    priority: int
    idempotency_key: str


async def deduct(writer: Writer, actor: Actor, place: Place, wanted: DeductionInput) -> Done | Refused:
    """Spend credits on staging, once per key. A refusal changes nothing and binds no key."""
    key = make_key(
        scope=place.account_id,
        key=wanted.idempotency_key,
        operation="deductCredits",
        fields={
            "walletId": wanted.wallet_id,
            "stagingType": wanted.staging_type,
            "quantity": wanted.quantity,
            "reference": wanted.reference,
            "description": wanted.description,
            "metadata": wanted.metadata,
            "onBehalfOf": wanted.on_behalf_of,
        },
    )
    command = Deduction(
        transaction_id=make_id(Kind.TRANSACTION),
        wallet_id=wanted.wallet_id,
        actor=actor,
        key=key,
        text=_text(wanted.reference, wanted.description, wanted.metadata),
        staging_type=wanted.staging_type,
        quantity=check_amount(wanted.quantity, field="quantity"),
    )
    outcome = await writer.post(command, account_id=place.account_id)
    return await _answer(outcome, command.transaction_id, wanted.wallet_id)


async def grant(writer: Writer, actor: Actor, place: Place, wanted: GrantInput) -> Done | Refused:
    """Give credits, once per key."""
    key = make_key(
        scope=place.account_id,
        key=wanted.idempotency_key,
        operation="grantCredits",
        fields={
            "walletId": wanted.wallet_id,
            "credits": wanted.credits,
            "reason": wanted.reason,
            "expiresAt": wanted.expires_at,
            "priority": wanted.priority,
        },
    )
    if not wanted.reason.strip():
        raise Refusal(RefusalCode.INVALID, "Say why these credits are given; the account reads it.", field="reason")
    if not 0 <= wanted.priority <= 100:
        raise Refusal(RefusalCode.INVALID, "Between 0 and 100; lower is spent first.", field="priority")
    command = Grant(
        transaction_id=make_id(Kind.TRANSACTION),
        lot_id=make_id(Kind.LOT),
        wallet_id=wanted.wallet_id,
        actor=actor,
        key=key,
        text=_text(None, wanted.reason, None, description_field="reason"),
        credits=check_amount(wanted.credits, field="credits"),
        expires_at=wanted.expires_at,
        priority=wanted.priority,
    )
    outcome = await writer.post(command, account_id=place.account_id)
    return await _answer(outcome, command.transaction_id, wanted.wallet_id)


def _text(
    reference: str | None,
    description: str | None,
    metadata: Mapping[str, str] | None,
    *,
    description_field: str = "description",
) -> Text | None:
    if reference is None and description is None and metadata is None:
        return None
    return Text(
        salt=secrets.token_bytes(SALT_BYTES),
        reference=clean(reference, field="reference"),
        description=clean(description, field=description_field, lines=True),
        metadata=clean_metadata(metadata),
    )


async def _answer(outcome: Outcome, own_id: str, wallet_id: str) -> Done | Refused:
    if isinstance(outcome, Refused):
        return outcome
    if isinstance(outcome, Posted):
        return Done(line=outcome.line, balance=outcome.balance, replayed=False)
    if not isinstance(outcome, Replayed):
        raise NotFound
    lines = await queries.lines_by_id([outcome.result_id])
    line = lines[outcome.result_id]
    balances = await queries.balances([line.wallet_id])
    # Our own id: the commit had been done, but its answer was lost on the way and the writer sent it again.
    return Done(line=line, balance=balances[line.wallet_id], replayed=outcome.result_id != own_id)
