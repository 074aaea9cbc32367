"""Jobs about allocations: standing orders, what pools are told, and requests for more."""

from collections.abc import Mapping
from typing import Any

from credits.allocations import messages, telling
from credits.allocations.notices import look_at_use, look_at_weeks
from credits.allocations.orders import run_due
from credits.chat.messenger import Messenger
from credits.gateways.publisher import Publisher
from workers.delivery import Handler
from workers.schedule import Job

# At the start of a month there is much to run; what else is scheduled does not wait for it.
QUEUE = "allocations"


def handlers(messenger: Messenger) -> dict[str, Handler]:
    """Who does which job."""

    async def short(payload: Mapping[str, Any]) -> None:
        await telling.tell_short(messenger, payload)

    async def used(payload: Mapping[str, Any]) -> None:
        await telling.tell_used(messenger, payload)

    async def digest(payload: Mapping[str, Any]) -> None:
        await telling.tell_week(messenger, payload)

    async def requested(payload: Mapping[str, Any]) -> None:
        await telling.post_request(messenger, payload["request_id"])

    async def decided(payload: Mapping[str, Any]) -> None:
        await telling.tell_decision(messenger, payload["request_id"])

    return {
        messages.SHORT_JOB: short,
        messages.USED_JOB: used,
        messages.DIGEST_JOB: digest,
        messages.REQUESTED_JOB: requested,
        messages.DECIDED_JOB: decided,
    }


def scheduled(publisher: Publisher) -> list[Job]:
    """Standing orders at the start of their periods, what departments have used, and Monday's digests."""

    async def orders() -> None:
        await run_due(publisher)

    return [
        Job("standing_orders", every_s=10.0, work=orders, queue=QUEUE),
        Job("look_at_use", every_s=20.0, work=look_at_use, queue=QUEUE),
        Job("look_at_weeks", every_s=60.0, work=look_at_weeks, queue=QUEUE),
    ]
