"""What is wrong in the sandbox's Slack, as tests order it: a channel that is gone, a person who has left, a workspace
that took the app out. The word is the error that Slack answers then.
"""

from app.sandbox.models import SlackTrouble

CHANNELS = {"archived": "is_archived", "left": "not_in_channel", "deleted": "channel_not_found"}
DEACTIVATED, UNINSTALLED, REVOKED = "user_disabled", "account_inactive", "token_revoked"


async def order(about: str, word: str) -> None:
    """From now on that is wrong with it."""
    await SlackTrouble.update_or_create({"word": word}, id=about)


async def clear(about: str) -> None:
    """Nothing is wrong with it any more."""
    await SlackTrouble.filter(id=about).delete()


async def word_of(about: str) -> str | None:
    """What is wrong with a channel, a person or a workspace."""
    found = await SlackTrouble.get_or_none(id=about)
    return found.word if found else None


async def words() -> dict[str, str]:
    """All that is wrong."""
    return {row.id: row.word for row in await SlackTrouble.all()}
