"""Connecting an account's Slack workspace, and people saying who they are there."""

from datetime import datetime

import strawberry

import schema.accounts
from credits.accounts.rules import Action
from credits.chat.linking import link_by_ticket
from credits.chat.workspaces import disconnect
from credits.errors import Forbidden
from credits.ids import Kind
from schema.context import Info
from schema.errors import UserError, refusals_as
from schema.people import User, find_user
from schema.permissions import place_for
from schema.settings import AccountPayload


@strawberry.input
class ConnectSlackInput:
    account_id: strawberry.ID


@strawberry.input
class DisconnectSlackInput:
    account_id: strawberry.ID


@strawberry.input
class LinkSlackUserInput:
    token: str = strawberry.field(description="What came with the address of the page, from the button in Slack.")


@strawberry.type(description="Open `url` in a browser; it is for the caller, until `expiresAt`, and works once.")
class ConnectSlackPayload:
    url: str | None = None
    expires_at: datetime | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class LinkSlackUserPayload:
    user: User | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class SlackMutation:
    @strawberry.mutation(description="Begin to add the app to the account's Slack workspace, in place of another.")
    @refusals_as(ConnectSlackPayload)
    async def connect_slack(
        self,
        info: Info,
        input: ConnectSlackInput,  # noqa: A002 the API's name for it
    ) -> ConnectSlackPayload | None:
        context = info.context
        await place_for(context, input.account_id, Kind.ACCOUNT, Action.CONNECT_CHAT, field="accountId")
        url, expires_at = context.services.tickets.install_address(context.standing.actor.id, input.account_id)
        return ConnectSlackPayload(url=url, expires_at=expires_at)

    @strawberry.mutation(
        description="Tell the account's people nothing in its workspace any more; our token for it is given back."
    )
    @refusals_as(AccountPayload)
    async def disconnect_slack(
        self,
        info: Info,
        input: DisconnectSlackInput,  # noqa: A002 the API's name for it
    ) -> AccountPayload | None:
        context = info.context
        await place_for(context, input.account_id, Kind.ACCOUNT, Action.CONNECT_CHAT, field="accountId")
        await disconnect(context.standing.actor, input.account_id)
        context.forget()
        return AccountPayload(account=await schema.accounts.account(context, input.account_id))

    @strawberry.mutation(
        description="The caller is from now on the Slack user who got the token. Ask them first whether they are."
    )
    @refusals_as(LinkSlackUserPayload)
    async def link_slack_user(
        self,
        info: Info,
        input: LinkSlackUserInput,  # noqa: A002 the API's name for it
    ) -> LinkSlackUserPayload | None:
        context = info.context
        user_id = context.standing.user_id
        if user_id is None:
            raise Forbidden("Only a person can be linked with a user of Slack. Sign in as one.")
        await link_by_ticket(context.services.tickets, user_id, input.token)
        context.forget()
        return LinkSlackUserPayload(user=await find_user(context, user_id, show_email=True))
