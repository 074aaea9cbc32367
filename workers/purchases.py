"""Jobs about purchases."""

from dataclasses import dataclass

import dramatiq
from dramatiq import Actor, Broker

from credits.purchases.service import Checkouts, finish_checkouts

FINISH_CHECKOUTS_EVERY_S = 5.0
# `purchaseCredits` itself waits four seconds for the provider; before that nothing is late.
_LATE_AFTER_S = 6.0
_STALE_AFTER_MS = 60_000


@dataclass(frozen=True, slots=True)
class PurchaseJobs:
    """The actors, bound to a broker."""

    finish_checkouts: Actor[[], None]


def declare(broker: Broker, checkouts: Checkouts) -> PurchaseJobs:
    """Make the actors on this broker."""

    # Not retried: it comes again by the schedule.
    @dramatiq.actor(
        broker=broker, actor_name="finish_checkouts", queue_name="purchases", max_retries=0, max_age=_STALE_AFTER_MS
    )
    async def finish() -> None:
        await finish_checkouts(checkouts, older_than_s=_LATE_AFTER_S)

    return PurchaseJobs(finish_checkouts=finish)
