"""Reads of API keys."""

from collections.abc import Iterable

from tortoise.expressions import RawSQL

from credits.access.models import ApiKey
from credits.accounts.models import User
from credits.actors import Actor, ActorKind

_LISTED = 500


async def names(ids: Iterable[str]) -> dict[str, str]:
    """What the keys with these ids are called."""
    return {row.id: row.name for row in await ApiKey.filter(id__in=list(ids)).only("id", "name")}


async def keys_of(account_id: str) -> list[ApiKey]:
    """The account's keys, newest first, and after those in force the revoked ones."""
    found = ApiKey.filter(account_id=account_id).annotate(revoked=RawSQL("revoked_at IS NOT NULL"))
    return await found.order_by("revoked", "-id").limit(_LISTED)


async def maker_of(key_id: str) -> str | None:
    """The person who made the key and answers for it; None where that is not known, and for what is no key's id."""
    row = await ApiKey.get_or_none(id=key_id)
    return row.made_by if row else None


async def name_of(actor: Actor) -> str:
    """What whoever did something is called, for people to read."""
    if actor.kind is ActorKind.API_KEY:
        return (await names([actor.id])).get(actor.id, "An integration")
    person = await User.get_or_none(id=actor.id)
    return person.name if person else "Somebody who has left"
