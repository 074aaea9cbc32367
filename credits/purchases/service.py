"""Purchases: from the request through the provider's checkout to paid credits.

A remote call never happens inside a database transaction: the intent is committed, the call made with a key of our
own id, and what came of it recorded by a conditional UPDATE. Whatever order things happen in, a payment credits once.
"""

import asyncio
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import structlog
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from credits.accounts.rules import Place
from credits.actors import SYSTEM, Actor
from credits.approvals.requests import approvals_channel, ask, lock_question, policy_for, withdraw
from credits.catalogue.rules import Quote, quote
from credits.catalogue.service import packages_by_code
from credits.errors import Refusal, RefusalCode, Unavailable
from credits.faults import trying_again
from credits.gateways import (
    Checkout,
    CheckoutRequest,
    CheckoutStatus,
    GatewayRefused,
    GatewayUnavailable,
    PaymentEvent,
    PaymentEventKind,
    PaymentGateway,
    Publisher,
)
from credits.idempotency import claim, difference, make_key
from credits.ids import Kind, make_id
from credits.inbox import first_time
from credits.ledger.commands import PurchaseCredit
from credits.ledger.feed import changes_of, tell
from credits.ledger.store import Outcome, lock_wallet, post
from credits.ledger.wallet import MAX_BALANCE
from credits.money import Money
from credits.purchases import queries
from credits.purchases.channel import purchase_channel
from credits.purchases.models import Purchase, PurchaseStatus
from credits.purchases.queries import PurchaseView
from credits.purchases.rules import MOVES, Expected, allowed_return_url, disagreement
from credits.text import clean

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkouts:
    """How payers are sent to the provider and back: the gateway, how long a caller waits for it in seconds, where
    they return by default, where else they may, and whether the money is real."""

    gateway: PaymentGateway
    publisher: Publisher
    wait_s: float
    return_url: str
    allowed_return_urls: tuple[str, ...]
    live: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchaseInput:
    """What is to be bought. `credits` only for a package with a custom price."""

    wallet_id: str
    package_code: str
    quantity: int
    credits: int | None
    justification: str | None
    return_url: str | None
    idempotency_key: str


async def request_purchase(
    checkouts: Checkouts, actor: Actor, place: Place, wanted: PurchaseInput
) -> tuple[PurchaseView, bool]:
    """The purchase with the address of its checkout, and whether the same call had made it before.

    Where the provider does not answer in time the address is missing: a job of the worker gets it, and
    `purchaseUpdated` tells. Refused: no such package, no agreed price, a wallet that could not hold the credits, a
    return address that the settings do not allow.
    """
    key = make_key(
        scope=place.account_id,
        key=wanted.idempotency_key,
        operation="purchaseCredits",
        fields={
            "walletId": wanted.wallet_id,
            "packageCode": wanted.package_code,
            "quantity": wanted.quantity,
            "credits": wanted.credits,
            "justification": wanted.justification,
            "returnUrl": wanted.return_url,
        },
    )
    justification = clean(wanted.justification, field="justification", lines=True)
    _check_return_url(checkouts, wanted.return_url)

    # Made once: found again after a commit whose answer was lost, it is no replay.
    new_id = make_id(Kind.PURCHASE)

    async def work() -> str:
        async with in_transaction() as connection:
            wallet = await lock_wallet(connection, wanted.wallet_id)
            now, taken = await claim(connection, [(key, new_id)])
            if used := taken.get(key.identity):
                if reason := difference(key, used):
                    raise Refusal(RefusalCode.IDEMPOTENCY_KEY_REUSED, reason, field="idempotencyKey")
                return used.result_id
            if wallet.suspended:
                raise Refusal(
                    RefusalCode.ACCOUNT_SUSPENDED, "This account is suspended and cannot buy. Write to support."
                )
            package = (await packages_by_code()).get(wanted.package_code)
            offer = quote(package, quantity=wanted.quantity, credits_wanted=wanted.credits)
            await _check_room(wanted.wallet_id, wallet.balance, offer)
            policy = await policy_for(
                connection,
                account_id=place.account_id,
                pool_id=place.pool_id,
                requester_id=actor.id,
                credits_wanted=offer.credits,
                now=now,
            )
            await Purchase.create(
                id=new_id,
                account_id=place.account_id,
                wallet_id=wanted.wallet_id,
                package_code=offer.package.code,
                package_name=offer.package.name,
                quantity=offer.quantity,
                credits=offer.credits,
                total_minor=offer.total.amount_minor,
                currency=offer.total.currency,
                valid_for_days=offer.package.valid_for_days,
                status=PurchaseStatus.PENDING_APPROVAL if policy else PurchaseStatus.AWAITING_PAYMENT,
                requested_by_kind=actor.kind,
                requested_by_id=actor.id,
                justification=justification,
                return_url=wanted.return_url,
                checkout_attempt=1,
                created_at=now,
                using_db=connection,
            )
            if policy:
                await ask(connection, purchase_id=new_id, policy=policy, now=now)
            return new_id

    purchase_id = await trying_again(work)
    replayed = purchase_id != new_id
    await _open_in_time(checkouts, purchase_id)
    purchase = await queries.purchase(purchase_id)
    if purchase.status is PurchaseStatus.PENDING_APPROVAL and not replayed:
        await checkouts.publisher.publish(approvals_channel(place.account_id), purchase_id)
    return purchase, replayed


def _check_return_url(checkouts: Checkouts, url: str | None) -> None:
    if url is None:
        return
    if len(url) > 2000 or not allowed_return_url(url, checkouts.allowed_return_urls):
        allowed = ", ".join(checkouts.allowed_return_urls)
        raise Refusal(RefusalCode.INVALID, f"Payers may be sent back to {allowed} only.", field="returnUrl")


async def _check_room(wallet_id: str, balance: int, offer: Quote) -> None:
    """A payment that has arrived is never refused, so the room is checked now, open purchases included."""
    if balance + await queries.reserved(wallet_id) + offer.credits > MAX_BALANCE:
        raise Refusal(
            RefusalCode.BALANCE_LIMIT_EXCEEDED,
            f"A wallet holds at most {MAX_BALANCE:,} credits, purchases under way included. Buy fewer.",
            field="quantity",
        )


async def _open_in_time(checkouts: Checkouts, purchase_id: str) -> None:
    try:
        await asyncio.wait_for(open_checkout(checkouts, purchase_id), checkouts.wait_s)
    except (TimeoutError, GatewayUnavailable):
        _log.warning("checkout_delayed", purchase=purchase_id)


async def open_checkout(checkouts: Checkouts, purchase_id: str) -> None:
    """Give a purchase that awaits payment its checkout, unless it has one. Safe to be done twice at once: the
    provider makes one per attempt. Raises GatewayUnavailable."""
    purchase = await queries.purchase(purchase_id)
    if purchase.status is not PurchaseStatus.AWAITING_PAYMENT or purchase.checkout_id is not None:
        return
    try:
        checkout = await checkouts.gateway.open_checkout(_checkout_request(checkouts, purchase))
    except GatewayRefused as error:
        _log.error("checkout_refused", purchase=purchase_id, reason=str(error))
        await _fail(checkouts, purchase_id, str(error)[:500])
        return
    kept = await Purchase.filter(id=purchase_id, status=PurchaseStatus.AWAITING_PAYMENT).update(
        checkout_id=checkout.id, checkout_url=checkout.url
    )
    if not kept:
        # Canceled while the provider was asked: nobody shall pay what is no longer wanted.
        await checkouts.gateway.expire_checkout(checkout.id)
        return
    await checkouts.publisher.publish(purchase_channel(purchase_id), purchase_id)


def _checkout_request(checkouts: Checkouts, purchase: PurchaseView) -> CheckoutRequest:
    back = purchase.return_url or checkouts.return_url
    return CheckoutRequest(
        purchase_id=purchase.id,
        account_id=purchase.account_id,
        wallet_id=purchase.wallet_id,
        attempt=purchase.checkout_attempt,
        description=f"{purchase.package_name}: {purchase.credits // purchase.quantity:,} staging credits",
        quantity=purchase.quantity,
        unit=Money(purchase.total.amount_minor // purchase.quantity, purchase.total.currency),
        # The provider puts the checkout's id where this stands; it must reach it unescaped.
        success_url=_with_query(back, purchase_id=purchase.id) + "&session_id={CHECKOUT_SESSION_ID}",
        cancel_url=_with_query(back, purchase_id=purchase.id, canceled="1"),
    )


def _with_query(url: str, **fields: str) -> str:
    parts = urlsplit(url)
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *fields.items()])
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, parts.fragment))


async def cancel_purchase(checkouts: Checkouts, purchase_id: str) -> PurchaseView:
    """End a purchase that nobody has paid. The checkout is closed at the provider first; money that was faster than
    that is credited, and the cancellation refused. Raises Unavailable when the provider does not answer."""
    purchase = await queries.purchase(purchase_id)
    if purchase.status not in MOVES[PurchaseStatus.CANCELED]:
        raise _wrong_state(purchase)
    if purchase.checkout_id is not None:
        try:
            checkout = await checkouts.gateway.expire_checkout(purchase.checkout_id)
        except GatewayUnavailable as error:
            raise Unavailable("The payment provider did not answer, so nothing was canceled. Try again.") from error
        if checkout.status is CheckoutStatus.COMPLETE:
            await fulfil(checkouts, checkout)
            raise _wrong_state(await queries.purchase(purchase_id))
    if not await trying_again(lambda: _cancel(purchase)):
        # It moved on, or got a checkout, since it was read: looked at anew.
        return await cancel_purchase(checkouts, purchase_id)
    canceled = await queries.purchase(purchase_id)
    await checkouts.publisher.publish(purchase_channel(purchase_id), purchase_id)
    await checkouts.publisher.publish(approvals_channel(canceled.account_id), purchase_id)
    return canceled


async def _cancel(purchase: PurchaseView) -> bool:
    """CANCELED, and an open question about it taken back, in one commit; False where the purchase is no longer what was
    read. Where its checkout was closed, the provider's word that it has expired may have been faster than we."""
    closed = purchase.checkout_id is not None
    allowed = MOVES[PurchaseStatus.CANCELED] + ((PurchaseStatus.EXPIRED,) if closed else ())
    async with in_transaction() as connection:
        # Approval before purchase, as whoever decides takes them.
        await lock_question(connection, purchase_id=purchase.id)
        found = Purchase.filter(id=purchase.id, status__in=allowed).using_db(connection)
        same = found.filter(checkout_id=purchase.checkout_id) if closed else found.filter(checkout_id__isnull=True)
        if not await same.update(status=PurchaseStatus.CANCELED):
            return False
        await withdraw(connection, purchase_id=purchase.id)
        return True


def _wrong_state(purchase: PurchaseView) -> Refusal:
    return Refusal(
        RefusalCode.WRONG_STATE,
        f"This purchase is {purchase.status.value} and can no longer be canceled.",
        field="purchaseId",
    )


async def _fail(checkouts: Checkouts, purchase_id: str, reason: str) -> None:
    """One conditional UPDATE; a purchase that has moved on is left alone."""
    may_fail = Purchase.filter(id=purchase_id, status__in=MOVES[PurchaseStatus.FAILED])
    if await may_fail.update(status=PurchaseStatus.FAILED, failure_reason=reason):
        await checkouts.publisher.publish(purchase_channel(purchase_id), purchase_id)


async def handle_event(checkouts: Checkouts, event: PaymentEvent, payload: dict[str, object]) -> str:
    """Act on a webhook once; says in a word what came of it. The inbox row and the effect are one commit, so an event
    whose handling failed was never seen and comes again."""

    async def work() -> tuple[str, str | None, list[Outcome]]:
        async with in_transaction() as connection:
            known = await first_time(connection, "stripe", event.id, event.type, payload)
            if not known:
                return "seen before", None, []
            outcome, purchase_id, posted = await _act(connection, checkouts, event)
            await known.conclude(connection, outcome)
            return outcome, purchase_id, posted

    outcome, purchase_id, posted = await trying_again(work)
    await _told(checkouts, purchase_id, posted)
    return outcome


async def fulfil(checkouts: Checkouts, checkout: Checkout) -> str:
    """Bring a purchase to where its checkout stands, as a webhook would; says in a word what came of it."""

    async def work() -> tuple[str, str | None, list[Outcome]]:
        async with in_transaction() as connection:
            return await _settle(connection, checkouts, checkout)

    outcome, purchase_id, posted = await trying_again(work)
    await _told(checkouts, purchase_id, posted)
    return outcome


async def _told(checkouts: Checkouts, purchase_id: str | None, posted: list[Outcome]) -> None:
    if purchase_id is not None:
        await checkouts.publisher.publish(purchase_channel(purchase_id), purchase_id)
    await tell(checkouts.publisher, changes_of(posted))


async def _act(
    connection: BaseDBAsyncClient, checkouts: Checkouts, event: PaymentEvent
) -> tuple[str, str | None, list[Outcome]]:
    if event.checkout is None:
        return "nothing to do", None, []
    if event.kind is PaymentEventKind.CHECKOUT_PAYMENT_FAILED:
        reason = "The bank did not pay. Buy again, or pay another way."
        return await _end(connection, event.checkout, PurchaseStatus.FAILED, reason)
    return await _settle(connection, checkouts, event.checkout)


async def _settle(
    connection: BaseDBAsyncClient, checkouts: Checkouts, checkout: Checkout
) -> tuple[str, str | None, list[Outcome]]:
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
        return await _credit(connection, purchase, checkout)
    if checkout.status is CheckoutStatus.EXPIRED:
        return await _end(connection, checkout, PurchaseStatus.EXPIRED, None)
    if checkout.status is CheckoutStatus.COMPLETE:
        return await _end(connection, checkout, PurchaseStatus.PROCESSING, None)
    return "not paid yet", None, []


async def _credit(
    connection: BaseDBAsyncClient, purchase: PurchaseView, checkout: Checkout
) -> tuple[str, str | None, list[Outcome]]:
    """PAID and the credits, in the caller's commit. Of any number at once one finds the purchase unpaid."""
    transaction_id = make_id(Kind.TRANSACTION)
    payment_id = checkout.payment_id or checkout.id
    found = await connection.execute_query_dict(
        "UPDATE purchases SET status = 'PAID', failure_reason = NULL, payment_id = $2, transaction_id = $3,"
        " checkout_id = $4, paid_at = credits_now() WHERE id = $1 AND status = ANY($5) RETURNING id",
        [purchase.id, payment_id, transaction_id, checkout.id, [status.value for status in MOVES[PurchaseStatus.PAID]]],
    )
    if not found:
        before = await queries.find(purchase.id)
        if before is not None and before.payment_id != payment_id:
            # Paid twice, by two payments: the credits are there once, and the second one's money has to go back.
            _log.error("payment_quarantined", checkout=checkout.id, purchase=purchase.id, reason="paid twice")
            return "quarantined: the purchase was paid by another payment before", None, []
        return "credited before", None, []
    command = PurchaseCredit(
        transaction_id=transaction_id,
        lot_id=make_id(Kind.LOT),
        wallet_id=purchase.wallet_id,
        actor=SYSTEM,
        purchase_id=purchase.id,
        payment_id=payment_id,
        credits=purchase.credits,
        paid=purchase.total,
        valid_for_days=purchase.valid_for_days,
    )
    return "credited", purchase.id, await post(connection, [command])


async def _end(
    connection: BaseDBAsyncClient, checkout: Checkout, to: PurchaseStatus, reason: str | None
) -> tuple[str, str | None, list[Outcome]]:
    """Move the purchase whose present checkout this is; another's, or one that has moved on, is left alone."""
    moved = await (
        Purchase.filter(checkout_id=checkout.id, status__in=MOVES[to])
        .using_db(connection)
        .update(status=to, failure_reason=reason)
    )
    return (to.value.lower(), checkout.purchase_id, []) if moved else ("nothing to do", None, [])


async def finish_checkouts(checkouts: Checkouts, *, older_than_s: float) -> int:
    """Open the checkouts of purchases that have waited for one longer than that, in seconds; returns how many were
    tried. One that the provider does not answer for waits for the next time."""
    ids = await queries.without_checkout(older_than_s=older_than_s)
    tried = await asyncio.gather(*(open_checkout(checkouts, each) for each in ids), return_exceptions=True)
    for purchase_id, error in zip(ids, tried, strict=True):
        if error is not None:
            _log.warning("checkout_delayed", purchase=purchase_id, reason=repr(error))
    return len(ids)
