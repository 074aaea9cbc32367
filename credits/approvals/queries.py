"""Reads of policies, approvals and decisions."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from tortoise.connection import get_connection
from tortoise.expressions import Q

from credits.approvals.models import (
    Approval,
    ApprovalDecision,
    ApprovalPolicy,
    ApprovalStatus,
    DecisionVia,
    Verdict,
)
from credits.approvals.rules import PolicyView
from credits.ids import Kind, kind_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What one approver said."""

    approver_id: str
    verdict: Verdict
    comment: str | None
    via: DecisionVia
    decided_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalView:
    """A request for consent as it is now, with the decisions so far, oldest first. `escalated_to` are those whom an
    escalation asked too."""

    id: str
    account_id: str
    purchase_id: str
    status: ApprovalStatus
    required_approvals: int
    approver_ids: tuple[str, ...]
    slack_channel: str | None
    version: int
    created_at: datetime
    expires_at: datetime
    decided_at: datetime | None
    reminded_at: datetime | None
    escalated_at: datetime | None
    escalated_to: tuple[str, ...]
    decisions: tuple[Decision, ...]

    @property
    def approved_by(self) -> int:
        """How many have said yes."""
        return sum(decision.verdict is Verdict.APPROVE for decision in self.decisions)


async def policies_of(account_id: str) -> list[PolicyView]:
    """The account's policies and its pools', smallest minimum first."""
    rows = await ApprovalPolicy.filter(account_id=account_id).order_by("minimum_credits", "id")
    return [policy_view(row) for row in rows]


async def policy(policy_id: str) -> PolicyView | None:
    """The policy with this id."""
    if kind_of(policy_id) is not Kind.APPROVAL_POLICY:
        return None
    row = await ApprovalPolicy.get_or_none(id=policy_id)
    return policy_view(row) if row else None


def policy_view(row: ApprovalPolicy) -> PolicyView:
    """A row as the rest of the service sees it."""
    return PolicyView(
        id=row.id,
        account_id=row.__dict__["account_id"],
        pool_id=row.pool_id,
        minimum_credits=row.minimum_credits,
        approver_ids=tuple(row.approver_ids),
        required_approvals=row.required_approvals,
        expires_after_hours=row.expires_after_hours,
        remind_after_hours=row.remind_after_hours,
        escalate_after_hours=row.escalate_after_hours,
        escalate_to_ids=tuple(row.escalate_to_ids),
        slack_channel=row.slack_channel,
    )


async def approvals_by_id(ids: Iterable[str]) -> dict[str, ApprovalView]:
    """The approvals with these ids."""
    rows = await Approval.filter(id__in=[each for each in ids if kind_of(each) is Kind.APPROVAL])
    return {view.id: view for view in await _views(rows)}


async def latest_by_purchase(purchase_ids: Iterable[str]) -> dict[str, ApprovalView]:
    """Each purchase's latest approval, where it has any."""
    rows = await Approval.filter(purchase_id__in=list(purchase_ids)).order_by("created_at", "id")
    return {view.purchase_id: view for view in await _views(rows)}


async def account_approvals(
    account_id: str,
    *,
    limit: int,
    statuses: Sequence[ApprovalStatus] | None,
    only_for: str | None = None,
    wallet_ids: Sequence[str] = (),
    before: tuple[datetime, str] | None = None,
) -> list[ApprovalView]:
    """The newest `limit` of an account's approvals before that (time, id), newest first. With `only_for`, those that
    this person is named in or asked for, and those of the wallets named."""
    found = Approval.filter(account_id=account_id)
    if statuses is not None:
        found = found.filter(status__in=list(statuses))
    if only_for is not None:
        found = found.filter(
            Q(approver_ids__contains=[only_for])
            | Q(purchase__requested_by_id=only_for)
            | Q(purchase__wallet_id__in=list(wallet_ids))
        )
    if before is not None:
        at, approval_id = before
        found = found.filter(Q(created_at__lt=at) | Q(created_at=at, id__lt=approval_id))
    return await _views(await found.order_by("-created_at", "-id").limit(limit))


async def waiting_for(user_id: str) -> list[ApprovalView]:
    """What waits for this person's decision, oldest first."""
    rows = await get_connection("default").execute_query_dict(
        "SELECT a.id FROM approvals a JOIN purchases p ON p.id = a.purchase_id"
        " JOIN memberships m ON m.account_id = a.account_id AND m.user_id = $1 AND m.role <> 'AUDITOR'"
        " WHERE a.status = 'PENDING' AND a.expires_at > credits_now() AND a.approver_ids ? $1"
        " AND p.requested_by_id <> $1"
        " AND NOT EXISTS (SELECT 1 FROM api_keys k WHERE k.id = p.requested_by_id AND k.made_by = $1) AND NOT EXISTS"
        " (SELECT 1 FROM approval_decisions d WHERE d.approval_id = a.id AND d.approver_id = $1) ORDER BY a.created_at",
        [user_id],
    )
    found = await approvals_by_id(row["id"] for row in rows)
    return [found[row["id"]] for row in rows]


async def _views(rows: Sequence[Approval]) -> list[ApprovalView]:
    decisions: dict[str, list[Decision]] = defaultdict(list)
    for row in await ApprovalDecision.filter(approval_id__in=[row.id for row in rows]).order_by("id"):
        decisions[row.__dict__["approval_id"]].append(
            Decision(
                approver_id=row.approver_id,
                verdict=row.verdict,
                comment=row.comment,
                via=row.via,
                decided_at=row.decided_at,
            )
        )
    return [_view(row, tuple(decisions[row.id])) for row in rows]


def _view(row: Approval, decisions: tuple[Decision, ...]) -> ApprovalView:
    columns = row.__dict__
    return ApprovalView(
        id=row.id,
        account_id=columns["account_id"],
        purchase_id=columns["purchase_id"],
        status=row.status,
        required_approvals=row.required_approvals,
        approver_ids=tuple(row.approver_ids),
        slack_channel=row.slack_channel,
        version=row.version,
        created_at=row.created_at,
        expires_at=row.expires_at,
        decided_at=row.decided_at,
        reminded_at=row.reminded_at,
        escalated_at=row.escalated_at,
        escalated_to=tuple(row.escalate_to_ids) if row.escalated_at else (),
        decisions=decisions,
    )
