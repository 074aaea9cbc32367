"""Which policy applies, what a policy must be, and who may decide. Pure."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from credits.approvals.models import ApprovalStatus
from credits.errors import Refusal, RefusalCode

# Other purchases of the same requester within this time count in, so that splitting one does not help.
COUNTED_TOGETHER = timedelta(hours=24)
MAX_HOURS = 24 * 90
MAX_PEOPLE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyView:
    """A policy. `pool_id` None: for the whole account. Hours are whole; None means never."""

    id: str
    account_id: str
    pool_id: str | None
    minimum_credits: int
    approver_ids: tuple[str, ...]
    required_approvals: int
    expires_after_hours: int
    remind_after_hours: int | None
    escalate_after_hours: int | None
    escalate_to_ids: tuple[str, ...]
    slack_channel: str | None


def applicable(policies: Iterable[PolicyView], *, pool_id: str | None, credits_counted: int) -> PolicyView | None:
    """The policy that a purchase of so many credits (others counted in) falls under: a pool's own before the
    account's, and of those the highest minimum that is reached."""
    reached = [
        policy for policy in policies if policy.minimum_credits <= credits_counted and policy.pool_id in {None, pool_id}
    ]
    return max(reached, key=lambda policy: (policy.pool_id is not None, policy.minimum_credits), default=None)


def check_policy(policy: PolicyView) -> None:
    """Refuse a policy that could never be met: without any one requester among them, its approvers must still be as
    many as it requires."""
    if policy.minimum_credits < 1:
        raise Refusal(RefusalCode.INVALID, "At least 1 credit.", field="minimumCredits")
    if policy.required_approvals < 1:
        raise Refusal(RefusalCode.INVALID, "At least 1 approval.", field="requiredApprovals")
    if len(policy.approver_ids) > MAX_PEOPLE:
        raise Refusal(RefusalCode.INVALID, f"At most {MAX_PEOPLE} people.", field="approverIds")
    if len(policy.approver_ids) - 1 < policy.required_approvals:
        raise Refusal(
            RefusalCode.INVALID,
            f"Name at least {policy.required_approvals + 1} approvers: one who buys cannot approve it, and then "
            f"{policy.required_approvals} must be left.",
            field="approverIds",
        )
    for hours, field in (
        (policy.expires_after_hours, "expiresAfterHours"),
        (policy.remind_after_hours, "remindAfterHours"),
        (policy.escalate_after_hours, "escalateAfterHours"),
    ):
        if hours is not None and not 1 <= hours <= MAX_HOURS:
            raise Refusal(RefusalCode.INVALID, f"Between 1 and {MAX_HOURS} hours.", field=field)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request for consent as a decision meets it."""

    status: ApprovalStatus
    approver_ids: Collection[str]
    requested_by: str
    expires_at: datetime


def may_decide(request: Request, *, user_id: str, is_member: bool, now: datetime) -> None:
    """Refuse whoever may not decide this now: the requester, who is not named or no longer a member, and everybody
    once its time is up. Whether it was decided by another meanwhile the database says."""
    if user_id == request.requested_by:
        raise Refusal(
            RefusalCode.SELF_APPROVAL, "You asked for this purchase yourself. Somebody else has to decide it."
        )
    if user_id not in request.approver_ids or not is_member:
        raise Refusal(
            RefusalCode.NOT_AN_APPROVER, "The policy of this purchase does not name you. Ask one of its approvers."
        )
    expired = request.status is ApprovalStatus.PENDING and request.expires_at <= now
    if expired or request.status is ApprovalStatus.EXPIRED:
        raise Refusal(
            RefusalCode.APPROVAL_EXPIRED, "Nobody decided in time. Whoever asked for the purchase can ask again."
        )
