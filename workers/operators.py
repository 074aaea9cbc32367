"""Jobs about what the platform's staff is told."""

from collections.abc import Mapping
from typing import Any

from credits import operators
from credits.chat.messenger import Messenger
from credits.chat.staff import tell_staff
from workers.delivery import Handler


def handlers(messenger: Messenger, channel: str) -> dict[str, Handler]:
    """Who does which job."""

    async def tell(payload: Mapping[str, Any]) -> None:
        await tell_staff(messenger, channel, payload)

    return {operators.TELL_JOB: tell}
