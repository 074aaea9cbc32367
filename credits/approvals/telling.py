"""Telling of approvals in the chat: the question to those who may decide, the outcome to everybody who saw it."""

import structlog

from credits.access.queries import maker_of
from credits.accounts.models import Membership, User
from credits.accounts.places import names_of
from credits.accounts.queries import owners_of
from credits.actors import ActorKind
from credits.approvals import queries
from credits.approvals.messages import Subject, card, requester_card, subject_of
from credits.approvals.models import ApprovalStatus
from credits.chat.messenger import About, Audience, Messenger
from credits.ledger.queries import balances
from credits.purchases.queries import PurchaseView, purchase

_log = structlog.get_logger()


# An edit that was overtaken by another is done again; each time something has changed, so it comes to an end.
_ROUNDS = 10
_UNNAMED = {ActorKind.SYSTEM: "The automatic top-up"}


async def post_request(messenger: Messenger, approval_id: str) -> None:
    """Show the question: in the policy's channel, else to each who may decide directly. One that was decided meanwhile
    is not asked any more."""
    about = await _subject(approval_id)
    if about.approval.status is not ApprovalStatus.PENDING:
        return
    subject = subject_of(approval_id)
    await messenger.tell(
        await _audience(about),
        card(about),
        About(account_id=about.approval.account_id, subject=subject, occasion=subject),
    )
    # Decided while it was being posted: the edit may have come too early for some of the cards.
    if _state(await _subject(approval_id)) != _state(about):
        await _edit(messenger, approval_id)


async def tell_decision(messenger: Messenger, approval_id: str) -> None:
    """Tell whoever asked for the purchase what was decided, and show it wherever the question was."""
    about = await _subject(approval_id)
    try:
        if about.approval.status not in {ApprovalStatus.PENDING, ApprovalStatus.CANCELED}:
            told = f"told:{approval_id}"
            await messenger.tell(
                Audience(user_ids=await _requester(about)),
                requester_card(about),
                About(account_id=about.approval.account_id, subject=told, occasion=told),
            )
    finally:
        await _edit(messenger, approval_id)


async def _edit(messenger: Messenger, approval_id: str) -> None:
    """Bring every card to what is, also when that changes meanwhile or another edit was slower than a later one."""
    for _ in range(_ROUNDS):
        about = await _subject(approval_id)
        await messenger.edit(subject_of(approval_id), card(about))
        if _state(await _subject(approval_id)) == _state(about):
            return


def _state(about: Subject) -> tuple[ApprovalStatus, int]:
    return about.approval.status, about.approval.approved_by


async def _audience(about: Subject) -> Audience:
    """The policy's channel, else each who may decide; where nobody is left who may, the account's owners."""
    approval = about.approval
    requester = about.purchase.requested_by.id
    # Who has left the account, or asked for the purchase, could not decide it and is not shown it.
    members = await Membership.filter(account_id=approval.account_id, user_id__in=list(approval.approver_ids))
    deciding = {str(row.__dict__["user_id"]) for row in members} - {requester, await maker_of(requester)}
    if not deciding:
        _log.error("nobody_to_ask", approval=approval.id, account=approval.account_id)
    return Audience(
        channel=approval.slack_channel,
        user_ids=sorted(deciding) or await owners_of(approval.account_id),
    )


async def _requester(about: Subject) -> list[str]:
    """Whoever asked, or made the key that did."""
    requester = about.purchase.requested_by.id
    person = await maker_of(requester) or requester
    return [person] if await User.exists(id=person) else []


async def _subject(approval_id: str) -> Subject:
    approval = (await queries.approvals_by_id([approval_id]))[approval_id]
    bought: PurchaseView = await purchase(approval.purchase_id)
    ids = {*approval.approver_ids, *(each.approver_id for each in approval.decisions), bought.requested_by.id}
    names = {row.id: row.name for row in await User.filter(id__in=list(ids))}
    return Subject(
        approval=approval,
        purchase=bought,
        requester=names.get(bought.requested_by.id, _UNNAMED.get(bought.requested_by.kind, "An integration")),
        wallet=(await names_of([bought.wallet_id]))[bought.wallet_id],
        balance=(await balances([bought.wallet_id]))[bought.wallet_id].available,
        names={each: names.get(each, "somebody who has left") for each in ids},
    )
