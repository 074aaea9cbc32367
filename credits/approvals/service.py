"""Deciding: by the API or by a pressed button, one path, one conditional UPDATE; and the policies that ask for it."""

from dataclasses import dataclass
from datetime import datetime

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.exceptions import IntegrityError
from tortoise.transactions import in_transaction

from credits import outbox
from credits.access.queries import maker_of
from credits.accounts.audit_log import record
from credits.accounts.models import AccountRole, Membership, User
from credits.actors import Actor, ActorKind
from credits.approvals import queries
from credits.approvals.models import (
    Approval,
    ApprovalDecision,
    ApprovalPolicy,
    ApprovalStatus,
    DecisionVia,
    Verdict,
)
from credits.approvals.queries import ApprovalView
from credits.approvals.requests import DECIDED_JOB, approvals_channel, message
from credits.approvals.rules import PolicyView, Request, check_policy, may_decide
from credits.errors import NotFound, Refusal, RefusalCode
from credits.faults import trying_again
from credits.gateways.publisher import Publisher
from credits.ids import Kind, make_id
from credits.outbox import Message, Queue
from credits.purchases.channel import purchase_channel
from credits.purchases.models import Purchase, PurchaseStatus
from credits.purchases.moves import move
from credits.text import clean

CHECKOUT_JOB = "purchase.checkout"
_PAST = {
    ApprovalStatus.APPROVED: "approved",
    ApprovalStatus.REJECTED: "rejected",
    ApprovalStatus.CANCELED: "canceled",
    ApprovalStatus.EXPIRED: "expired",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a person says to a request. `version` is the request's as they saw it, where they saw it on a button."""

    user_id: str
    verdict: Verdict
    comment: str | None
    via: DecisionVia
    version: int | None = None


async def decide(publisher: Publisher, approval_id: str, decision: Decision) -> ApprovalView:
    """Record a decision; the one that settles it moves the purchase on, or ends it, in the same commit.

    Refused: SELF_APPROVAL (which the audit log keeps), NOT_AN_APPROVER, APPROVAL_EXPIRED, ALREADY_DECIDED (with who did
    and when), WRONG_STATE for a request that has changed since it was seen, and a rejection without a reason.
    """
    comment = clean(decision.comment, field="reason" if decision.verdict is Verdict.REJECT else "comment", lines=True)
    if decision.verdict is Verdict.REJECT and not (comment or "").strip():
        raise Refusal(RefusalCode.INVALID, "Say why; whoever asked for the purchase reads it.", field="reason")

    async def work() -> Approval:
        async with in_transaction() as connection:
            return await _decide(connection, approval_id, decision, comment)

    try:
        row = await trying_again(work)
    except Refusal as refusal:
        if refusal.code is RefusalCode.SELF_APPROVAL:
            await _keep_self_approval(approval_id, decision)
        raise
    await _told(publisher, row)
    return (await queries.approvals_by_id([approval_id]))[approval_id]


async def _keep_self_approval(approval_id: str, decision: Decision) -> None:
    """Nothing was decided; that somebody tried is for the account's auditors to see."""
    row = await Approval.get(id=approval_id)
    async with in_transaction() as connection:
        await record(
            connection,
            Actor(kind=ActorKind.USER, id=decision.user_id),
            "approvePurchase" if decision.verdict is Verdict.APPROVE else "rejectPurchase",
            account_id=row.__dict__["account_id"],
            target=row.__dict__["purchase_id"],
            after={"refused": RefusalCode.SELF_APPROVAL, "via": decision.via},
        )


async def _decide(connection: BaseDBAsyncClient, approval_id: str, decision: Decision, comment: str | None) -> Approval:
    row = await Approval.filter(id=approval_id).using_db(connection).select_for_update().first()
    if row is None:
        raise NotFound
    account_id, purchase_id = row.__dict__["account_id"], row.__dict__["purchase_id"]
    purchase = await Purchase.get(id=purchase_id, using_db=connection)
    (clock,) = await connection.execute_query_dict("SELECT credits_now() AS now")
    now: datetime = clock["now"]
    request = Request(
        status=row.status,
        approver_ids=row.approver_ids,
        requested_by=await maker_of(purchase.requested_by_id) or purchase.requested_by_id,
        expires_at=row.expires_at,
    )
    # An auditor looks on, also at what they were once named for.
    is_member = await Membership.exists(
        account_id=account_id, user_id=decision.user_id, role__not=AccountRole.AUDITOR, using_db=connection
    )
    may_decide(request, user_id=decision.user_id, is_member=is_member, now=now)
    if row.status is not ApprovalStatus.PENDING:
        raise Refusal(RefusalCode.ALREADY_DECIDED, await _already(row))
    if decision.version is not None and decision.version != row.version:
        raise Refusal(RefusalCode.WRONG_STATE, "This request has changed since this card was posted. Look again.")
    try:
        await ApprovalDecision.create(
            account_id=account_id,
            approval_id=approval_id,
            approver_id=decision.user_id,
            verdict=decision.verdict,
            comment=comment,
            via=decision.via,
            decided_at=now,
            using_db=connection,
        )
    except IntegrityError as error:
        raise Refusal(RefusalCode.ALREADY_DECIDED, "You have approved this already; others still have to.") from error
    await _settle(connection, row, decision.verdict, comment, now)
    return row


async def _settle(
    connection: BaseDBAsyncClient, row: Approval, verdict: Verdict, comment: str | None, now: datetime
) -> None:
    """The first rejection rejects; as many approvals as are required approve."""
    account_id, purchase_id = row.__dict__["account_id"], row.__dict__["purchase_id"]
    approvals = await ApprovalDecision.filter(approval_id=row.id, verdict=Verdict.APPROVE).using_db(connection).count()
    messages = [message(DECIDED_JOB, account_id, row.id)]
    if verdict is Verdict.REJECT:
        row.status = ApprovalStatus.REJECTED
        await _move(connection, purchase_id, PurchaseStatus.REJECTED, comment)
    elif approvals >= row.required_approvals:
        row.status = ApprovalStatus.APPROVED
        await _move(connection, purchase_id, PurchaseStatus.AWAITING_PAYMENT, None)
        payload = {"purchase_id": purchase_id}
        messages.append(Message(account_id=account_id, queue=Queue.PAYMENTS, job=CHECKOUT_JOB, payload=payload))
    row.decided_at = None if row.status is ApprovalStatus.PENDING else now
    if row.status is not ApprovalStatus.PENDING:
        row.version += 1
    await row.save(using_db=connection)
    await outbox.add(connection, messages)


async def _move(connection: BaseDBAsyncClient, purchase_id: str, to: PurchaseStatus, reason: str | None) -> None:
    waiting = Purchase.filter(id=purchase_id, status=PurchaseStatus.PENDING_APPROVAL).using_db(connection)
    if not await move(waiting, to, reason=reason):
        raise Refusal(RefusalCode.WRONG_STATE, "This purchase no longer waits for approval.")


async def _already(row: Approval) -> str:
    when = f"{row.decided_at:%Y-%m-%d %H:%M} UTC"
    last = await ApprovalDecision.filter(approval_id=row.id).order_by("-id").first()
    if last is None or row.status not in {ApprovalStatus.APPROVED, ApprovalStatus.REJECTED}:
        return f"This was {_PAST[row.status]} at {when}."
    approver = await User.get(id=last.approver_id)
    return f"This was {_PAST[row.status]} by {approver.name} at {when}."


async def _told(publisher: Publisher, row: Approval) -> None:
    columns = row.__dict__
    await publisher.publish(approvals_channel(columns["account_id"]), row.id)
    await publisher.publish(purchase_channel(columns["purchase_id"]), columns["purchase_id"])


async def set_policy(actor: Actor, wanted: PolicyView, *, now: datetime) -> PolicyView:
    """Make the policy, or change the one of the same pool and minimum. Requests that are open keep theirs. Refused: one
    that could never be met, and people who are not members of the account or only look on as auditors."""
    check_policy(wanted)
    channel = clean(wanted.slack_channel, field="slackChannel", limit=80)
    for ids, field in ((wanted.approver_ids, "approverIds"), (wanted.escalate_to_ids, "escalateToIds")):
        members = Membership.filter(account_id=wanted.account_id, user_id__in=list(ids), role__not=AccountRole.AUDITOR)
        if await members.count() != len(set(ids)) or len(set(ids)) != len(ids):
            why = "Name members of the account who are no auditors, each once."
            raise Refusal(RefusalCode.INVALID, why, field=field)
    async with in_transaction() as connection:
        row = await ApprovalPolicy.get_or_none(
            account_id=wanted.account_id,
            pool_id=wanted.pool_id,
            minimum_credits=wanted.minimum_credits,
            using_db=connection,
        )
        before = _told_of(queries.policy_view(row)) if row else None
        if row is None:
            row = ApprovalPolicy(
                id=make_id(Kind.APPROVAL_POLICY),
                account_id=wanted.account_id,
                pool_id=wanted.pool_id,
                minimum_credits=wanted.minimum_credits,
                created_at=now,
            )
        row.approver_ids = list(wanted.approver_ids)
        row.required_approvals = wanted.required_approvals
        row.expires_after_hours = wanted.expires_after_hours
        row.remind_after_hours = wanted.remind_after_hours
        row.escalate_after_hours = wanted.escalate_after_hours
        row.escalate_to_ids = list(wanted.escalate_to_ids)
        row.slack_channel = channel
        await row.save(using_db=connection)
        view = queries.policy_view(row)
        if before != (after := _told_of(view)):
            await record(
                connection,
                actor,
                "setApprovalPolicy",
                account_id=view.account_id,
                target=view.id,
                before=before,
                after=after,
            )
    return view


async def delete_policy(actor: Actor, policy_id: str) -> None:
    """Ask for no consent by it any more; requests that are open go on."""
    async with in_transaction() as connection:
        row = await ApprovalPolicy.filter(id=policy_id).using_db(connection).select_for_update().first()
        if row is None:
            raise NotFound
        await row.delete(using_db=connection)
        view = queries.policy_view(row)
        await record(
            connection,
            actor,
            "deleteApprovalPolicy",
            account_id=view.account_id,
            target=view.id,
            before=_told_of(view),
        )


def _told_of(policy: PolicyView) -> dict[str, object]:
    """What the audit log keeps of a policy."""
    return {
        "poolId": policy.pool_id,
        "minimumCredits": policy.minimum_credits,
        "approverIds": " ".join(policy.approver_ids),
        "requiredApprovals": policy.required_approvals,
        "expiresAfterHours": policy.expires_after_hours,
        "remindAfterHours": policy.remind_after_hours,
        "escalateAfterHours": policy.escalate_after_hours,
        "escalateToIds": " ".join(policy.escalate_to_ids) or None,
        "slackChannel": policy.slack_channel,
    }
