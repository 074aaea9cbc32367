"""What the platform's own staff has to know: a payment that fits no purchase, a price that somebody asks for.

Written in the commit whose news it is and told after it, like all that is told; where there is no channel for it, the
log has it at the level `error` or `warning`, for somebody to be called.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from credits import chat
from credits.gateways import Card, ChatGateway
from credits.outbox import Message, Queue

TELL_JOB = "operators.tell"
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What is told. `occasion` is unique: the same one is told once, however often it is written. `urgent` says that
    money is at stake."""

    occasion: str
    account_id: str
    title: str
    text: str
    fields: tuple[tuple[str, str], ...] = ()
    quote: str | None = None
    urgent: bool = False


def message(notice: Notice) -> Message:
    """The notice as work for the outbox."""
    return Message(
        account_id=notice.account_id,
        queue=Queue.APPROVALS,
        job=TELL_JOB,
        payload={
            "occasion": notice.occasion,
            "account_id": notice.account_id,
            "title": notice.title,
            "text": notice.text,
            "fields": [list(each) for each in notice.fields],
            "quote": notice.quote,
            "urgent": notice.urgent,
        },
    )


async def tell(gateway: ChatGateway, channel: str, payload: Mapping[str, Any]) -> None:
    """Show the notice in the operators' channel; without one (an empty `channel`) it is only logged."""
    level = _log.error if payload["urgent"] else _log.warning
    level("operators_notice", occasion=payload["occasion"], title=payload["title"], text=payload["text"])
    if not channel:
        return
    card = Card(
        summary=f"{payload['title']}: {payload['text']}",
        title=payload["title"],
        text=payload["text"],
        quote=payload["quote"],
        fields=tuple((name, value) for name, value in payload["fields"]),
    )
    await chat.deliver(
        gateway,
        account_id=payload["account_id"],
        subject=f"operators:{payload['occasion']}",
        recipients=[channel],
        card=card,
        occasion=f"operators:{payload['occasion']}",
    )
