"""What becomes of an automatic purchase: paid, failed, or to be confirmed by the payer. Each in the caller's commit.

Locks are taken in one order: the purchase, then its wallet, then the wallet's top-up.
"""

from datetime import datetime

from tortoise.backends.base.client import BaseDBAsyncClient

from credits import outbox
from credits.ledger.models import Wallet
from credits.ledger.store import lock_wallets
from credits.purchases.models import PaymentMethod, Purchase, PurchaseStatus
from credits.purchases.moves import move
from credits.purchases.queries import PurchaseView
from credits.purchases.rules import ENDED
from credits.top_ups.messages import confirm_message, resume_message, suspended_message
from credits.top_ups.models import AutoTopUp, TopUpAttempt, TopUpOutcome
from credits.top_ups.rules import NO_CARD, suspension

UNDER_WAY = (TopUpOutcome.ASKED, TopUpOutcome.CONFIRM)
ENDED_UNPAID = tuple(status for status in ENDED if status is not PurchaseStatus.PAID)
_FAILING = """
SELECT 1 FROM auto_top_ups WHERE account_id = $1 AND (failures > 0 OR suspended_reason IS NOT NULL) LIMIT 1
"""
_PAID = "UPDATE top_up_attempts SET outcome = 'PAID', reason = NULL, ended_at = credits_now() WHERE purchase_id = $1"
_FAILED = """
UPDATE top_up_attempts SET outcome = 'FAILED', reason = $2, ended_at = credits_now()
WHERE purchase_id = $1 AND outcome IN ('ASKED', 'CONFIRM')
"""
_FALLS_AGAIN = "UPDATE wallets SET top_up_asked = false WHERE id = $1 AND top_up_asked"
_LOOKS_NO_MORE = "UPDATE auto_top_ups SET look_at = NULL WHERE wallet_id = $1 AND look_at IS NOT NULL"


async def paid(connection: BaseDBAsyncClient, purchase: PurchaseView) -> None:
    """A purchase of whatever kind was paid, and its wallet is locked: the next fall of the balance is looked at without
    delay, and what had failed in the account goes on."""
    await connection.execute_query(_PAID, [purchase.id])
    await connection.execute_query(_FALLS_AGAIN, [purchase.wallet_id])
    await connection.execute_query(_LOOKS_NO_MORE, [purchase.wallet_id])
    if await connection.execute_query_dict(_FAILING, [purchase.account_id]):
        await outbox.add(connection, [resume_message(purchase.account_id)])


async def failed(connection: BaseDBAsyncClient, purchase: PurchaseView, *, reason: str, no_card: bool = False) -> bool:
    """The card was not charged: the purchase FAILED, and that counts. False where it has moved on, or is no longer to
    be paid by card. Without a card it is no use to try again before there is one."""
    charged = Purchase.filter(id=purchase.id, method=PaymentMethod.SAVED_CARD).using_db(connection)
    if not await move(charged, PurchaseStatus.FAILED, reason=reason):
        return False
    await lock_wallets(connection, [purchase.wallet_id])
    await connection.execute_query(_FAILED, [purchase.id, reason])
    row = await AutoTopUp.get_or_none(wallet_id=purchase.wallet_id, using_db=connection)
    if row is not None:
        now = await Purchase.get(id=purchase.id, using_db=connection)
        await count_failure(connection, row, reason=reason, purchase=now, no_card=no_card)
    return True


async def count_failure(
    connection: BaseDBAsyncClient,
    row: AutoTopUp,
    *,
    reason: str,
    purchase: Purchase,
    no_card: bool = False,
) -> None:
    """One more in a row; the wallet is locked. Too many suspend the top-up, and its owners are told, once."""
    row.failures += 1
    because = NO_CARD if no_card else suspension(row.failures, reason=reason)
    if because is not None and row.enabled and row.suspended_reason is None:
        row.suspended_reason, row.suspended_card, row.look_at = because, purchase.charged_card, None
        await watch(connection, row)
        occasion = f"top-up:{purchase.id}:suspended"
        told = suspended_message(row.account_id, row.wallet_id, occasion=occasion, reason=because)
        await outbox.add(connection, [told])
    await row.save(using_db=connection, update_fields=["failures", "suspended_reason", "suspended_card", "look_at"])


async def watch(connection: BaseDBAsyncClient, row: AutoTopUp, *, asked: bool = False) -> None:
    """Let the ledger know below what a locked wallet is to be looked at, if it is at all."""
    below = row.threshold if row.enabled and row.suspended_reason is None else None
    await Wallet.filter(id=row.wallet_id).using_db(connection).update(top_up_below=below, top_up_asked=asked)


async def needs_payer(connection: BaseDBAsyncClient, purchase: PurchaseView, *, reason: str | None) -> bool:
    """The bank wants the payer to confirm: the purchase is paid through a checkout like any other, whose address is
    sent. False where it has moved on."""
    to_confirm = Purchase.filter(
        id=purchase.id, method=PaymentMethod.SAVED_CARD, status=PurchaseStatus.AWAITING_PAYMENT
    ).using_db(connection)
    changed = await to_confirm.update(
        method=PaymentMethod.CHECKOUT,
        checkout_attempt=purchase.checkout_attempt + 1,
        charged_card=None,
    )
    if not changed:
        return False
    attempts = TopUpAttempt.filter(purchase_id=purchase.id, outcome__in=UNDER_WAY).using_db(connection)
    await attempts.update(outcome=TopUpOutcome.CONFIRM, reason=(reason or "The bank wants the payer to confirm.")[:500])
    await outbox.add(connection, [confirm_message(purchase.account_id, purchase.id)])
    return True


async def settle(connection: BaseDBAsyncClient, row: AutoTopUp, *, now: datetime) -> None:
    """Automatic purchases that were rejected or canceled, or that ran out, count as failed from the next look at their
    wallet on, which is locked."""
    attempts = TopUpAttempt.filter(wallet_id=row.wallet_id, outcome__in=UNDER_WAY).using_db(connection)
    by_purchase = {attempt.purchase_id: attempt for attempt in await attempts.order_by("id")}
    ended = Purchase.filter(id__in=list(by_purchase), status__in=ENDED_UNPAID).using_db(connection)
    for purchase in await ended.order_by("id"):
        reason = purchase.failure_reason or f"The purchase was {purchase.status.value.lower()}."
        attempt = by_purchase[purchase.id]
        attempt.outcome, attempt.reason, attempt.ended_at = TopUpOutcome.FAILED, reason, purchase.moved_at or now
        await attempt.save(using_db=connection, update_fields=["outcome", "reason", "ended_at"])
        await count_failure(connection, row, reason=reason, purchase=purchase)
