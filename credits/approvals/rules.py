"""Which policy applies, what a policy must be, who may decide, and who is asked once more. Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from credits.approvals.models import ApprovalStatus
from credits.errors import Refusal, RefusalCode
from credits.purchases.models import PurchaseStatus

# Other purchases of the same requester within this time count in, so that splitting one does not help.
COUNTED_TOGETHER = timedelta(hours=24)
MAX_HOURS = 24 * 90
MAX_PEOPLE = 50
# Of one request nobody is told more often than that.
QUIET = timedelta(hours=4)


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
    many as it requires. Reminders and escalations that would come too late, or reach nobody, are refused too."""
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
    _check_hours(policy)
    _check_escalation(policy)


def _check_hours(policy: PolicyView) -> None:
    expires = policy.expires_after_hours
    if not 1 <= expires <= MAX_HOURS:
        raise Refusal(RefusalCode.INVALID, f"Between 1 and {MAX_HOURS} hours.", field="expiresAfterHours")
    for hours, field, what in (
        (policy.remind_after_hours, "remindAfterHours", "A reminder"),
        (policy.escalate_after_hours, "escalateAfterHours", "An escalation"),
    ):
        if hours is not None and not 1 <= hours < expires:
            message = f"{what} comes after at least 1 hour, and before the request expires after {expires}."
            raise Refusal(RefusalCode.INVALID, message, field=field)


def _check_escalation(policy: PolicyView) -> None:
    if len(policy.escalate_to_ids) > MAX_PEOPLE:
        raise Refusal(RefusalCode.INVALID, f"At most {MAX_PEOPLE} people.", field="escalateToIds")
    if policy.escalate_after_hours is not None and not policy.escalate_to_ids:
        raise Refusal(RefusalCode.INVALID, "Name the people who are then asked too.", field="escalateToIds")
    if policy.escalate_to_ids and policy.escalate_after_hours is None:
        raise Refusal(
            RefusalCode.INVALID, "Say after how many hours these people are asked too.", field="escalateAfterHours"
        )


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


def may_ask_again(purchase: PurchaseStatus, approval: ApprovalStatus | None) -> None:
    """Refuse to ask again unless it was the latest request that expired, and the purchase with it."""
    if purchase is PurchaseStatus.EXPIRED and approval is ApprovalStatus.EXPIRED:
        return
    if approval is None:
        message = "This purchase needs nobody's approval."
    elif purchase is PurchaseStatus.PENDING_APPROVAL:
        message = "This purchase waits for approval already."
    elif purchase is PurchaseStatus.EXPIRED:
        message = "This purchase was approved; only its checkout has lapsed. Renew the checkout."
    elif purchase is PurchaseStatus.AWAITING_PAYMENT:
        message = "This purchase was approved and can be paid."
    else:
        message = f"This purchase is {purchase.value}; there is nothing to approve any more."
    raise Refusal(RefusalCode.WRONG_STATE, message, field="purchaseId")


def added_by_escalation(
    escalate_to_ids: Iterable[str], *, approver_ids: Collection[str], members: Collection[str], requested_by: str
) -> list[str]:
    """Those whom an escalation adds: who could not decide before and can now."""
    return [
        each
        for each in dict.fromkeys(escalate_to_ids)
        if each not in approver_ids and each in members and each != requested_by
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminding:
    """Who is reminded now, and when to look again for those who were told of the request lately; None where there are
    no such."""

    people: list[str]
    again_at: datetime | None


def to_remind(
    waiting_for: Iterable[str], *, told_at: Mapping[str, datetime], reminded_at: datetime, now: datetime
) -> Reminding:
    """Of those who have not decided, everybody who was not told of the request since its reminder was due
    (`reminded_at`), each at least four hours after they were last told."""
    left = [each for each in waiting_for if each not in told_at or told_at[each] < reminded_at]
    free_at = {each: told_at[each] + QUIET for each in left if each in told_at}
    later = [at for at in free_at.values() if at > now]
    people = [each for each in left if each not in free_at or free_at[each] <= now]
    return Reminding(people=people, again_at=min(later, default=None))
