"""The receipt of a paid purchase: in the chat, or by mail to whoever has none."""

from uuid import uuid4

from app.sandbox.slack_people import SLACK_IDS
from tests.app.routes.support import BUY
from tests.support.service import Service
from tests.support.slack import Slack, eventually


async def test_whoever_bought_gets_the_receipt_in_the_chat(service: Service) -> None:
    wallet = service.demo.wallets["account"]
    bought = (await service.gql(BUY, "owner", wallet=wallet, key=uuid4().hex)).data["result"]["purchase"]
    checkout = await service.gql("query ($id: ID!) { purchase(id: $id) { checkoutUrl } }", "owner", id=bought["id"])

    await service.pay(checkout.data["purchase"]["checkoutUrl"])

    (told,) = await eventually(lambda: Slack(service).messages(f"receipt:{bought['id']}:"), bool)
    urls = [element["url"] for block in told["blocks"] if block["type"] == "actions" for element in block["elements"]]
    assert told["channel"] == "D" + SLACK_IDS["owner"][1:]
    assert "Starter" in str(told["blocks"])
    assert "$199.00" in told["text"]
    assert all(url.startswith("http") for url in urls)
    assert len(urls) == 2


async def test_whoever_has_no_chat_gets_it_by_mail(service: Service) -> None:
    place = await service.account()
    owner = await service.owner_token(place.account_id)
    (me,) = [(await service.gql("{ viewer { user { email } } }", owner)).data["viewer"]["user"]["email"]]
    bought = (await service.gql(BUY, owner, wallet=place.wallet_id, key=uuid4().hex)).data["result"]["purchase"]
    checkout = await service.gql("query ($id: ID!) { purchase(id: $id) { checkoutUrl } }", owner, id=bought["id"])

    await service.pay(checkout.data["purchase"]["checkoutUrl"])

    async def mails() -> list[dict[str, str]]:
        response = await service.http.get("/sandbox/mail/messages", params={"to": me})
        return [mail for mail in response.json() if mail["subject"].startswith("Receipt: 100 credits")]

    (mail,) = await eventually(mails, bool)
    assert "$199.00" in mail["text"]
    assert "/sandbox/" in mail["html"]
