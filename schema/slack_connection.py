"""The Slack workspace of an account."""

from datetime import datetime

import strawberry

from credits.accounts.models import Account
from credits.chat.workspaces import connection_of


@strawberry.type(description="The Slack workspace in which an account's people are told things.")
class SlackConnection:
    team: str = strawberry.field(description="Its name.")
    channel: str | None = strawberry.field(description="Where news goes that has no channel of its own.")
    installed_at: datetime


async def slack_of(account_id: str) -> SlackConnection | None:
    """For a caller who may see it."""
    row = await connection_of(account_id)
    if row is None:
        return None
    channel = (await Account.get(id=account_id)).slack_channel
    return SlackConnection(team=row.team, channel=channel, installed_at=row.installed_at)
