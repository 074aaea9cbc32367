"""Asking again for consent, where nobody gave it in time. Price and policy stay as they were taken."""

from datetime import datetime

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from credits import outbox
from credits.access.queries import maker_of
from credits.accounts.models import AccountRole, Membership
from credits.approvals.models import Approval, ApprovalStatus
from credits.approvals.requests import FOLLOW_JOB, REQUESTED_JOB, approvals_channel, message
from credits.approvals.rules import may_ask_again
from credits.errors import NotFound, Refusal, RefusalCode
from credits.faults import trying_again
from credits.gateways.publisher import Publisher
from credits.ids import Kind, make_id
from credits.purchases import queries
from credits.purchases.channel import purchase_channel
from credits.purchases.models import Purchase, PurchaseStatus
from credits.purchases.moves import move
from credits.purchases.queries import PurchaseView
from credits.purchases.renewal import require_wallet


async def ask_again(publisher: Publisher, purchase_id: str, *, seen: str | None = None) -> PurchaseView:
    """The purchase, PENDING_APPROVAL again under a new request.

    That one keeps the policy the purchase began with, as it keeps its price: whoever could decide in the end is asked
    from the beginning (so those whom an escalation added too), and it lasts as long as the first. A policy that is
    changed meanwhile neither frees nor binds it, and what else was bought on the first day counts as it did then.

    Refused: WRONG_STATE unless the latest request expired, or where too few are left who could decide; a suspended
    account; a wallet that could not hold the credits, or was deleted. Of several who ask again after the same request,
    the one that was `seen`, one does, and the others find it done.
    """
    if seen is None:
        latest = await _latest(purchase_id)
        seen = latest.id if latest else None

    async def work() -> None:
        async with in_transaction() as connection:
            await _ask_again(connection, purchase_id, seen=seen)

    await trying_again(work)
    purchase = await queries.purchase(purchase_id)
    await publisher.publish(purchase_channel(purchase_id), purchase_id)
    await publisher.publish(approvals_channel(purchase.account_id), purchase_id)
    return purchase


async def _latest(purchase_id: str, connection: BaseDBAsyncClient | None = None) -> Approval | None:
    found = Approval.filter(purchase_id=purchase_id).order_by("-created_at", "-id")
    if connection is not None:
        found = found.using_db(connection).select_for_update()
    return await found.first()


async def _ask_again(connection: BaseDBAsyncClient, purchase_id: str, *, seen: str | None) -> None:
    # Approval before purchase before wallet, as all who take more than one of them do.
    before = await _latest(purchase_id, connection)
    purchase = await queries.locked(connection, purchase_id)
    if purchase is None:
        raise NotFound
    if before and before.id != seen and purchase.status is PurchaseStatus.PENDING_APPROVAL:
        return
    may_ask_again(purchase.status, before.status if before else None)
    assert before is not None  # noqa: S101 for mypy: without one it was refused
    await _require_deciders(connection, before, purchase)
    await require_wallet(connection, purchase)
    (clock,) = await connection.execute_query_dict("SELECT credits_now() AS now")
    await move(Purchase.filter(id=purchase_id).using_db(connection), PurchaseStatus.PENDING_APPROVAL)
    approval_id = await _again(connection, before, clock["now"])
    account_id = purchase.account_id
    news = [message(REQUESTED_JOB, account_id, approval_id), message(FOLLOW_JOB, account_id, before.id)]
    await outbox.add(connection, news)


async def _require_deciders(connection: BaseDBAsyncClient, before: Approval, purchase: PurchaseView) -> None:
    members = await Membership.filter(
        account_id=purchase.account_id, user_id__in=before.approver_ids, role__not=AccountRole.AUDITOR
    ).using_db(connection)
    requester = purchase.requested_by.id
    able = {str(row.__dict__["user_id"]) for row in members} - {requester, await maker_of(requester)}
    if len(able) < before.required_approvals:
        raise Refusal(
            RefusalCode.WRONG_STATE,
            f"Of those who could approve this, {len(able)} are left, and {before.required_approvals} must. Buy again.",
            field="purchaseId",
        )


async def _again(connection: BaseDBAsyncClient, before: Approval, now: datetime) -> str:
    """The same request, made now; returns its id."""
    columns = before.__dict__
    approval_id = make_id(Kind.APPROVAL)
    await Approval.create(
        id=approval_id,
        account_id=columns["account_id"],
        purchase_id=columns["purchase_id"],
        status=ApprovalStatus.PENDING,
        required_approvals=before.required_approvals,
        approver_ids=before.approver_ids,
        remind_after_hours=before.remind_after_hours,
        # Whom it added is asked at once now.
        escalate_after_hours=None if before.escalated_at else before.escalate_after_hours,
        escalate_to_ids=[] if before.escalated_at else before.escalate_to_ids,
        slack_channel=before.slack_channel,
        version=1,
        created_at=now,
        expires_at=now + (before.expires_at - before.created_at),
        using_db=connection,
    )
    return approval_id
