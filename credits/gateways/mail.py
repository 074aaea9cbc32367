"""What is sent by mail."""

from dataclasses import dataclass
from typing import Protocol

from credits.gateways.cards import Card


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A card for somebody without a chat. `id` makes the Message-ID: the same mail sent twice has the same."""

    to: str
    name: str
    card: Card
    id: str


class MailGateway(Protocol):
    """E-mail."""

    async def send(self, mail: Mail) -> None:
        """Hand it to the mail server. Raises GatewayUnavailable (ask again) and GatewayRefused (this address, or this
        mail, never)."""
