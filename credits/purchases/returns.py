"""Money of a payment that goes back, by refund or dispute, and the credits that follow it.

What the provider says is recorded by its own ids and never unsaid by older news. Whenever something is new, what must
be so is computed from all that is recorded, and the ledger is told the difference in the same commit: any order,
repetition or loss of events ends in the same place. Locks: the payment, its purchase, the wallets.
"""

import secrets
from dataclasses import dataclass
from typing import Any

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.expressions import Q

from credits import operators, outbox
from credits.actors import SYSTEM
from credits.gateways.payments import Dispute, PaymentEvent, PaymentEventKind, Refund, RefundState
from credits.ids import Kind, make_id
from credits.ledger.commands import Clawback, Command, Freeze, GiveBack, Thaw
from credits.ledger.posting import Posted
from credits.ledger.queries import now
from credits.ledger.store import post
from credits.ledger.text import SALT_BYTES, Text
from credits.money import Money
from credits.purchases import queries, return_messages
from credits.purchases.models import (
    DisputeStatus,
    PaymentDispute,
    PaymentRefund,
    Purchase,
    RefundStatus,
)
from credits.purchases.queries import PurchaseView
from credits.purchases.return_messages import News
from credits.purchases.return_rules import Returns, dispute_moves, refund_moves
from credits.purchases.settled import NOTHING, Settled

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('payment:' || $1, 0))"
_FROZEN = (
    "SELECT coalesce(sum(remaining - held), 0)::bigint AS credits FROM lots"
    " WHERE purchase_id = $1 AND frozen_by IS NOT NULL"
)
_REFUND_FAILED = "The refund of the payment failed, so its credits come back"
_DISPUTE_WON = "The dispute about the payment was won on appeal, so its credits come back"
_NOT_YET = Settled("waits for its payment")
_KNOWN = Settled("known before")


async def about_returns(connection: BaseDBAsyncClient, event: PaymentEvent) -> Settled:
    """Act on an event about money that goes back; on another there is nothing to do."""
    if event.kind is PaymentEventKind.REFUND and event.refund:
        return await record_refund(connection, event.refund)
    if event.kind is PaymentEventKind.DISPUTE and event.dispute:
        return await record_dispute(connection, event.dispute)
    if event.kind is PaymentEventKind.PAYMENT_REFUNDED and event.payment_id:
        await outbox.add(connection, [return_messages.read_message(event.payment_id)])
        return Settled("to be read at the provider")
    return NOTHING


async def lock_payment(connection: BaseDBAsyncClient, payment_id: str) -> None:
    """Nobody else credits the payment or records anything of it until the caller's database transaction ends. Taken
    before the row of a purchase that it has paid."""
    await connection.execute_query(_LOCK, [payment_id])


async def record_refund(connection: BaseDBAsyncClient, refund: Refund) -> Settled:
    """What the provider says of a refund, and what follows from it, in the caller's commit. One of a payment that is
    not known waits for it."""
    await lock_payment(connection, refund.payment_id)
    purchase = await queries.locked_by_payment(connection, refund.payment_id)
    if not await _keep_refund(connection, refund, purchase):
        return _KNOWN
    if refund.state in (RefundState.FAILED, RefundState.CANCELED):
        notice = return_messages.failed_notice(
            refund.id, refund.amount, purchase, payment_id=refund.payment_id, reason=refund.failure_reason
        )
        await outbox.add(connection, [operators.message(notice)])
    return await _settle(connection, purchase, _Cause(refund.id)) if purchase else _NOT_YET


async def record_dispute(connection: BaseDBAsyncClient, dispute: Dispute) -> Settled:
    """What the provider says of a dispute, as `record_refund` does of refunds."""
    await lock_payment(connection, dispute.payment_id)
    purchase = await queries.locked_by_payment(connection, dispute.payment_id)
    if not await _keep_dispute(connection, dispute, purchase):
        return _KNOWN
    status = DisputeStatus(dispute.state)
    if status is DisputeStatus.OPEN:
        await outbox.add(connection, [operators.message(return_messages.disputed_notice(dispute, purchase))])
    return await _settle(connection, purchase, _Cause(dispute.id, status)) if purchase else _NOT_YET


async def adopt(connection: BaseDBAsyncClient, purchase_id: str, payment_id: str) -> Settled:
    """What had come before the payment of a purchase that was credited in the caller's database transaction, which
    holds the payment's lock."""
    waiting = {"payment_id": payment_id, "purchase_id__isnull": True}
    refunds = await PaymentRefund.filter(**waiting).using_db(connection).order_by("created_at", "id")
    disputes = await PaymentDispute.filter(**waiting).using_db(connection).order_by("created_at", "id")
    purchase = await queries.locked(connection, purchase_id) if refunds or disputes else None
    if purchase is None:
        return NOTHING
    owner = {"purchase_id": purchase.id, "account_id": purchase.account_id}
    await PaymentRefund.filter(**waiting).using_db(connection).update(**owner)
    await PaymentDispute.filter(**waiting).using_db(connection).update(**owner)
    # One of them stands for all in the ledger, and takes or gives back nothing else.
    lost = [each.id for each in disputes if each.status is DisputeStatus.LOST]
    sources = [*lost, *(each.provider_id or each.id for each in refunds), *(each.id for each in disputes)]
    return await _settle(connection, purchase, _Cause(sources[0], DisputeStatus.LOST if lost else None))


async def known_returns(connection: BaseDBAsyncClient, purchase: PurchaseView) -> Returns:
    """All that is recorded of the purchase's payment."""
    refunds = await PaymentRefund.filter(purchase_id=purchase.id).using_db(connection)
    disputes = await PaymentDispute.filter(purchase_id=purchase.id).using_db(connection)
    return Returns(
        credits=purchase.credits,
        total=purchase.total,
        refunds=tuple((Money(each.amount_minor, each.currency), each.status) for each in refunds),
        disputes=tuple((Money(each.amount_minor, each.currency), each.status) for each in disputes),
    )


async def _keep_refund(connection: BaseDBAsyncClient, refund: Refund, purchase: PurchaseView | None) -> bool:
    """Whether it was news. Ours is known by the reference that the provider was given, until it has an id there."""
    status, at = RefundStatus(refund.state), await now()
    ours = Q(id=refund.reference or "", provider_id__isnull=True)
    of_payment = PaymentRefund.filter(payment_id=refund.payment_id).using_db(connection)
    row = await of_payment.filter(Q(provider_id=refund.id) | ours).order_by("provider_id").first()
    if row is None:
        await PaymentRefund.create(
            id=make_id(Kind.PAYMENT_REFUND),
            account_id=purchase.account_id if purchase else None,
            purchase_id=purchase.id if purchase else None,
            payment_id=refund.payment_id,
            provider_id=refund.id,
            amount_minor=refund.amount.amount_minor,
            currency=refund.amount.currency,
            status=status,
            reason=_short(refund.reason),
            failure_reason=_short(refund.failure_reason),
            created_at=at,
            updated_at=at,
            using_db=connection,
        )
        return True
    if not refund_moves(row.status, status):
        return False
    await (
        PaymentRefund.filter(id=row.id)
        .using_db(connection)
        .update(status=status, provider_id=refund.id, failure_reason=_short(refund.failure_reason), updated_at=at)
    )
    return True


async def _keep_dispute(connection: BaseDBAsyncClient, dispute: Dispute, purchase: PurchaseView | None) -> bool:
    """Whether it was news. What is disputed may change as long as it is not decided."""
    status, at = DisputeStatus(dispute.state), await now()
    row = await PaymentDispute.get_or_none(id=dispute.id, using_db=connection)
    what = {
        "amount_minor": dispute.amount.amount_minor,
        "currency": dispute.amount.currency,
        "status": status,
        "reason": _short(dispute.reason),
        "updated_at": at,
    }
    if row is None:
        await PaymentDispute.create(
            id=dispute.id,
            account_id=purchase.account_id if purchase else None,
            purchase_id=purchase.id if purchase else None,
            payment_id=dispute.payment_id,
            created_at=at,
            using_db=connection,
            **what,
        )
        return True
    if not dispute_moves(row.status, status):
        return False
    await PaymentDispute.filter(id=dispute.id).using_db(connection).update(**what)
    return True


def _short(text: str | None) -> str | None:
    return text and text[:500]


@dataclass(frozen=True, slots=True)
class _Cause:
    """The refund or dispute that was news, by the provider's id, and where a dispute stands."""

    id: str
    dispute: DisputeStatus | None = None


async def _settle(connection: BaseDBAsyncClient, purchase: PurchaseView, cause: _Cause) -> Settled:
    """Bring a locked purchase, its credits and what people are told to what follows from all that is recorded."""
    due = await known_returns(connection, purchase)
    commands = _commands(purchase, due, cause)
    result = await post(connection, commands) if commands else None
    await (
        Purchase.filter(id=purchase.id)
        .using_db(connection)
        .update(refunded_minor=due.refunded_minor, clawed_back=due.clawed_back, dispute=due.dispute)
    )
    owed = 0
    if result:
        last = result.outcomes[-1][0]
        owed = last.balance.debt if isinstance(last, Posted) else 0
    if news := _news(purchase, due, cause, owed=owed):
        (frozen,) = await connection.execute_query_dict(_FROZEN, [purchase.id])
        moved = abs(due.clawed_back - purchase.clawed_back)
        credits_told = frozen["credits"] if news is News.DISPUTED else moved
        message = return_messages.news_message(purchase, news, source=cause.id, credits_told=credits_told, owed=owed)
        await outbox.add(connection, [message])
    return Settled("settled", purchase.id, tuple(result.told) if result else ())


def _commands(purchase: PurchaseView, due: Returns, cause: _Cause) -> list[Command]:
    """What the ledger has to be told, in this order: frozen credits are taken before any thaw."""
    about: dict[str, Any] = {
        "wallet_id": purchase.wallet_id,
        "actor": SYSTEM,
        "account_id": purchase.account_id,
        "purchase_id": purchase.id,
    }
    was_frozen = purchase.dispute is DisputeStatus.OPEN
    more = due.clawed_back - purchase.clawed_back
    commands: list[Command] = []
    if due.frozen and not was_frozen:
        commands.append(Freeze(id=make_id(Kind.CLAWBACK), **about))
    if more > 0:
        commands.append(Clawback(id=make_id(Kind.CLAWBACK), source_id=cause.id, credits=more, **about))
    if more < 0:
        why = Text(
            salt=secrets.token_bytes(SALT_BYTES),
            reference=None,
            description=_DISPUTE_WON if cause.dispute else _REFUND_FAILED,
            metadata=None,
        )
        undone = f"{cause.id}:undone"
        commands.append(GiveBack(id=make_id(Kind.CLAWBACK), source_id=undone, credits=-more, text=why, **about))
    if was_frozen and not due.frozen:
        commands.append(Thaw(id=make_id(Kind.CLAWBACK), **about))
    return commands


def _news(purchase: PurchaseView, due: Returns, cause: _Cause, *, owed: int) -> News | None:
    """What whoever pays for the account has to know of it."""
    was_frozen, taken = purchase.dispute is DisputeStatus.OPEN, due.clawed_back > purchase.clawed_back
    if due.frozen and not was_frozen:
        return News.DISPUTED
    if cause.dispute is DisputeStatus.LOST and taken:
        return News.LOST
    if was_frozen and not due.frozen:
        return News.ENDED
    if due.clawed_back < purchase.clawed_back:
        return News.BACK
    return News.REFUNDED if taken and owed else None
