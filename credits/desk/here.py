"""`/credits here`: an owner lets the news of their account come to the channel in which they typed it."""

from credits.accounts.models import Account
from credits.accounts.rules import Action, Place, Standing, may
from credits.chat.channels import set_channel
from credits.desk.answers import answer
from credits.desk.cards import HERE_ACTION
from credits.desk.desk import Desk
from credits.desk.seeing import served_accounts, standing_of
from credits.errors import NotFound
from credits.gateways.cards import Button, Card
from credits.gateways.chat import Interaction
from credits.gateways.errors import GatewayRefused

_NOT_A_CHANNEL = Card(summary="Type this in the channel to which the news is to go.")
_WHICH = "Of which account is the news to come here?"
_NO_OWNER = Card(summary="Only an owner of an account can say where its news goes. Ask one of them to type this.")
_NOT_THERE = Card(
    summary="The app cannot write in this channel. Add it first (type /invite and its name), then type this once more."
)


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
    """Whether the app can write there shows by the first message, which tells everybody who is there."""
    workspace = await desk.messenger.workspaces.of_team(interaction.team_id)
    if workspace is None or interaction.channel is None:
        raise NotFound
    told = f"News of {account.name} comes to this channel from now on."
    news = Card(summary=told, text=told, notes=("Low balances, credits about to lapse, statements.",))
    try:
        await desk.messenger.chat.at(workspace).post(
            interaction.channel, news, dedupe=f"here:{interaction.key}", again=True
        )
    except GatewayRefused:
        return _NOT_THERE
    await set_channel((await standing_of(user_id)).actor, account.id, interaction.channel)
    return Card(summary=f"Done. Type /credits here in another channel to move the news of {account.name} there.")
