"""People, and whoever else acts: keys, the service, the system."""

from dataclasses import replace
from datetime import datetime
from typing import Self

import strawberry

from credits.accounts import models, queries
from credits.accounts.models import AccountRole
from credits.accounts.rules import Action, Place, may
from credits.actors import Actor as DomainActor
from credits.actors import ActorKind
from credits.errors import NotFound, Refusal, RefusalCode
from credits.ids import Kind
from schema.context import Context, Info
from schema.node import Node
from schema.permissions import check_kind

strawberry.enum(ActorKind)
strawberry.enum(AccountRole)


@strawberry.type(description="A person.")
class User(Node):
    name: str
    email: str | None = strawberry.field(description="Null for those who may not manage people.")

    @strawberry.field(description="Whether Slack knows them: then they can be asked and decide there.")
    async def slack_linked(self, info: Info) -> bool:
        common = info.context.services.workspaces.common_org
        pairs = await info.context.loaders.in_chat.load(self.id) or frozenset()
        return any(linked == (connected or common) for linked, connected in pairs)

    @classmethod
    def of(cls, row: models.User, *, show_email: bool) -> Self:
        """From the row; the address only where the caller may see it."""
        return cls(id=strawberry.ID(row.id), name=row.name, email=row.email if show_email else None)


async def find_user(context: Context, user_id: str, *, show_email: bool) -> User:
    row = await context.loaders.users.load(user_id)
    if row is None:
        raise NotFound
    own = context.standing.user_id == user_id
    return User.of(row, show_email=show_email or own or context.standing.operator)


@strawberry.type(description="Who did it. `onBehalfOf` is the person for whom a key or a service acted.")
class Actor:
    id: strawberry.ID
    kind: ActorKind
    acting_for: strawberry.Private[str | None]

    @strawberry.field
    async def name(self, info: Info) -> str:
        loaders = info.context.loaders
        if self.kind is ActorKind.USER:
            row = await loaders.users.load(self.id)
            return row.name if row else "Somebody who has left"
        if self.kind is ActorKind.API_KEY:
            return await loaders.key_names.load(self.id) or "A key that is gone"
        return "Staging engine" if self.kind is ActorKind.SERVICE else "System"

    @strawberry.field
    async def on_behalf_of(self, info: Info) -> User | None:
        return await find_user(info.context, self.acting_for, show_email=False) if self.acting_for else None

    @classmethod
    def of(cls, actor: DomainActor) -> Self:
        """From the domain's."""
        return cls(id=strawberry.ID(actor.id), kind=actor.kind, acting_for=actor.on_behalf_of)


@strawberry.type(description="A person's role in an account.")
class Membership:
    user: User
    role: AccountRole
    since: datetime


async def user(context: Context, user_id: str) -> User:
    """A person: oneself, and for operators and those who may see the account's members, others."""
    check_kind(user_id, Kind.USER, field="id")
    standing = context.standing
    if standing.operator or standing.user_id == user_id:
        return await find_user(context, user_id, show_email=True)
    roles, *_ = await queries.memberships(user_id)
    places = [place for each in roles if (place := await context.loaders.places.load(each))]
    seen_in = [place for place in places if may(standing, Action.SEE_MEMBERS, place)]
    if not seen_in:
        raise NotFound
    return await find_user(
        context, user_id, show_email=any(may(standing, Action.SEE_EMAILS, place) for place in seen_in)
    )


async def acting_for(context: Context, place: Place, person: str | None) -> DomainActor:
    """The caller as the ledger keeps it, acting for that person where one is named. Refused: a person who names
    another, and one for whom is acted who may not spend there."""
    actor = context.standing.actor
    if person is None:
        return actor
    if actor.kind is ActorKind.USER:
        raise Refusal(
            RefusalCode.INVALID, "Only a key or the service acts for others. Leave this out.", field="onBehalfOf"
        )
    check_kind(person, Kind.USER, field="onBehalfOf")
    named = await context.loaders.standings.load(person)
    if named is None or not may(named, Action.SPEND, place):
        raise Refusal(
            RefusalCode.INVALID,
            "Nobody of this id may spend from this wallet. Name a member who may.",
            field="onBehalfOf",
        )
    return replace(actor, on_behalf_of=person)
