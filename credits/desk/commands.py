"""`/credits` and what stands behind it."""

from credits.desk.answers import answer
from credits.desk.cards import balances_card, choose_wallet_card, help_card, nothing_waits_card
from credits.desk.desk import Desk
from credits.desk.here import here
from credits.desk.pending import asked_for, questions
from credits.desk.seeing import seen_wallets
from credits.gateways.cards import Card
from credits.gateways.chat import Interaction


async def command(desk: Desk, interaction: Interaction, user_id: str) -> None:
    """Answer it, so that nobody else sees it."""
    word = (interaction.text or "").strip().lower()
    await answer(desk, interaction, *await _answer(desk, interaction, user_id, word))


async def _answer(desk: Desk, interaction: Interaction, user_id: str, word: str) -> list[Card]:
    team_id = interaction.team_id
    match word:
        case "balance":
            return [balances_card(await seen_wallets(desk.messenger.workspaces, user_id, team_id))]
        case "pending":
            waiting = await questions(desk, user_id, team_id)
            return [*(waiting or [nothing_waits_card()]), *await asked_for(desk, user_id, team_id)]
        case "buy":
            seen = await seen_wallets(desk.messenger.workspaces, user_id, team_id)
            return [choose_wallet_card([each for each in seen if each.may_buy])]
        case "here":
            return [await here(desk, interaction, user_id)]
        case "" | "help":
            return [help_card()]
        case _:
            return [help_card(unknown=word)]
