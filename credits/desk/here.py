"""`/credits here`: an owner lets the news of their account come to the channel in which they typed it."""

from credits.accounts.audit_log import AuditEntry
from credits.accounts.models import Account
from credits.accounts.rules import Action, Place, Standing, may
from credits.chat import pace
from credits.chat.channels import set_channel
from credits.chat.messenger import Messenger
from credits.chat.workspaces import if_removed
from credits.desk.answers import answer
from credits.desk.cards import HERE_ACTION
from credits.desk.desk import Desk
from credits.desk.seeing import served_accounts, standing_of
from credits.errors import NotFound
from credits.gateways.cards import Button, Card
from credits.gateways.chat import Interaction
from credits.gateways.errors import AccessRevoked, GatewayRefused
from credits.inbox import InboxEvent

_NOT_A_CHANNEL = Card(summary="Type this in the channel to which the news is to go.")
_WHICH = "Of which account is the news to come here?"
_NO_OWNER = Card(summary="Only an owner of an account can say where its news goes. Ask one of them to type this.")
_CUT_OFF = Card(summary="Slack takes nothing from the app here any more. Connect it anew in the account's settings.")
_NEWS = "Of balances, lapsing credits, top-ups, refunds and statements, as far as no other channel was chosen for it."


async def here(desk: Desk, interaction: Interaction, user_id: str) -> Card:
    """What comes of it: with one account it is done, with several they are asked which."""
    if not (interaction.channel or "").startswith(("C", "G")):
        return _NOT_A_CHANNEL
    owned = await _owned(desk, interaction, user_id)
    if len(owned) != 1:
        return _which(owned) if owned else _NO_OWNER
    return await _bring(desk, interaction, user_id, owned[0])


async def chosen_here(desk: Desk, interaction: Interaction, user_id: str) -> None:
    """Of several accounts it is this one's news."""
    found = [each for each in await _owned(desk, interaction, user_id) if each.id == interaction.value]
    if not found or not interaction.channel:
        raise NotFound
    await answer(desk, interaction, await _bring(desk, interaction, user_id, found[0]))


async def _owned(desk: Desk, interaction: Interaction, user_id: str) -> list[Account]:
    standing = await standing_of(user_id)
    ids = await served_accounts(desk.messenger.workspaces, standing, interaction.team_id)
    accounts = await Account.filter(id__in=ids).order_by("name", "id")
    return [each for each in accounts if _may_say(standing, each)]


def _may_say(standing: Standing, account: Account) -> bool:
    return may(standing, Action.CONNECT_CHAT, Place(account_id=account.id, account_kind=account.kind))


def _which(owned: list[Account]) -> Card:
    buttons = (Button(action=f"{HERE_ACTION}.{n}", label=each.name, value=each.id) for n, each in enumerate(owned))
    return Card(summary=_WHICH, text=_WHICH, buttons=tuple(buttons))


async def _bring(desk: Desk, interaction: Interaction, user_id: str, account: Account) -> Card:
    channel = interaction.channel or ""
    if account.slack_channel != channel and await _moved_since(account, interaction):
        return Card(summary=f"The news of {account.name} was moved elsewhere meanwhile. Type this again to have it.")
    if refused := await _refused_there(desk.messenger, interaction, channel, account):
        return refused
    await set_channel((await standing_of(user_id)).actor, account.id, channel)
    return Card(summary=f"Done. Type /credits here in another channel to move the news of {account.name} there.")


async def _refused_there(messenger: Messenger, interaction: Interaction, channel: str, account: Account) -> Card | None:
    """Whether the app can write there shows by the first message, which tells everybody who is there."""
    workspace = await messenger.workspaces.of_team(interaction.team_id)
    if workspace is None:
        return _CUT_OFF
    told = f"News of {account.name} comes to this channel from now on."
    news, dedupe = Card(summary=told, text=told, notes=(_NEWS,)), f"here:{interaction.key}"
    try:
        await pace.turn(workspace.id, channel, every_s=messenger.pace_s)
        await messenger.chat.at(workspace).post(channel, news, dedupe=dedupe, again=True)
    except AccessRevoked:
        await if_removed(messenger.workspaces, messenger.chat, interaction.team_id)
        return _CUT_OFF
    except GatewayRefused as error:
        return Card(
            summary=f"Slack takes no message of the app in this channel ({error}). Add the app to it first (type "
            "/invite and its name), then type this again."
        )
    return None


async def _moved_since(account: Account, interaction: Interaction) -> bool:
    """What was typed may be done late, while Slack takes nothing."""
    typed = await InboxEvent.get(source="slack", event_id=interaction.key)
    moves = AuditEntry.filter(account_id=account.id, action="setSlackChannel", at__gt=typed.received_at)
    return await moves.exists()
