"""What resolvers are given: the service's parts, the caller, and loaders made anew for each operation."""

from dataclasses import dataclass, replace

import strawberry
from strawberry.types import Info as StrawberryInfo

from credits.access.service import Caller, refreshed
from credits.accounts.rules import Standing
from credits.chat.tickets import Tickets
from credits.chat.workspaces import Workspaces
from credits.errors import Unauthenticated
from credits.feeds import Feeds
from credits.ledger.writer import Writer
from credits.purchases.checkouts import Checkouts
from credits.reports.links import Links
from schema.loaders import Loaders

NO_TOKEN = "Sign in first: send the header Authorization: Bearer <token or key>."  # noqa: S105 a sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The parts of the service that outlive an operation; one set per process."""

    writer: Writer
    checkouts: Checkouts
    feeds: Feeds
    links: Links
    tickets: Tickets
    workspaces: Workspaces


@dataclass(slots=True, kw_only=True)
class Context:
    """One operation: who asks (None: nobody has said), and what was read for it so far."""

    services: Services
    caller: Caller | None
    loaders: Loaders

    @property
    def standing(self) -> Standing:
        """How the caller stands. Raises Unauthenticated where there is none."""
        if self.caller is None:
            raise Unauthenticated(NO_TOKEN)
        return self.caller.standing

    async def renew(self) -> None:
        """For a subscription that goes on: the roles that the caller has by now, and nothing of what was read."""
        if self.caller is not None:
            self.caller = replace(self.caller, standing=await refreshed(self.caller.standing))
        self.loaders = Loaders()

    def forget(self) -> None:
        """What was read so far may have changed: read anew from here on."""
        self.loaders = Loaders()


Info = StrawberryInfo[Context, None]

ID = strawberry.ID
