"""The app by itself: what waits for whoever opened it, then what their wallets have."""

from credits.desk.cards import COMMANDS, MOST, balances_card, nothing_waits_card, wallet_card
from credits.desk.desk import Desk
from credits.desk.pending import asked_for, questions
from credits.desk.seeing import seen_wallets
from credits.gateways.cards import Card


async def home_cards(desk: Desk, user_id: str, team_id: str) -> list[Card]:
    """What the person sees from that workspace."""
    seen = await seen_wallets(desk.messenger.workspaces, user_id, team_id)
    waiting = await questions(desk, user_id, team_id)
    return [
        *(waiting or [nothing_waits_card()]),
        *await asked_for(desk, user_id, team_id),
        Card(summary="Balances", title="Balances"),
        *([wallet_card(each) for each in seen[:MOST]] or [balances_card(seen)]),
        Card(summary="Commands", notes=tuple(f"{command}: {what}" for command, what in COMMANDS)),
    ]
