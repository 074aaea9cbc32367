"""Jobs about reports: months closed when they are over, and people told of it."""

from collections.abc import Mapping
from typing import Any

from credits.reports.closing import close_months
from credits.reports.messages import CLOSED_JOB
from credits.reports.telling import Teller, tell_closed
from workers.delivery import Handler
from workers.schedule import Job

# At the start of a month there is much to add up; what else is scheduled does not wait for it.
QUEUE = "reports"
_EVERY_S = 900.0


def handlers(teller: Teller) -> dict[str, Handler]:
    """Who does which job."""

    async def closed(payload: Mapping[str, Any]) -> None:
        await tell_closed(teller, payload)

    return {CLOSED_JOB: closed}


def scheduled() -> Job:
    """Months that are over, every quarter of an hour: there are time zones that end with one."""
    return Job("close_months", every_s=_EVERY_S, work=close_months, queue=QUEUE)
