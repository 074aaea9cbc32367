"""Cards in the chat: each posted once, however often its work is begun anew, and edited wherever it was posted.

Before a card is posted its row is there; after it, the row knows where. Of a process that died in between, the next
attempt knows that it may have posted, and looks first.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from tortoise import fields
from tortoise.connection import get_connection
from tortoise.models import Model

from credits.accounts.models import ID_LENGTH, Account, SlackLink
from credits.errors import Unavailable
from credits.gateways import Card, ChatGateway, MessageRef
from credits.ids import Kind, make_id

_POSTING_S = 10

_BEGIN = """
INSERT INTO chat_messages AS m (id, account_id, subject, dedupe, recipient, posting_until, attempts)
VALUES ($1, $2, $3, $4, $5, clock_timestamp() + make_interval(secs => $6), 1)
ON CONFLICT (dedupe) DO UPDATE
    SET attempts = m.attempts + 1, posting_until = clock_timestamp() + make_interval(secs => $6)
    WHERE m.ts IS NULL AND m.posting_until < clock_timestamp()
RETURNING m.attempts
"""


_LEAVE = "UPDATE chat_messages SET posting_until = clock_timestamp() WHERE dedupe = $1 AND ts IS NULL"


class ChatMessage(Model):
    """A card for a channel or a person. `subject` is what it is about: its cards are edited together. `dedupe` is
    unique: one card for each."""

    id = fields.CharField(ID_LENGTH, primary_key=True)
    account_id = fields.CharField(ID_LENGTH)
    subject = fields.CharField(120)
    dedupe = fields.CharField(200, unique=True)
    recipient = fields.CharField(80)
    channel = fields.CharField(80, null=True)
    ts = fields.CharField(40, null=True)
    attempts = fields.IntField()
    posting_until = fields.DatetimeField()

    class Meta:
        table = "chat_messages"


async def deliver(chat: ChatGateway, *, account_id: str, subject: str, to: str, card: Card, dedupe: str) -> None:
    """Post the card to a channel or person, unless it was. Raises Unavailable while another attempt may be at it, and
    what the gateway raises."""
    begun = await get_connection("default").execute_query_dict(
        _BEGIN, [make_id(Kind.CHAT_MESSAGE), account_id, subject, dedupe, to, _POSTING_S]
    )
    if not begun:
        if await ChatMessage.exists(dedupe=dedupe, ts__not_isnull=True):
            return
        raise Unavailable(f"Another attempt may be posting {dedupe} just now.")
    try:
        message = await chat.post(to, card, dedupe=dedupe, again=begun[0]["attempts"] > 1)
    except Exception:
        # We live to tell that we are no longer at it: the next attempt need not wait for us.
        await get_connection("default").execute_query(_LEAVE, [dedupe])
        raise
    await ChatMessage.filter(dedupe=dedupe).update(channel=message.channel, ts=message.ts)


async def edit(chat: ChatGateway, *, subject: str, card: Card) -> None:
    """Show another card wherever one about the subject was posted."""
    for row in await ChatMessage.filter(subject=subject, ts__not_isnull=True).order_by("id"):
        await chat.update(MessageRef(row.channel or "", row.ts or ""), card)


@dataclass(frozen=True, slots=True)
class People:
    """Who is who in the one workspace that this deployment talks to (`team_id`), by links that were made before; never
    by name or address."""

    team_id: str

    async def of_users(self, user_ids: Iterable[str]) -> list[str]:
        """The chat's ids of those people who are linked; one each."""
        rows = await get_connection("default").execute_query_dict(
            "SELECT DISTINCT ON (user_id) slack_user_id FROM slack_links WHERE team_id = $1 AND user_id = ANY($2)"
            " ORDER BY user_id, id",
            [self.team_id, list(user_ids)],
        )
        return [row["slack_user_id"] for row in rows]

    async def user_of(self, team_id: str, chat_user_id: str) -> str | None:
        """The person behind a user of the workspace; None for strangers, and for users of another workspace."""
        if team_id != self.team_id:
            return None
        link = await SlackLink.get_or_none(team_id=team_id, slack_user_id=chat_user_id)
        return None if link is None else str(link.__dict__["user_id"])

    async def channel_of_account(self, account_id: str) -> list[str]:
        """The account's channel, if it has one."""
        account = await Account.get_or_none(id=account_id)
        return [account.slack_channel] if account and account.slack_channel else []
