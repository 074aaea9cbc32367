"""Which policy applies, what a policy must be, and who may decide."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from credits.approvals.models import ApprovalStatus
from credits.approvals.rules import PolicyView, Request, applicable, check_policy, may_decide
from credits.errors import Refusal, RefusalCode

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def policy(minimum: int, pool_id: str | None = None) -> PolicyView:
    return PolicyView(
        id=f"pol_{minimum}_{pool_id}",
        account_id="acct",
        pool_id=pool_id,
        minimum_credits=minimum,
        approver_ids=("a", "b", "c"),
        required_approvals=2,
        expires_after_hours=72,
        remind_after_hours=None,
        escalate_after_hours=None,
        escalate_to_ids=(),
        slack_channel=None,
    )


POLICIES = [policy(500), policy(1000), policy(800, "pool_1"), policy(100, "pool_2")]


@pytest.mark.parametrize(
    ("pool_id", "counted", "found"),
    [
        (None, 499, None),
        (None, 500, 500),
        (None, 5000, 1000),
        ("pool_1", 500, 500),
        ("pool_1", 800, 800),
        ("pool_1", 5000, 800),
        ("pool_2", 100, 100),
        ("pool_2", 99, None),
        ("pool_3", 1000, 1000),
    ],
)
def test_a_pools_own_goes_before_the_accounts_and_the_highest_reached_applies(
    pool_id: str | None, counted: int, found: int | None
) -> None:
    applied = applicable(POLICIES, pool_id=pool_id, credits_counted=counted)

    assert (applied.minimum_credits if applied else None) == found


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"minimum_credits": 0}, "minimumCredits"),
        ({"required_approvals": 0}, "requiredApprovals"),
        ({"approver_ids": ("a", "b")}, "approverIds"),
        ({"approver_ids": ()}, "approverIds"),
        ({"required_approvals": 3}, "approverIds"),
        ({"expires_after_hours": 0}, "expiresAfterHours"),
        ({"remind_after_hours": 0}, "remindAfterHours"),
        ({"escalate_after_hours": 100_000}, "escalateAfterHours"),
    ],
)
def test_a_policy_that_could_never_be_met_is_refused(changes: dict[str, object], field: str) -> None:
    with pytest.raises(Refusal) as refused:
        check_policy(replace(policy(500), **changes))  # type: ignore[arg-type]

    assert (refused.value.code, refused.value.field) == (RefusalCode.INVALID, field)


def test_of_one_required_two_must_be_named_since_one_may_be_the_buyer() -> None:
    check_policy(replace(policy(500), required_approvals=1, approver_ids=("a", "b")))

    with pytest.raises(Refusal, match="Name at least 2 approvers"):
        check_policy(replace(policy(500), required_approvals=1, approver_ids=("a",)))


REQUEST = Request(
    status=ApprovalStatus.PENDING, approver_ids=("a", "b"), requested_by="r", expires_at=NOW + timedelta(hours=1)
)


@pytest.mark.parametrize(
    ("request_", "user_id", "is_member", "code"),
    [
        (replace(REQUEST, approver_ids=("r",)), "r", False, RefusalCode.SELF_APPROVAL),
        (replace(REQUEST, expires_at=NOW), "x", True, RefusalCode.NOT_AN_APPROVER),
        (replace(REQUEST, expires_at=NOW), "a", False, RefusalCode.NOT_AN_APPROVER),
        (replace(REQUEST, expires_at=NOW), "a", True, RefusalCode.APPROVAL_EXPIRED),
        (replace(REQUEST, status=ApprovalStatus.EXPIRED), "a", True, RefusalCode.APPROVAL_EXPIRED),
        (REQUEST, "a", True, None),
    ],
)
def test_who_may_not_decide_is_told_the_first_reason(
    request_: Request, user_id: str, is_member: bool, code: RefusalCode | None
) -> None:
    found = None
    try:
        may_decide(request_, user_id=user_id, is_member=is_member, now=NOW)
    except Refusal as refusal:
        found = refusal.code

    assert found is code
