"""Payments that fit no purchase: they credit nothing, and are kept until somebody of the platform has settled them."""

from dataclasses import dataclass
from datetime import datetime

from tortoise.backends.base.client import BaseDBAsyncClient

from credits import operators, outbox
from credits.ids import Kind, make_id
from credits.money import Money
from credits.operators import Notice
from credits.purchases.models import QuarantinedPayment
from credits.purchases.moves import NOW
from credits.purchases.settled import Settled

NOTE_LENGTH = 500
_ADD = """
INSERT INTO quarantined_payments (id, account_id, reference, purchase_id, reason, amount_minor, currency, seen_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, credits_now()) ON CONFLICT (reference, reason) DO NOTHING RETURNING id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfit:
    """A payment that is not what a purchase asked for. `reference` is the provider's id of it; `purchase_id` what it
    claims to be for, whether there is such a one or not, and `account_id` that one's."""

    reference: str
    reason: str
    amount: Money
    purchase_id: str | None
    account_id: str | None


async def quarantine(connection: BaseDBAsyncClient, misfit: Misfit) -> Settled:
    """Keep it, and tell the operators, in the caller's commit; once for each reference and reason, however often it
    is met."""
    claimed = (misfit.purchase_id or "")[:255] or None
    row_id = make_id(Kind.QUARANTINED_PAYMENT)
    reason = misfit.reason[:500]
    kept = await connection.execute_query_dict(
        _ADD,
        [
            row_id,
            misfit.account_id,
            misfit.reference,
            claimed,
            reason,
            misfit.amount.amount_minor,
            misfit.amount.currency,
        ],
    )
    if kept:
        notice = Notice(
            occasion=f"quarantine:{row_id}",
            account_id=misfit.account_id or "",
            title="A payment fits no purchase",
            text=f"{misfit.reason}. It credits nothing. Look at it in the provider's dashboard, give the money back or "
            f"the credits by hand, then: credits payments settle {row_id} --note …",
            fields=(
                ("Amount", f"{misfit.amount.formatted} {misfit.amount.currency}"),
                ("Payment", misfit.reference),
                ("Purchase", claimed or "none"),
                ("Account", misfit.account_id or "unknown"),
            ),
            urgent=True,
        )
        await outbox.add(connection, [operators.message(notice)])
    return Settled(f"quarantined: {reason}"[:200])


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """A payment that waits to be settled."""

    id: str
    account_id: str | None
    reference: str
    purchase_id: str | None
    reason: str
    amount: Money
    seen_at: datetime


async def unsettled() -> list[Quarantined]:
    """All that wait, oldest first."""
    return [
        Quarantined(
            id=row.id,
            account_id=row.account_id,
            reference=row.reference,
            purchase_id=row.purchase_id,
            reason=row.reason,
            amount=Money(row.amount_minor, row.currency),
            seen_at=row.seen_at,
        )
        for row in await QuarantinedPayment.filter(settled_at__isnull=True).order_by("seen_at", "id")
    ]


async def settle(quarantined_id: str, *, note: str) -> bool:
    """Somebody has dealt with it, and says how; False where nothing of this id waits."""
    waiting = QuarantinedPayment.filter(id=quarantined_id[:40], settled_at__isnull=True)
    return bool(await waiting.update(settled_at=NOW, note=note))
