"""What people are told about the chat itself: that it was taken from their account, that they were linked with it."""

from collections.abc import Mapping
from typing import Any

from credits.accounts.queries import owners_of
from credits.chat.messenger import About, Audience, Messenger
from credits.chat.models import SlackConnection
from credits.chat.workspaces import connection_of
from credits.gateways.cards import Card


async def tell_removed(messenger: Messenger, payload: Mapping[str, Any]) -> None:
    """Tell the account's owners once for each time that the app was installed; not where it is back already. Raises as
    `Messenger.tell`."""
    account_id, team = payload["account_id"], payload["team"]
    if await connection_of(account_id) is not None:
        return
    text = f"The app was removed from {team} in Slack, or its access was revoked. Messages go by e-mail from now on."
    card = Card(
        summary=f"Our messages do not reach {team} in Slack any more.",
        title="Messages do not reach Slack",
        text=f"{text} An owner can connect Slack again in the settings of the account.",
    )
    subject = f"lost:{account_id}"
    about = About(account_id=account_id, subject=subject, occasion=f"{subject}:removed:{payload['installed_at']}")
    await messenger.tell(Audience(user_ids=await owners_of(account_id)), card, about)


async def tell_linked(messenger: Messenger, payload: Mapping[str, Any]) -> None:
    """Tell a person by mail that somebody in the chat is them: whoever was tricked into it learns it there. Raises
    GatewayUnavailable."""
    user_id, chat_user_id = payload["user_id"], payload["chat_user_id"]
    connected = await SlackConnection.filter(team_id=payload["team_id"]).first()
    where = f"in {connected.team}" if connected else "in Slack"
    text = f"The user {chat_user_id} {where} is you from now on: what they do there counts as yours."
    card = Card(
        summary="A Slack user was linked with you.",
        title="A Slack user was linked with you",
        text=text,
        notes=("Was this not you? Write to support at once, and they end it.",),
    )
    subject = f"linked:{user_id}"
    about = About(account_id="", subject=subject, occasion=f"{subject}:{payload['ticket']}")
    await messenger.tell_by_mail(user_id, card, about)
