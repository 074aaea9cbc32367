"""A crash between any two steps of a purchase: stopped in between, and healed by the scheduled jobs."""

import pytest
from tortoise.connection import get_connection

from app.sandbox.models import CheckoutSession
from credits.actors import SYSTEM
from credits.ledger.audit import broken
from credits.ledger.queries import now
from credits.purchases import checkouts, healing
from credits.purchases import service as purchases
from credits.purchases.models import Purchase, PurchaseStatus
from tests.support.firm import APPROVE
from tests.support.service import Service
from tests.support.slack import eventually
from tests.test_purchases import CANCEL, Buyer, new_buyer, provider_at, session_of, wanted
from tests.test_renewal import RENEW, asked_for


@pytest.fixture
async def buyer(service: Service) -> Buyer:
    return await new_buyer(service)


async def look_again(service: Service, *purchase_ids: str) -> None:
    """The five-minute job, as if it had come to these; other tests' purchases are looked at as well."""
    await Purchase.filter(id__in=purchase_ids).update(looked_at=None)
    await healing.look_at_open(service.shared.checkouts)


async def test_made_and_stopped_before_the_provider_was_asked(service: Service) -> None:
    place = await service.account()
    async with provider_at(service, "http://127.0.0.1:9") as out_of_reach:
        purchase, _ = await purchases.request_purchase(out_of_reach, SYSTEM, place, wanted(place))
    assert purchase.checkout_url is None

    await checkouts.finish_checkouts(service.shared.checkouts, older_than_s=0)

    assert (await Purchase.get(id=purchase.id)).checkout_url


async def test_opened_at_the_provider_and_stopped_before_it_was_recorded(service: Service) -> None:
    place = await service.account()
    async with provider_at(service, "http://127.0.0.1:9") as out_of_reach:
        purchase, _ = await purchases.request_purchase(out_of_reach, SYSTEM, place, wanted(place))
    opened = await service.shared.checkouts.gateway.open_checkout(
        checkouts._checkout_request(service.shared.checkouts, purchase)
    )

    await checkouts.finish_checkouts(service.shared.checkouts, older_than_s=0)

    assert (await Purchase.get(id=purchase.id)).checkout_id == opened.id
    assert await CheckoutSession.filter(client_reference_id=purchase.id).count() == 1


async def test_paid_and_no_webhook_came(buyer: Buyer) -> None:
    purchase = await buyer.buy()
    await buyer.service.pay(purchase["checkoutUrl"], deliveries=0)

    await look_again(buyer.service, purchase["id"])
    await look_again(buyer.service, purchase["id"])

    assert (await buyer.state_of(purchase))["status"] == "PAID"
    assert await buyer.available() == 100
    assert await broken() == {}


async def test_a_bank_debit_of_which_nothing_was_heard(buyer: Buyer) -> None:
    purchase = await buyer.buy()
    await buyer.service.pay(purchase["checkoutUrl"], "pay_later", deliveries=0)
    await look_again(buyer.service, purchase["id"])
    under_way = (await buyer.state_of(purchase))["status"]
    await buyer.service.pay(purchase["checkoutUrl"], "settle", deliveries=0)

    await look_again(buyer.service, purchase["id"])

    assert under_way == "PROCESSING"
    assert (await buyer.state_of(purchase))["status"] == "PAID"
    assert await buyer.available() == 100


async def test_expired_at_the_provider_and_not_here(buyer: Buyer) -> None:
    purchase = await buyer.buy()
    await buyer.service.pay(purchase["checkoutUrl"], "expire", deliveries=0)

    await look_again(buyer.service, purchase["id"])

    assert (await buyer.state_of(purchase))["status"] == "EXPIRED"


async def test_closed_at_the_provider_and_stopped_before_it_was_canceled(buyer: Buyer) -> None:
    purchase = await buyer.buy()
    await buyer.service.shared.checkouts.gateway.expire_checkout(session_of(purchase))

    await eventually(lambda: buyer.state_of(purchase), lambda state: state["status"] == "EXPIRED")
    again = (await buyer.ask(CANCEL, id=purchase["id"]))["cancelPurchase"]

    assert [error["code"] for error in again["userErrors"]] == ["WRONG_STATE"]


async def test_paid_after_it_had_ended_here(buyer: Buyer) -> None:
    purchase = await buyer.buy()
    await Purchase.filter(id=purchase["id"]).update(status=PurchaseStatus.CANCELED, moved_at=await now())
    await buyer.service.pay(purchase["checkoutUrl"], deliveries=0)

    await look_again(buyer.service, purchase["id"])

    assert (await buyer.state_of(purchase))["status"] == "PAID"
    assert await buyer.available() == 100


async def test_approved_and_stopped_before_there_was_a_checkout(service: Service) -> None:
    async with service.workers.away():
        _, purchase = await asked_for(service)
        await service.gql(APPROVE, "approver", id=purchase["id"])
        without = await Purchase.get(id=purchase["id"])

        await checkouts.finish_checkouts(service.shared.checkouts, older_than_s=0)

    assert without.status is PurchaseStatus.AWAITING_PAYMENT
    assert without.checkout_url is None
    assert (await Purchase.get(id=purchase["id"])).checkout_url


async def test_renewed_and_stopped_before_the_provider_was_asked(buyer: Buyer) -> None:
    purchase = await buyer.buy()
    await buyer.service.pay(purchase["checkoutUrl"], "expire")
    await buyer.ask(RENEW, id=purchase["id"])
    # As the commit left it.
    await Purchase.filter(id=purchase["id"]).update(
        checkout_id=None, checkout_url=None, checkout_attempt=3, former_checkouts=[session_of(purchase)]
    )

    await checkouts.finish_checkouts(buyer.service.shared.checkouts, older_than_s=0)

    url = (await buyer.state_of(purchase))["checkoutUrl"]
    await buyer.service.pay(url)
    assert (await buyer.state_of(purchase))["status"] == "PAID"


async def test_those_not_looked_at_for_longest_come_first_and_a_run_has_its_bound(service: Service) -> None:
    buyer = await new_buyer(service)
    first, second = await buyer.buy(), await buyer.buy()
    for purchase in (first, second):
        await service.pay(purchase["checkoutUrl"], deliveries=0)
    await get_connection("default").execute_query(
        "UPDATE purchases SET looked_at = credits_now() WHERE checkout_id IS NOT NULL AND status <> 'PAID'"
    )
    await Purchase.filter(id=second["id"]).update(looked_at=None)

    looked = await healing.look_at_open(service.shared.checkouts, at_most=1)

    assert looked == 1
    states = [(await buyer.state_of(each))["status"] for each in (first, second)]
    assert states == ["AWAITING_PAYMENT", "PAID"]


async def test_a_provider_out_of_reach_ends_the_run_early(service: Service) -> None:
    buyer = await new_buyer(service)
    bought = [await buyer.buy() for _ in range(2 * healing.AT_ONCE)]
    await Purchase.filter(id__in=[each["id"] for each in bought]).update(looked_at=None)

    async with provider_at(service, "http://127.0.0.1:9") as out_of_reach:
        looked = await healing.look_at_open(out_of_reach)

    assert looked == healing.AT_ONCE
    assert {(await buyer.state_of(each))["status"] for each in bought} == {"AWAITING_PAYMENT"}
