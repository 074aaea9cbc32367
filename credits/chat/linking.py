"""How users of the chat come to be linked with people: by a ticket that both sides have shown, or, once, by an address
that both sides have verified.

A link that was taken away is not made anew by the address; that the address had its turn is in the inbox.
"""

import structlog
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from credits import outbox
from credits.accounts.audit_log import record
from credits.accounts.models import SlackLink, User
from credits.accounts.queries import memberships
from credits.actors import SYSTEM
from credits.chat.messenger import Messenger
from credits.chat.people import link, person_with
from credits.chat.tickets import BadTicket, Link, Tickets, use
from credits.errors import Refusal, RefusalCode
from credits.gateways.cards import Button, Card
from credits.gateways.chat import Interaction
from credits.gateways.errors import GatewayRefused
from credits.inbox import first_time
from credits.outbox import Message, Queue

LINKED_JOB = "slack.linked"
LINK_ACTION = "link_account"
_STRANGER = "Your Slack user is not linked to a person of this service yet."
_ASK_AGAIN = "Press the button in Slack once more for a new one."
_log = structlog.get_logger()


def stranger_card(tickets: Tickets, interaction: Interaction) -> Card:
    """For somebody in the chat whom nobody knows here: how they become known."""
    address = tickets.link_address(team_id=interaction.team_id, org=interaction.org, chat_user_id=interaction.user_id)
    return Card(
        summary=f"{_STRANGER} Link your account, and then do it once more.",
        title="Who are you here?",
        text=f"{_STRANGER} Link your account, and then do once more what you just did.",
        buttons=(Button(action=LINK_ACTION, label="Link my account", value="", style="primary", url=address),),
        notes=("The button is for you alone. It works once, for 15 minutes.",),
    )


async def link_by_email(messenger: Messenger, *, team_id: str, org: str, chat_user_id: str) -> str | None:
    """The person whom the chat's verified address shows, linked from now on: who has verified it here as well, and
    belongs to an account that the workspace serves. None where there is nobody, and where this was done before. Raises
    GatewayUnavailable."""
    workspace = await messenger.workspaces.of_team(team_id)
    if workspace is None or workspace.org != org:
        return None
    try:
        email = (await messenger.chat.at(workspace).person(chat_user_id)).email
    except GatewayRefused as error:
        _log.warning("no_address", team=team_id, user=chat_user_id, reason=str(error))
        return None
    user_id = await person_with(email) if email else None
    if user_id is None or not await _belongs(messenger, user_id, team_id):
        return None
    async with in_transaction() as connection:
        if not await _first_turn(connection, org, chat_user_id):
            return None
        await link(connection, user_id, org=org, chat_user_id=chat_user_id, how="e-mail")
    return user_id


async def link_by_ticket(tickets: Tickets, user_id: str, token: str) -> None:
    """From now on the person who shows the ticket here is the user who got it in the chat. Refused (INVALID): one that
    was tampered with, has expired or was used."""
    try:
        ticket = tickets.link(token)
        async with in_transaction() as connection:
            await use(connection, ticket)
            await _link(connection, user_id, ticket)
            await outbox.add(connection, [_news_of(user_id, ticket)])
    except BadTicket as error:
        raise Refusal(RefusalCode.INVALID, f"{error} {_ASK_AGAIN}", field="token") from error


async def _link(connection: BaseDBAsyncClient, user_id: str, ticket: Link) -> None:
    await _first_turn(connection, ticket.org, ticket.chat_user_id)
    await link(connection, user_id, org=ticket.org, chat_user_id=ticket.chat_user_id, how="ticket")


def _news_of(user_id: str, ticket: Link) -> Message:
    payload = {
        "user_id": user_id,
        "team_id": ticket.team_id,
        "chat_user_id": ticket.chat_user_id,
        "ticket": ticket.id,
    }
    return Message(account_id="", queue=Queue.APPROVALS, job=LINKED_JOB, payload=payload)


async def unlink(email: str, *, how: str) -> int:
    """The chat knows whoever has this address no more, in any workspace. Returns how many links that were."""
    async with in_transaction() as connection:
        person = await User.filter(email__iexact=email).using_db(connection).first()
        rows = await SlackLink.filter(user_id=person.id).using_db(connection) if person else []
        for row in rows:
            await row.delete(using_db=connection)
            await _first_turn(connection, row.team_id, row.slack_user_id)
            await record(
                connection,
                SYSTEM,
                "unlinkSlackUser",
                account_id=None,
                target=str(row.__dict__["user_id"]),
                before={"org": row.team_id, "slackUser": row.slack_user_id, "how": how},
            )
    return len(rows)


async def _belongs(messenger: Messenger, user_id: str, team_id: str) -> bool:
    roles, *_ = await memberships(user_id)
    return any([await messenger.workspaces.serves(account_id, team_id) for account_id in roles])


async def _first_turn(connection: BaseDBAsyncClient, org: str, chat_user_id: str) -> bool:
    """Whether this user was never linked before; from now on they were."""
    received = await first_time(connection, "slack.known", f"{org}|{chat_user_id}", "link", {})
    if received is None:
        return False
    await received.conclude(connection, "linked")
    return True
