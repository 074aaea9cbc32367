"""Who is told, where: in a channel, else people one by one, in the chat or by mail. Each is told once, however often
the work is begun anew, and cards are edited wherever they were posted.

Before a card is posted its row is there; after it, the row knows where. Of a process that died in between, the next
attempt knows that it may have posted, and looks first. (Nobody can look into a mailbox: a mail that may have been sent
is sent again under the same Message-ID, of which mailboxes keep one.)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from tortoise.connection import get_connection
from tortoise.transactions import in_transaction

from credits import operators, outbox
from credits.accounts.models import User
from credits.accounts.queries import owners_of
from credits.chat import pace
from credits.chat.models import ChatMessage
from credits.chat.people import chat_users
from credits.chat.workspaces import Workspaces, if_removed
from credits.errors import Unavailable
from credits.gateways.cards import Card
from credits.gateways.chat import Chat, MessageRef, Workspace
from credits.gateways.errors import AccessRevoked, GatewayRefused, GatewayUnavailable
from credits.gateways.mail import Mail, MailGateway
from credits.ids import Kind, make_id
from credits.ledger.queries import now

_POSTING_S = 15
_log = structlog.get_logger()

_BEGIN = """
INSERT INTO chat_messages AS m
    (id, account_id, subject, dedupe, recipient, team_id, user_id, posting_until, attempts)
VALUES ($1, $2, $3, $4, $5, $6, $7, clock_timestamp() + make_interval(secs => $8), 1)
ON CONFLICT (dedupe) DO UPDATE
    SET attempts = m.attempts + 1, posting_until = clock_timestamp() + make_interval(secs => $8)
    WHERE m.ts IS NULL AND m.posting_until < clock_timestamp()
RETURNING m.id, m.attempts
"""
_LEAVE = "UPDATE chat_messages SET posting_until = clock_timestamp() WHERE dedupe = $1 AND attempts = $2 AND ts IS NULL"
_POSTED = "UPDATE chat_messages SET channel = $2, ts = $3, posted_at = credits_now() WHERE dedupe = $1 AND ts IS NULL"
_LAST_TOLD = """
SELECT user_id, max(posted_at) AS told_at FROM chat_messages
WHERE subject = $1 AND user_id = ANY($2) AND posted_at IS NOT NULL GROUP BY user_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """Who is to be told: whoever reads the channel. Where there is none, or it is gone, these people."""

    channel: str | None = None
    user_ids: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a card is about: its cards are edited together by `subject`, and each is told once for the `occasion`."""

    account_id: str
    subject: str
    occasion: str


class _Later:
    """Collects what cannot be told now, so that it keeps nobody else from being told."""

    def __init__(self) -> None:
        self._error: Exception | None = None
        self._after_s: float | None = None

    def add(self, error: Exception) -> None:
        self._error = error
        if isinstance(error, GatewayUnavailable) and error.retry_after_s is not None:
            self._after_s = max(self._after_s or 0, error.retry_after_s)

    def raise_(self, message: str) -> None:
        """GatewayUnavailable, where there was anything."""
        if self._error is not None:
            raise GatewayUnavailable(message, retry_after_s=self._after_s) from self._error


@dataclass(frozen=True, slots=True, kw_only=True)
class Messenger:
    """The chat, the mail, and who is told by which. A channel takes a message every `pace_s` seconds."""

    chat: Chat
    mail: MailGateway
    workspaces: Workspaces
    pace_s: float = 1.0

    async def tell(self, audience: Audience, card: Card, about: About) -> None:
        """Show the card in the channel, or to each of the people, once for the occasion. One who cannot be reached for
        good is left out and logged; for one who cannot be reached now GatewayUnavailable is raised after the others
        were told."""
        workspace = await self.workspaces.of_account(about.account_id)
        lost: GatewayRefused | None = None
        if audience.channel and workspace:
            try:
                await self._post(workspace, audience.channel, card, about)
            except GatewayRefused as error:
                _log.error("channel_gone", channel=audience.channel, account=about.account_id, reason=str(error))
                lost = error
            else:
                return
        if not audience.user_ids:
            _log.warning("nobody_to_tell", account=about.account_id, about=about.occasion, title=card.title)
        await self._tell_people(_left_of(workspace, lost), audience.user_ids, card, about)
        if workspace and lost:
            await self._lost(workspace, about.account_id, audience.channel, lost)

    async def tell_by_mail(self, user_id: str, card: Card, about: About) -> None:
        """Tell one person by mail and nowhere else, once for the occasion. Raises GatewayUnavailable."""
        await self._send(user_id, card, about)

    async def tell_own(self, channel: str, card: Card, about: About) -> None:
        """Show the card in a channel of the platform's own workspace. Raises GatewayUnavailable."""
        own = self.workspaces.own
        if own is None:
            return
        try:
            await self._post(own, channel, card, about)
        except GatewayRefused as error:
            _log.error("operators_not_told", channel=channel, about=about.occasion, reason=str(error))

    async def edit(self, subject: str, card: Card) -> None:
        """Show another card wherever one about the subject was posted; one that is gone is left out and logged. Raises
        GatewayUnavailable when some could not be edited now."""
        later = _Later()
        for row in await self._posted(subject):
            try:
                if workspace := await self.workspaces.of_team(row.team_id):
                    await self.chat.at(workspace).update(MessageRef(row.channel or "", row.ts or ""), card)
            except GatewayRefused as error:
                _log.warning("not_edited", subject=subject, channel=row.channel, reason=str(error))
            except GatewayUnavailable as error:
                later.add(error)
        later.raise_("Not every card could be edited yet.")

    async def reply(self, card: Card, about: About) -> None:
        """Answer in the thread of each card about the subject that stands in a channel, once for the occasion; who got
        one directly sees the card itself change. Raises as `tell` does."""
        later = _Later()
        for row in await self._posted(about.subject):
            workspace = await self.workspaces.of_team(row.team_id)
            if row.user_id is not None or workspace is None:
                continue
            thread = MessageRef(row.channel or "", row.ts or "")
            # A subject of its own: when the card is edited, what was said under it stays.
            under = About(account_id=about.account_id, subject=f"under:{about.subject}", occasion=about.occasion)
            try:
                await self._post(workspace, thread.channel, card, under, thread=thread)
            except GatewayRefused as error:
                _log.warning("not_replied", subject=about.subject, channel=row.channel, reason=str(error))
            except (GatewayUnavailable, Unavailable) as error:
                later.add(error)
        later.raise_("Not every thread could be answered yet.")

    async def last_told(self, subject: str, user_ids: Sequence[str]) -> dict[str, datetime]:
        """When these people were last told of the subject directly, by chat or mail; who never was is left out."""
        rows = await get_connection("default").execute_query_dict(_LAST_TOLD, [subject, list(user_ids)])
        return {row["user_id"]: row["told_at"] for row in rows}

    async def _posted(self, subject: str) -> list[ChatMessage]:
        return await ChatMessage.filter(subject=subject, ts__not_isnull=True, channel__not_isnull=True).order_by("id")

    async def _tell_people(
        self, workspace: Workspace | None, user_ids: Sequence[str], card: Card, about: About
    ) -> None:
        in_chat = await chat_users(workspace.org, user_ids) if workspace else {}
        later = _Later()
        for user_id in dict.fromkeys(user_ids):
            try:
                if workspace and user_id in in_chat:
                    refused = await self._refused_directly(workspace, in_chat[user_id], user_id, card, about)
                    workspace = _left_of(workspace, refused)
                    if refused is None:
                        continue
                await self._send(user_id, card, about)
            except (GatewayUnavailable, Unavailable) as error:
                later.add(error)
        later.raise_("Not everybody could be told yet.")

    async def _refused_directly(
        self, workspace: Workspace, chat_user: str, user_id: str, card: Card, about: About
    ) -> GatewayRefused | None:
        """Why they cannot be told in the chat; None where they were."""
        try:
            await self._post(workspace, chat_user, card, about, user_id=user_id)
        except GatewayRefused as error:
            _log.warning("not_told_in_chat", user=user_id, about=about.occasion, reason=str(error))
            if isinstance(error, AccessRevoked):
                await self._lost(workspace, about.account_id, None, error)
            return error
        return None

    async def _post(
        self,
        workspace: Workspace,
        to: str,
        card: Card,
        about: About,
        *,
        user_id: str | None = None,
        thread: MessageRef | None = None,
    ) -> None:
        """Post it, unless it was posted. Raises GatewayRefused, GatewayUnavailable and Unavailable."""
        under = f":{thread.ts}" if thread else ""
        dedupe = f"{about.occasion}:{to}{under}"
        if await ChatMessage.exists(dedupe=dedupe, ts__not_isnull=True):
            return
        await pace.turn(workspace.id, to, every_s=self.pace_s)
        begun = await _begin(about, dedupe, to, team_id=workspace.id, user_id=user_id)
        if begun is None:
            return
        _, attempt = begun
        try:
            message = await self.chat.at(workspace).post(to, card, dedupe=dedupe, again=attempt > 1, thread=thread)
        except Exception as error:
            await _leave(dedupe, attempt)
            if isinstance(error, GatewayUnavailable) and error.retry_after_s is not None:
                await pace.hold(workspace.id, to, error.retry_after_s)
            raise
        await get_connection("default").execute_query(_POSTED, [dedupe, message.channel, message.ts])

    async def _send(self, user_id: str, card: Card, about: About) -> None:
        person = await User.get(id=user_id)
        dedupe = f"{about.occasion}:mail:{user_id}"
        begun = await _begin(about, dedupe, user_id, team_id=None, user_id=user_id)
        if begun is None:
            return
        mail_id, attempt = begun
        try:
            await self.mail.send(Mail(to=person.email, name=person.name, card=card, id=mail_id))
        except GatewayRefused as error:
            _log.error("not_told", user=user_id, about=about.occasion, reason=str(error))
            await _leave(dedupe, attempt)
        except Exception:
            await _leave(dedupe, attempt)
            raise
        else:
            await get_connection("default").execute_query(_POSTED, [dedupe, None, mail_id])

    async def _lost(self, workspace: Workspace, account_id: str, channel: str | None, error: GatewayRefused) -> None:
        """Tell the account's owners, and the platform's staff, that messages no longer get where they should go; once a
        month, and of a workspace that the account has connected once."""
        if isinstance(error, AccessRevoked):
            await if_removed(self.workspaces, self.chat, workspace.id)
            channel = None
            if workspace != self.workspaces.own:
                return  # what was written down with it tells them
        what = f"{workspace.id}:{channel or 'all'}:{await now():%Y-%m}"
        notice = operators.Notice(
            occasion=f"lost:{account_id}:{what}",
            account_id=account_id,
            title="Slack takes no messages",
            text=f"Messages to {channel or 'a workspace'} do not get there any more ({error}); owners are told.",
        )
        async with in_transaction() as connection:
            await outbox.add(connection, [operators.message(notice)])
        where = f"the channel {channel}" if channel else "Slack"
        text = f"Messages for {where} do not get there any more ({error}). They go to people directly, or by e-mail."
        what_to_do = (
            "Add the app to the channel again, or choose another one: for the news of the account by /credits here, "
            "for a pool, an alert or a policy in its settings."
            if channel
            else "Connect Slack again in the settings of the account."
        )
        card = Card(summary=text, title="Messages do not reach Slack", text=f"{text} {what_to_do}")
        lost = About(account_id=account_id, subject=f"lost:{account_id}", occasion=f"lost:{account_id}:{what}")
        await self._tell_people(_left_of(workspace, error), await owners_of(account_id), card, lost)


def _left_of(workspace: Workspace | None, error: GatewayRefused | None) -> Workspace | None:
    """Where the others can still be told after this: nowhere, once the token is none any more."""
    return None if isinstance(error, AccessRevoked) else workspace


async def _begin(
    about: About, dedupe: str, recipient: str, *, team_id: str | None, user_id: str | None
) -> tuple[str, int] | None:
    """The row's id and how often posting was begun; None where it is posted. Raises Unavailable where another is at
    it."""
    rows = await get_connection("default").execute_query_dict(
        _BEGIN,
        [
            make_id(Kind.CHAT_MESSAGE),
            about.account_id,
            about.subject,
            dedupe,
            recipient,
            team_id,
            user_id,
            _POSTING_S,
        ],
    )
    if rows:
        return rows[0]["id"], rows[0]["attempts"]
    if await ChatMessage.exists(dedupe=dedupe, ts__not_isnull=True):
        return None
    raise Unavailable(f"Another attempt may be posting {dedupe} just now.")


async def _leave(dedupe: str, attempt: int) -> None:
    """We live to tell that we are no longer at it: the next attempt need not wait for us."""
    await get_connection("default").execute_query(_LEAVE, [dedupe, attempt])
