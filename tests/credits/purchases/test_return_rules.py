"""What refunds and disputes come to, as tables: sums, the dispute that matters, what may still be refunded."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credits.errors import Refusal, RefusalCode
from credits.money import Money
from credits.purchases.models import DisputeStatus, PurchaseStatus, RefundStatus
from credits.purchases.return_rules import Returns, dispute_moves, refund_amount, refund_moves

REQUESTED, PENDING, SUCCEEDED = RefundStatus.REQUESTED, RefundStatus.PENDING, RefundStatus.SUCCEEDED
FAILED, CANCELED = RefundStatus.FAILED, RefundStatus.CANCELED
INQUIRY, OPEN, LOST, WON = DisputeStatus.INQUIRY, DisputeStatus.OPEN, DisputeStatus.LOST, DisputeStatus.WON


def returns(
    refunds: list[tuple[int, RefundStatus]], disputes: list[tuple[int, DisputeStatus]], *, currency: str = "USD"
) -> Returns:
    """Of a payment of $100.00 for 50 credits; the disputes in that currency."""
    return Returns(
        credits=50,
        total=Money(10_000, "USD"),
        refunds=tuple((Money(amount, "USD"), status) for amount, status in refunds),
        disputes=tuple((Money(amount, currency), status) for amount, status in disputes),
    )


@pytest.mark.parametrize(
    ("refunds", "disputes", "refunded", "clawed_back", "refundable"),
    [
        ([], [], 0, 0, 10_000),
        ([(5_000, REQUESTED)], [], 0, 0, 5_000),
        ([(5_000, PENDING)], [], 5_000, 25, 5_000),
        ([(5_000, SUCCEEDED)], [], 5_000, 25, 5_000),
        ([(5_000, FAILED), (5_000, CANCELED)], [], 0, 0, 10_000),
        ([(199, SUCCEEDED), (1, SUCCEEDED)], [], 200, 1, 9_800),
        ([(11_900, SUCCEEDED)], [], 10_000, 50, 0),
        ([], [(10_000, INQUIRY), (10_000, OPEN), (10_000, WON)], 0, 0, 10_000),
        ([], [(4_000, LOST)], 4_000, 20, 6_000),
        ([(5_000, SUCCEEDED)], [(4_000, LOST)], 9_000, 45, 1_000),
        ([(8_000, SUCCEEDED)], [(10_000, LOST)], 10_000, 50, 0),
    ],
)
def test_credits_follow_the_money_that_went_back_and_never_more_of_them_than_were_bought(
    refunds: list[tuple[int, RefundStatus]],
    disputes: list[tuple[int, DisputeStatus]],
    refunded: int,
    clawed_back: int,
    refundable: int,
) -> None:
    found = returns(refunds, disputes)

    assert (found.refunded_minor, found.clawed_back, found.refundable_minor) == (refunded, clawed_back, refundable)


def test_what_was_lost_in_another_currency_counts_as_all() -> None:
    assert returns([], [(1, LOST)], currency="EUR").clawed_back == 50
    assert returns([], [(1, WON)], currency="EUR").clawed_back == 0


@pytest.mark.parametrize(
    ("disputes", "matters"),
    [([], None), ([INQUIRY], INQUIRY), ([INQUIRY, WON], WON), ([WON, LOST], LOST), ([LOST, OPEN, WON], OPEN)],
)
def test_of_several_disputes_one_matters_and_one_that_is_open_freezes(
    disputes: list[DisputeStatus], matters: DisputeStatus | None
) -> None:
    found = returns([], [(1, status) for status in disputes])

    assert (found.dispute, found.frozen) == (matters, matters is OPEN)


@pytest.mark.parametrize(("before", "after"), list(combinations((REQUESTED, PENDING, SUCCEEDED, CANCELED, FAILED), 2)))
def test_a_refund_never_goes_back_to_where_it_was(before: RefundStatus, after: RefundStatus) -> None:
    assert (refund_moves(before, after), refund_moves(after, before), refund_moves(after, after)) == (
        True,
        False,
        False,
    )


@pytest.mark.parametrize(("before", "after"), list(combinations((INQUIRY, OPEN, LOST, WON), 2)))
def test_a_dispute_never_goes_back_and_one_that_was_lost_may_be_won_on_appeal(
    before: DisputeStatus, after: DisputeStatus
) -> None:
    assert (dispute_moves(before, after), dispute_moves(after, before), dispute_moves(after, after)) == (
        True,
        False,
        False,
    )


@pytest.mark.parametrize(
    ("status", "found", "wanted_minor", "code"),
    [
        (PurchaseStatus.PROCESSING, returns([(10_000, PENDING)], [(1, OPEN)]), 0, RefusalCode.WRONG_STATE),
        (PurchaseStatus.PAID, returns([(10_000, PENDING)], [(1, OPEN)]), 0, RefusalCode.WRONG_STATE),
        (PurchaseStatus.PAID, returns([(10_000, PENDING)], [(1, WON)]), 0, RefusalCode.ALREADY_REFUNDED),
        (PurchaseStatus.PAID, returns([(9_000, REQUESTED)], []), 0, RefusalCode.INVALID),
        (PurchaseStatus.PAID, returns([(9_000, REQUESTED)], []), 1_001, RefusalCode.INVALID),
    ],
)
def test_what_is_refused_first(status: PurchaseStatus, found: Returns, wanted_minor: int, code: RefusalCode) -> None:
    with pytest.raises(Refusal) as refused:
        refund_amount(status, found, wanted_minor)

    assert refused.value.code is code


def test_so_much_or_all_that_is_left_is_given_back() -> None:
    found = returns([(9_000, REQUESTED)], [(500, INQUIRY)])

    assert refund_amount(PurchaseStatus.PAID, found, 1_000) == Money(1_000, "USD")
    assert refund_amount(PurchaseStatus.PAID, found, None) == Money(1_000, "USD")


AMOUNTS = st.integers(1, 12_000)


@given(
    st.lists(st.tuples(AMOUNTS, st.sampled_from(RefundStatus)), max_size=6),
    st.lists(st.tuples(AMOUNTS, st.sampled_from(DisputeStatus)), max_size=4),
)
def test_whatever_goes_back_nothing_exceeds_what_was_paid_and_bought(
    refunds: list[tuple[int, RefundStatus]], disputes: list[tuple[int, DisputeStatus]]
) -> None:
    found = returns(refunds, disputes)

    assert 0 <= found.refunded_minor <= 10_000
    assert 0 <= found.clawed_back <= 50
    assert 0 <= found.refundable_minor <= 10_000
    assert (
        found.clawed_back
        == returns(list(reversed(refunds)), list(reversed(disputes))).clawed_back
        == min(50 * (sum(a for a, s in refunds if s in (PENDING, SUCCEEDED)) + _lost(disputes)) // 10_000, 50)
    )


def _lost(disputes: list[tuple[int, DisputeStatus]]) -> int:
    return sum(amount for amount, status in disputes if status is LOST)
