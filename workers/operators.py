"""Jobs about what the platform's staff is told."""

from collections.abc import Mapping
from typing import Any

from credits import operators
from credits.gateways import ChatGateway
from workers.delivery import Handler


def handlers(chat: ChatGateway, channel: str) -> dict[str, Handler]:
    """Who does which job."""

    async def tell(payload: Mapping[str, Any]) -> None:
        await operators.tell(chat, channel, payload)

    return {operators.TELL_JOB: tell}
