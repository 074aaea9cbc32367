"""What a purchase would cost and who would have to consent, before it is made: by what the purchase itself goes by."""

from dataclasses import dataclass

from tortoise.connection import get_connection

from credits.accounts.models import Account
from credits.accounts.rules import Place
from credits.actors import Actor
from credits.approvals.requests import policy_for
from credits.approvals.rules import PolicyView
from credits.catalogue.prices import quoted
from credits.catalogue.rules import Quote
from credits.ledger.queries import balances, now
from credits.purchases.service import check_room, refuse_suspended


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """The price, and the policy that would ask for consent, if one would."""

    price: Quote
    policy: PolicyView | None


async def offer_for(
    actor: Actor, place: Place, *, wallet_id: str, package_code: str, quantity: int, credits_wanted: int | None
) -> Offer:
    """What the purchase would be now. Nothing is promised or locked: the price is taken when the purchase is made.
    Refused as the purchase would be."""
    refuse_suspended(suspended=(await Account.get(id=place.account_id)).suspended_at is not None)
    at = await now()
    price = await quoted(place.account_id, package_code, quantity=quantity, credits_wanted=credits_wanted, now=at)
    balance = (await balances([wallet_id]))[wallet_id]
    await check_room(wallet_id, balance.credits, price.credits, field="quantity")
    policy = await policy_for(
        get_connection("default"),
        account_id=place.account_id,
        pool_id=place.pool_id,
        requester_id=actor.id,
        credits_wanted=price.credits,
        now=at,
    )
    return Offer(price=price, policy=policy)
