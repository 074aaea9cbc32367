"""Telling of approvals in the chat: the question to those who may decide, the outcome to everybody who saw it."""

import structlog

from credits import chat
from credits.access.queries import maker_of
from credits.accounts.models import Membership, User
from credits.accounts.places import names_of
from credits.actors import ActorKind
from credits.approvals import queries
from credits.approvals.messages import Subject, card, requester_card, subject_of
from credits.approvals.models import ApprovalStatus
from credits.chat import People
from credits.gateways import ChatGateway
from credits.ledger.queries import balances
from credits.purchases.queries import PurchaseView, purchase

_log = structlog.get_logger()


# An edit that was overtaken by another is done again; each time something has changed, so it comes to an end.
_ROUNDS = 10
_UNNAMED = {ActorKind.SYSTEM: "The automatic top-up"}


async def post_request(gateway: ChatGateway, people: People, approval_id: str) -> None:
    """Show the question: in the policy's channel, else to each who may decide directly. One that was decided meanwhile
    is not asked any more."""
    about = await _subject(approval_id)
    if about.approval.status is not ApprovalStatus.PENDING:
        return
    recipients = await _recipients(people, about)
    if not recipients:
        _log.error("nobody_to_ask", approval=approval_id, account=about.approval.account_id)
    await chat.deliver(
        gateway,
        account_id=about.approval.account_id,
        subject=subject_of(approval_id),
        recipients=recipients,
        card=card(about),
        occasion=subject_of(approval_id),
    )
    # Decided while it was being posted: the edit may have come too early for some of the cards.
    if _state(await _subject(approval_id)) != _state(about):
        await _edit(gateway, approval_id)


async def tell_decision(gateway: ChatGateway, people: People, approval_id: str) -> None:
    """Tell whoever asked for the purchase what was decided, and show it wherever the question was."""
    about = await _subject(approval_id)
    try:
        if about.approval.status not in {ApprovalStatus.PENDING, ApprovalStatus.CANCELED}:
            await chat.deliver(
                gateway,
                account_id=about.approval.account_id,
                subject=f"told:{approval_id}",
                recipients=await people.of_users([about.purchase.requested_by.id]),
                card=requester_card(about),
                occasion=f"told:{approval_id}",
            )
    finally:
        await _edit(gateway, approval_id)


async def _edit(gateway: ChatGateway, approval_id: str) -> None:
    """Bring every card to what is, also when that changes meanwhile or another edit was slower than a later one."""
    for _ in range(_ROUNDS):
        about = await _subject(approval_id)
        await chat.edit(gateway, subject=subject_of(approval_id), card=card(about))
        if _state(await _subject(approval_id)) == _state(about):
            return


def _state(about: Subject) -> tuple[ApprovalStatus, int]:
    return about.approval.status, about.approval.approved_by


async def _recipients(people: People, about: Subject) -> list[str]:
    approval = about.approval
    if approval.slack_channel:
        return [approval.slack_channel]
    requester = about.purchase.requested_by.id
    # Who has left the account, or asked for the purchase, could not decide it and is not shown it.
    members = await Membership.filter(account_id=approval.account_id, user_id__in=list(approval.approver_ids))
    deciding = {str(row.__dict__["user_id"]) for row in members} - {requester, await maker_of(requester)}
    return await people.of_users(sorted(deciding)) or await people.channel_of_account(approval.account_id)


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
