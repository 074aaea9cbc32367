"""Another checkout for a purchase whose own has lapsed. The price stays, and so does an approval that was given."""

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.expressions import F
from tortoise.transactions import in_transaction

from credits.approvals.models import ApprovalStatus
from credits.approvals.queries import latest_by_purchase
from credits.errors import NotFound, Refusal, RefusalCode, Unavailable
from credits.faults import trying_again
from credits.gateways.errors import GatewayRefused, GatewayUnavailable
from credits.ledger.store import lock_wallet
from credits.purchases import queries
from credits.purchases.channel import purchase_channel
from credits.purchases.checkouts import Checkouts, open_in_time
from credits.purchases.fulfilment import fulfil
from credits.purchases.models import Purchase, PurchaseStatus
from credits.purchases.moves import move
from credits.purchases.queries import PurchaseView
from credits.purchases.rules import may_renew
from credits.purchases.service import check_room, refuse_suspended


async def renew_checkout(checkouts: Checkouts, purchase_id: str) -> PurchaseView:
    """The purchase with the address of another checkout, or, as when it is made, without one that a job then gets.

    Refused: WRONG_STATE unless its checkout has lapsed, here or at the provider; a suspended account; a wallet that
    could not hold the credits, or was deleted. Raises Unavailable when the provider has to be asked whether the
    checkout has lapsed, and does not answer.
    """
    before = await queries.purchase(purchase_id)
    if before.status is PurchaseStatus.AWAITING_PAYMENT and before.checkout_id is not None:
        await _look(checkouts, before.checkout_id)

    async def work() -> None:
        async with in_transaction() as connection:
            await _renew(connection, purchase_id, seen=before.checkout_attempt)

    await trying_again(work)
    await open_in_time(checkouts, purchase_id)
    await checkouts.publisher.publish(purchase_channel(purchase_id), purchase_id)
    return await queries.purchase(purchase_id)


async def _look(checkouts: Checkouts, checkout_id: str) -> None:
    """The provider may know that it has lapsed, or was paid, before we do."""
    try:
        await fulfil(checkouts, await checkouts.gateway.checkout(checkout_id))
    except (GatewayUnavailable, GatewayRefused) as error:
        raise Unavailable("The payment provider did not answer, so nothing was changed. Try again.") from error


async def _renew(connection: BaseDBAsyncClient, purchase_id: str, *, seen: int) -> None:
    """A new attempt, of several at once by one: whoever finds that the attempt is no longer the one `seen` was
    overtaken by another who asked for the same. Purchase before wallet, as whoever credits takes them."""
    purchase = await queries.locked(connection, purchase_id)
    if purchase is None:
        raise NotFound
    if purchase.checkout_attempt > seen and purchase.status is PurchaseStatus.AWAITING_PAYMENT:
        return
    approval = (await latest_by_purchase([purchase_id])).get(purchase_id)
    may_renew(purchase.status, consented=approval is None or approval.status is ApprovalStatus.APPROVED)
    await require_wallet(connection, purchase)
    await move(
        Purchase.filter(id=purchase_id).using_db(connection),
        PurchaseStatus.AWAITING_PAYMENT,
        checkout_attempt=F("checkout_attempt") + 1,
        checkout_id=None,
        checkout_url=None,
        former_checkouts=list(purchase.checkout_ids),
    )


async def require_wallet(connection: BaseDBAsyncClient, purchase: PurchaseView) -> None:
    """Lock the purchase's wallet. Refused: one that was deleted, or could not hold the credits; a suspended account."""
    try:
        wallet = await lock_wallet(connection, purchase.wallet_id)
    except NotFound:
        raise Refusal(
            RefusalCode.WRONG_STATE,
            "The pool or department that this was for was deleted. Buy for another wallet.",
            field="purchaseId",
        ) from None
    refuse_suspended(suspended=wallet.suspended)
    await check_room(purchase.wallet_id, wallet.balance, purchase.credits, field="purchaseId")
