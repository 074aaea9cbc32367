"""The states of a purchase: every pair of them, and what a renewal asks of one."""

from itertools import product

import pytest
from tortoise.connection import get_connection

from credits.actors import SYSTEM
from credits.errors import Refusal, RefusalCode
from credits.gateways.payments import Checkout, CheckoutStatus
from credits.money import Money
from credits.purchases import service as purchases
from credits.purchases.models import Purchase, PurchaseStatus
from credits.purchases.moves import move
from credits.purchases.rules import MOVES, Expected, disagreement, may_renew
from tests.support.service import Service
from tests.test_purchases import wanted

S = PurchaseStatus
# As WORKFLOWS draws it, written down a second time: from each state, where to.
DRAWN = {
    S.PENDING_APPROVAL: {S.AWAITING_PAYMENT, S.REJECTED, S.CANCELED, S.EXPIRED, S.PAID},
    S.AWAITING_PAYMENT: {S.PROCESSING, S.PAID, S.CANCELED, S.EXPIRED, S.FAILED},
    S.PROCESSING: {S.PAID, S.FAILED},
    S.PAID: set(),
    S.REJECTED: {S.PAID},
    S.CANCELED: {S.PAID},
    S.EXPIRED: {S.PAID, S.AWAITING_PAYMENT, S.PENDING_APPROVAL, S.CANCELED},
    S.FAILED: {S.PAID},
}


async def test_exactly_the_moves_of_the_table_are_made_and_no_other_changes_anything(service: Service) -> None:
    place = await service.account()
    purchase, _ = await purchases.request_purchase(service.shared.checkouts, SYSTEM, place, wanted(place))
    row = Purchase.filter(id=purchase.id)

    for before, after in product(PurchaseStatus, PurchaseStatus):
        # PAID by hand: the database wants a payment with it.
        paid = {"payment_id": "pi_1", "transaction_id": "txn_1", "paid_at": purchase.created_at}
        await row.update(status=before, failure_reason=None, moved_at=None, **paid)
        untouched = await _columns(purchase.id)

        moved = await move(row, after, reason="Because")

        found = await Purchase.get(id=purchase.id)
        if after in DRAWN[before]:
            assert (moved, found.status, found.failure_reason) == (True, after, "Because"), (before, after)
            assert found.moved_at is not None
        else:
            assert not moved, (before, after)
            assert await _columns(purchase.id) == untouched
    await row.delete()


async def _columns(purchase_id: str) -> dict[str, object]:
    (found,) = await get_connection("default").execute_query_dict(
        "SELECT * FROM purchases WHERE id = $1", [purchase_id]
    )
    return dict(found)


def test_the_table_knows_every_state() -> None:
    assert set(MOVES) == set(PurchaseStatus)
    assert {after: set(before) for after, before in MOVES.items()} == {
        after: {before for before in PurchaseStatus if after in DRAWN[before]} for after in PurchaseStatus
    }


@pytest.mark.parametrize(
    ("status", "consented", "says"),
    [
        (PurchaseStatus.EXPIRED, False, "Ask for the approval again."),
        (PurchaseStatus.AWAITING_PAYMENT, True, "can still be paid at its checkoutUrl"),
        (PurchaseStatus.PENDING_APPROVAL, False, "waits for approval"),
        (PurchaseStatus.PROCESSING, True, "nothing is left to pay"),
        (PurchaseStatus.PAID, True, "nothing is left to pay"),
        (PurchaseStatus.REJECTED, False, "Buy again."),
        (PurchaseStatus.CANCELED, True, "Buy again."),
        (PurchaseStatus.FAILED, True, "Buy again."),
    ],
)
def test_only_what_lapsed_and_had_its_approval_is_renewed(status: PurchaseStatus, consented: bool, says: str) -> None:
    with pytest.raises(Refusal, match=says) as refused:
        may_renew(status, consented=consented)

    assert (refused.value.code, refused.value.field) == (RefusalCode.WRONG_STATE, "purchaseId")


def test_a_checkout_that_lapsed_may_be_renewed() -> None:
    may_renew(PurchaseStatus.EXPIRED, consented=True)

    with pytest.raises(Refusal):
        may_renew(PurchaseStatus.EXPIRED, consented=False)


OURS = Expected(purchase_id="pur_1", checkout_ids=("cs_2", "cs_1"), total=Money(19900, "USD"), live=False)
FITS: dict[str, object] = {
    "id": "cs_2",
    "url": None,
    "status": CheckoutStatus.COMPLETE,
    "paid": True,
    "total": Money(19900, "USD"),
    "purchase_id": "pur_1",
    "payment_id": "pi_1",
    "customer_id": None,
    "livemode": False,
}


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({}, None),
        ({"id": "cs_1"}, None),
        ({"id": "cs_3"}, "The checkout is none that was made for the purchase"),
        ({"purchase_id": "pur_2"}, "The checkout names purchase pur_2"),
        ({"purchase_id": None}, "The checkout names purchase None"),
        ({"total": Money(19899, "USD")}, "$198.99 USD instead of $199.00 USD"),
        ({"total": Money(19900, "EUR")}, "€199.00 EUR instead of $199.00 USD"),
        ({"livemode": True}, "A live payment in test mode"),
    ],
)
def test_a_checkout_is_the_purchases_own_or_the_operators_are_told_what_differs(
    fault: dict[str, object], said: str | None
) -> None:
    checkout = Checkout(**(FITS | fault))  # type: ignore[arg-type] # the table's rows are of many types

    assert disagreement(OURS, checkout) == said
