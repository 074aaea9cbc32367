"""Giving money back: asked for by the platform's staff, made at the provider, and what of it is left to be done.

The intent is committed first; the call carries our own id of it, so that a refund is made once however often it is
asked for; what came of it is recorded as the provider's own news of it would be (`returns.py`).
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import structlog
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from credits import operators, outbox
from credits.accounts.audit_log import record
from credits.actors import Actor
from credits.errors import NotFound, Refusal, RefusalCode
from credits.faults import trying_again
from credits.gateways.errors import GatewayRefused, GatewayUnavailable
from credits.gateways.payments import PaymentRecords, RefundRequest
from credits.idempotency import claim, difference, make_key
from credits.ids import Kind, make_id
from credits.money import Money
from credits.outbox import Message, Queue
from credits.purchases import queries
from credits.purchases.checkouts import Checkouts
from credits.purchases.fulfilment import told
from credits.purchases.models import PaymentRefund, RefundStatus
from credits.purchases.moves import NOW
from credits.purchases.queries import PurchaseView
from credits.purchases.return_messages import failed_notice
from credits.purchases.return_rules import refund_amount
from credits.purchases.returns import known_returns, lock_payment, record_dispute, record_refund
from credits.purchases.settled import Settled
from credits.text import clean

REFUND_JOB = "purchase.refund"
# The call itself waits for the provider so long; before that nothing is late.
_LATE_AFTER = timedelta(seconds=6)
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundInput:
    """How much is to go back, in the currency's smallest unit (None: all that is left), and why."""

    amount_minor: int | None
    reason: str
    idempotency_key: str


async def request_refund(
    checkouts: Checkouts, actor: Actor, purchase: PurchaseView, wanted: RefundInput
) -> PurchaseView:
    """The purchase, after the provider was asked to give money back; where it does not answer in time, a job goes on
    asking. Refused: a purchase that is not paid or whose payment is disputed, more than is left of the money, and
    what the provider refuses."""
    key = make_key(
        scope=purchase.account_id,
        key=wanted.idempotency_key,
        operation="refundPurchase",
        fields={"purchaseId": purchase.id, "amountMinor": wanted.amount_minor, "reason": wanted.reason},
    )
    reason = clean(wanted.reason, field="reason", lines=True)
    if not reason:
        raise Refusal(RefusalCode.INVALID, "Say why, in 1 to 500 characters.", field="reason")
    # Made once: found again after a commit whose answer was lost, it is no replay.
    new_id = make_id(Kind.PAYMENT_REFUND)

    async def work() -> str:
        async with in_transaction() as connection:
            if purchase.payment_id is not None:
                await lock_payment(connection, purchase.payment_id)
            found = await queries.locked(connection, purchase.id)
            if found is None:
                raise NotFound
            now, taken = await claim(connection, [(key, new_id)])
            if used := taken.get(key.identity):
                if differs := difference(key, used):
                    raise Refusal(RefusalCode.IDEMPOTENCY_KEY_REUSED, differs, field="idempotencyKey")
                return used.result_id
            amount = refund_amount(found.status, await known_returns(connection, found), wanted.amount_minor)
            await _intend(connection, actor, found, new_id, amount=amount, reason=reason, now=now)
            return new_id

    refund_id = await trying_again(work)
    await _refund_in_time(checkouts, refund_id)
    row = await PaymentRefund.get(id=refund_id)
    if row.status in (RefundStatus.FAILED, RefundStatus.CANCELED):
        raise Refusal(
            RefusalCode.PAYMENT_FAILED,
            f"The payment provider did not give the money back: {row.failure_reason or 'it does not say why.'}"
            " For another attempt take a new idempotencyKey.",
        )
    return await queries.purchase(purchase.id)


async def _intend(
    connection: BaseDBAsyncClient,
    actor: Actor,
    purchase: PurchaseView,
    refund_id: str,
    *,
    amount: Money,
    reason: str,
    now: datetime,
) -> None:
    """The refund as it is asked for, the work that is left should we not live to do it, and who wanted it."""
    await PaymentRefund.create(
        id=refund_id,
        account_id=purchase.account_id,
        purchase_id=purchase.id,
        payment_id=purchase.payment_id or "",
        amount_minor=amount.amount_minor,
        currency=amount.currency,
        status=RefundStatus.REQUESTED,
        reason=reason,
        requested_by_kind=actor.kind,
        requested_by_id=actor.id,
        created_at=now,
        updated_at=now,
        using_db=connection,
    )
    rest = Message(
        account_id=purchase.account_id,
        queue=Queue.PAYMENTS,
        job=REFUND_JOB,
        payload={"refund_id": refund_id},
        due_at=now + _LATE_AFTER,
    )
    await outbox.add(connection, [rest])
    await record(
        connection,
        actor,
        "refundPurchase",
        account_id=purchase.account_id,
        target=purchase.id,
        after={"refund": refund_id, "amount": amount.formatted, "reason": reason},
    )


async def _refund_in_time(checkouts: Checkouts, refund_id: str) -> None:
    """`make_refund`, for a caller who does not wait longer than they have to."""
    try:
        await asyncio.wait_for(make_refund(checkouts, refund_id), checkouts.wait_s)
    except (TimeoutError, GatewayUnavailable):
        _log.warning("refund_delayed", refund=refund_id)


async def make_refund(checkouts: Checkouts, refund_id: str) -> None:
    """Have the provider give the money back, unless it was asked before and has answered. Safe to be done twice at
    once: the provider makes one refund of it. Raises GatewayUnavailable."""
    row = await PaymentRefund.get(id=refund_id)
    if row.status is not RefundStatus.REQUESTED:
        return
    request = RefundRequest(
        reference=row.id,
        purchase_id=str(row.__dict__["purchase_id"]),
        payment_id=row.payment_id,
        amount=Money(row.amount_minor, row.currency),
    )
    try:
        refund = await checkouts.gateway.refund(request)
    except GatewayRefused as error:
        _log.error("refund_refused", refund=refund_id, reason=str(error))
        await trying_again(partial(_refuse, request, str(error)[:500]))
        return
    await _record(checkouts, partial(record_refund, refund=refund))


async def finish_refund(checkouts: Checkouts, records: PaymentRecords, refund_id: str) -> None:
    """What is left of a refund that was asked for. The provider is asked first whether it has made it: its memory of
    our key is shorter than the life of this work. Raises GatewayUnavailable."""
    row = await PaymentRefund.get(id=refund_id)
    if row.status is not RefundStatus.REQUESTED:
        return
    try:
        await read_returns(checkouts, records, row.payment_id)
    except GatewayRefused as error:
        _log.warning("no_refunds_read", refund=refund_id, reason=str(error))
    await make_refund(checkouts, refund_id)


async def read_returns(checkouts: Checkouts, records: PaymentRecords, payment_id: str) -> None:
    """Record whatever the provider knows to go back of a payment; what was known before changes nothing. Raises
    GatewayUnavailable and GatewayRefused."""
    for refund in await records.refunds_of(payment_id):
        await _record(checkouts, partial(record_refund, refund=refund))
    for dispute in await records.disputes_of(payment_id):
        await _record(checkouts, partial(record_dispute, dispute=dispute))


async def _record(checkouts: Checkouts, recording: Callable[[BaseDBAsyncClient], Awaitable[Settled]]) -> None:
    """In a database transaction of its own, told after it."""

    async def work() -> Settled:
        async with in_transaction() as connection:
            return await recording(connection)

    await told(checkouts, await trying_again(work))


async def _refuse(request: RefundRequest, reason: str) -> None:
    """The provider will not do it: no money moves. One that it has made after all is left alone."""
    async with in_transaction() as connection:
        asked_for = PaymentRefund.filter(id=request.reference, status=RefundStatus.REQUESTED).using_db(connection)
        if await asked_for.update(status=RefundStatus.FAILED, failure_reason=reason, updated_at=NOW):
            notice = failed_notice(
                request.reference,
                request.amount,
                await queries.find(request.purchase_id),
                payment_id=request.payment_id,
                reason=reason,
            )
            await outbox.add(connection, [operators.message(notice)])
