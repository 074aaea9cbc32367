"""The chat and the mail of a deployment without one: nobody is told, and the log says what they would have been."""

from collections.abc import Sequence

import structlog

from credits.gateways.cards import Card, Form
from credits.gateways.chat import ChatPerson, Installed, Interaction, MessageRef, Workspace
from credits.gateways.errors import BadSignature, GatewayRefused
from credits.gateways.mail import Mail

_NONE = "There is no chat in this deployment. Set SLACK_BOT_TOKEN, or SLACK_CLIENT_ID, and SLACK_SIGNING_SECRET."
_log = structlog.get_logger()


class SilentChat:
    """A `Chat` that reaches nobody."""

    def at(self, workspace: Workspace) -> "SilentWorkspace":
        """All the same."""
        return SilentWorkspace()

    def read_interaction(self, body: bytes, *, timestamp: str, signature: str) -> Interaction | None:
        """Nobody can have done anything."""
        raise BadSignature(_NONE)

    async def answer(self, reply_to: str, *cards: Card) -> None:
        """Nobody asked."""
        raise GatewayRefused(_NONE)

    def install_url(self, *, state: str) -> str:
        """There is nothing to install."""
        raise GatewayRefused(_NONE)

    async def installed(self, code: str) -> Installed:
        """Nobody installed anything."""
        raise GatewayRefused(_NONE)


class SilentWorkspace:
    """A `ChatGateway` that reaches nobody."""

    async def post(
        self, to: str, card: Card, *, dedupe: str, again: bool, thread: MessageRef | None = None
    ) -> MessageRef:
        """Log it; the reference leads nowhere."""
        _log.warning("no_chat", to=to, card=card.summary)
        return MessageRef("none", dedupe[:40])

    async def update(self, message: MessageRef, card: Card) -> None:
        """Log it."""
        _log.info("no_chat", edited=message.ts, card=card.summary)

    async def whisper(self, channel: str, user_id: str, *cards: Card) -> None:
        """Log it."""
        _log.info("no_chat", to=user_id, cards=[card.summary for card in cards])

    async def ask(self, trigger: str, form: Form) -> None:
        """Log it."""
        _log.info("no_chat", form=form.title)

    async def show_home(self, user_id: str, cards: Sequence[Card]) -> None:
        """Log it."""
        _log.info("no_chat", to=user_id, cards=len(cards))

    async def person(self, user_id: str) -> ChatPerson:
        """Nobody that is known."""
        return ChatPerson(id=user_id, email=None)

    async def check(self) -> None:
        """Nothing is wrong with it."""

    async def leave(self) -> None:
        """Log it."""
        _log.info("no_chat", left=True)


class SilentMail:
    """A `MailGateway` that reaches nobody."""

    async def send(self, mail: Mail) -> None:
        """Log it."""
        _log.warning("no_mail", to=mail.to, card=mail.card.summary)
