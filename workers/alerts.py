"""Jobs about alerts."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from credits.alerts import messages, telling
from credits.alerts.watching import look_at_wallets
from credits.chat.messenger import Messenger
from workers.delivery import Handler
from workers.schedule import Job

# In the morning there is much to look at; what else is scheduled does not wait for it.
QUEUE = "watching"
_LOOK_EVERY_S = 20.0


def handlers(messenger: Messenger) -> dict[str, Handler]:
    """Who does which job."""

    async def fired(payload: Mapping[str, Any]) -> None:
        await telling.tell_fired(messenger, **payload)

    async def recovered(payload: Mapping[str, Any]) -> None:
        await telling.tell_recovered(
            messenger, wallet_id=payload["wallet_id"], episode=payload["episode"], available=payload["available"]
        )

    async def warned(payload: Mapping[str, Any]) -> None:
        await telling.tell_warned(messenger, payload)

    async def over(payload: Mapping[str, Any]) -> None:
        await telling.tell_over(messenger, payload["warning_id"])

    async def snoozed(payload: Mapping[str, Any]) -> None:
        until = datetime.fromisoformat(payload["until"])
        await telling.tell_snoozed(messenger, **{**payload, "until": until})

    return {
        messages.FIRED_JOB: fired,
        messages.RECOVERED_JOB: recovered,
        messages.WARNED_JOB: warned,
        messages.OVER_JOB: over,
        messages.SNOOZED_JOB: snoozed,
    }


def scheduled() -> Job:
    """Looking at wallets of which something is to be warned beside a low balance."""
    return Job("look_at_wallets", every_s=_LOOK_EVERY_S, work=look_at_wallets, queue=QUEUE)
