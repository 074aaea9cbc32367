"""Jobs of automatic top-ups."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from credits.chat.messenger import Messenger
from credits.gateways.payments import SavedCards
from credits.purchases.checkouts import Checkouts
from credits.top_ups import messages
from credits.top_ups.looking import look
from credits.top_ups.service import resume, resume_with_other_cards
from credits.top_ups.telling import ask_to_confirm, tell_suspended
from workers.delivery import Handler
from workers.purchases import QUEUE
from workers.schedule import Job


def handlers(checkouts: Checkouts, messenger: Messenger) -> dict[str, Handler]:
    """Who does which job."""

    async def looked(payload: Mapping[str, Any]) -> None:
        planned = payload["planned_for"]
        planned_for = datetime.fromisoformat(planned) if planned else None
        await look(checkouts.publisher, payload["wallet_id"], planned_for=planned_for)

    async def resumed(payload: Mapping[str, Any]) -> None:
        await resume(payload["account_id"])

    async def confirmed(payload: Mapping[str, Any]) -> None:
        await ask_to_confirm(checkouts, messenger, payload["purchase_id"])

    async def suspended(payload: Mapping[str, Any]) -> None:
        await tell_suspended(messenger, payload)

    return {
        messages.LOOK_JOB: looked,
        messages.RESUME_JOB: resumed,
        messages.CONFIRM_JOB: confirmed,
        messages.SUSPENDED_JOB: suspended,
    }


def scheduled(cards: SavedCards) -> Job:
    """Whether accounts whose top-ups are suspended have another card."""

    async def look_at_cards() -> None:
        await resume_with_other_cards(cards)

    return Job("look_at_cards", every_s=600.0, work=look_at_cards, queue=QUEUE)
