"""Where an account's news goes that names no channel of its own."""

from tortoise.transactions import in_transaction

from credits.accounts.audit_log import record
from credits.accounts.models import Account
from credits.actors import Actor


async def set_channel(actor: Actor, account_id: str, channel: str) -> bool:
    """From now on it goes to this channel (`C…` or `#name`) of the account's workspace. False where there is no such
    account."""
    async with in_transaction() as connection:
        account = await Account.filter(id=account_id).using_db(connection).select_for_update().first()
        if account is None:
            return False
        before, account.slack_channel = account.slack_channel, channel
        if before == channel:
            return True
        await account.save(using_db=connection, update_fields=["slack_channel"])
        await record(
            connection,
            actor,
            "setSlackChannel",
            account_id=account_id,
            before={"channel": before},
            after={"channel": channel},
        )
    return True
