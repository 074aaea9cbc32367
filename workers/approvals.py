"""Jobs about approvals."""

from collections.abc import Mapping
from typing import Any

from credits.approvals.requests import DECIDED_JOB, REQUESTED_JOB
from credits.approvals.telling import post_request, tell_decision
from credits.chat.messenger import Messenger
from workers.delivery import Handler


def handlers(messenger: Messenger) -> dict[str, Handler]:
    """Who does which job."""

    async def requested(payload: Mapping[str, Any]) -> None:
        await post_request(messenger, payload["approval_id"])

    async def decided(payload: Mapping[str, Any]) -> None:
        await tell_decision(messenger, payload["approval_id"])

    return {REQUESTED_JOB: requested, DECIDED_JOB: decided}
