"""Jobs about approvals."""

from collections.abc import Mapping
from typing import Any

from credits.approvals import telling
from credits.approvals.due import look_at_open
from credits.approvals.requests import DECIDED_JOB, ESCALATED_JOB, FOLLOW_JOB, REMIND_JOB, REQUESTED_JOB
from credits.approvals.telling import Teller
from credits.gateways.publisher import Publisher
from workers.delivery import Handler
from workers.schedule import Job

_LOOK_EVERY_S = 10.0


def handlers(teller: Teller) -> dict[str, Handler]:
    """Who does which job."""

    async def requested(payload: Mapping[str, Any]) -> None:
        await telling.post_request(teller, payload["approval_id"])

    async def decided(payload: Mapping[str, Any]) -> None:
        await telling.tell_decision(teller, payload["approval_id"])

    async def remind(payload: Mapping[str, Any]) -> None:
        await telling.remind(teller, payload["approval_id"])

    async def escalated(payload: Mapping[str, Any]) -> None:
        await telling.tell_escalated(teller, payload["approval_id"])

    async def follow(payload: Mapping[str, Any]) -> None:
        await telling.bring_up_to_date(teller, payload["approval_id"])

    return {
        REQUESTED_JOB: requested,
        DECIDED_JOB: decided,
        REMIND_JOB: remind,
        ESCALATED_JOB: escalated,
        FOLLOW_JOB: follow,
    }


def scheduled(publisher: Publisher) -> Job:
    """Requests whose time is up, and those whose reminder or escalation is due."""

    async def look() -> None:
        await look_at_open(publisher)

    return Job("look_at_approvals", every_s=_LOOK_EVERY_S, work=look)
