"""Who did what to settings, people and catalogue."""

from collections.abc import Sequence
from datetime import datetime
from typing import Self

import strawberry

from credits.accounts import audit_log
from credits.accounts.rules import Action, may, visible
from credits.actors import Actor as DomainActor
from credits.errors import Forbidden, NotFound
from credits.ids import Kind
from schema.context import Context
from schema.node import Node
from schema.pagination import Connection, Position, connection
from schema.people import Actor
from schema.permissions import check_kind
from schema.scalars import Metadata


@strawberry.type(description="One change; what is done to credits stands in the ledger.")
class AuditEntry(Node):
    by: strawberry.Private[DomainActor]
    action: str = strawberry.field(description="The name of the mutation.")
    target: strawberry.ID | None = strawberry.field(description="What was changed.")
    before: Metadata | None = strawberry.field(description="Of what was changed, only what differs.")
    after: Metadata | None
    at: datetime

    @classmethod
    def of(cls, row: audit_log.AuditEntry) -> Self:
        """From the row; the caller may see it."""
        return cls(
            id=strawberry.ID(row.id),
            by=DomainActor(kind=row.actor_kind, id=row.actor_id, on_behalf_of=row.on_behalf_of),
            action=row.action,
            target=None if row.target is None else strawberry.ID(row.target),
            before=None if row.before is None else Metadata(row.before),
            after=None if row.after is None else Metadata(row.after),
            at=row.at,
        )

    @strawberry.field
    async def actor(self) -> Actor:
        return Actor.of(self.by)


async def account_audit_log(account_id: str, *, first: int | None, after: str | None) -> Connection[AuditEntry]:
    """An account's entries, newest first; the caller may see them."""

    async def read(limit: int, position: Position | None) -> Sequence[audit_log.AuditEntry]:
        return await audit_log.entries_of(account_id, limit=limit, before=position[0] if position else None)

    return await connection(
        list_name=f"auditLog:{account_id}",
        first=first,
        after=after,
        key=lambda row: (row.id,),
        read=read,
        node=AuditEntry.of,
    )


async def audit_entry(context: Context, entry_id: str) -> AuditEntry:
    """The entry, for a caller who may read the log that it stands in; for any other there is none."""
    standing = context.standing
    check_kind(entry_id, Kind.AUDIT_ENTRY, field="id")
    found = await audit_log.entry(entry_id)
    if found is not None and found.account_id is None and standing.operator:
        return AuditEntry.of(found)
    place = await context.loaders.places.load(found.account_id) if found and found.account_id else None
    if found is None or place is None or not visible(standing, place):
        raise NotFound
    if not may(standing, Action.SEE_AUDIT_LOG, place):
        raise Forbidden if standing.key else NotFound
    return AuditEntry.of(found)
