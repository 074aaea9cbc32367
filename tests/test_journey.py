"""The main job from end to end over HTTP and websocket: buy, spend, watch."""

from uuid import uuid4

from tests.support.service import Service

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
    wallet = service.demo.wallets["account"]
    before = (await service.gql("query ($id: ID!) { wallet(id: $id) { balance { available } } }", id=wallet)).data
    available = before["wallet"]["balance"]["available"]

    async with service.live() as live:
        await live.subscribe(
            "subscription ($id: ID!) { balanceChanged(walletId: $id) { balance { available } causes } }", id=wallet
        )
        first = await live.next()
        bought = (await service.gql(BUY, wallet=wallet, key=uuid4().hex)).data["purchaseCredits"]
        paid = await service.pay(bought["purchase"]["checkoutUrl"])
        after_payment = await live.next()
        spent = (await service.gql(SPEND, wallet=wallet, key=uuid4().hex)).data["deductCredits"]
        after_spending = await live.next()

    assert first["balanceChanged"] == {"balance": {"available": available}, "causes": []}
    assert bought["purchase"]["status"] == "AWAITING_PAYMENT"
    assert paid["deliveries"] == [{"status": 200}]
    assert after_payment["balanceChanged"] == {"balance": {"available": available + 100}, "causes": ["PURCHASE"]}
    assert spent["transaction"]["change"] == -2
    assert after_spending["balanceChanged"] == {"balance": {"available": available + 98}, "causes": ["DEDUCTION"]}
