"""Checkouts that lapse and are renewed, and every race that ends a purchase, over HTTP and the sandbox."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
from tortoise.transactions import in_transaction

from app.sandbox.models import CheckoutSession
from credits.accounts.models import Account, AccountRole
from credits.accounts.service import add_membership
from credits.approvals.due import expire_due
from credits.approvals.models import Approval
from credits.errors import Unavailable
from credits.ledger.audit import broken
from credits.ledger.queries import now
from credits.ledger.wallet import MAX_BALANCE
from credits.purchases.models import Purchase, PurchaseStatus, QuarantinedPayment
from credits.purchases.renewal import renew_checkout
from tests.support.firm import APPROVE, policy
from tests.support.firm import BUY as BUY_FOR
from tests.support.service import Service
from tests.support.slack import eventually
from tests.test_purchases import (
    BUY_MORE,
    CANCEL,
    Buyer,
    completed,
    new_buyer,
    provider_at,
    session_of,
    signed,
)

RENEW = """mutation ($id: ID!) { renewCheckout(input: {purchaseId: $id}) {
  purchase { status checkoutUrl total { formatted } } userErrors { code field message } } }"""


@pytest.fixture
async def buyer(service: Service) -> Buyer:
    return await new_buyer(service)


async def renewed(buyer: Buyer, purchase: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = (await buyer.ask(RENEW, id=purchase["id"]))["renewCheckout"]
    return answer


async def lapsed(buyer: Buyer) -> dict[str, Any]:
    """A purchase whose checkout has lapsed."""
    purchase = await buyer.buy()
    await buyer.service.pay(purchase["checkoutUrl"], "expire")
    return purchase


async def test_a_lapsed_checkout_is_renewed_and_paid_once(buyer: Buyer) -> None:
    purchase = await lapsed(buyer)

    answer = await renewed(buyer, purchase)
    again = await renewed(buyer, purchase)
    await buyer.service.pay(answer["purchase"]["checkoutUrl"])

    assert answer["userErrors"] == []
    assert answer["purchase"]["status"] == "AWAITING_PAYMENT"
    assert answer["purchase"]["checkoutUrl"] not in {None, purchase["checkoutUrl"]}
    assert [error["code"] for error in again["userErrors"]] == ["WRONG_STATE"]
    assert (await buyer.state_of(purchase))["status"] == "PAID"
    assert await buyer.available() == 100
    assert await broken() == {}


async def test_what_only_the_provider_knows_to_have_lapsed_is_renewed_too(buyer: Buyer) -> None:
    purchase = await buyer.buy()
    await buyer.service.pay(purchase["checkoutUrl"], "expire", deliveries=0)

    answer = await renewed(buyer, purchase)

    assert answer["userErrors"] == []
    assert answer["purchase"]["checkoutUrl"] not in {None, purchase["checkoutUrl"]}


async def test_ten_renewals_at_once_make_one_checkout(buyer: Buyer) -> None:
    purchase = await lapsed(buyer)

    answers = await asyncio.gather(*(renewed(buyer, purchase) for _ in range(10)))

    codes = [error["code"] for answer in answers for error in answer["userErrors"]]
    assert set(codes) <= {"WRONG_STATE"}
    assert len(codes) < 10
    assert await CheckoutSession.filter(client_reference_id=purchase["id"]).count() == 2
    assert (await Purchase.get(id=purchase["id"])).checkout_attempt == 2


async def test_what_is_paid_open_or_ended_otherwise_is_not_renewed(buyer: Buyer) -> None:
    paid, still_open, under_way, canceled = [await buyer.buy() for _ in range(4)]
    await buyer.service.pay(paid["checkoutUrl"])
    await buyer.service.pay(under_way["checkoutUrl"], "pay_later")
    await buyer.ask(CANCEL, id=canceled["id"])
    before = [await buyer.state_of(each) for each in (paid, still_open, under_way, canceled)]

    answers = [await renewed(buyer, each) for each in (paid, still_open, under_way, canceled)]

    assert [[error["code"] for error in answer["userErrors"]] for answer in answers] == [["WRONG_STATE"]] * 4
    assert [await buyer.state_of(each) for each in (paid, still_open, under_way, canceled)] == before


async def test_money_that_was_faster_than_the_renewal_is_credited(buyer: Buyer) -> None:
    purchase = await buyer.buy()
    await buyer.service.pay(purchase["checkoutUrl"], deliveries=0)

    answer = await renewed(buyer, purchase)

    assert [error["code"] for error in answer["userErrors"]] == ["WRONG_STATE"]
    assert (await buyer.state_of(purchase))["status"] == "PAID"
    assert await buyer.available() == 100


async def test_late_money_for_the_former_checkout_credits_once_and_the_second_payment_is_put_aside(
    buyer: Buyer,
) -> None:
    purchase = await lapsed(buyer)
    present = (await renewed(buyer, purchase))["purchase"]
    late = completed(purchase["id"], id=session_of(purchase))

    answers = [await buyer.service.http.post("/webhooks/stripe", content=late, headers=signed(late)) for _ in range(2)]
    await buyer.service.pay(present["checkoutUrl"])

    assert [answer.text for answer in answers] == ["credited", "seen before"]
    assert (await buyer.state_of(purchase))["status"] == "PAID"
    assert await buyer.available() == 100
    (second,) = await QuarantinedPayment.filter(purchase_id=purchase["id"])
    assert second.reason == "The purchase was paid by another payment before"
    assert await broken() == {}


async def test_an_expiry_of_the_former_checkout_that_comes_late_ends_nothing(buyer: Buyer) -> None:
    purchase = await lapsed(buyer)
    await renewed(buyer, purchase)
    late = completed(purchase["id"], id=session_of(purchase), status="expired", payment_status="unpaid")

    answer = await buyer.service.http.post("/webhooks/stripe", content=late, headers=signed(late))

    assert answer.text == "nothing to do"
    assert (await buyer.state_of(purchase))["status"] == "AWAITING_PAYMENT"


async def test_a_suspended_account_renews_nothing(buyer: Buyer) -> None:
    purchase = await lapsed(buyer)
    account_id = (await Purchase.get(id=purchase["id"])).__dict__["account_id"]
    await Account.filter(id=account_id).update(suspended_at=await now())

    answer = await renewed(buyer, purchase)

    assert [error["code"] for error in answer["userErrors"]] == ["ACCOUNT_SUSPENDED"]
    assert (await Purchase.get(id=purchase["id"])).status is PurchaseStatus.EXPIRED


async def test_a_wallet_that_could_not_hold_the_credits_renews_nothing(service: Service) -> None:
    place = await service.account(credits_given=999_999_999)
    await service.give(place, 999_999_999)
    await service.give(place, MAX_BALANCE - 2 * 999_999_999 - 150)
    buyer = Buyer(service, await service.owner_token(place.account_id), place.wallet_id or "")
    purchase = await lapsed(buyer)
    await buyer.buy()

    answer = await renewed(buyer, purchase)

    assert [error["code"] for error in answer["userErrors"]] == ["BALANCE_LIMIT_EXCEEDED"]
    assert (await Purchase.get(id=purchase["id"])).checkout_attempt == 1


async def test_nothing_is_renewed_for_a_department_that_was_deleted(service: Service) -> None:
    # Who buys nothing else: with much that was bought lately a purchase would need consent.
    made = await service.gql(
        "mutation ($id: ID!, $name: String!) { createDepartment(input: {poolId: $id, name: $name}) { department { id"
        " wallet { id } } } }",
        "pool_admin",
        id=service.demo.pools["demo"],
        name=uuid4().hex,
    )
    department = made.data["createDepartment"]["department"]
    bought = await service.gql(
        BUY_MORE,
        "pool_admin",
        input={"walletId": department["wallet"]["id"], "packageCode": "STARTER", "idempotencyKey": uuid4().hex},
    )
    purchase = bought.data["purchaseCredits"]["purchase"]
    await service.pay(purchase["checkoutUrl"], "expire")
    await service.gql(
        "mutation ($id: ID!) { deleteDepartment(input: {id: $id}) { id userErrors { code } } }",
        "pool_admin",
        id=department["id"],
    )

    answer = (await service.gql(RENEW, "pool_admin", id=purchase["id"])).data["renewCheckout"]

    assert [(error["code"], error["field"]) for error in answer["userErrors"]] == [("WRONG_STATE", ["purchaseId"])]
    assert "was deleted" in answer["userErrors"][0]["message"]
    assert (await Purchase.get(id=purchase["id"])).status is PurchaseStatus.EXPIRED


async def test_without_the_provider_nothing_is_renewed_that_may_still_be_open(buyer: Buyer) -> None:
    purchase = await buyer.buy()

    async with provider_at(buyer.service, "http://127.0.0.1:9") as out_of_reach:
        with pytest.raises(Unavailable):
            await renew_checkout(out_of_reach, purchase["id"])

    assert (await Purchase.get(id=purchase["id"])).checkout_attempt == 1


async def asked_for(service: Service) -> tuple[Buyer, dict[str, Any]]:
    """A purchase that waits for approval, in an account of its own."""
    buyer = await new_buyer(service)
    account_id = (await service.gql("{ viewer { accounts { id } } }", buyer.token)).data["viewer"]["accounts"][0]["id"]
    async with in_transaction() as connection:
        for name in ("approver", "deputy"):
            await add_membership(
                connection,
                account_id=account_id,
                user_id=service.demo.users[name],
                role=AccountRole.MEMBER,
                at=await now(),
            )
    await policy(service, account_id, required=1, approvers=("approver", "deputy"))
    answer = await buyer.ask(BUY_FOR, wallet=buyer.wallet, package="PROFESSIONAL", key=uuid4().hex)
    return buyer, answer["purchaseCredits"]["purchase"]


async def test_an_approval_that_was_given_stays_given(service: Service) -> None:
    buyer, purchase = await asked_for(service)
    await service.gql(APPROVE, "approver", id=purchase["id"])
    approved = await eventually(lambda: Purchase.get(id=purchase["id"]), lambda row: row.checkout_url is not None)
    await service.pay(approved.checkout_url or "", "expire")

    answer = await renewed(buyer, purchase)

    assert answer["userErrors"] == []
    assert answer["purchase"]["status"] == "AWAITING_PAYMENT"
    assert await Approval.filter(purchase_id=purchase["id"]).count() == 1


async def test_what_nobody_approved_in_time_has_no_checkout_to_renew(service: Service) -> None:
    buyer, purchase = await asked_for(service)
    await Approval.filter(purchase_id=purchase["id"]).update(expires_at=await now())
    await expire_due(service.shared.hub)

    answer = await renewed(buyer, purchase)

    assert [error["code"] for error in answer["userErrors"]] == ["WRONG_STATE"]
    assert "Ask for the approval again." in answer["userErrors"][0]["message"]
    assert (await Purchase.get(id=purchase["id"])).status is PurchaseStatus.EXPIRED


@pytest.mark.parametrize("seed", range(25))
async def test_however_a_purchase_is_raced_it_ends_once_and_as_its_checkout_did(buyer: Buyer, seed: int) -> None:
    purchase = await buyer.buy()
    session = session_of(purchase)
    sessions = f"/sandbox/stripe/sessions/{session}"
    racers: list[Callable[[], Awaitable[Any]]] = [
        lambda: buyer.ask(CANCEL, id=purchase["id"]),
        lambda: buyer.ask(RENEW, id=purchase["id"]),
        lambda: buyer.service.http.post(f"{sessions}/pay", json={"deliveries": 3}),
        lambda: buyer.service.http.post(f"{sessions}/expire", json={"deliveries": 2}),
        lambda: buyer.service.http.get(f"/checkout/return?session_id={session}&purchase_id={purchase['id']}"),
    ]
    dice = random.Random(seed)  # noqa: S311 the same order for the same seed
    dice.shuffle(racers)

    await asyncio.gather(*(racer() for racer in racers[: dice.randint(2, 5)]))

    row = await Purchase.get(id=purchase["id"])
    paid = (await CheckoutSession.get(id=session)).state == "PAID"
    assert (row.status is PurchaseStatus.PAID) == paid
    assert await buyer.available() == (100 if paid else 0)
    open_sessions = await CheckoutSession.filter(client_reference_id=purchase["id"], state="OPEN").count()
    assert open_sessions == (row.status is PurchaseStatus.AWAITING_PAYMENT)
