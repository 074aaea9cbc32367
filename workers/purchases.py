"""Jobs about purchases."""

from collections.abc import Mapping
from typing import Any

from credits.approvals.service import CHECKOUT_JOB
from credits.gateways import PaymentRecords
from credits.purchases.charges import charge, finish_charges
from credits.purchases.checkouts import Checkouts, finish_checkouts, open_checkout
from credits.purchases.papers import PAPERS_JOB, read_papers
from workers.delivery import Handler
from workers.schedule import Job

# `purchaseCredits` itself waits four seconds for the provider; before that nothing is late.
_LATE_AFTER_S = 6.0
# Charges have work of their own in the outbox, which comes again by itself.
_CHARGE_LATE_AFTER_S = 300.0


def handlers(checkouts: Checkouts, records: PaymentRecords) -> dict[str, Handler]:
    """Who does which job."""

    async def checkout(payload: Mapping[str, Any]) -> None:
        await charge(checkouts, payload["purchase_id"])
        await open_checkout(checkouts, payload["purchase_id"])

    async def papers(payload: Mapping[str, Any]) -> None:
        await read_papers(records, payload["purchase_id"], looks=payload["looks"])

    return {CHECKOUT_JOB: checkout, PAPERS_JOB: papers}


def scheduled(checkouts: Checkouts) -> Job:
    """Addresses for purchases that have waited too long for theirs, and charges of saved cards."""

    async def finish() -> None:
        await finish_checkouts(checkouts, older_than_s=_LATE_AFTER_S)
        await finish_charges(checkouts, older_than_s=_CHARGE_LATE_AFTER_S)

    return Job("finish_checkouts", every_s=5.0, work=finish)
