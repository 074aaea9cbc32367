"""The main job from end to end over HTTP and websocket: buy, spend, watch."""

import asyncio
from collections import Counter
from typing import Any
from uuid import uuid4

from credits.ledger.audit import broken
from tests.support.service import SERVICE_KEY, Service

BUY = """mutation ($wallet: ID!, $key: String!) {
  purchaseCredits(input: {walletId: $wallet, packageCode: "STARTER", idempotencyKey: $key}) {
    purchase { id status checkoutUrl } replayed userErrors { code message }
  }
}"""
SPEND = """mutation ($wallet: ID!, $type: String! = "BASIC_ROOM", $quantity: Int! = 1, $key: String!) {
  deductCredits(input: {walletId: $wallet, stagingType: $type, quantity: $quantity, idempotencyKey: $key}) {
    transaction { id change balanceAfter } balance { available } replayed userErrors { code }
    shortfall { required available missing suggestedPackage { code } suggestedQuantity }
  }
}"""


async def test_what_is_paid_is_in_the_wallet_and_what_is_spent_is_seen_live(service: Service) -> None:
    place = await service.account()
    wallet, owner, available = place.wallet_id, await service.owner_token(place.account_id), 0

    async with service.live(owner) as live:
        await live.subscribe(
            "subscription ($id: ID!) { balanceChanged(walletId: $id) { balance { available } causes } }", id=wallet
        )
        first = await live.next()
        bought = (await service.gql(BUY, owner, wallet=wallet, key=uuid4().hex)).data["purchaseCredits"]
        paid = await service.pay(bought["purchase"]["checkoutUrl"])
        after_payment = await live.next()
        spent = (await service.gql(SPEND, owner, wallet=wallet, key=uuid4().hex)).data["deductCredits"]
        after_spending = await live.next()

    assert first["balanceChanged"] == {"balance": {"available": available}, "causes": []}
    assert bought["purchase"]["status"] == "AWAITING_PAYMENT"
    assert paid["deliveries"] == [{"status": 200}]
    assert after_payment["balanceChanged"] == {"balance": {"available": available + 100}, "causes": ["PURCHASE"]}
    assert spent["transaction"]["change"] == -2
    assert after_spending["balanceChanged"] == {"balance": {"available": available + 98}, "causes": ["DEDUCTION"]}


async def spend(service: Service, wallet: str | None, **variables: Any) -> dict[str, Any]:
    answer = await service.gql(SPEND, SERVICE_KEY, wallet=wallet, **variables)
    payload: dict[str, Any] = answer.data["deductCredits"]
    return payload


async def test_of_200_deductions_of_3_at_once_on_500_credits_166_stand(service: Service) -> None:
    place = await service.account(credits_given=500)

    answers = await asyncio.gather(
        *(spend(service, place.wallet_id, type="ADVANCED", key=uuid4().hex) for _ in range(200))
    )

    refused = [answer for answer in answers if answer["userErrors"]]
    assert Counter(answer["transaction"] is None for answer in answers) == {False: 166, True: 34}
    assert {answer["userErrors"][0]["code"] for answer in refused} == {"INSUFFICIENT_CREDITS"}
    assert {answer["shortfall"]["missing"] for answer in refused} == {1}
    assert min(answer["balance"]["available"] for answer in answers if answer["balance"]) == 2
    assert await broken() == {}


async def test_twenty_calls_at_once_with_one_key_get_twenty_equal_answers(service: Service) -> None:
    place = await service.account(credits_given=500)

    answers = await asyncio.gather(*(spend(service, place.wallet_id, key="k") for _ in range(20)))

    assert len({answer["transaction"]["id"] for answer in answers}) == 1
    assert {(answer["balance"]["available"], len(answer["userErrors"])) for answer in answers} == {(498, 0)}
    assert Counter(answer["replayed"] for answer in answers) == {False: 1, True: 19}


async def test_a_refusal_names_what_is_missing_and_the_purchase_that_covers_it(service: Service) -> None:
    place = await service.account(credits_given=10)

    little = await spend(service, place.wallet_id, quantity=6, key="little")
    much = await spend(service, place.wallet_id, quantity=205, key="much")

    assert little["shortfall"] == {
        "required": 12,
        "available": 10,
        "missing": 2,
        "suggestedPackage": {"code": "STARTER"},
        "suggestedQuantity": 1,
    }
    # 400 credits more: four Starters are $796, one Professional is $899.
    assert (much["shortfall"]["missing"], much["shortfall"]["suggestedQuantity"]) == (400, 4)
    assert (little["transaction"], much["transaction"]) == (None, None)
    assert (await spend(service, place.wallet_id, quantity=5, key="all"))["balance"]["available"] == 0
