"""What waits for somebody in a workspace, and what they wait for."""

from credits.approvals import queries
from credits.approvals.messages import question
from credits.approvals.telling import request_now
from credits.desk.cards import asked_for_card
from credits.desk.desk import Desk
from credits.desk.seeing import served_accounts, standing_of
from credits.gateways.cards import Card
from credits.purchases.models import PurchaseStatus
from credits.purchases.queries import account_purchases

MOST_QUESTIONS = 5
_MOST_ASKED = 5


async def questions(desk: Desk, user_id: str, team_id: str) -> list[Card]:
    """The questions that wait for this person, the oldest first, with the buttons that decide them."""
    standing = await standing_of(user_id)
    served = await served_accounts(desk.messenger.workspaces, standing, team_id)
    waiting = [each for each in await queries.waiting_for(user_id) if each.account_id in served]
    cards = [question(await request_now(each.id, desk.pages)) for each in waiting[:MOST_QUESTIONS]]
    if len(waiting) > MOST_QUESTIONS:
        cards.append(Card(summary="More", text=f"{len(waiting) - MOST_QUESTIONS:,} more wait for you."))
    return cards


async def asked_for(desk: Desk, user_id: str, team_id: str) -> list[Card]:
    """What this person asked for and nobody has decided yet."""
    standing = await standing_of(user_id)
    found = []
    for account_id in await served_accounts(desk.messenger.workspaces, standing, team_id):
        found += await account_purchases(
            account_id, limit=_MOST_ASKED, statuses=[PurchaseStatus.PENDING_APPROVAL], requested_by=user_id
        )
    return [asked_for_card(found)] if found else []
