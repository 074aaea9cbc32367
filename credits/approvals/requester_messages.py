"""The cards of whoever asked for a purchase: what was decided, and how to go on; and the request as a page shows it."""

from credits.approvals.messages import Subject, ended, facts, notes, view_button, when
from credits.approvals.models import ApprovalStatus
from credits.gateways.cards import Button, Card, Words
from credits.purchases.models import PaymentMethod, PurchaseStatus
from credits.purchases.queries import PurchaseView

ASK_AGAIN_ACTION = "ask_again"
PAY_ACTION = "pay"
_TITLES = {
    ApprovalStatus.PENDING: "Approval needed",
    ApprovalStatus.APPROVED: "Approved",
    ApprovalStatus.REJECTED: "Rejected",
    ApprovalStatus.EXPIRED: "Not decided in time",
    ApprovalStatus.CANCELED: "Canceled",
}


def told_subject(approval_id: str) -> str:
    """What the cards of whoever asked are about."""
    return f"told:{approval_id}"


def requester_card(about: Subject) -> Card:
    """What was decided, and how to go on; edited as the purchase moves on."""
    purchase = about.purchase
    what = f"Your purchase of {purchase.credits:,} credits for {purchase.total.formatted}"
    return Card(
        summary=f"{what}: {ended(about)}, {when(about)}",
        text=_sentences(f"{what}: {ended(about)}, ", about),
        quote=about.rejection.comment if about.rejection else None,
        buttons=(*_pay(purchase), *_ask_again(about), *view_button(about)),
    )


def page_card(about: Subject) -> Card:
    """The request and how it stands, for somebody who cannot decide it there."""
    purchase, approval = about.purchase, about.approval
    pending = approval.status is ApprovalStatus.PENDING
    asked = f"{about.requester} {'asks' if pending else 'asked'} to buy {purchase.credits:,} credits for {about.wallet}"
    text = f"{asked}." if pending else _sentences(f"{asked}: {ended(about)}, ", about)
    why = (("Reason", about.rejection.comment or ""),) if about.rejection else ()
    return Card(
        summary=asked,
        title="Paid" if purchase.status is PurchaseStatus.PAID else _TITLES[approval.status],
        text=text,
        quote=purchase.justification,
        fields=(*facts(about), *why),
        buttons=_pay(purchase),
        notes=notes(about) if pending else (f"Request {approval.id}",),
    )


def _sentences(beginning: str, about: Subject) -> Words:
    at = about.approval.decided_at
    return (beginning, *([at] if at else []), f". {_how_to_go_on(about)}".rstrip())


def _how_to_go_on(about: Subject) -> str:
    if about.approval.status is ApprovalStatus.APPROVED:
        return _how_it_is_paid(about.purchase, about.wallet)
    if about.approval.status is ApprovalStatus.EXPIRED:
        return "It was asked again." if about.asked_again else "Nothing was bought."
    return "Nothing was bought."


def _how_it_is_paid(purchase: PurchaseView, wallet: str) -> str:
    match purchase.status:
        case PurchaseStatus.AWAITING_PAYMENT if purchase.method is PaymentMethod.SAVED_CARD:
            return "The saved card is charged."
        case PurchaseStatus.AWAITING_PAYMENT if purchase.checkout_url:
            return "The credits come once it is paid."
        case PurchaseStatus.AWAITING_PAYMENT:
            return "Where to pay it comes in a moment."
        case PurchaseStatus.PROCESSING:
            return "It is paid, and your bank is at work."
        case PurchaseStatus.PAID:
            return f"It is paid: {purchase.credits:,} credits came to {wallet}."
        case PurchaseStatus.EXPIRED:
            return "It was not paid in time. Renew its checkout to pay it."
        case PurchaseStatus.FAILED:
            return f"It could not be paid: {purchase.failure_reason or 'buy again.'}"
        case _:
            return f"It was {purchase.status.value.lower()} since."


def _pay(purchase: PurchaseView) -> tuple[Button, ...]:
    if purchase.status is not PurchaseStatus.AWAITING_PAYMENT or not purchase.checkout_url:
        return ()
    label = f"Pay {purchase.total.formatted}"
    return (Button(action=PAY_ACTION, label=label, value=purchase.id, style="primary", url=purchase.checkout_url),)


def _ask_again(about: Subject) -> tuple[Button, ...]:
    approval, purchase = about.approval, about.purchase
    expired = approval.status is ApprovalStatus.EXPIRED and purchase.status is PurchaseStatus.EXPIRED
    if not expired or about.asked_again:
        return ()
    return (Button(action=ASK_AGAIN_ACTION, label="Ask again", value=approval.id, style="primary"),)
