"""Which workspace of the chat an account's messages go to, and by which token.

In a deployment with one workspace all accounts share that of the settings. Where accounts connect their own, that of
the settings is the platform's own and nobody else's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from credits import operators, outbox
from credits.accounts.audit_log import record
from credits.accounts.models import Account
from credits.actors import SYSTEM, Actor
from credits.chat.models import SlackConnection
from credits.errors import Refusal, RefusalCode
from credits.gateways.chat import Chat, Installed, Workspace
from credits.gateways.errors import AccessRevoked, GatewayRefused
from credits.ledger.queries import now
from credits.outbox import Message, Queue

REMOVED_JOB = "slack.removed"
LEAVE_JOB = "slack.leave"
_log = structlog.get_logger()


class Seal:
    """Keeps tokens so that the database alone does not give them away. The first key seals; the others still open what
    they sealed, so that a key can be replaced."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        self._keys = MultiFernet([Fernet(key) for key in keys]) if keys else None

    def closed(self, token: str) -> str:
        """The token as it is kept."""
        if self._keys is None:
            raise ValueError("There is no key to seal tokens with. Set SLACK_TOKEN_KEYS.")
        return self._keys.encrypt(token.encode()).decode()

    def opened(self, sealed: str) -> str | None:
        """The token; None where no key opens it (any more)."""
        try:
            return self._keys.decrypt(sealed.encode()).decode() if self._keys else None
        except InvalidToken:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspaces:
    """`own` is the workspace of the settings, if there is one; with `shared` accounts that have none use it too."""

    own: Workspace | None
    shared: bool
    seal: Seal

    async def of_account(self, account_id: str) -> Workspace | None:
        """Where the account's people are told things; None where nowhere. One that has lost its own workspace has no
        other instead."""
        row = await SlackConnection.get_or_none(account_id=account_id)
        if row is None:
            return self.own if self.shared else None
        return self._of(row) if row.revoked_at is None else None

    async def of_team(self, team_id: str | None) -> Workspace | None:
        """The workspace with that id (None: that of the settings), while we may talk to it."""
        if self.own is not None and team_id in {None, self.own.id}:
            return self.own
        row = await SlackConnection.filter(team_id=team_id, revoked_at=None).order_by("-installed_at").first()
        return self._of(row) if row else None

    @property
    def common_org(self) -> str | None:
        """Where the people of accounts without a workspace of their own are known from."""
        return self.own.org if self.own and self.shared else None

    async def serves(self, account_id: str, team_id: str) -> bool:
        """Whether what is done in that workspace can be about this account."""
        workspace = await self.of_account(account_id)
        return workspace is not None and workspace.id == team_id

    def sealed(self, team_id: str, org_id: str, sealed_token: str) -> Workspace | None:
        """The workspace with a token as it is kept; None where no key opens that."""
        token = self.seal.opened(sealed_token)
        return Workspace(id=team_id, org=org_id, token=token) if token else None

    def _of(self, row: SlackConnection) -> Workspace | None:
        return self.sealed(row.team_id, row.org_id, row.sealed_token)


async def connect(workspaces: Workspaces, actor: Actor, account_id: str, installed: Installed) -> None:
    """From now on the account's people are told things there. Who they are there is another matter: whoever installs
    an app need not be who asked for it."""
    sealed = workspaces.seal.closed(installed.workspace.token)
    async with in_transaction() as connection:
        (clock,) = await connection.execute_query_dict("SELECT credits_now() AS now")
        before = await _locked(connection, account_id)
        if before and before.team_id != installed.workspace.id:
            await _part(connection, before)
        await SlackConnection.update_or_create(
            {
                "team_id": installed.workspace.id,
                "org_id": installed.workspace.org,
                "team": installed.name,
                "sealed_token": sealed,
                "connected_by": actor.id,
                "installed_at": clock["now"],
                "revoked_at": None,
            },
            using_db=connection,
            account_id=account_id,
        )
        # The workspace has one token: of its other accounts it is the new one too.
        await (
            SlackConnection.filter(team_id=installed.workspace.id, revoked_at=None)
            .using_db(connection)
            .update(sealed_token=sealed)
        )
        await record(
            connection,
            actor,
            "connectSlack",
            account_id=account_id,
            before={"team": before.team} if before else None,
            after={"team": installed.name},
        )


async def disconnect(actor: Actor, account_id: str) -> None:
    """Let the account have no workspace of its own any more; the token is given back. Refused (WRONG_STATE): where it
    has none."""
    async with in_transaction() as connection:
        row = await _locked(connection, account_id)
        if row is None:
            raise Refusal(RefusalCode.WRONG_STATE, "This account is not connected to Slack. There is nothing to end.")
        await row.delete(using_db=connection)
        await record(connection, actor, "disconnectSlack", account_id=account_id, before={"team": row.team})
        await _part(connection, row)


async def _locked(connection: BaseDBAsyncClient, account_id: str) -> SlackConnection | None:
    return await SlackConnection.filter(account_id=account_id).using_db(connection).select_for_update().first()


async def _part(connection: BaseDBAsyncClient, row: SlackConnection) -> None:
    """The account has nothing to do with that workspace any more, nor with a channel of it."""
    sealed = {"team_id": row.team_id, "org_id": row.org_id, "sealed_token": row.sealed_token}
    message = Message(account_id=row.account_id, queue=Queue.APPROVALS, job=LEAVE_JOB, payload=sealed)
    await outbox.add(connection, [message])
    await Account.filter(id=row.account_id).using_db(connection).update(slack_channel=None)


async def leave(workspaces: Workspaces, chat: Chat, payload: Mapping[str, str]) -> None:
    """Give the token of an account that has parted back, unless somebody needs it: a workspace has one token for all
    its accounts, for one that has come back, and for the platform itself. Raises GatewayUnavailable."""
    team_id = payload["team_id"]
    if workspaces.own and workspaces.own.id == team_id:
        return
    if await SlackConnection.exists(team_id=team_id, revoked_at=None):
        return
    workspace = workspaces.sealed(team_id, payload["org_id"], payload["sealed_token"])
    if workspace is None:
        _log.warning("token_not_given_back", team=team_id, why="No key of SLACK_TOKEN_KEYS opens it.")
        return
    try:
        await chat.at(workspace).leave()
    except AccessRevoked:
        return


_REVOKED = """
UPDATE slack_connections SET revoked_at = credits_now()
WHERE team_id = $1 AND revoked_at IS NULL AND installed_at <= $2
RETURNING account_id, team, installed_at::text
"""


async def if_removed(workspaces: Workspaces, chat: Chat, team_id: str) -> list[str]:
    """Something says that the app was taken out of the workspace. It may say so late: the chat is asked with the token
    of now, and one that has been connected anew stays. Where it is so, nothing is sent there any more, and the owners
    of its accounts are told. Returns the accounts that lose it by this. Raises GatewayUnavailable."""
    at = await now()
    workspace = await workspaces.of_team(team_id)
    try:
        if workspace:
            await chat.at(workspace).check()
            return []
    except GatewayRefused as error:
        _log.warning("workspace_lost", team=team_id, reason=str(error))
    return await _removed(team_id, at)


async def _removed(team_id: str, at: datetime) -> list[str]:
    async with in_transaction() as connection:
        rows = await connection.execute_query_dict(_REVOKED, [team_id, at])
        for row in rows:
            await record(
                connection, SYSTEM, "disconnectSlack", account_id=row["account_id"], before={"team": row["team"]}
            )
        await outbox.add(connection, [message for row in rows for message in _news_of(team_id, row)])
    return [row["account_id"] for row in rows]


def _news_of(team_id: str, lost: Mapping[str, str]) -> list[Message]:
    """For the owners, and for the platform's staff."""
    account_id = lost["account_id"]
    notice = operators.Notice(
        occasion=f"lost:{account_id}:{team_id}:{lost['installed_at']}",
        account_id=account_id,
        title="Slack takes no messages",
        text=f"The app was removed from {lost['team']}, or its access revoked; owners are told.",
    )
    to_owners = Message(account_id=account_id, queue=Queue.APPROVALS, job=REMOVED_JOB, payload=dict(lost))
    return [to_owners, operators.message(notice)]


async def reseal(seal: Seal) -> tuple[int, list[str]]:
    """Keep every token under the first key. Returns how many there are, and the accounts whose token no key opens."""
    unopened = []
    async with in_transaction() as connection:
        rows = await SlackConnection.all().using_db(connection).select_for_update().order_by("account_id")
        for row in rows:
            token = seal.opened(row.sealed_token)
            if token is None:
                unopened.append(row.account_id)
                continue
            row.sealed_token = seal.closed(token)
            await row.save(using_db=connection, update_fields=["sealed_token"])
    return len(rows), unopened


async def connection_of(account_id: str) -> SlackConnection | None:
    """The account's own connection, as long as it is good."""
    return await SlackConnection.get_or_none(account_id=account_id, revoked_at=None)
