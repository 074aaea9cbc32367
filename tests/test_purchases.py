"""Purchases over HTTP, the real SDK and the sandbox: every way in which money may come, or not."""

import asyncio
import hashlib
import hmac
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import pytest
from tortoise.connection import get_connection

from app.gateways.stripe import StripeGateway
from app.sandbox.models import CheckoutSession
from credits.accounts.models import Account
from credits.accounts.rules import Place
from credits.actors import SYSTEM
from credits.chat.models import ChatMessage
from credits.errors import Unavailable
from credits.gateways.payments import CheckoutStatus
from credits.ids import Kind, make_id
from credits.inbox import InboxEvent
from credits.ledger.audit import broken
from credits.ledger.queries import now
from credits.ledger.wallet import MAX_BALANCE
from credits.purchases import checkouts
from credits.purchases import service as purchases
from credits.purchases.channel import purchase_channel
from credits.purchases.models import Purchase, PurchaseStatus, QuarantinedPayment
from tests.support.service import WEBHOOK_SECRET, Service
from tests.support.slack import eventually
from tests.test_journey import BUY

PURCHASE = """query ($id: ID!) { purchase(id: $id) {
  status checkoutUrl failureReason paidAt credits quantity total { formatted } transaction { kind change }
  wallet { balance { available } } requestedBy { name } package { code }
} }"""
BUY_MORE = """mutation ($input: PurchaseCreditsInput!) {
  purchaseCredits(input: $input) { purchase { id status checkoutUrl total { formatted } } replayed
    userErrors { code field message } }
}"""
CANCEL = """mutation ($id: ID!) {
  cancelPurchase(input: {purchaseId: $id}) { purchase { status checkoutUrl } userErrors { code } }
}"""


@dataclass(frozen=True, slots=True)
class Buyer:
    """The owner of an account of their own, which no policy and no other test concerns."""

    service: Service
    token: str
    wallet: str

    async def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        return (await self.service.gql(query, self.token, **variables)).data

    async def buy(self) -> dict[str, Any]:
        data = await self.ask(BUY, wallet=self.wallet, key=uuid4().hex)
        purchase: dict[str, Any] = data["purchaseCredits"]["purchase"]
        return purchase

    async def state_of(self, purchase: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = (await self.ask(PURCHASE, id=purchase["id"]))["purchase"]
        return found

    async def available(self) -> int:
        data = await self.ask("query ($id: ID!) { wallet(id: $id) { balance { available } } }", id=self.wallet)
        found: int = data["wallet"]["balance"]["available"]
        return found


async def new_buyer(service: Service) -> Buyer:
    """The owner of a fresh account."""
    place = await service.account()
    return Buyer(service, await service.owner_token(place.account_id), place.wallet_id or "")


@pytest.fixture
async def buyer(service: Service) -> Buyer:
    return await new_buyer(service)


async def test_the_same_webhook_five_times_at_once_credits_once(service: Service, buyer: Buyer) -> None:
    before = await buyer.available()
    purchase = await buyer.buy()

    paid = await service.pay(purchase["checkoutUrl"], deliveries=5)

    assert paid["deliveries"] == [{"status": 200}] * 5
    after = await buyer.state_of(purchase)
    assert (after["status"], after["checkoutUrl"]) == ("PAID", None)
    assert after["transaction"] == {"kind": "PURCHASE", "change": 100}
    assert await buyer.available() == before + 100
    assert await broken() == {}


async def test_the_same_call_again_answers_the_same_purchase_and_checkout(service: Service, buyer: Buyer) -> None:
    key = uuid4().hex
    wallet = buyer.wallet

    answers = await asyncio.gather(*(service.gql(BUY, buyer.token, wallet=wallet, key=key) for _ in range(10)))

    found = [answer.data["purchaseCredits"] for answer in answers]
    assert len({each["purchase"]["id"] for each in found}) == 1
    assert len({each["purchase"]["checkoutUrl"] for each in found if each["purchase"]["checkoutUrl"]}) == 1
    assert sorted(each["replayed"] for each in found) == [False] + [True] * 9


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"packageCode": "NONE"}, "UNKNOWN_PACKAGE", ["packageCode"]),
        ({"packageCode": "ENTERPRISE"}, "INVALID", ["credits"]),
        ({"packageCode": "ENTERPRISE", "credits": 999}, "BELOW_MINIMUM", ["credits"]),
        ({"packageCode": "ENTERPRISE", "credits": 1000}, "CUSTOM_PRICE_REQUIRED", ["packageCode"]),
        ({"packageCode": "ENTERPRISE", "credits": 1000, "quantity": 2}, "INVALID", ["quantity"]),
        ({"credits": 100}, "INVALID", ["credits"]),
        ({"quantity": 0}, "INVALID", ["quantity"]),
        ({"quantity": 10001}, "INVALID", ["quantity"]),
        ({"quantity": 5026}, "INVALID", ["quantity"]),
        ({"returnUrl": "https://evil.example/"}, "INVALID", ["returnUrl"]),
        ({"returnUrl": "https://shop.example/back.evil"}, "INVALID", ["returnUrl"]),
        ({"returnUrl": "https://shop.example@evil.example/back"}, "INVALID", ["returnUrl"]),
        ({"justification": "x" * 501}, "INVALID", ["justification"]),
        ({"idempotencyKey": ""}, "INVALID", ["idempotencyKey"]),
        ({"walletId": "wal_1"}, "INVALID", ["walletId"]),
    ],
)
async def test_what_cannot_be_bought_is_refused_and_leaves_nothing(
    service: Service, buyer: Buyer, changes: dict[str, Any], code: str, field: list[str]
) -> None:
    count = await Purchase.all().count()
    wanted = {"walletId": buyer.wallet, "packageCode": "STARTER", "idempotencyKey": uuid4().hex}

    answer = (await buyer.ask(BUY_MORE, input=wanted | changes))["purchaseCredits"]

    assert answer["purchase"] is None
    assert [(error["code"], error["field"]) for error in answer["userErrors"]] == [(code, field)]
    assert await Purchase.all().count() == count


async def test_the_payer_is_sent_back_to_an_allowed_address(service: Service, buyer: Buyer) -> None:
    wanted = {
        "walletId": buyer.wallet,
        "packageCode": "PROFESSIONAL",
        "quantity": 2,
        "returnUrl": "https://shop.example/back/here?tab=credits",
        "idempotencyKey": uuid4().hex,
    }

    bought = (await buyer.ask(BUY_MORE, input=wanted))["purchaseCredits"]["purchase"]
    paid = await service.pay(bought["checkoutUrl"])

    assert bought["total"]["formatted"] == "$1,798.00"
    assert paid["redirect_url"].startswith(
        f"https://shop.example/back/here?tab=credits&purchase_id={bought['id']}&session_id=cs_test_"
    )


async def test_open_purchases_count_when_the_room_in_a_wallet_is_checked(service: Service) -> None:
    place = await service.account(credits_given=999_999_999)
    await service.give(place, 999_999_999)
    await service.give(place, MAX_BALANCE - 2 * 999_999_999 - 150)
    wanted = {"walletId": place.wallet_id, "packageCode": "STARTER"}
    owner = await service.owner_token(place.account_id)

    first = (await service.gql(BUY_MORE, owner, input={**wanted, "idempotencyKey": "1"})).data["purchaseCredits"]
    second = (await service.gql(BUY_MORE, owner, input={**wanted, "idempotencyKey": "2"})).data["purchaseCredits"]
    paid = await service.pay(first["purchase"]["checkoutUrl"])

    assert [error["code"] for error in second["userErrors"]] == ["BALANCE_LIMIT_EXCEEDED"]
    assert paid["deliveries"] == [{"status": 200}]
    assert (await Purchase.get(id=first["purchase"]["id"])).status is PurchaseStatus.PAID


async def test_a_suspended_account_cannot_buy(service: Service) -> None:
    place = await service.account()
    owner = await service.owner_token(place.account_id)
    await Account.filter(id=place.account_id).update(suspended_at=await now())

    answer = await service.gql(BUY, owner, wallet=place.wallet_id, key="k")

    assert [error["code"] for error in answer.data["purchaseCredits"]["userErrors"]] == ["ACCOUNT_SUSPENDED"]
    assert await Purchase.filter(account_id=place.account_id).count() == 0


async def test_a_declined_card_leaves_the_purchase_open(service: Service, buyer: Buyer) -> None:
    purchase = await buyer.buy()

    await service.pay(purchase["checkoutUrl"], "decline")

    assert (await buyer.state_of(purchase))["status"] == "AWAITING_PAYMENT"
    await service.pay(purchase["checkoutUrl"])
    assert (await buyer.state_of(purchase))["status"] == "PAID"


async def test_a_bank_debit_is_credited_when_it_has_arrived(service: Service, buyer: Buyer) -> None:
    before = await buyer.available()
    purchase = await buyer.buy()

    await service.pay(purchase["checkoutUrl"], "pay_later")
    under_way = await buyer.state_of(purchase)
    still = await buyer.available()
    canceled = (await buyer.ask(CANCEL, id=purchase["id"]))["cancelPurchase"]
    await service.pay(purchase["checkoutUrl"], "settle")

    assert (under_way["status"], under_way["checkoutUrl"]) == ("PROCESSING", None)
    assert still == before
    assert [error["code"] for error in canceled["userErrors"]] == ["WRONG_STATE"]
    assert (await buyer.state_of(purchase))["status"] == "PAID"
    assert await buyer.available() == before + 100


async def test_a_bank_debit_that_fails_ends_the_purchase(service: Service, buyer: Buyer) -> None:
    before = await buyer.available()
    purchase = await buyer.buy()

    await service.pay(purchase["checkoutUrl"], "pay_later")
    await service.pay(purchase["checkoutUrl"], "fail")

    after = await buyer.state_of(purchase)
    assert after["status"] == "FAILED"
    assert after["failureReason"] == "The bank did not pay. Buy again, or pay another way."
    assert await buyer.available() == before


async def test_a_checkout_that_lapses_ends_the_purchase(service: Service, buyer: Buyer) -> None:
    purchase = await buyer.buy()

    await service.pay(purchase["checkoutUrl"], "expire")

    assert (await buyer.state_of(purchase))["status"] == "EXPIRED"


async def test_a_canceled_purchase_cannot_be_paid_any_more(service: Service, buyer: Buyer) -> None:
    purchase = await buyer.buy()

    canceled = (await buyer.ask(CANCEL, id=purchase["id"]))["cancelPurchase"]
    again = (await buyer.ask(CANCEL, id=purchase["id"]))["cancelPurchase"]
    session = purchase["checkoutUrl"].rsplit("/", 1)[1]
    payment = await service.http.post(f"/sandbox/stripe/sessions/{session}/pay")

    assert canceled == {"purchase": {"status": "CANCELED", "checkoutUrl": None}, "userErrors": []}
    assert [error["code"] for error in again["userErrors"]] == ["WRONG_STATE"]
    assert payment.status_code == 409


async def test_money_that_was_faster_than_the_cancellation_is_credited(service: Service, buyer: Buyer) -> None:
    before = await buyer.available()
    purchase = await buyer.buy()
    await service.pay(purchase["checkoutUrl"], deliveries=0)

    canceled = (await buyer.ask(CANCEL, id=purchase["id"]))["cancelPurchase"]

    assert [error["code"] for error in canceled["userErrors"]] == ["WRONG_STATE"]
    assert (await buyer.state_of(purchase))["status"] == "PAID"
    assert await buyer.available() == before + 100


async def test_money_for_a_purchase_that_had_ended_is_credited_all_the_same(service: Service, buyer: Buyer) -> None:
    before = await buyer.available()
    purchase = await buyer.buy()
    await Purchase.filter(id=purchase["id"]).update(status=PurchaseStatus.CANCELED)

    await service.pay(purchase["checkoutUrl"])

    assert (await buyer.state_of(purchase))["status"] == "PAID"
    assert await buyer.available() == before + 100


async def test_the_return_page_credits_when_no_webhook_came_and_once_with_all_at_once(
    service: Service, buyer: Buyer
) -> None:
    before = await buyer.available()
    purchase = await buyer.buy()
    paid = await service.pay(purchase["checkoutUrl"], deliveries=0)
    session = purchase["checkoutUrl"].rsplit("/", 1)[1]

    pages = await asyncio.gather(*(service.http.get(paid["redirect_url"]) for _ in range(5)))

    assert session in paid["redirect_url"]
    assert [(page.status_code, "100 credits are in your wallet" in page.text) for page in pages] == [(200, True)] * 5
    assert await buyer.available() == before + 100


@pytest.mark.parametrize(
    "query", ["", "?purchase_id=pur_1", "?purchase_id=" + "x" * 500, "?session_id=cs_test_none", "?session_id=%00"]
)
async def test_the_return_page_tells_strangers_nothing(service: Service, query: str) -> None:
    page = await service.http.get(f"/checkout/return{query}")

    assert page.status_code == 404
    assert "There is no such purchase." in page.text


def signed(payload: bytes, *, secret: str = WEBHOOK_SECRET, at: int | None = None) -> dict[str, str]:
    at = int(time.time()) if at is None else at
    mac = hmac.new(secret.encode(), f"{at}.".encode() + payload, hashlib.sha256).hexdigest()
    return {"stripe-signature": f"t={at},v1={mac}"}


def completed(purchase_id: str, **changes: Any) -> bytes:
    session = {
        "id": f"cs_test_{uuid4().hex}",
        "object": "checkout.session",
        "amount_subtotal": 19900,
        "amount_total": 19900,
        "automatic_tax": {"enabled": False},
        "client_reference_id": purchase_id,
        "currency": "usd",
        "customer": None,
        "livemode": False,
        "payment_intent": f"pi_{uuid4().hex}",
        "payment_status": "paid",
        "status": "complete",
        "url": None,
    }
    event = {
        "id": f"evt_{uuid4().hex}",
        "object": "event",
        "type": "checkout.session.completed",
        "created": int(time.time()),
        "livemode": False,
        "data": {"object": session | changes},
    }
    return json.dumps(event).encode()


def session_of(purchase: dict[str, Any]) -> str:
    """The id of the checkout that the purchase was given."""
    session: str = purchase["checkoutUrl"].rsplit("/", 1)[1]
    return session


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"amount_total": 100}, "$1.00 USD instead of $199.00 USD"),
        ({"amount_total": 19901}, "$199.01 USD instead of $199.00 USD"),
        ({"currency": "eur"}, "€199.00 EUR instead of $199.00 USD"),
        ({"livemode": True}, "A live payment in test mode"),
        ({"client_reference_id": None}, "There is no such purchase"),
        ({"client_reference_id": make_id(Kind.PURCHASE)}, "There is no such purchase"),
        ({"client_reference_id": "x" * 300}, "There is no such purchase"),
        ({"id": "cs_another"}, "The checkout is none that was made for the purchase"),
        ({"id": "cs_another", "payment_status": "unpaid"}, "The checkout is none that was made for the purchase"),
    ],
)
async def test_a_payment_that_is_not_the_purchases_credits_nothing_and_the_operators_are_told_once(
    service: Service, buyer: Buyer, changes: dict[str, Any], reason: str
) -> None:
    before = await buyer.available()
    purchase = await buyer.buy()
    payment_id = f"pi_{uuid4().hex}"
    same = {"id": session_of(purchase), "payment_intent": payment_id, **changes}
    payloads = [completed(purchase["id"], **same) for _ in range(3)]

    answers = await asyncio.gather(
        *(service.http.post("/webhooks/stripe", content=each, headers=signed(each)) for each in payloads)
    )

    assert {(answer.status_code, answer.text) for answer in answers} == {(200, f"quarantined: {reason}")}
    assert (await buyer.state_of(purchase))["status"] == "AWAITING_PAYMENT"
    assert await buyer.available() == before
    (kept,) = await QuarantinedPayment.filter(reference=payment_id)
    assert (kept.reason, kept.settled_at) == (reason, None)
    told = await eventually(lambda: ChatMessage.filter(subject=f"operators:quarantine:{kept.id}"), bool)
    assert [message.recipient for message in told] == ["#operators"]


@pytest.mark.parametrize("status", ["expired", "open"])
async def test_a_checkout_that_is_not_ours_and_that_nobody_paid_is_nothing_to_put_aside(
    service: Service, status: str
) -> None:
    payment_id = f"pi_{uuid4().hex}"
    payload = completed("pur_of_another_shop", status=status, payment_status="unpaid", payment_intent=payment_id)

    answer = await service.http.post("/webhooks/stripe", content=payload, headers=signed(payload))

    assert (answer.status_code, answer.text) == (200, "nothing to do")
    assert not await QuarantinedPayment.exists(reference=payment_id)


@pytest.mark.parametrize(
    ("payload", "signature", "status"),
    [
        (completed("pur_1"), None, 401),
        (completed("pur_1"), {"secret": "whsec_other"}, 401),
        (completed("pur_1"), {"payload": b"another body"}, 401),
        (b"{}", {"late_s": 301}, 401),
        (b"[]", {}, 400),
        (b"not json", {}, 400),
        (b"x" * (512 * 1024 + 1), None, 400),
    ],
)
async def test_what_is_no_signed_event_is_refused_and_kept_nowhere(
    service: Service, payload: bytes, signature: dict[str, Any] | None, status: int
) -> None:
    count = await _inbox_count()
    headers = {} if signature is None else _signed_as_told(payload, **signature)

    answer = await service.http.post("/webhooks/stripe", content=payload, headers=headers)

    assert answer.status_code == status
    assert await _inbox_count() == count


def _signed_as_told(body: bytes, *, late_s: int = 0, **changes: Any) -> dict[str, str]:
    return signed(**{"payload": body, "at": int(time.time()) - late_s, **changes})


async def _inbox_count() -> int:
    (row,) = await get_connection("default").execute_query_dict("SELECT count(*) AS n FROM inbox_events")
    count: int = row["n"]
    return count


@pytest.mark.parametrize("changes", [{"account": "acct_connected"}, {"livemode": True}])
async def test_an_event_of_another_account_or_mode_is_refused_and_kept_nowhere(
    service: Service, buyer: Buyer, changes: dict[str, Any]
) -> None:
    purchase = await buyer.buy()
    event = json.loads(completed(purchase["id"], id=session_of(purchase)))
    payload = json.dumps(event | changes).encode()

    answer = await service.http.post("/webhooks/stripe", content=payload, headers=signed(payload))

    assert answer.status_code == 400
    assert not await InboxEvent.exists(event_id=event["id"])
    assert (await buyer.state_of(purchase))["status"] == "AWAITING_PAYMENT"


async def test_an_event_of_another_kind_is_taken_and_done_with(service: Service) -> None:
    event = {"id": f"evt_{uuid4().hex}", "object": "event", "type": "customer.created", "livemode": False, "created": 1}
    payload = json.dumps({**event, "data": {"object": {"id": "cus_1", "object": "customer"}}}).encode()

    answers = [await service.http.post("/webhooks/stripe", content=payload, headers=signed(payload)) for _ in range(2)]

    assert [(answer.status_code, answer.text) for answer in answers] == [(200, "nothing to do"), (200, "seen before")]


@asynccontextmanager
async def provider_at(
    service: Service, address: str, *, api_key: str = "sk_test_1", timeout_s: float = 1, **changes: Any
) -> AsyncIterator[checkouts.Checkouts]:
    """The service's checkouts, with the provider at another address or asked with another key."""
    gateway = StripeGateway(api_key=api_key, webhook_secrets=(WEBHOOK_SECRET,), api_base=address, timeout_s=timeout_s)
    try:
        yield replace(service.shared.checkouts, gateway=gateway, **changes)
    finally:
        await gateway.close()


def wanted(place: Place) -> purchases.PurchaseInput:
    return purchases.PurchaseInput(
        wallet_id=place.wallet_id or "",
        package_code="STARTER",
        quantity=1,
        credits=None,
        justification=None,
        return_url=None,
        idempotency_key=uuid4().hex,
    )


async def test_a_provider_that_does_not_answer_costs_the_address_and_a_job_gets_it_later(service: Service) -> None:
    place = await service.account()
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        async with provider_at(service, address, wait_s=0.2) as out_of_reach:
            purchase, _ = await purchases.request_purchase(out_of_reach, SYSTEM, place, wanted(place))
    assert (purchase.status, purchase.checkout_url) == (PurchaseStatus.AWAITING_PAYMENT, None)

    with service.shared.hub.subscribe(purchase_channel(purchase.id)) as subscription:
        await checkouts.finish_checkouts(service.shared.checkouts, older_than_s=0)
        heard = await subscription.hear(at_most_s=5)

    assert heard.payloads == (purchase.id,)
    found = await Purchase.get(id=purchase.id)
    assert found.checkout_url
    assert await checkouts.finish_checkouts(service.shared.checkouts, older_than_s=0) == 0


async def test_a_provider_that_cannot_be_reached_cancels_nothing(service: Service, buyer: Buyer) -> None:
    purchase = await buyer.buy()

    async with provider_at(service, "http://127.0.0.1:9") as out_of_reach:
        with pytest.raises(Unavailable):
            await purchases.cancel_purchase(out_of_reach, purchase["id"])

    assert (await buyer.state_of(purchase))["status"] == "AWAITING_PAYMENT"


async def test_a_provider_that_says_no_ends_the_purchase_with_its_reason(service: Service) -> None:
    place = await service.account()
    sandbox = f"{service.settings.local_url}/sandbox/stripe"

    # The sandbox, as Stripe's test mode, takes no key of the other mode.
    async with provider_at(service, sandbox, api_key="sk_live_1") as refusing:
        purchase, _ = await purchases.request_purchase(refusing, SYSTEM, place, wanted(place))

    assert purchase.status is PurchaseStatus.FAILED
    assert purchase.failure_reason


async def test_canceled_while_the_provider_is_asked_the_checkout_is_closed_again(service: Service) -> None:
    place = await service.account()
    async with provider_at(service, "http://127.0.0.1:9") as out_of_reach:
        purchase, _ = await purchases.request_purchase(out_of_reach, SYSTEM, place, wanted(place))
    opening = asyncio.create_task(checkouts.open_checkout(service.shared.checkouts, purchase.id))

    canceled, _ = await asyncio.gather(purchases.cancel_purchase(service.shared.checkouts, purchase.id), opening)

    assert canceled.status is PurchaseStatus.CANCELED
    (session,) = await CheckoutSession.filter(client_reference_id=purchase.id)
    checkout = await service.shared.checkouts.gateway.checkout(session.id)
    assert checkout.status is CheckoutStatus.EXPIRED


async def test_a_second_payment_for_one_purchase_is_put_aside_and_not_dropped(service: Service, buyer: Buyer) -> None:
    purchase = await buyer.buy()
    await service.pay(purchase["checkoutUrl"])
    payment_id = f"pi_{uuid4().hex}"
    again = completed(purchase["id"], id=session_of(purchase), payment_intent=payment_id)

    answer = await service.http.post("/webhooks/stripe", content=again, headers=signed(again))

    assert answer.text == "quarantined: The purchase was paid by another payment before"
    assert await buyer.available() == 100
    assert await QuarantinedPayment.exists(reference=payment_id, purchase_id=purchase["id"])
