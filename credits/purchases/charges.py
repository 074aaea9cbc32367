"""Charging saved cards: once for each purchase that is to be paid so, outside any database transaction with a key of
our own id. Which card it is, is committed first, so that whoever has to ask again asks for the same.
"""

import asyncio
from datetime import timedelta

import structlog
from tortoise.transactions import in_transaction

from credits.faults import trying_again
from credits.gateways.errors import GatewayRefused
from credits.gateways.payments import ChargeRequest
from credits.ledger.queries import now
from credits.purchases import queries
from credits.purchases.channel import purchase_channel
from credits.purchases.checkouts import Checkouts
from credits.purchases.fulfilment import fulfil_charge
from credits.purchases.models import PaymentMethod, Purchase, PurchaseStatus
from credits.purchases.queries import PurchaseView
from credits.top_ups import outcomes

_log = structlog.get_logger()
# The provider knows a key for a day; asked with it later, it would charge once more.
_KEY_LASTS = timedelta(hours=23)
_NO_CARD = "There is no saved card. Buy credits once through the checkout, which saves one."
_NO_ANSWER = "The payment provider did not answer for a day. Should it have charged the card, the credits still come."


async def charge(checkouts: Checkouts, purchase_id: str) -> None:
    """Charge the saved card for a purchase that is to be paid so, and bring it to what came of that. Safe to be done
    twice at once: the provider makes one payment per attempt. Raises GatewayUnavailable."""
    purchase = await _begun(checkouts, await queries.purchase(purchase_id))
    if not _to_be_charged(purchase):
        return
    if purchase.customer_id is None or purchase.charged_card is None:
        await _fail(checkouts, purchase, _NO_CARD, no_card=True)
        return
    if purchase.charge_began_at is not None and purchase.charge_began_at < await now() - _KEY_LASTS:
        await _fail(checkouts, purchase, _NO_ANSWER)
        return
    request = ChargeRequest(
        purchase_id=purchase.id,
        account_id=purchase.account_id,
        wallet_id=purchase.wallet_id,
        attempt=purchase.checkout_attempt,
        description=f"{purchase.package_name}: {purchase.credits:,} staging credits",
        total=purchase.total,
        customer_id=purchase.customer_id,
        card_id=purchase.charged_card,
    )
    try:
        payment = await checkouts.gateway.charge(request)
    except GatewayRefused as error:
        _log.error("charge_refused", purchase=purchase_id, reason=str(error))
        await _fail(checkouts, purchase, str(error)[:500])
        return
    await fulfil_charge(checkouts, payment)


def _to_be_charged(purchase: PurchaseView) -> bool:
    return purchase.status is PurchaseStatus.AWAITING_PAYMENT and purchase.method is PaymentMethod.SAVED_CARD


async def _begun(checkouts: Checkouts, purchase: PurchaseView) -> PurchaseView:
    """The purchase with the card that is to be charged, if there is one: of several at once the first chooses it."""
    if not _to_be_charged(purchase) or purchase.charged_card is not None or purchase.customer_id is None:
        return purchase
    try:
        card_id = await checkouts.gateway.saved_card(purchase.customer_id)
    except GatewayRefused as error:
        _log.error("customer_refused", purchase=purchase.id, customer=purchase.customer_id, reason=str(error))
        card_id = None
    if card_id is not None:
        waiting = Purchase.filter(
            id=purchase.id,
            status=PurchaseStatus.AWAITING_PAYMENT,
            method=PaymentMethod.SAVED_CARD,
            charged_card__isnull=True,
        )
        await waiting.update(charged_card=card_id, charge_began_at=await now())
    return await queries.purchase(purchase.id)


async def _fail(checkouts: Checkouts, purchase: PurchaseView, reason: str, *, no_card: bool = False) -> None:
    async def work() -> bool:
        async with in_transaction() as connection:
            return await outcomes.failed(connection, purchase, reason=reason, no_card=no_card)

    if await trying_again(work):
        await checkouts.publisher.publish(purchase_channel(purchase.id), purchase.id)


async def finish_charges(checkouts: Checkouts, *, older_than_s: float) -> int:
    """Charge for purchases that have waited for it longer than that, in seconds; returns how many were tried. One that
    the provider does not answer for waits for the next time."""
    ids = await queries.to_be_charged(older_than_s=older_than_s)
    tried = await asyncio.gather(*(charge(checkouts, each) for each in ids), return_exceptions=True)
    for purchase_id, error in zip(ids, tried, strict=True):
        if error is not None:
            _log.warning("charge_delayed", purchase=purchase_id, reason=repr(error))
    return len(ids)
