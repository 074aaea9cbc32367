"""The provider's records against ours, on the service's database by the ids of a test's own purchases, and `credits
reconcile` and `credits payments` on a database of their own.
"""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from app.database import credentials
from credits.ledger.audit import broken
from credits.ledger.queries import now
from credits.operators import TELL_JOB
from credits.outbox import OutboxMessage
from credits.purchases import healing
from credits.purchases.differences import Difference, DifferenceKind
from credits.purchases.models import Purchase, PurchaseStatus, QuarantinedPayment
from credits.purchases.papers import PAPERS_JOB, read_papers
from credits.purchases.reconciliation import differences, tell_operators
from tests.support import servers
from tests.support.processes import Running, environment, free_port, started
from tests.support.service import Service, environment_of
from tests.support.slack import Posted, Slack, eventually
from tests.test_journey import BUY
from tests.test_purchases import Buyer, completed, new_buyer, provider_at, session_of, signed

ROOT = Path(__file__).parents[1]


@pytest.fixture
async def buyer(service: Service) -> Buyer:
    return await new_buyer(service)


async def found_about(service: Service, *references: str) -> list[Difference]:
    """What does not agree about these purchases and payments."""
    found = await differences(service.shared.payments, days=30, live=False)
    return [each for each in found if each.reference in references]


async def bought(buyer: Buyer, **how: Any) -> Purchase:
    """A purchase that was paid at the provider."""
    purchase = await buyer.buy()
    await buyer.service.pay(purchase["checkoutUrl"], **how)
    return await Purchase.get(id=purchase["id"])


async def test_a_paid_purchase_gets_receipt_and_invoice_after_the_credits(buyer: Buyer) -> None:
    purchase = await bought(buyer)

    found = await eventually(lambda: Purchase.get(id=purchase.id), lambda row: row.invoice_url is not None)

    assert found.status is PurchaseStatus.PAID
    assert found.receipt_url
    assert found.receipt_url != found.invoice_url


async def test_papers_that_cannot_be_had_now_cost_no_credit_and_are_asked_for_again(service: Service) -> None:
    buyer = await new_buyer(service)
    async with service.workers.away():
        purchase = await bought(buyer)
        async with provider_at(service, "http://127.0.0.1:9") as out_of_reach:
            with pytest.raises(Exception, match="did not answer"):
                await read_papers(out_of_reach.gateway, purchase.id, looks=0)
        waiting = [each for each in await OutboxMessage.filter(job=PAPERS_JOB) if purchase.id in str(each.payload)]
        available = await buyer.available()

    assert available == 100
    assert len(waiting) == 1
    await eventually(lambda: Purchase.get(id=purchase.id), lambda row: row.receipt_url is not None)


async def test_events_that_never_came_are_handled_once(service: Service, buyer: Buyer) -> None:
    purchase = await bought(buyer, deliveries=0)
    since = await now() - timedelta(days=30)

    await healing.handle_missed(service.shared.checkouts, service.shared.payments, since=since)
    again = await healing.handle_missed(service.shared.checkouts, service.shared.payments, since=since)

    assert purchase.status is PurchaseStatus.AWAITING_PAYMENT
    assert (await Purchase.get(id=purchase.id)).status is PurchaseStatus.PAID
    assert await buyer.available() == 100
    assert again == 0
    assert await broken() == {}


async def test_webhook_return_page_and_reconciliation_at_once_credit_once(service: Service, buyer: Buyer) -> None:
    purchase = await buyer.buy()
    session = session_of(purchase)
    await service.pay(purchase["checkoutUrl"], deliveries=0)
    await Purchase.filter(id=purchase["id"]).update(looked_at=None)
    hook = completed(purchase["id"], id=session, payment_intent=await _payment_of(service, session))

    await asyncio.gather(
        *(service.http.post("/webhooks/stripe", content=hook, headers=signed(hook)) for _ in range(3)),
        *(service.http.get(f"/checkout/return?session_id={session}") for _ in range(3)),
        healing.look_at_open(service.shared.checkouts),
        healing.handle_missed(service.shared.checkouts, service.shared.payments, since=await now() - timedelta(days=1)),
    )

    assert (await buyer.state_of(purchase))["status"] == "PAID"
    assert await buyer.available() == 100
    assert not await QuarantinedPayment.exists(purchase_id=purchase["id"])


async def _payment_of(service: Service, session: str) -> str:
    return (await service.shared.payments.checkout(session)).payment_id or ""


async def test_what_agrees_is_no_difference(service: Service, buyer: Buyer) -> None:
    purchase = await bought(buyer)

    assert await found_about(service, purchase.id, purchase.payment_id or "") == []


async def test_a_payment_that_credited_nothing_is_told(service: Service, buyer: Buyer) -> None:
    purchase = await buyer.buy()
    await service.pay(purchase["checkoutUrl"], deliveries=0)
    payment_id = await _payment_of(service, session_of(purchase))

    before = await found_about(service, payment_id)
    await healing.heal(service.shared.checkouts, service.shared.payments, days=30)

    assert [each.kind for each in before] == [DifferenceKind.UNCREDITED]
    assert purchase["id"] in before[0].text
    assert await found_about(service, payment_id, purchase["id"]) == []


async def test_credits_without_a_payment_are_told(service: Service, buyer: Buyer) -> None:
    purchase = await buyer.buy()
    made_up = completed(purchase["id"], id=session_of(purchase), payment_intent=f"pi_{uuid4().hex}")
    await service.http.post("/webhooks/stripe", content=made_up, headers=signed(made_up))

    found = await found_about(service, purchase["id"])

    assert [each.kind for each in found] == [DifferenceKind.UNPAID]


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({"refunded_minor": 100, "clawed_back": 0}, [DifferenceKind.REFUNDS]),
        ({"clawed_back": 1}, [DifferenceKind.CLAWBACK]),
    ],
)
async def test_books_that_do_not_agree_with_themselves_are_told(
    service: Service, buyer: Buyer, changes: dict[str, int], kinds: list[DifferenceKind]
) -> None:
    purchase = await bought(buyer)
    await Purchase.filter(id=purchase.id).update(**changes)

    found = await found_about(service, purchase.id)
    await Purchase.filter(id=purchase.id).update(refunded_minor=0, clawed_back=0)

    assert [each.kind for each in found] == kinds


async def test_a_refund_whose_events_are_forgotten_is_read_at_the_provider(service: Service, buyer: Buyer) -> None:
    purchase = await bought(buyer)
    since = await now() - timedelta(hours=1)
    refund = {"purchase_id": purchase.id, "amount_minor": 9_950, "deliveries": 0}
    await service.http.post("/sandbox/stripe/refunds", json=refund)
    before = await found_about(service, purchase.id)

    await healing.read_unknown_refunds(service.shared.checkouts, service.shared.payments, since=since)

    after = await Purchase.get(id=purchase.id)
    assert [each.kind for each in before] == [DifferenceKind.REFUNDS]
    assert (after.refunded_minor, after.clawed_back) == (9_950, 50)
    assert await found_about(service, purchase.id) == []


async def test_a_quarantined_payment_is_told_until_it_is_settled(service: Service, buyer: Buyer) -> None:
    purchase = await buyer.buy()
    payment_id = f"pi_{uuid4().hex}"
    wrong = completed(purchase["id"], id=session_of(purchase), amount_total=1, payment_intent=payment_id)
    await service.http.post("/webhooks/stripe", content=wrong, headers=signed(wrong))

    before = await found_about(service, payment_id)
    await QuarantinedPayment.filter(reference=payment_id).update(settled_at=await now(), note="Given back")

    assert [each.kind for each in before] == [DifferenceKind.QUARANTINED]
    assert await found_about(service, payment_id) == []


async def test_the_operators_are_told_once_a_day_for_the_same_set(service: Service) -> None:
    at = await now()
    one = Difference(kind=DifferenceKind.UNPAID, reference=f"pur_{uuid4().hex}", text="Look.")
    two = Difference(kind=DifferenceKind.AMOUNT, reference=f"pur_{uuid4().hex}", text="Look.")

    for found in ([one, two], [two, one], [one], []):
        await tell_operators(found, at=at)
    await tell_operators([one], at=at + timedelta(days=1))

    async def told() -> list[Posted]:
        return [each for each in await Slack(service).messages("operators:rec") if one.reference in str(each)]

    async def waiting() -> list[OutboxMessage]:
        return [each for each in await OutboxMessage.filter(job=TELL_JOB) if one.reference in str(each.payload)]

    await eventually(waiting, lambda left: not left)
    assert len(await told()) == 3


# On a database of its own, with a service of its own.


@dataclass(frozen=True, slots=True)
class Shop:
    """A service in a process of its own, and the command line beside it."""

    running: Running
    port: int
    database_url: str
    folder: Path

    async def credits_(self, *words: str) -> tuple[int, str]:
        """The exit code of a command, and what it said."""
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", "from app.cli import main; main()", *words],
            env=environment(self.port, self.folder, **environment_of(self.database_url)),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
async def shop(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    name = f"credits_reconcile_{uuid4().hex[:8]}"
    server = await asyncpg.connect(**credentials(postgres))
    await servers.make_database(server, postgres, name)
    url = servers.on_server(postgres, name)
    folder = Path(tmp_path_factory.mktemp("shop"))
    try:
        port = free_port()
        async with started("demo", folder, port=port, **environment_of(url)) as running:
            yield Shop(running, port, url, folder)
    finally:
        await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await server.close()


@dataclass(frozen=True, slots=True)
class Customer:
    """The owner of the shop's demonstration."""

    http: httpx.AsyncClient
    wallet: str

    async def buy(self) -> dict[str, Any]:
        body = {"query": BUY, "variables": {"wallet": self.wallet, "key": uuid4().hex}}
        purchase: dict[str, Any] = (await self.http.post("/graphql", json=body)).json()["data"]["purchaseCredits"][
            "purchase"
        ]
        return purchase

    async def pay(self, purchase: dict[str, Any], **how: Any) -> None:
        done = await self.http.post(f"/sandbox/stripe/sessions/{session_of(purchase)}/pay", json=how)
        assert done.status_code == 200, done.text


@pytest.fixture
async def customer(shop: Shop) -> AsyncIterator[Customer]:
    demo = shop.running.demo()
    headers = {"authorization": f"Bearer {demo['tokens']['owner']}"}
    async with httpx.AsyncClient(base_url=shop.running.url, headers=headers, trust_env=False, timeout=30) as http:
        yield Customer(http, demo["wallets"]["account"])


async def test_reconcile_finds_nothing_where_all_is_well(shop: Shop, customer: Customer) -> None:
    await customer.pay(await customer.buy())

    assert await shop.credits_("reconcile", "--days", "30") == (0, "No differences.\n")


async def test_reconcile_tells_what_is_wrong_and_heals_when_it_is_asked_to(shop: Shop, customer: Customer) -> None:
    purchase = await customer.buy()
    await customer.pay(purchase, deliveries=0)

    code, said = await shop.credits_("reconcile")
    again, _ = await shop.credits_("reconcile", "--days", "1")
    healed = await shop.credits_("reconcile", "--heal")

    assert (code, again) == (1, 1)
    line, count = said.splitlines()
    assert line.startswith("payment without credits")
    assert purchase["id"] in line
    assert "Run: credits reconcile --heal" in line
    assert count == "1 to look at."
    assert healed[0] == 0
    assert healed[1].startswith("No differences.")


async def test_a_quarantined_payment_is_listed_until_somebody_settles_it(shop: Shop, customer: Customer) -> None:
    purchase = await customer.buy()
    wrong = completed(purchase["id"], id=session_of(purchase), amount_total=100)
    await customer.http.post("/webhooks/stripe", content=wrong, headers=signed(wrong))

    _, listed = await shop.credits_("payments", "quarantined")
    row_id = listed.split()[0]
    compared, _ = await shop.credits_("reconcile")
    unsaid, _ = await shop.credits_("payments", "settle", row_id, "--note", " ")
    settled = await shop.credits_("payments", "settle", row_id, "--note", "Given back by hand")
    again, _ = await shop.credits_("payments", "settle", row_id, "--note", "Twice")

    assert row_id.startswith("qua_")
    assert purchase["id"] in listed
    assert "$1.00 USD instead of $199.00 USD" in listed
    assert (compared, unsaid, again) == (1, 2, 1)
    assert settled == (0, f"{row_id} is settled.\n")
    assert await shop.credits_("payments", "quarantined") == (0, "0 to settle.\n")
    assert await shop.credits_("reconcile") == (0, "No differences.\n")


@pytest.mark.parametrize("days", ["0", "31", "x"])
async def test_reconcile_goes_back_as_far_as_the_provider_remembers(shop: Shop, days: str) -> None:
    code, said = await shop.credits_("reconcile", "--days", days)

    assert code == 2
    assert "--days" in said


async def test_a_provider_out_of_reach_is_told_in_a_sentence(shop: Shop) -> None:
    code, said = await replace(shop, port=free_port()).credits_("reconcile")

    assert code == 2
    assert "Nothing was compared; try again." in said
