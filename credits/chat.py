"""Cards in the chat: each posted once, however often its work is begun anew, and edited wherever it was posted.

Before a card is posted its row is there; after it, the row knows where. Of a process that died in between, the next
attempt knows that it may have posted, and looks first.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import structlog
from tortoise import fields
from tortoise.connection import get_connection
from tortoise.models import Model

from credits.accounts.models import ID_LENGTH, Account, SlackLink
from credits.errors import Unavailable
from credits.gateways import Card, ChatGateway, GatewayRefused, GatewayUnavailable, MessageRef
from credits.ids import Kind, make_id

_POSTING_S = 10
_log = structlog.get_logger()

_BEGIN = """
INSERT INTO chat_messages AS m (id, account_id, subject, dedupe, recipient, posting_until, attempts)
VALUES ($1, $2, $3, $4, $5, clock_timestamp() + make_interval(secs => $6), 1)
ON CONFLICT (dedupe) DO UPDATE
    SET attempts = m.attempts + 1, posting_until = clock_timestamp() + make_interval(secs => $6)
    WHERE m.ts IS NULL AND m.posting_until < clock_timestamp()
RETURNING m.attempts
"""


_LEAVE = "UPDATE chat_messages SET posting_until = clock_timestamp() WHERE dedupe = $1 AND attempts = $2 AND ts IS NULL"


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


async def deliver(
    gateway: ChatGateway, *, account_id: str, subject: str, recipients: Iterable[str], card: Card, occasion: str
) -> None:
    """Post the card to each channel or person, once for the occasion. One who cannot be reached for good is left out
    and logged; for one who cannot be reached now, Unavailable is raised after the others were told."""
    later: Exception | None = None
    for to in recipients:
        try:
            await _deliver_to(gateway, account_id=account_id, subject=subject, to=to, card=card, occasion=occasion)
        except GatewayRefused as error:
            _log.error("not_told", to=to, subject=subject, reason=str(error))
        except (GatewayUnavailable, Unavailable) as error:
            later = error
    if later is not None:
        raise Unavailable("Not everybody could be told yet.") from later


async def _deliver_to(
    gateway: ChatGateway, *, account_id: str, subject: str, to: str, card: Card, occasion: str
) -> None:
    dedupe = f"{occasion}:{to}"
    begun = await get_connection("default").execute_query_dict(
        _BEGIN, [make_id(Kind.CHAT_MESSAGE), account_id, subject, dedupe, to, _POSTING_S]
    )
    if not begun:
        if await ChatMessage.exists(dedupe=dedupe, ts__not_isnull=True):
            return
        raise Unavailable(f"Another attempt may be posting {dedupe} just now.")
    attempt = begun[0]["attempts"]
    try:
        message = await gateway.post(to, card, dedupe=dedupe, again=attempt > 1)
    except Exception:
        # We live to tell that we are no longer at it: the next attempt need not wait for us.
        await get_connection("default").execute_query(_LEAVE, [dedupe, attempt])
        raise
    await ChatMessage.filter(dedupe=dedupe, ts__isnull=True).update(channel=message.channel, ts=message.ts)


async def edit(gateway: ChatGateway, *, subject: str, card: Card) -> None:
    """Show another card wherever one about the subject was posted; one that is gone is left out and logged. Raises
    Unavailable when some could not be edited now."""
    later: Exception | None = None
    for row in await ChatMessage.filter(subject=subject, ts__not_isnull=True).order_by("id"):
        try:
            await gateway.update(MessageRef(row.channel or "", row.ts or ""), card)
        except GatewayRefused as error:
            _log.warning("not_edited", subject=subject, channel=row.channel, reason=str(error))
        except GatewayUnavailable as error:
            later = error
    if later is not None:
        raise Unavailable("Not every card could be edited yet.") from later


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
