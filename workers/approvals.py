"""Jobs about approvals, and the buttons pressed on their cards."""

from collections.abc import Mapping
from typing import Any

from credits import interactions
from credits.approvals.requests import DECIDED_JOB, REQUESTED_JOB
from credits.approvals.telling import post_request, tell_decision
from credits.chat import People
from credits.gateways import ChatGateway, Publisher
from workers.delivery import Handler


def handlers(chat: ChatGateway, people: People, publisher: Publisher) -> dict[str, Handler]:
    """Who does which job."""

    async def requested(payload: Mapping[str, Any]) -> None:
        await post_request(chat, people, payload["approval_id"])

    async def decided(payload: Mapping[str, Any]) -> None:
        await tell_decision(chat, people, payload["approval_id"])

    async def pressed(payload: Mapping[str, Any]) -> None:
        await interactions.work_on(chat, people, publisher, interactions.interaction_of(payload))

    return {REQUESTED_JOB: requested, DECIDED_JOB: decided, interactions.PRESSED_JOB: pressed}
