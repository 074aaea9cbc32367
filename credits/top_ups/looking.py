"""Looking at a wallet that has fallen below its threshold: what is so now decides whether something is bought.

The attempt, the purchase and the work of paying for it are one commit, on the locked wallet; nobody outside is called.
"""

from datetime import datetime

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from credits import outbox
from credits.accounts.queries import wallet_places
from credits.actors import SYSTEM
from credits.approvals.requests import approvals_channel
from credits.approvals.service import CHECKOUT_JOB
from credits.catalogue.rules import Quote
from credits.faults import trying_again
from credits.gateways.publisher import Publisher
from credits.ids import Kind, make_id
from credits.ledger import queries as ledger
from credits.ledger.store import lock_wallets
from credits.outbox import Message, Queue
from credits.purchases.models import PaymentMethod, PurchaseStatus
from credits.purchases.service import PurchaseInput, make
from credits.top_ups.messages import look_message
from credits.top_ups.models import AutoTopUp, TopUpAttempt, TopUpOutcome
from credits.top_ups.outcomes import settle, watch
from credits.top_ups.queries import facts_of, setting_of
from credits.top_ups.rules import WHILE_UNDER_WAY, Facts, Skip, decide, justification


async def look(publisher: Publisher, wallet_id: str, *, planned_for: datetime | None) -> None:
    """Buy for the wallet with the saved card, or write down why not, and when to look again. Of planned looks only the
    one that was planned last counts."""

    async def work() -> tuple[str, str] | None:
        async with in_transaction() as connection:
            return await _look(connection, wallet_id, planned_for)

    asking = await trying_again(work)
    if asking is not None:
        account_id, purchase_id = asking
        await publisher.publish(approvals_channel(account_id), purchase_id)


async def _look(connection: BaseDBAsyncClient, wallet_id: str, planned_for: datetime | None) -> tuple[str, str] | None:
    """The account and the purchase, where somebody is asked whether it may be made."""
    wallet = (await lock_wallets(connection, [wallet_id])).get(wallet_id)
    row = await AutoTopUp.get_or_none(wallet_id=wallet_id, using_db=connection)
    if wallet is None or row is None or (planned_for is not None and row.look_at != planned_for):
        return None
    if (await wallet_places([wallet_id]))[wallet_id].closed:
        return None
    now = await ledger.now()
    await settle(connection, row, now=now)
    facts = await facts_of(connection, row, wallet, now)
    decision = decide(setting_of(row), facts)
    if isinstance(decision, Skip):
        await _record(connection, row, facts, TopUpOutcome.SKIPPED, reason=decision.why)
        await _look_again(connection, row, decision.again_at)
        return None
    purchase_id = make_id(Kind.PURCHASE)
    await _record(connection, row, facts, TopUpOutcome.ASKED, purchase_id=purchase_id)
    await _look_again(connection, row, now + WHILE_UNDER_WAY)
    status = await _buy(connection, row, facts, decision.offer, purchase_id)
    return (row.account_id, purchase_id) if status is PurchaseStatus.PENDING_APPROVAL else None


async def _record(
    connection: BaseDBAsyncClient,
    row: AutoTopUp,
    facts: Facts,
    outcome: TopUpOutcome,
    *,
    reason: str | None = None,
    purchase_id: str | None = None,
) -> None:
    await TopUpAttempt.create(
        id=make_id(Kind.TOP_UP_ATTEMPT),
        account_id=row.account_id,
        wallet_id=row.wallet_id,
        purchase_id=purchase_id,
        available=facts.available,
        outcome=outcome,
        reason=reason,
        created_at=facts.now,
        using_db=connection,
    )


async def _look_again(connection: BaseDBAsyncClient, row: AutoTopUp, at: datetime | None) -> None:
    """Until then nobody else needs to ask for a look; without it, the next fall of the balance does."""
    row.look_at = at
    await row.save(using_db=connection, update_fields=["look_at"])
    await watch(connection, row, asked=at is not None)
    if at is not None:
        await outbox.add(connection, [look_message(row.account_id, row.wallet_id, at=at)])


async def _buy(
    connection: BaseDBAsyncClient, row: AutoTopUp, facts: Facts, offer: Quote, purchase_id: str
) -> PurchaseStatus:
    """As a person would, through the policies of approval; what is not to be approved is paid with the saved card."""
    wanted = PurchaseInput(
        wallet_id=row.wallet_id,
        package_code=row.package_code,
        quantity=offer.quantity,
        credits=None,
        justification=justification(facts.available, row.threshold),
        return_url=None,
        idempotency_key=purchase_id,
    )
    status = await make(
        connection,
        SYSTEM,
        (await wallet_places([row.wallet_id]))[row.wallet_id],
        wanted,
        offer,
        purchase_id=purchase_id,
        now=facts.now,
        method=PaymentMethod.SAVED_CARD,
    )
    if status is PurchaseStatus.AWAITING_PAYMENT:
        payload = {"purchase_id": purchase_id}
        pay = Message(account_id=row.account_id, queue=Queue.PAYMENTS, job=CHECKOUT_JOB, payload=payload)
        await outbox.add(connection, [pay])
    return status
