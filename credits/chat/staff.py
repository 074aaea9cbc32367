"""Telling the platform's own staff, in a channel of the platform's own workspace and in the log."""

from collections.abc import Mapping
from typing import Any

import structlog

from credits.chat.messenger import About, Messenger
from credits.gateways.cards import Card

_log = structlog.get_logger()


async def tell_staff(messenger: Messenger, channel: str, payload: Mapping[str, Any]) -> None:
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
    about = f"operators:{payload['occasion']}"
    await messenger.tell_own(channel, card, About(account_id=payload["account_id"], subject=about, occasion=about))
