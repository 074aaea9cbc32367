"""Which policy applies, what a policy must be, and who may decide."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from credits.approvals.models import ApprovalStatus
from credits.approvals.rules import (
    PolicyView,
    Reminding,
    Request,
    added_by_escalation,
    applicable,
    check_policy,
    may_ask_again,
    may_decide,
    to_remind,
)
from credits.errors import Refusal, RefusalCode
from credits.purchases.models import PurchaseStatus

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
        ({"expires_after_hours": 100_000}, "expiresAfterHours"),
        ({"remind_after_hours": 0}, "remindAfterHours"),
        ({"remind_after_hours": 72}, "remindAfterHours"),
        ({"escalate_after_hours": 72, "escalate_to_ids": ("d",)}, "escalateAfterHours"),
        ({"escalate_after_hours": 100_000, "escalate_to_ids": ("d",)}, "escalateAfterHours"),
        ({"escalate_after_hours": 24}, "escalateToIds"),
        ({"escalate_after_hours": 24, "escalate_to_ids": tuple(map(str, range(51)))}, "escalateToIds"),
        ({"escalate_to_ids": ("d",)}, "escalateAfterHours"),
    ],
)
def test_a_policy_that_could_never_be_met_is_refused(changes: dict[str, object], field: str) -> None:
    with pytest.raises(Refusal) as refused:
        check_policy(replace(policy(500), **changes))  # type: ignore[arg-type]

    assert (refused.value.code, refused.value.field) == (RefusalCode.INVALID, field)


def test_reminders_and_escalations_come_before_the_end() -> None:
    check_policy(replace(policy(500), remind_after_hours=71, escalate_after_hours=1, escalate_to_ids=("d",)))

    with pytest.raises(Refusal, match="A reminder comes after at least 1 hour, and before"):
        check_policy(replace(policy(500), remind_after_hours=72))


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


def test_only_where_nobody_decided_in_time_it_is_asked_again() -> None:
    may_ask_again(PurchaseStatus.EXPIRED, ApprovalStatus.EXPIRED)

    for purchase, approval in product(PurchaseStatus, [None, *ApprovalStatus]):
        if (purchase, approval) != (PurchaseStatus.EXPIRED, ApprovalStatus.EXPIRED):
            with pytest.raises(Refusal) as refused:
                may_ask_again(purchase, approval)
            assert (refused.value.code, refused.value.field) == (RefusalCode.WRONG_STATE, "purchaseId")


def test_an_escalation_adds_who_could_not_decide_before_and_can_now() -> None:
    added = added_by_escalation(
        ["a", "x", "left", "x", "r", "y"], approver_ids=["a", "b"], members={"a", "b", "x", "y", "r"}, requested_by="r"
    )

    assert added == ["x", "y"]


DUE = NOW - timedelta(minutes=1)


@pytest.mark.parametrize(
    ("hours_ago", "people", "again_in"),
    [
        ({"a": 4, "b": 5}, ["a", "b"], None),
        ({"a": 3, "b": 5}, ["b"], 1),
        ({"a": 3, "b": 1}, [], 1),
        ({"b": 9}, ["a", "b"], None),
        # Told after the reminder was due: they have been reminded, or asked by an escalation.
        ({"a": 0, "b": 9}, ["b"], None),
        ({"a": 0, "b": 0}, [], None),
    ],
)
def test_nobody_is_reminded_within_four_hours_of_being_told_and_everybody_once(
    hours_ago: dict[str, int], people: list[str], again_in: int | None
) -> None:
    told_at = {each: NOW - timedelta(hours=hours) for each, hours in hours_ago.items()}

    found = to_remind(["a", "b"], told_at=told_at, reminded_at=DUE, now=NOW)

    assert found == Reminding(people=people, again_at=NOW + timedelta(hours=again_in) if again_in else None)
