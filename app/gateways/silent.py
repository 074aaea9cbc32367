"""The chat of a deployment without one: nobody is told, and the log says what they would have been."""

import structlog

from credits.gateways import BadSignature, Card, Interaction, MessageRef

_log = structlog.get_logger()


class SilentChat:
    """A `ChatGateway` that reaches nobody."""

    async def post(self, to: str, card: Card, *, dedupe: str, again: bool) -> MessageRef:
        """Log it; the reference leads nowhere."""
        _log.warning("no_chat", to=to, card=card.summary)
        return MessageRef("none", dedupe[:40])

    async def update(self, message: MessageRef, card: Card) -> None:
        """Log it."""
        _log.info("no_chat", edited=message.ts, card=card.summary)

    async def whisper(self, channel: str, user_id: str, text: str) -> None:
        """Log it."""
        _log.info("no_chat", to=user_id, text=text)

    def read_interaction(self, body: bytes, *, timestamp: str, signature: str) -> Interaction | None:
        """Nobody can have pressed anything."""
        raise BadSignature("There is no chat in this deployment. Set SLACK_BOT_TOKEN and SLACK_SIGNING_SECRET.")
