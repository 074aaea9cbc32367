"""The receipt of a paid purchase, told to whoever bought."""

from credits.access.queries import maker_of
from credits.accounts.models import User
from credits.accounts.places import names_of
from credits.accounts.queries import owners_of
from credits.chat.messenger import About, Audience, Messenger
from credits.gateways.cards import Button, Card
from credits.outbox import Message, Queue
from credits.purchases import queries
from credits.purchases.queries import PurchaseView

RECEIPT_JOB = "purchase.receipt"
RECEIPT_ACTION, INVOICE_ACTION = "receipt", "invoice"


def message(purchase: PurchaseView) -> Message:
    """That there is more of the papers than before, as work for the outbox."""
    payload = {"purchase_id": purchase.id}
    return Message(account_id=purchase.account_id, queue=Queue.APPROVALS, job=RECEIPT_JOB, payload=payload)


async def tell_receipt(messenger: Messenger, purchase_id: str) -> None:
    """Send it to whoever bought, or made the key that did, else to the account's owners; with an invoice that came
    after it, what was sent to the chat is edited. Raises as `Messenger.tell` does."""
    purchase = await queries.purchase(purchase_id)
    person = await maker_of(purchase.requested_by.id) or purchase.requested_by.id
    people = [person] if await User.exists(id=person) else await owners_of(purchase.account_id)
    card = receipt_card(purchase, (await names_of([purchase.wallet_id]))[purchase.wallet_id])
    subject = f"receipt:{purchase_id}"
    await messenger.tell(
        Audience(user_ids=people), card, About(account_id=purchase.account_id, subject=subject, occasion=subject)
    )
    if purchase.invoice_url is not None:
        await messenger.edit(subject, card)


def receipt_card(purchase: PurchaseView, wallet: str) -> Card:
    """What was bought, for how much, and where the papers are."""
    total = purchase.total.formatted
    several = f" \N{MULTIPLICATION SIGN} {purchase.quantity:,}" if purchase.quantity > 1 else ""
    papers = (
        (RECEIPT_ACTION, "Receipt", purchase.receipt_url),
        (INVOICE_ACTION, "Invoice", purchase.invoice_url),
    )
    return Card(
        summary=f"Receipt: {purchase.credits:,} credits for {wallet}, {total}",
        title="Receipt",
        text=f"{purchase.credits:,} credits came to {wallet}.",
        fields=(("Package", f"{purchase.package_name}{several}"), ("Paid", total)),
        buttons=tuple(
            Button(action=action, label=label, value=purchase.id, url=url) for action, label, url in papers if url
        ),
        notes=(f"Purchase {purchase.id}",),
    )
