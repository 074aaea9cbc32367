"""Receipt and invoice of a paid purchase: looked for at the provider once the credits are there, never in their way."""

from datetime import timedelta

import structlog
from tortoise.connection import get_connection
from tortoise.transactions import in_transaction

from credits import outbox
from credits.gateways.errors import GatewayRefused
from credits.gateways.payments import PaymentRecords
from credits.ledger.queries import now
from credits.outbox import Message, Queue
from credits.purchases import queries, receipts
from credits.purchases.models import PaymentMethod, Purchase

PAPERS_JOB = "purchase.papers"
# The provider writes an invoice some time after the payment. What is not there after the last look never will be.
_LOOK_AGAIN_AFTER = (timedelta(seconds=10), timedelta(minutes=2), timedelta(hours=1))
_log = structlog.get_logger()


def wanted(account_id: str, purchase_id: str) -> Message:
    """The look for a purchase's papers, as work for the outbox."""
    payload = {"purchase_id": purchase_id, "looks": 0}
    return Message(account_id=account_id, queue=Queue.PAYMENTS, job=PAPERS_JOB, payload=payload)


async def read_papers(records: PaymentRecords, purchase_id: str, *, looks: int) -> None:
    """Keep the addresses of receipt and invoice, as far as there are any, have them told, and look again later for what
    is missing (`looks` counts those before this one). Raises GatewayUnavailable."""
    purchase = await queries.purchase(purchase_id)
    if purchase.payment_id is None:
        return
    try:
        papers = await records.papers(purchase.payment_id, purchase.checkout_id)
    except GatewayRefused as error:
        _log.warning("no_papers", purchase=purchase_id, reason=str(error))
        return
    more = (papers.receipt_url, papers.invoice_url) != (purchase.receipt_url, purchase.invoice_url)
    async with in_transaction() as connection:
        found = Purchase.filter(id=purchase_id).using_db(connection)
        await found.update(receipt_url=papers.receipt_url, invoice_url=papers.invoice_url)
        if papers.receipt_url and more:
            await outbox.add(connection, [receipts.message(purchase)])
    # A charge of a saved card has no invoice.
    complete = papers.receipt_url and (papers.invoice_url or purchase.method is PaymentMethod.SAVED_CARD)
    if not complete and looks < len(_LOOK_AGAIN_AFTER):
        again = Message(
            account_id=purchase.account_id,
            queue=Queue.PAYMENTS,
            job=PAPERS_JOB,
            payload={"purchase_id": purchase_id, "looks": looks + 1},
            due_at=await now() + _LOOK_AGAIN_AFTER[looks],
        )
        await outbox.add(get_connection("default"), [again])
