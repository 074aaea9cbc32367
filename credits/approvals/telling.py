"""Telling of approvals in the chat: the question to those who may decide, the outcome to everybody who saw it."""

from credits import chat
from credits.accounts.models import User
from credits.accounts.places import names_of
from credits.approvals import queries
from credits.approvals.messages import Subject, card, requester_card, subject_of
from credits.approvals.models import ApprovalStatus
from credits.approvals.queries import ApprovalView
from credits.chat import People
from credits.gateways import ChatGateway
from credits.ledger.queries import balances
from credits.purchases.queries import PurchaseView, purchase


async def post_request(gateway: ChatGateway, people: People, approval_id: str) -> None:
    """Show the question: in the policy's channel, else to each approver directly. One that was decided meanwhile is
    not asked any more."""
    about = await _subject(approval_id)
    if about.approval.status is not ApprovalStatus.PENDING:
        return
    for to in await _recipients(people, about.approval):
        await chat.deliver(
            gateway,
            account_id=about.approval.account_id,
            subject=subject_of(approval_id),
            to=to,
            card=card(about),
            dedupe=f"{subject_of(approval_id)}:{to}",
        )
    # Decided while it was being posted: the edit may have come too early for some of the cards.
    if (await queries.approvals_by_id([approval_id]))[approval_id].status is not ApprovalStatus.PENDING:
        await chat.edit(gateway, subject=subject_of(approval_id), card=card(await _subject(approval_id)))


async def tell_decision(gateway: ChatGateway, people: People, approval_id: str) -> None:
    """Show what was decided wherever the question was, and tell whoever asked for the purchase."""
    about = await _subject(approval_id)
    await chat.edit(gateway, subject=subject_of(approval_id), card=card(about))
    if about.approval.status in {ApprovalStatus.PENDING, ApprovalStatus.CANCELED}:
        return
    for to in await people.of_users([about.purchase.requested_by.id]):
        await chat.deliver(
            gateway,
            account_id=about.approval.account_id,
            subject=f"told:{approval_id}",
            to=to,
            card=requester_card(about),
            dedupe=f"told:{approval_id}:{to}",
        )


async def _recipients(people: People, approval: ApprovalView) -> list[str]:
    if approval.slack_channel:
        return [approval.slack_channel]
    return await people.of_users(approval.approver_ids) or await people.channel_of_account(approval.account_id)


async def _subject(approval_id: str) -> Subject:
    approval = (await queries.approvals_by_id([approval_id]))[approval_id]
    bought: PurchaseView = await purchase(approval.purchase_id)
    ids = {*approval.approver_ids, *(each.approver_id for each in approval.decisions), bought.requested_by.id}
    names = {row.id: row.name for row in await User.filter(id__in=list(ids))}
    return Subject(
        approval=approval,
        purchase=bought,
        requester=names.get(bought.requested_by.id, "An integration"),
        wallet=(await names_of([bought.wallet_id]))[bought.wallet_id],
        balance=(await balances([bought.wallet_id]))[bought.wallet_id].available,
        names={each: names.get(each, "somebody who has left") for each in ids},
    )
