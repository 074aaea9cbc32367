"""Jobs about alerts."""

from collections.abc import Mapping
from typing import Any

from credits.alerts.messages import FIRED_JOB, RECOVERED_JOB
from credits.alerts.service import tell_fired, tell_recovered
from credits.chat.messenger import Messenger
from workers.delivery import Handler


def handlers(messenger: Messenger) -> dict[str, Handler]:
    """Who does which job."""

    async def fired(payload: Mapping[str, Any]) -> None:
        await tell_fired(messenger, **payload)

    async def recovered(payload: Mapping[str, Any]) -> None:
        await tell_recovered(
            messenger, wallet_id=payload["wallet_id"], episode=payload["episode"], available=payload["available"]
        )

    return {FIRED_JOB: fired, RECOVERED_JOB: recovered}
