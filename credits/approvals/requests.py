"""Asking for consent, in the commit that makes the purchase, and taking the question back."""

from datetime import datetime, timedelta

from tortoise.backends.base.client import BaseDBAsyncClient

from credits import outbox
from credits.approvals.models import Approval, ApprovalStatus
from credits.approvals.queries import policies_of
from credits.approvals.rules import COUNTED_TOGETHER, PolicyView, applicable
from credits.ids import Kind, make_id
from credits.outbox import Message, Queue

REQUESTED_JOB = "approval.requested"
DECIDED_JOB = "approval.decided"
REMIND_JOB = "approval.remind"
ESCALATED_JOB = "approval.escalated"
FOLLOW_JOB = "approval.follow"

# A person and the keys that they made are one requester.
_COUNTED = """
WITH person AS (SELECT coalesce((SELECT made_by FROM api_keys WHERE id = $2), $2) AS id),
     requesters AS (SELECT id FROM person
                    UNION SELECT k.id FROM api_keys k JOIN person ON k.made_by = person.id WHERE k.account_id = $1)
SELECT coalesce(sum(credits), 0)::bigint AS credits FROM purchases
WHERE account_id = $1 AND requested_by_id IN (SELECT id FROM requesters) AND created_at > $3
    AND status IN ('PENDING_APPROVAL', 'AWAITING_PAYMENT', 'PROCESSING', 'PAID')
"""


def approvals_channel(account_id: str) -> str:
    """Where an account's approvals are told of as they come and end; readers read what concerns them again."""
    return f"approvals:{account_id}"


async def policy_for(
    connection: BaseDBAsyncClient,
    *,
    account_id: str,
    pool_id: str | None,
    requester_id: str,
    credits_wanted: int,
    now: datetime,
) -> PolicyView | None:
    """The policy that asks for consent to this purchase, if one does; what the requester bought in the last 24 hours
    and was not refused counts in."""
    policies = await policies_of(account_id)
    if not policies:
        return None
    (row,) = await connection.execute_query_dict(_COUNTED, [account_id, requester_id, now - COUNTED_TOGETHER])
    return applicable(policies, pool_id=pool_id, credits_counted=row["credits"] + credits_wanted)


async def ask(connection: BaseDBAsyncClient, *, purchase_id: str, policy: PolicyView, now: datetime) -> str:
    """Write the request down, and that it is to be posted; returns its id."""
    approval_id = make_id(Kind.APPROVAL)
    await Approval.create(
        id=approval_id,
        account_id=policy.account_id,
        purchase_id=purchase_id,
        status=ApprovalStatus.PENDING,
        required_approvals=policy.required_approvals,
        approver_ids=list(policy.approver_ids),
        remind_after_hours=policy.remind_after_hours,
        escalate_after_hours=policy.escalate_after_hours,
        escalate_to_ids=list(policy.escalate_to_ids),
        slack_channel=policy.slack_channel,
        version=1,
        created_at=now,
        expires_at=now + timedelta(hours=policy.expires_after_hours),
        using_db=connection,
    )
    await outbox.add(connection, [message(REQUESTED_JOB, policy.account_id, approval_id)])
    return approval_id


async def lock_question(connection: BaseDBAsyncClient, *, purchase_id: str) -> None:
    """Hold an open question about the purchase, if there is one, until the caller's database transaction ends."""
    await connection.execute_query(
        "SELECT 1 FROM approvals WHERE purchase_id = $1 AND status = 'PENDING' FOR UPDATE", [purchase_id]
    )


async def withdraw(connection: BaseDBAsyncClient, *, purchase_id: str) -> None:
    """Take back the question, if one is open: its purchase was canceled."""
    found = await connection.execute_query_dict(
        "UPDATE approvals SET status = 'CANCELED', decided_at = credits_now(), version = version + 1"
        " WHERE purchase_id = $1 AND status = 'PENDING' RETURNING id, account_id",
        [purchase_id],
    )
    await outbox.add(connection, [message(DECIDED_JOB, row["account_id"], row["id"]) for row in found])


async def follow(connection: BaseDBAsyncClient, purchase_id: str) -> None:
    """A purchase has moved on: where it was approved, write down that whoever asked for it is to see that on their
    card."""
    found = await connection.execute_query_dict(
        "SELECT id, account_id FROM approvals WHERE purchase_id = $1 AND status = 'APPROVED'", [purchase_id]
    )
    await outbox.add(connection, [message(FOLLOW_JOB, row["account_id"], row["id"]) for row in found])


def message(job: str, account_id: str, approval_id: str, *, due_at: datetime | None = None) -> Message:
    """Work about an approval."""
    payload = {"approval_id": approval_id}
    return Message(account_id=account_id, queue=Queue.APPROVALS, job=job, payload=payload, due_at=due_at)
