"""Jobs about purchases."""

from collections.abc import Mapping
from typing import Any

from credits.approvals.service import CHECKOUT_JOB
from credits.chat.messenger import Messenger
from credits.gateways.payments import PaymentRecords
from credits.ledger.queries import now
from credits.purchases.charges import charge, finish_charges
from credits.purchases.checkouts import Checkouts, finish_checkouts, open_checkout
from credits.purchases.healing import heal, look_at_open
from credits.purchases.papers import PAPERS_JOB, read_papers
from credits.purchases.receipts import RECEIPT_JOB, tell_receipt
from credits.purchases.reconciliation import LONGEST_DAYS, differences, tell_operators
from credits.purchases.refunds import REFUND_JOB, finish_refund, read_returns
from credits.purchases.return_messages import NEWS_JOB, READ_JOB, tell_news
from workers.delivery import Handler
from workers.schedule import Job

# `purchaseCredits` itself waits four seconds for the provider; before that nothing is late.
_LATE_AFTER_S = 6.0
_DAY_S = 24 * 3600.0
# What waits for the provider holds up no other job.
QUEUE = "purchases"
DAILY_QUEUE = "reconciliation"
# Charges have work of their own in the outbox, which comes again by itself.
_CHARGE_LATE_AFTER_S = 300.0


def handlers(checkouts: Checkouts, records: PaymentRecords, messenger: Messenger) -> dict[str, Handler]:
    """Who does which job."""

    async def checkout(payload: Mapping[str, Any]) -> None:
        await charge(checkouts, payload["purchase_id"])
        await open_checkout(checkouts, payload["purchase_id"])

    async def papers(payload: Mapping[str, Any]) -> None:
        await read_papers(records, payload["purchase_id"], looks=payload["looks"])

    async def refund(payload: Mapping[str, Any]) -> None:
        await finish_refund(checkouts, records, payload["refund_id"])

    async def returns(payload: Mapping[str, Any]) -> None:
        await read_returns(checkouts, records, payload["payment_id"])

    async def news(payload: Mapping[str, Any]) -> None:
        await tell_news(messenger, payload)

    async def receipt(payload: Mapping[str, Any]) -> None:
        await tell_receipt(messenger, payload["purchase_id"])

    return {
        CHECKOUT_JOB: checkout,
        PAPERS_JOB: papers,
        RECEIPT_JOB: receipt,
        REFUND_JOB: refund,
        READ_JOB: returns,
        NEWS_JOB: news,
    }


def scheduled(checkouts: Checkouts, records: PaymentRecords) -> list[Job]:
    """Addresses and charges for purchases that have waited too long for theirs; a look at those that are open; once
    a day the provider's records against ours."""

    async def finish() -> None:
        await finish_checkouts(checkouts, older_than_s=_LATE_AFTER_S)
        await finish_charges(checkouts, older_than_s=_CHARGE_LATE_AFTER_S)

    async def look() -> None:
        await look_at_open(checkouts)

    async def reconcile() -> None:
        await heal(checkouts, records, days=LONGEST_DAYS)
        found = await differences(records, days=LONGEST_DAYS, live=checkouts.live)
        await tell_operators(found, at=await now())

    return [
        Job("finish_checkouts", every_s=5.0, work=finish, queue=QUEUE),
        Job("look_at_open_purchases", every_s=300.0, work=look, queue=QUEUE),
        Job("reconcile", every_s=_DAY_S, work=reconcile, queue=DAILY_QUEUE),
    ]
