"""Who is who in the chat, by links that were made before (`linking.py` makes them); never by a name."""

from collections.abc import Iterable

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.connection import get_connection

from credits.accounts.audit_log import record
from credits.accounts.models import Identity, SlackLink, User
from credits.actors import Actor, ActorKind


async def chat_users(org: str, user_ids: Iterable[str]) -> dict[str, str]:
    """The ids, in that workspace or enterprise, of those people who are linked, by their ids here; one each."""
    rows = await get_connection("default").execute_query_dict(
        "SELECT DISTINCT ON (user_id) user_id, slack_user_id FROM slack_links WHERE team_id = $1 AND user_id = ANY($2)"
        " ORDER BY user_id, id",
        [org, list(user_ids)],
    )
    return {row["user_id"]: row["slack_user_id"] for row in rows}


async def person_behind(org: str, chat_user_id: str) -> str | None:
    """The person behind a user of a workspace or enterprise; None for strangers."""
    link = await SlackLink.get_or_none(team_id=org, slack_user_id=chat_user_id)
    return None if link is None else str(link.__dict__["user_id"])


async def link(connection: BaseDBAsyncClient, user_id: str, *, org: str, chat_user_id: str, how: str) -> None:
    """From now on this user of the workspace or enterprise is that person. A user who was linked with another is theirs
    no more."""
    before = await SlackLink.get_or_none(team_id=org, slack_user_id=chat_user_id, using_db=connection)
    if before is not None and before.__dict__["user_id"] == user_id:
        return
    await SlackLink.update_or_create({"user_id": user_id}, using_db=connection, team_id=org, slack_user_id=chat_user_id)
    await record(
        connection,
        Actor(kind=ActorKind.USER, id=user_id),
        "linkSlackUser",
        account_id=None,
        target=user_id,
        before=None if before is None else {"user": before.__dict__["user_id"]},
        after={"org": org, "slackUser": chat_user_id, "how": how},
    )


async def person_with(email: str) -> str | None:
    """The one person who has proved here that this address is theirs: who signed in with it, and was not only invited.
    None where nobody did, or more than one."""
    people = await User.filter(email__iexact=email).limit(2)
    if len(people) != 1 or not await Identity.exists(user_id=people[0].id):
        return None
    return people[0].id
