"""Buying from the chat: which package, and then as by the API, for who may."""

from credits.accounts.models import User
from credits.accounts.places import names_of
from credits.actors import Actor, ActorKind
from credits.approvals.queries import latest_by_purchase
from credits.catalogue.service import packages
from credits.desk.answers import answer
from credits.desk.cards import bought_card, packages_card
from credits.desk.desk import Desk
from credits.desk.seeing import place_to_buy_for
from credits.errors import NotFound, Unavailable
from credits.gateways.chat import Interaction
from credits.purchases.models import PurchaseStatus
from credits.purchases.queries import PurchaseView
from credits.purchases.service import PurchaseInput, request_purchase


async def offer(desk: Desk, interaction: Interaction, user_id: str) -> None:
    """What there is to buy for the wallet of the button. Refused as the API refuses."""
    wallet_id = interaction.value
    await place_to_buy_for(desk.messenger.workspaces, user_id, wallet_id, interaction.team_id)
    name = (await names_of([wallet_id]))[wallet_id]
    shown = [each for each in await packages() if each.active]
    await answer(desk, interaction, packages_card(name, wallet_id, shown))


async def buy(desk: Desk, interaction: Interaction, user_id: str) -> None:
    """Make the purchase, once for the press however often it is worked on, and say how it goes on. Raises Unavailable
    while the provider has not said where to pay."""
    wallet_id, _, code = interaction.value.partition(":")
    if not code:
        raise NotFound
    place = await place_to_buy_for(desk.messenger.workspaces, user_id, wallet_id, interaction.team_id)
    wanted = PurchaseInput(
        wallet_id=wallet_id,
        package_code=code,
        quantity=1,
        credits=None,
        justification=None,
        return_url=None,
        idempotency_key=f"chat {interaction.key}",
    )
    purchase, _ = await request_purchase(desk.checkouts, Actor(kind=ActorKind.USER, id=user_id), place, wanted)
    if purchase.status is PurchaseStatus.AWAITING_PAYMENT and purchase.checkout_url is None:
        raise Unavailable("The payment provider has not said yet where to pay.")
    name = (await names_of([wallet_id]))[wallet_id]
    await answer(desk, interaction, bought_card(purchase, name, await _approvers(purchase)))


async def _approvers(purchase: PurchaseView) -> str:
    """How many of whom have to approve, as a sentence; empty where nobody has to."""
    approval = (await latest_by_purchase([purchase.id])).get(purchase.id)
    if approval is None:
        return ""
    names = sorted(row.name for row in await User.filter(id__in=list(approval.approver_ids)))
    return f"{approval.required_approvals} of {', '.join(names)} can approve it."
