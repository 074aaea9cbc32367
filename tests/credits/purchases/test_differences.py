"""What the provider's records and our books must agree in: each row spoils exactly one thing."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from credits.gateways.payments import Payment, PaymentState
from credits.money import Money
from credits.purchases.differences import Booked, DifferenceKind, of_payment, of_purchase
from credits.purchases.models import PurchaseStatus

PAYMENT = Payment(
    id="pi_1",
    state=PaymentState.SUCCEEDED,
    total=Money(19900, "USD"),
    refunded=Money(0, "USD"),
    purchase_id="pur_1",
    charged_saved_card=False,
    reason=None,
    livemode=False,
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)
BOOKED = Booked(
    purchase_id="pur_1",
    status=PurchaseStatus.PAID,
    payment_id="pi_1",
    total=Money(19900, "USD"),
    credits=100,
    refunds_minor=0,
    lost_minor=0,
    refunded_minor=0,
    clawed_back=0,
    posted=1,
    posted_credits=100,
    taken_back=0,
)
# A third of the money went back: 33 of 100 credits, rounded down.
RETURNED = replace(BOOKED, refunds_minor=6634, refunded_minor=6634, clawed_back=33, taken_back=33)


@pytest.mark.parametrize(
    ("spoilt", "kinds"),
    [
        ({}, []),
        ({"state": PaymentState.PROCESSING}, [DifferenceKind.UNPAID]),
        ({"state": PaymentState.DECLINED}, [DifferenceKind.UNPAID]),
        ({"total": Money(19899, "USD")}, [DifferenceKind.AMOUNT]),
        ({"total": Money(19900, "EUR")}, [DifferenceKind.AMOUNT]),
        ({"refunded": Money(1, "USD")}, [DifferenceKind.REFUNDS]),
    ],
)
def test_a_payment_that_was_credited_is_the_purchases(spoilt: dict[str, Any], kinds: list[DifferenceKind]) -> None:
    found = list(of_payment(replace(PAYMENT, **spoilt), BOOKED, put_aside=False))

    assert [each.kind for each in found] == kinds
    assert all(each.reference == "pur_1" for each in found)


@pytest.mark.parametrize(
    ("spoilt", "put_aside", "kinds"),
    [
        ({}, False, [DifferenceKind.UNCREDITED]),
        ({"purchase_id": None}, False, [DifferenceKind.UNCREDITED]),
        ({"refunded": Money(19899, "USD")}, False, [DifferenceKind.UNCREDITED]),
        ({}, True, []),
        ({"refunded": Money(19900, "USD")}, False, []),
        ({"state": PaymentState.PROCESSING}, False, []),
        ({"state": PaymentState.DECLINED}, False, []),
        ({"state": PaymentState.NEEDS_PAYER}, False, []),
        ({"state": PaymentState.CANCELED}, False, []),
    ],
)
def test_money_that_came_is_credited_or_somebodys_work(
    spoilt: dict[str, Any], put_aside: bool, kinds: list[DifferenceKind]
) -> None:
    found = list(of_payment(replace(PAYMENT, **spoilt), None, put_aside=put_aside))

    assert [(each.kind, each.reference) for each in found] == [(kind, "pi_1") for kind in kinds]


@pytest.mark.parametrize(
    ("booked", "spoilt", "kinds"),
    [
        (BOOKED, {}, []),
        (BOOKED, {"posted": 0, "posted_credits": 0}, [DifferenceKind.POSTED]),
        (BOOKED, {"posted": 2, "posted_credits": 200}, [DifferenceKind.POSTED]),
        (BOOKED, {"posted_credits": 99}, [DifferenceKind.POSTED]),
        (BOOKED, {"clawed_back": 1}, [DifferenceKind.CLAWBACK]),
        (BOOKED, {"taken_back": 1}, [DifferenceKind.CLAWBACK]),
        (BOOKED, {"refunds_minor": 100}, [DifferenceKind.REFUNDS]),
        (RETURNED, {}, []),
        (RETURNED, {"clawed_back": 34}, [DifferenceKind.CLAWBACK]),
        (RETURNED, {"taken_back": 32}, [DifferenceKind.CLAWBACK]),
        (RETURNED, {"lost_minor": 1}, [DifferenceKind.REFUNDS]),
        (
            RETURNED,
            {
                "refunded_minor": 19900,
                "refunds_minor": 6634,
                "lost_minor": 19900,
                "clawed_back": 100,
                "taken_back": 100,
            },
            [],
        ),
    ],
)
def test_a_paid_purchase_is_what_the_ledger_posted(
    booked: Booked, spoilt: dict[str, int], kinds: list[DifferenceKind]
) -> None:
    found = list(of_purchase(replace(booked, **spoilt)))  # type: ignore[arg-type] # the table's rows are of numbers

    assert [(each.kind, each.reference) for each in found] == [(kind, "pur_1") for kind in kinds]
    assert all(each.text.endswith((".", "verify", "--heal")) for each in found)
