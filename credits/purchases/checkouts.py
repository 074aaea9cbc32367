"""Sending payers to the provider: a checkout for each purchase that awaits payment, made outside any database
transaction with a key of our own id, and kept by a conditional UPDATE.
"""

import asyncio
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import structlog
from tortoise.transactions import in_transaction

from credits.approvals.requests import follow
from credits.faults import trying_again
from credits.gateways.errors import GatewayRefused, GatewayUnavailable
from credits.gateways.payments import Checkout, CheckoutRequest, Payments
from credits.gateways.publisher import Publisher
from credits.money import Money
from credits.purchases import queries
from credits.purchases.channel import purchase_channel
from credits.purchases.models import PaymentMethod, Purchase, PurchaseStatus
from credits.purchases.moves import move
from credits.purchases.queries import PurchaseView

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkouts:
    """How payers are sent to the provider and back: the gateway, how long a caller waits for it in seconds, where
    they return by default, where else they may, and whether the money is real."""

    gateway: Payments
    publisher: Publisher
    wait_s: float
    return_url: str
    allowed_return_urls: tuple[str, ...]
    live: bool


async def open_in_time(checkouts: Checkouts, purchase_id: str) -> None:
    """`open_checkout`, for a caller who does not wait longer than they have to: a job does what is left."""
    try:
        await asyncio.wait_for(open_checkout(checkouts, purchase_id), checkouts.wait_s)
    except (TimeoutError, GatewayUnavailable):
        _log.warning("checkout_delayed", purchase=purchase_id)


async def open_checkout(checkouts: Checkouts, purchase_id: str) -> None:
    """Give a purchase that awaits payment its checkout, unless it has one. Safe to be done twice at once: the
    provider makes one per attempt. Raises GatewayUnavailable."""
    purchase = await queries.purchase(purchase_id)
    if purchase.status is not PurchaseStatus.AWAITING_PAYMENT or purchase.method is not PaymentMethod.CHECKOUT:
        return
    if purchase.checkout_id is not None:
        return
    try:
        checkout = await checkouts.gateway.open_checkout(_checkout_request(checkouts, purchase))
    except GatewayRefused as error:
        _log.error("checkout_refused", purchase=purchase_id, reason=str(error))
        await _fail(checkouts, purchase, str(error)[:500])
        return
    if not await trying_again(lambda: _keep(purchase, checkout)):
        # It moved on while the provider was asked: nobody shall pay what is no longer wanted.
        await checkouts.gateway.expire_checkout(checkout.id)
        return
    await checkouts.publisher.publish(purchase_channel(purchase_id), purchase_id)


async def _keep(purchase: PurchaseView, checkout: Checkout) -> bool:
    """The checkout as the one where the purchase is paid; False where that is no longer wanted."""
    async with in_transaction() as connection:
        waiting = Purchase.filter(
            id=purchase.id, status=PurchaseStatus.AWAITING_PAYMENT, checkout_attempt=purchase.checkout_attempt
        ).using_db(connection)
        if not await waiting.update(checkout_id=checkout.id, checkout_url=checkout.url):
            return False
        await follow(connection, purchase.id)
        return True


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
        customer_id=purchase.customer_id,
    )


def _with_query(url: str, **fields: str) -> str:
    parts = urlsplit(url)
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *fields.items()])
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, parts.fragment))


async def _fail(checkouts: Checkouts, purchase: PurchaseView, reason: str) -> None:
    """A purchase that has moved on, or got its checkout from somebody else meanwhile, is left alone."""

    async def work() -> bool:
        async with in_transaction() as connection:
            still = Purchase.filter(
                id=purchase.id, checkout_attempt=purchase.checkout_attempt, checkout_id__isnull=True
            ).using_db(connection)
            if not await move(still, PurchaseStatus.FAILED, reason=reason):
                return False
            await follow(connection, purchase.id)
            return True

    if await trying_again(work):
        await checkouts.publisher.publish(purchase_channel(purchase.id), purchase.id)


async def finish_checkouts(checkouts: Checkouts, *, older_than_s: float) -> int:
    """Open the checkouts of purchases that have waited for one longer than that, in seconds; returns how many were
    tried. One that the provider does not answer for waits for the next time."""
    ids = await queries.without_checkout(older_than_s=older_than_s)
    tried = await asyncio.gather(*(open_checkout(checkouts, each) for each in ids), return_exceptions=True)
    for purchase_id, error in zip(ids, tried, strict=True):
        if error is not None:
            _log.warning("checkout_delayed", purchase=purchase_id, reason=repr(error))
    return len(ids)
