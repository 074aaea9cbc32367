"""What it takes to work on what people do in the chat."""

from dataclasses import dataclass

from credits.approvals.links import Pages
from credits.approvals.telling import Teller
from credits.chat.messenger import Messenger
from credits.chat.tickets import Tickets
from credits.gateways.publisher import Publisher
from credits.purchases.checkouts import Checkouts


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Who tells, who is told of changes, where is paid, where requests are to be seen, and what strangers come back
    with."""

    messenger: Messenger
    publisher: Publisher
    checkouts: Checkouts
    pages: Pages
    tickets: Tickets

    @property
    def teller(self) -> Teller:
        """Who tells of approvals."""
        return Teller(messenger=self.messenger, pages=self.pages)
