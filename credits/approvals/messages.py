"""The cards of an approval: the question, how far it has come, and what was decided."""

from dataclasses import dataclass

from credits.approvals.models import ApprovalStatus, Verdict
from credits.approvals.queries import ApprovalView
from credits.gateways import Button, Card, Form, Interaction
from credits.purchases.queries import PurchaseView
from credits.text import MAX_TEXT

APPROVE_ACTION = "approve"
REJECT_ACTION = "reject"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a card is about: the request, its purchase, and names for people to read."""

    approval: ApprovalView
    purchase: PurchaseView
    requester: str
    wallet: str
    balance: int
    names: dict[str, str]


def subject_of(approval_id: str) -> str:
    """What the cards of one request are about."""
    return f"approval:{approval_id}"


def card(about: Subject) -> Card:
    """The question while it is open; one line without buttons once it is not."""
    return _question(about) if about.approval.status is ApprovalStatus.PENDING else _outcome(about)


def _question(about: Subject) -> Card:
    approval, purchase = about.approval, about.purchase
    value = f"{approval.id}:{approval.version}"
    total = purchase.total.formatted
    notes = [
        f"Request {approval.id}",
        f"May decide: {', '.join(about.names[each] for each in approval.approver_ids)}",
        f"Until {approval.expires_at:%Y-%m-%d %H:%M} UTC",
    ]
    if approval.required_approvals > 1:
        notes.insert(0, f"{approval.approved_by} of {approval.required_approvals} approved")
    return Card(
        summary=f"{about.requester} asks to buy {purchase.credits:,} credits for {total}",
        title="Approval needed",
        text=f"{about.requester} asks to buy {purchase.credits:,} credits for {about.wallet}.",
        quote=purchase.justification,
        fields=(
            ("For", about.wallet),
            ("Package", f"{purchase.package_name} ({purchase.quantity})"),
            ("Price", total),
            ("Available now", f"{about.balance:,} credits"),
        ),
        buttons=(
            Button(
                action=APPROVE_ACTION,
                label=f"Approve {total}",
                value=value,
                style="primary",
                confirm=f"Approve {purchase.credits:,} credits for {total}?",
            ),
            Button(action=REJECT_ACTION, label="Reject…", value=value, style="danger"),
        ),
        notes=tuple(notes),
    )


def reject_form(pressed: Interaction) -> Form:
    """Asks for the reason. It is made of the press alone, so that it opens whatever the database does."""
    return Form(
        action=REJECT_ACTION,
        value=pressed.value,
        channel=pressed.channel,
        title="Reject the purchase",
        text="The purchase ends, and whoever asked for it reads why.",
        label="Reason",
        submit="Reject",
        longest=MAX_TEXT,
    )


def _outcome(about: Subject) -> Card:
    summary = f"{about.purchase.credits:,} credits for {about.purchase.total.formatted}: {_how(about)}"
    last = about.approval.decisions[-1] if about.approval.decisions else None
    rejected = last is not None and last.verdict is Verdict.REJECT
    return Card(summary=summary, text=summary, quote=last.comment if last and rejected else None)


def _how(about: Subject) -> str:
    approval = about.approval
    at = f"{approval.decided_at:%Y-%m-%d %H:%M} UTC" if approval.decided_at else ""
    if approval.status in {ApprovalStatus.EXPIRED, ApprovalStatus.CANCELED}:
        word = "nobody decided in time" if approval.status is ApprovalStatus.EXPIRED else "the purchase was canceled"
        return f"{word}, {at}"
    people = ", ".join(about.names[each.approver_id] for each in approval.decisions if each.verdict is _last(approval))
    return f"{approval.status.value.lower()} by {people}, {at}"


def _last(approval: ApprovalView) -> Verdict:
    return Verdict.REJECT if approval.status is ApprovalStatus.REJECTED else Verdict.APPROVE


def requester_card(about: Subject) -> Card:
    """What whoever asked is told."""
    purchase = about.purchase
    what = f"Your purchase of {purchase.credits:,} credits for {purchase.total.formatted}"
    summary = f"{what}: {_how(about)}"
    if about.approval.status is ApprovalStatus.APPROVED:
        return Card(summary=summary, text=f"{summary}. Open the purchase to pay it.")
    last = about.approval.decisions[-1] if about.approval.decisions else None
    return Card(summary=summary, text=f"{summary}.", quote=last.comment if last else None)
