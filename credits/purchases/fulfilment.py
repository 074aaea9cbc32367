"""From what the provider says to paid credits: by webhook, return page, cancellation or reconciliation, at once and in
any order, each payment credits once.
"""

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from credits import outbox
from credits.actors import SYSTEM
from credits.approvals.requests import follow
from credits.faults import trying_again
from credits.gateways.payments import Checkout, CheckoutStatus, Payment, PaymentEvent, PaymentEventKind, PaymentState
from credits.ids import Kind, make_id
from credits.inbox import first_time
from credits.ledger.commands import PurchaseCredit
from credits.ledger.feed import tell
from credits.ledger.store import post
from credits.purchases import papers, queries
from credits.purchases.channel import purchase_channel
from credits.purchases.checkouts import Checkouts
from credits.purchases.models import PaymentMethod, Purchase, PurchaseStatus
from credits.purchases.moves import NOW, move
from credits.purchases.quarantine import Misfit, quarantine
from credits.purchases.queries import PurchaseView
from credits.purchases.returns import about_returns, adopt, lock_payment
from credits.purchases.rules import Expected, disagreement, wrong_mode, wrong_money
from credits.purchases.settled import NOTHING, Settled
from credits.top_ups import outcomes

_NOT_PAID = "The bank did not pay. Buy again, or pay another way."
_DECLINED = "The card was declined."
_CUSTOMER = "UPDATE accounts SET payment_customer_id = $2 WHERE id = $1 AND payment_customer_id IS NULL"


async def handle_event(checkouts: Checkouts, event: PaymentEvent, payload: dict[str, object]) -> str:
    """Act on a webhook once; says in a word what came of it. The inbox row and the effect are one commit, so an event
    whose handling failed was never seen and comes again."""

    async def work() -> Settled:
        async with in_transaction() as connection:
            known = await first_time(connection, "stripe", event.id, event.type, payload)
            if not known:
                return Settled("seen before")
            settled = await _act(connection, checkouts, event)
            await known.conclude(connection, settled.outcome)
            return settled

    return await told(checkouts, await trying_again(work))


async def fulfil(checkouts: Checkouts, checkout: Checkout) -> str:
    """Bring a purchase to where its checkout stands, as a webhook would; says in a word what came of it."""

    async def work() -> Settled:
        async with in_transaction() as connection:
            return await _settle_checkout(connection, checkouts, checkout)

    return await told(checkouts, await trying_again(work))


async def fulfil_charge(checkouts: Checkouts, payment: Payment) -> str:
    """Bring a purchase to where the charge of its saved card stands, as a webhook would; says in a word what came of
    it."""

    async def work() -> Settled:
        async with in_transaction() as connection:
            return await _settle_charge(connection, checkouts, payment)

    return await told(checkouts, await trying_again(work))


async def told(checkouts: Checkouts, settled: Settled) -> str:
    """What came of it, after those who listen were told."""
    if settled.purchase_id is not None:
        await checkouts.publisher.publish(purchase_channel(settled.purchase_id), settled.purchase_id)
    await tell(checkouts.publisher, settled.told)
    return settled.outcome


async def _act(connection: BaseDBAsyncClient, checkouts: Checkouts, event: PaymentEvent) -> Settled:
    """Each kind of event to whom it concerns."""
    if event.kind is PaymentEventKind.CHECKOUT and event.checkout:
        return await _settle_checkout(connection, checkouts, event.checkout)
    if event.kind is PaymentEventKind.CHECKOUT_PAYMENT_FAILED and event.checkout:
        return await _end(connection, event.checkout, PurchaseStatus.FAILED, reason=_NOT_PAID)
    if event.kind is PaymentEventKind.PAYMENT and event.payment and event.payment.charged_saved_card:
        # Of the payment at a checkout the checkout is the judge.
        return await _settle_charge(connection, checkouts, event.payment)
    return await about_returns(connection, event)


async def _settle_checkout(connection: BaseDBAsyncClient, checkouts: Checkouts, checkout: Checkout) -> Settled:
    purchase = await queries.locked(connection, checkout.purchase_id or "")
    if purchase is None:
        return await _put_aside(connection, None, checkout, "There is no such purchase")
    expected = Expected(
        purchase_id=purchase.id, checkout_ids=purchase.checkout_ids, total=purchase.total, live=checkouts.live
    )
    if reason := disagreement(expected, checkout):
        return await _put_aside(connection, purchase, checkout, reason)
    if checkout.paid:
        return await credit(
            connection,
            purchase,
            payment_id=checkout.payment_id or checkout.id,
            checkout_id=checkout.id,
            customer_id=checkout.customer_id,
        )
    if checkout.status is CheckoutStatus.EXPIRED:
        return await _end(connection, checkout, PurchaseStatus.EXPIRED)
    if checkout.status is CheckoutStatus.COMPLETE:
        return await _end(connection, checkout, PurchaseStatus.PROCESSING)
    return Settled("not paid yet")


async def _put_aside(
    connection: BaseDBAsyncClient, purchase: PurchaseView | None, checkout: Checkout, reason: str
) -> Settled:
    """A checkout that nobody completed moved no money: there is nothing to put aside."""
    if not checkout.paid and checkout.status is not CheckoutStatus.COMPLETE:
        return NOTHING
    misfit = Misfit(
        reference=checkout.payment_id or checkout.id,
        reason=reason,
        amount=checkout.total,
        purchase_id=checkout.purchase_id,
        account_id=purchase.account_id if purchase else None,
    )
    return await quarantine(connection, misfit)


async def _settle_charge(connection: BaseDBAsyncClient, checkouts: Checkouts, payment: Payment) -> Settled:
    purchase = await queries.locked(connection, payment.purchase_id or "")
    if purchase is None or purchase.charge_began_at is None:
        return await _put_charge_aside(connection, purchase, payment, "No saved card was charged for such a purchase")
    wrong = wrong_money(purchase.total, payment.total) or wrong_mode(live=checkouts.live, livemode=payment.livemode)
    if wrong:
        return await _put_charge_aside(connection, purchase, payment, wrong)
    match payment.state:
        case PaymentState.SUCCEEDED:
            return await credit(connection, purchase, payment_id=payment.id, checkout_id=None)
        case PaymentState.PROCESSING:
            charged = Purchase.filter(id=purchase.id, method=PaymentMethod.SAVED_CARD).using_db(connection)
            done = await move(charged, PurchaseStatus.PROCESSING)
        case PaymentState.NEEDS_PAYER:
            done = await outcomes.needs_payer(connection, purchase, reason=payment.reason)
        case PaymentState.DECLINED | PaymentState.CANCELED:
            done = await outcomes.failed(connection, purchase, reason=(payment.reason or _DECLINED)[:500])
    return Settled(payment.state.value.lower(), purchase.id) if done else NOTHING


async def _put_charge_aside(
    connection: BaseDBAsyncClient, purchase: PurchaseView | None, payment: Payment, reason: str
) -> Settled:
    """One that moved no money and never will is none to put aside."""
    if payment.state not in {PaymentState.SUCCEEDED, PaymentState.PROCESSING}:
        return NOTHING
    misfit = Misfit(
        reference=payment.id,
        reason=reason,
        amount=payment.total,
        purchase_id=payment.purchase_id,
        account_id=purchase.account_id if purchase else None,
    )
    return await quarantine(connection, misfit)


async def credit(
    connection: BaseDBAsyncClient,
    purchase: PurchaseView,
    *,
    payment_id: str,
    checkout_id: str | None,
    customer_id: str | None = None,
) -> Settled:
    """PAID and the credits, in the caller's commit, for a purchase that it has locked and whose payment has arrived
    as it was asked for. `checkout_id` is the one that was paid, also where it is a former one; None where a saved card
    was charged. The account's first customer at the provider is the one whose cards are charged later."""
    if purchase.status is PurchaseStatus.PAID:
        return await _paid_before(connection, purchase, payment_id)
    await lock_payment(connection, payment_id)
    transaction_id = make_id(Kind.TRANSACTION)
    moved = await move(
        Purchase.filter(id=purchase.id).using_db(connection),
        PurchaseStatus.PAID,
        payment_id=payment_id,
        transaction_id=transaction_id,
        paid_at=NOW,
        checkout_id=checkout_id or purchase.checkout_id,
        former_checkouts=[each for each in purchase.checkout_ids if each != (checkout_id or purchase.checkout_id)],
    )
    if not moved:
        return await _paid_before(connection, purchase, payment_id)
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
    posted = await post(connection, [command])
    await outcomes.paid(connection, purchase)
    if customer_id is not None:
        await connection.execute_query(_CUSTOMER, [purchase.account_id, customer_id])
    await outbox.add(connection, [papers.wanted(purchase.account_id, purchase.id)])
    await follow(connection, purchase.id)
    returned = await adopt(connection, purchase.id, payment_id)
    return Settled("credited", purchase.id, (*posted.told, *returned.told))


async def _paid_before(connection: BaseDBAsyncClient, purchase: PurchaseView, payment_id: str) -> Settled:
    """The same payment, or a second one: the credits are there once, and the second one's money has to go back."""
    if purchase.payment_id == payment_id:
        return Settled("credited before")
    misfit = Misfit(
        reference=payment_id,
        reason="The purchase was paid by another payment before",
        amount=purchase.total,
        purchase_id=purchase.id,
        account_id=purchase.account_id,
    )
    return await quarantine(connection, misfit)


async def _end(
    connection: BaseDBAsyncClient, checkout: Checkout, to: PurchaseStatus, *, reason: str | None = None
) -> Settled:
    """Move the purchase whose present checkout this is; another's, or one that has moved on, is left alone."""
    present = Purchase.filter(checkout_id=checkout.id).using_db(connection)
    if not await move(present, to, reason=reason):
        return NOTHING
    await follow(connection, checkout.purchase_id or "")
    return Settled(to.value.lower(), checkout.purchase_id)
