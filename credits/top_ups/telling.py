"""Telling people of automatic top-ups in the chat: a payment that wants their confirmation, one that is suspended."""

from collections.abc import Mapping
from typing import Any

from credits.accounts.places import names_of
from credits.chat.audiences import of_account
from credits.chat.messenger import About, Messenger
from credits.gateways.cards import Card
from credits.purchases import queries
from credits.purchases.checkouts import Checkouts, open_checkout
from credits.purchases.models import PurchaseStatus
from credits.top_ups.messages import confirm_card, suspended_card


async def ask_to_confirm(checkouts: Checkouts, messenger: Messenger, purchase_id: str) -> None:
    """Open the checkout of a payment that the bank wants to be confirmed, and send its address. One that was paid or
    ended meanwhile is not asked about any more. Raises GatewayUnavailable, and Unavailable where not all were told."""
    await open_checkout(checkouts, purchase_id)
    purchase = await queries.purchase(purchase_id)
    if purchase.status is not PurchaseStatus.AWAITING_PAYMENT or purchase.checkout_url is None:
        return
    card = confirm_card(
        wallet_name=(await names_of([purchase.wallet_id]))[purchase.wallet_id],
        total=purchase.total,
        credits_bought=purchase.credits,
        purchase_id=purchase_id,
        url=purchase.checkout_url,
    )
    await _tell(messenger, purchase.account_id, card, occasion=f"top-up:{purchase_id}:confirm")


async def tell_suspended(messenger: Messenger, payload: Mapping[str, Any]) -> None:
    """Say that nothing is bought any more, and why; once for the occasion."""
    wallet_id = payload["wallet_id"]
    card = suspended_card(wallet_name=(await names_of([wallet_id]))[wallet_id], reason=payload["reason"])
    await _tell(messenger, payload["account_id"], card, occasion=payload["occasion"])


async def _tell(messenger: Messenger, account_id: str, card: Card, *, occasion: str) -> None:
    """In the account's channel, else to its owners."""
    about = About(account_id=account_id, subject=occasion, occasion=occasion)
    await messenger.tell(await of_account(account_id), card, about)
