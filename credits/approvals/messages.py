"""The cards of an approval as those see it who may decide: the question, how far it has come, what was decided, and
what is said under a card in a channel.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from credits.approvals.models import ApprovalStatus, Verdict
from credits.approvals.queries import ApprovalView, Decision
from credits.gateways.cards import Button, Card, Form, Words
from credits.gateways.chat import Interaction
from credits.purchases.queries import PurchaseView
from credits.text import MAX_TEXT

APPROVE_ACTION = "approve"
REJECT_ACTION = "reject"
VIEW_ACTION = "view"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a card is about: the request, its purchase, and names for people to read. `owner` is what `wallet` is the
    name of: a department, a pool or an account; `runway` how long its credits last, in words. `deciding` are those who
    can decide as things are; `view` is where the request is to be seen, if anywhere. `asked_again`: a later request was
    made for the same purchase."""

    approval: ApprovalView
    purchase: PurchaseView
    requester: str
    wallet: str
    owner: str
    balance: int
    runway: str
    names: dict[str, str]
    deciding: tuple[str, ...]
    view: str | None
    asked_again: bool

    def named(self, user_ids: Iterable[str]) -> str:
        """These people, for a sentence."""
        names = [self.names[each] for each in user_ids]
        return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)

    @property
    def approved_by(self) -> str:
        """Those who have said yes."""
        return self.named(each.approver_id for each in self.approval.decisions if each.verdict is Verdict.APPROVE)

    @property
    def too_few(self) -> str | None:
        """That those who are left cannot approve it; None as long as they can."""
        able, required = len(self.deciding), self.approval.required_approvals
        if able >= required:
            return None
        return f"{required} must approve, and {able} {'is' if able == 1 else 'are'} left who can."

    @property
    def rejection(self) -> Decision | None:
        """Who said no, and why."""
        return next((each for each in self.approval.decisions if each.verdict is Verdict.REJECT), None)


def subject_of(approval_id: str) -> str:
    """What the cards of one request are about."""
    return f"approval:{approval_id}"


def card(about: Subject) -> Card:
    """The question while it is open; one line without buttons once it is not."""
    return question(about) if about.approval.status is ApprovalStatus.PENDING else _outcome(about)


def reminder(about: Subject) -> Card:
    """The question once more."""
    asked = question(about)
    return replace(asked, summary=f"Reminder: {asked.summary}", title="Approval still needed")


def question(about: Subject) -> Card:
    """Who asks for what, how things stand, and the buttons that decide it."""
    purchase = about.purchase
    value = f"{about.approval.id}:{about.approval.version}"
    total = purchase.total.formatted
    return Card(
        summary=f"{about.requester} asks to buy {purchase.credits:,} credits for {total}",
        title="Approval needed",
        text=f"{about.requester} asks to buy {purchase.credits:,} credits for {about.wallet}.",
        quote=purchase.justification,
        fields=facts(about),
        buttons=(
            Button(
                action=APPROVE_ACTION,
                label=f"Approve {total}",
                value=value,
                style="primary",
                confirm=f"Approve {purchase.credits:,} credits for {total}?",
            ),
            Button(action=REJECT_ACTION, label="Reject…", value=value, style="danger"),
            *view_button(about),
        ),
        notes=notes(about),
    )


def facts(about: Subject) -> tuple[tuple[str, str], ...]:
    """What there is to know before deciding."""
    purchase, approval = about.purchase, about.approval
    several = f" \N{MULTIPLICATION SIGN} {purchase.quantity:,}" if purchase.quantity > 1 else ""
    progress = f"{approval.approved_by} of {approval.required_approvals}"
    return (
        (about.owner, about.wallet),
        ("Package", f"{purchase.package_name}{several}"),
        ("Price", purchase.total.formatted),
        ("Balance", f"{about.balance:,} credits"),
        ("Runway", about.runway),
        *([("Approved", ": ".join(filter(None, (progress, about.approved_by))))] if _needs_several(about) else []),
    )


def notes(about: Subject) -> tuple[Words, ...]:
    """Small print: which request, who may decide it, and until when; and that it cannot be approved any more, where too
    few are left."""
    approval = about.approval
    escalated = [f"Escalated to {about.named(approval.escalated_to)}"] if approval.escalated_to else []
    return (
        *([f"{about.too_few} Cancel it, and name others in the policy."] if about.too_few else []),
        *escalated,
        f"Request {approval.id}",
        f"May decide: {', '.join(about.names[each] for each in about.deciding) or 'nobody'}",
        ("Until ", approval.expires_at),
    )


def view_button(about: Subject) -> tuple[Button, ...]:
    """Opens the request, where it can be seen anywhere."""
    return (Button(action=VIEW_ACTION, label="View", value=about.approval.id, url=about.view),) if about.view else ()


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
    purchase = about.purchase
    what = f"{about.requester}, {purchase.credits:,} credits for {about.wallet} at {purchase.total.formatted}"
    return Card(
        summary=f"{what}: {ended(about)}, {when(about)}",
        text=_line(f"{what}: {ended(about)}", about),
        quote=about.rejection.comment if about.rejection else None,
    )


def ended(about: Subject) -> str:
    """How the question ended, for the middle of a sentence."""
    approval = about.approval
    match approval.status:
        case ApprovalStatus.APPROVED:
            return f"approved by {about.approved_by}"
        case ApprovalStatus.REJECTED if about.rejection:
            return f"rejected by {about.names[about.rejection.approver_id]}"
        case ApprovalStatus.EXPIRED if approval.approved_by:
            return f"only {about.approved_by} approved in time"
        case ApprovalStatus.EXPIRED:
            return "nobody decided in time"
        case _:
            return "the purchase was canceled"


def when(about: Subject) -> str:
    """When it ended, where no clock of the reader is known."""
    return f"{about.approval.decided_at:%Y-%m-%d %H:%M} UTC" if about.approval.decided_at else ""


def _line(text: str, about: Subject) -> Words:
    return (f"{text}, ", about.approval.decided_at) if about.approval.decided_at else text


def _needs_several(about: Subject) -> bool:
    return about.approval.required_approvals > 1


def trail(about: Subject) -> list[tuple[str, Card]]:
    """What is said under the card of a channel as it happens, each with a word that names it."""
    said = [(f"said:{each.approver_id}", _said(about, number, each)) for number, each in _numbered(about)]
    if about.approval.escalated_to:
        said.insert(0, ("escalated", _plain(f"Escalated to {about.named(about.approval.escalated_to)}.")))
    if about.approval.status in {ApprovalStatus.EXPIRED, ApprovalStatus.CANCELED}:
        said.append(("ended", _plain(f"{ended(about)[0].upper()}{ended(about)[1:]}.")))
    return said


def reminded(about: Subject, user_ids: Iterable[str]) -> Card:
    """What is said under the card of a channel when people are reminded."""
    return _plain(f"Reminded {about.named(user_ids)}.")


def _numbered(about: Subject) -> Iterable[tuple[int, Decision]]:
    return enumerate(about.approval.decisions, start=1)


def _said(about: Subject, number: int, decision: Decision) -> Card:
    name = about.names[decision.approver_id]
    if decision.verdict is Verdict.REJECT:
        return _plain(f"Rejected by {name}:", quote=decision.comment)
    progress = f" ({number} of {about.approval.required_approvals})" if _needs_several(about) else ""
    return _plain(f"{name} approved{progress}{':' if decision.comment else '.'}", quote=decision.comment)


def _plain(text: str, *, quote: str | None = None) -> Card:
    return Card(summary=text, text=text, quote=quote)
