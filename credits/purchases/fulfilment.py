"""From what the provider says to paid credits: by webhook, return page or cancellation, at once and in any order, each
payment credits once.
"""

import structlog
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from credits.actors import SYSTEM
from credits.faults import trying_again
from credits.gateways import (
    Checkout,
    CheckoutStatus,
    Payment,
    PaymentEvent,
    PaymentEventKind,
    PaymentState,
)
from credits.ids import Kind, make_id
from credits.inbox import first_time
from credits.ledger.commands import PurchaseCredit
from credits.ledger.feed import BalanceChange, tell
from credits.ledger.store import post
from credits.purchases import queries
from credits.purchases.channel import purchase_channel
from credits.purchases.checkouts import Checkouts
from credits.purchases.models import PaymentMethod, Purchase, PurchaseStatus
from credits.purchases.queries import PurchaseView
from credits.purchases.rules import MOVES, Expected, charge_disagreement, disagreement
from credits.top_ups import outcomes

_log = structlog.get_logger()


Settled = tuple[str, str | None, list[BalanceChange]]


async def handle_event(checkouts: Checkouts, event: PaymentEvent, payload: dict[str, object]) -> str:
    """Act on a webhook once; says in a word what came of it. The inbox row and the effect are one commit, so an event
    whose handling failed was never seen and comes again."""

    async def work() -> Settled:
        async with in_transaction() as connection:
            known = await first_time(connection, "stripe", event.id, event.type, payload)
            if not known:
                return "seen before", None, []
            outcome, purchase_id, told = await _act(connection, checkouts, event)
            await known.conclude(connection, outcome)
            return outcome, purchase_id, told

    outcome, purchase_id, told = await trying_again(work)
    await _tell(checkouts, purchase_id, told)
    return outcome


async def fulfil(checkouts: Checkouts, checkout: Checkout) -> str:
    """Bring a purchase to where its checkout stands, as a webhook would; says in a word what came of it."""

    async def work() -> Settled:
        async with in_transaction() as connection:
            return await _settle(connection, checkouts, checkout)

    outcome, purchase_id, told = await trying_again(work)
    await _tell(checkouts, purchase_id, told)
    return outcome


async def fulfil_payment(checkouts: Checkouts, payment: Payment) -> str:
    """Bring a purchase to where the charge of its saved card stands, as a webhook would; says in a word what came of
    it."""

    async def work() -> Settled:
        async with in_transaction() as connection:
            return await _settle_charge(connection, checkouts, payment)

    outcome, purchase_id, told = await trying_again(work)
    await _tell(checkouts, purchase_id, told)
    return outcome


async def _tell(checkouts: Checkouts, purchase_id: str | None, told: list[BalanceChange]) -> None:
    if purchase_id is not None:
        await checkouts.publisher.publish(purchase_channel(purchase_id), purchase_id)
    await tell(checkouts.publisher, told)


async def _act(connection: BaseDBAsyncClient, checkouts: Checkouts, event: PaymentEvent) -> Settled:
    if event.kind is PaymentEventKind.PAYMENT and event.payment and event.payment.charged_saved_card:
        # Of a checkout's payments the checkout is the judge.
        return await _settle_charge(connection, checkouts, event.payment)
    if event.checkout is None:
        return "nothing to do", None, []
    if event.kind is PaymentEventKind.CHECKOUT_PAYMENT_FAILED:
        reason = "The bank did not pay. Buy again, or pay another way."
        return await _end(connection, event.checkout, PurchaseStatus.FAILED, reason)
    return await _settle(connection, checkouts, event.checkout)


async def _settle(connection: BaseDBAsyncClient, checkouts: Checkouts, checkout: Checkout) -> Settled:
    purchase = await queries.find(checkout.purchase_id or "")
    if purchase is None:
        _log.error("payment_quarantined", checkout=checkout.id, reason="no such purchase")
        return "quarantined: no such purchase", None, []
    expected = Expected(
        purchase_id=purchase.id, checkout_id=purchase.checkout_id, total=purchase.total, live=checkouts.live
    )
    if reason := disagreement(expected, checkout):
        _log.error("payment_quarantined", checkout=checkout.id, purchase=purchase.id, reason=reason)
        return f"quarantined: {reason}"[:200], None, []
    if checkout.paid:
        return await _credit(
            connection,
            purchase,
            payment_id=checkout.payment_id or checkout.id,
            checkout_id=checkout.id,
            customer_id=checkout.customer_id,
        )
    if checkout.status is CheckoutStatus.EXPIRED:
        return await _end(connection, checkout, PurchaseStatus.EXPIRED, None)
    if checkout.status is CheckoutStatus.COMPLETE:
        return await _end(connection, checkout, PurchaseStatus.PROCESSING, None)
    return "not paid yet", None, []


async def _settle_charge(connection: BaseDBAsyncClient, checkouts: Checkouts, payment: Payment) -> Settled:
    purchase = await queries.find(payment.purchase_id or "")
    if purchase is None:
        _log.error("payment_quarantined", payment=payment.id, reason="no such purchase")
        return "quarantined: no such purchase", None, []
    expected = Expected(purchase_id=purchase.id, checkout_id=None, total=purchase.total, live=checkouts.live)
    if reason := charge_disagreement(expected, payment):
        _log.error("payment_quarantined", payment=payment.id, purchase=purchase.id, reason=reason)
        return f"quarantined: {reason}"[:200], None, []
    match payment.state:
        case PaymentState.SUCCEEDED:
            return await _credit(connection, purchase, payment_id=payment.id)
        case PaymentState.PROCESSING:
            charged = Purchase.filter(id=purchase.id, method=PaymentMethod.SAVED_CARD).using_db(connection)
            moved = charged.filter(status__in=MOVES[PurchaseStatus.PROCESSING])
            done = bool(await moved.update(status=PurchaseStatus.PROCESSING))
        case PaymentState.NEEDS_PAYER:
            done = await outcomes.needs_payer(connection, purchase, reason=payment.reason)
        case PaymentState.DECLINED | PaymentState.CANCELED:
            reason = (payment.reason or "The card was declined.")[:500]
            done = await outcomes.failed(connection, purchase, reason=reason)
    return (payment.state.value.lower(), purchase.id, []) if done else ("nothing to do", None, [])


_CUSTOMER = "UPDATE accounts SET payment_customer_id = $2 WHERE id = $1 AND payment_customer_id IS NULL"


async def _credit(
    connection: BaseDBAsyncClient,
    purchase: PurchaseView,
    *,
    payment_id: str,
    checkout_id: str | None = None,
    customer_id: str | None = None,
) -> Settled:
    """PAID and the credits, in the caller's commit. Of any number at once one finds the purchase unpaid. The account's
    first customer at the provider is the one whose cards are charged later."""
    transaction_id = make_id(Kind.TRANSACTION)
    found = await connection.execute_query_dict(
        "UPDATE purchases SET status = 'PAID', failure_reason = NULL, payment_id = $2, transaction_id = $3,"
        " checkout_id = coalesce($4, checkout_id), paid_at = credits_now()"
        " WHERE id = $1 AND status = ANY($5) RETURNING id",
        [purchase.id, payment_id, transaction_id, checkout_id, [status.value for status in MOVES[PurchaseStatus.PAID]]],
    )
    if not found:
        before = await queries.find(purchase.id)
        if before is not None and before.payment_id != payment_id:
            # Paid twice, by two payments: the credits are there once, and the second one's money has to go back.
            _log.error("payment_quarantined", payment=payment_id, purchase=purchase.id, reason="paid twice")
            return "quarantined: the purchase was paid by another payment before", None, []
        return "credited before", None, []
    command = PurchaseCredit(
        id=transaction_id,
        wallet_id=purchase.wallet_id,
        actor=SYSTEM,
        purchase_id=purchase.id,
        payment_id=payment_id,
        credits=purchase.credits,
        paid=purchase.total,
        valid_for_days=purchase.valid_for_days,
    )
    told = (await post(connection, [command])).told
    await outcomes.paid(connection, purchase)
    if customer_id is not None:
        await connection.execute_query(_CUSTOMER, [purchase.account_id, customer_id])
    return "credited", purchase.id, told


async def _end(connection: BaseDBAsyncClient, checkout: Checkout, to: PurchaseStatus, reason: str | None) -> Settled:
    """Move the purchase whose present checkout this is; another's, or one that has moved on, is left alone."""
    moved = await (
        Purchase.filter(checkout_id=checkout.id, status__in=MOVES[to])
        .using_db(connection)
        .update(status=to, failure_reason=reason)
    )
    return (to.value.lower(), checkout.purchase_id, []) if moved else ("nothing to do", None, [])
