"""What the outbox is told of money that goes back, and what people read of it: whoever pays for the account, and the
platform's own staff.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from credits.chat.audiences import of_account
from credits.chat.messenger import About, Messenger
from credits.gateways.cards import Card
from credits.gateways.payments import Dispute
from credits.money import Money
from credits.operators import Notice
from credits.outbox import Message, Queue
from credits.purchases import queries
from credits.purchases.models import DisputeStatus
from credits.purchases.queries import PurchaseView

READ_JOB = "purchase.returns"
NEWS_JOB = "purchase.returned"


class News(StrEnum):
    """DISPUTED froze credits. LOST took them. ENDED: they can be spent again. REFUNDED: some were spent, and are
    owed. BACK: a refund failed, or an appeal was won."""

    DISPUTED = "DISPUTED"
    LOST = "LOST"
    ENDED = "ENDED"
    REFUNDED = "REFUNDED"
    BACK = "BACK"


def read_message(payment_id: str, account_id: str = "") -> Message:
    """The look at the provider for all that goes back of a payment."""
    return Message(account_id=account_id, queue=Queue.PAYMENTS, job=READ_JOB, payload={"payment_id": payment_id})


def news_message(purchase: PurchaseView, news: News, *, source: str, credits_told: int, owed: int) -> Message:
    """What owners are told, once for each source (the refund or dispute, by the provider's id) and kind of news."""
    payload = {
        "purchase_id": purchase.id,
        "news": news.value,
        "source": source,
        "credits": credits_told,
        "owed": owed,
    }
    return Message(account_id=purchase.account_id, queue=Queue.ALERTS, job=NEWS_JOB, payload=payload)


async def tell_news(messenger: Messenger, payload: Mapping[str, Any]) -> None:
    """Show the card in the account's channel, else to its owners. A dispute that has ended meanwhile is not told any
    more; its end is. Raises Unavailable where not everybody could be told yet."""
    purchase, news = await queries.purchase(payload["purchase_id"]), News(payload["news"])
    if news is News.DISPUTED and purchase.dispute is not DisputeStatus.OPEN:
        return
    about = About(
        account_id=purchase.account_id,
        subject=f"returns:{purchase.id}",
        occasion=f"returns:{payload['source']}:{news}",
    )
    card = news_card(news, total=purchase.total, credits_told=payload["credits"], owed=payload["owed"])
    await messenger.tell(await of_account(purchase.account_id), card, about)


def news_card(news: News, *, total: Money, credits_told: int, owed: int) -> Card:
    """The news as a sentence, and what it means."""
    some = f"{credits_told:,} credits"
    title, text = {
        News.DISPUTED: ("Payment disputed", f"A payment of {total.formatted} was disputed: {some} are frozen."),
        News.LOST: ("Dispute lost", f"The dispute about a payment of {total.formatted} was lost: {some} are gone."),
        News.ENDED: ("Dispute ended", f"The dispute about a payment of {total.formatted} is over: nothing is frozen."),
        News.REFUNDED: ("Payment refunded", f"A payment of {total.formatted} was refunded: {some} are gone."),
        News.BACK: ("Credits are back", f"Money of a payment of {total.formatted} stayed after all: {some} are back."),
    }[news]
    if owed:
        text += f" {owed:,} credits are owed; what is bought next repays them first, and until then nothing is spent."
    notes = ("They stay so until the bank has decided.",) if news is News.DISPUTED else ()
    return Card(summary=text, title=title, text=text, notes=notes)


def disputed_notice(dispute: Dispute, purchase: PurchaseView | None) -> Notice:
    """For the platform's staff: the bank wants an answer."""
    return Notice(
        occasion=f"dispute:{dispute.id}",
        account_id=purchase.account_id if purchase else "",
        title="A payment is disputed",
        text="Answer the bank in the provider's dashboard before it decides without us, or accept the dispute there.",
        fields=(("Disputed", _with_currency(dispute.amount)), *_about(dispute.payment_id, purchase)),
        quote=dispute.reason,
        urgent=True,
    )


def failed_notice(
    refund: str, amount: Money, purchase: PurchaseView | None, *, payment_id: str, reason: str | None
) -> Notice:
    """For the platform's staff: money that should have gone back did not. `refund` is the id it is known by."""
    return Notice(
        occasion=f"refund-failed:{refund}",
        account_id=purchase.account_id if purchase else "",
        title="A refund failed",
        text="The money did not go back; credits that were taken for it are given back. Refund it again, or pay it "
        "out another way.",
        fields=(("Amount", _with_currency(amount)), *_about(payment_id, purchase)),
        quote=reason,
        urgent=True,
    )


def _about(payment_id: str, purchase: PurchaseView | None) -> tuple[tuple[str, str], ...]:
    return (
        ("Payment", payment_id),
        ("Purchase", purchase.id if purchase else "not known yet"),
        ("Account", purchase.account_id if purchase else "not known yet"),
    )


def _with_currency(amount: Money) -> str:
    return f"{amount.formatted} {amount.currency}"
