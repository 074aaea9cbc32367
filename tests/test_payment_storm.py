"""Everything that can happen to purchases, at once and while processes are killed: duplicates, reorderings, delays,
lost webhooks, a provider that fails, refunds, disputes. In the end money and credits agree, to the last of both.

CREDITS_TEST_STORM says how many purchases: 48 by itself, 2,000 (five minutes) before a release.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from app.auth import token_rules
from app.database import credentials
from credits.access import tokens
from tests.support import servers
from tests.support.fleet import Fleet, fleet
from tests.support.processes import command, free_port
from tests.support.service import SERVICE_KEY, environment_of, settings_for

PURCHASES = int(os.environ.get("CREDITS_TEST_STORM", "48"))
ACCOUNTS = 20
AT_ONCE = 12
PURCHASES_A_KILL = max(12, PURCHASES // 40)
PURCHASES_A_FAULT = 5
SEED = 20261128
RECONCILE = ("reconcile", "--days", "30")

ACCOUNT = """mutation ($name: String!, $email: String!, $key: String!) {
  createAccount(input: {name: $name, kind: INDIVIDUAL, ownerEmail: $email, ownerName: "Owner", idempotencyKey: $key}) {
    account { id wallet { id } } userErrors { code } } }"""
BUY = """mutation ($wallet: ID!, $package: String!, $quantity: Int!, $key: String!) {
  purchaseCredits(input: {walletId: $wallet, packageCode: $package, quantity: $quantity, idempotencyKey: $key}) {
    purchase { id } userErrors { code } } }"""
PURCHASE = "query ($id: ID!) { purchase(id: $id) { status checkoutUrl } }"
CANCEL = "mutation ($id: ID!) { cancelPurchase(input: {purchaseId: $id}) { userErrors { code } } }"
RENEW = (
    "mutation ($id: ID!) { renewCheckout(input: {purchaseId: $id}) { purchase { checkoutUrl } userErrors { code } } }"
)
SPEND = """mutation ($wallet: ID!, $quantity: Int!, $key: String!) {
  deductCredits(input: {walletId: $wallet, stagingType: "BASIC_ROOM", quantity: $quantity, idempotencyKey: $key}) {
    userErrors { code } } }"""
REFUND = """mutation ($id: ID!, $amount: Long, $key: String!) {
  refundPurchase(input: {purchaseId: $id, amountMinor: $amount, reason: "A storm", idempotencyKey: $key}) {
    userErrors { code } } }"""
FAULTS = ("error", "garbage", "cut", "slow")


@dataclass(frozen=True, slots=True)
class Customer:
    """An individual's account, with a token of its owner."""

    token: str
    wallet: str


@dataclass(slots=True)
class Storm:
    """Purchases of many customers, each with a fate of its own that follows from the seed."""

    ships: Fleet
    operator: str
    customers: list[Customer] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)
    killing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def purchase(self, number: int) -> None:
        """One purchase from the request to whatever becomes of it."""
        dice = random.Random(f"{SEED}:{number}")  # noqa: S311 a storm that can be had again
        customer = self.customers[number % ACCOUNTS]
        package, quantity = dice.choice((("STARTER", 1), ("STARTER", 3), ("PROFESSIONAL", 1)))
        fields = {"wallet": customer.wallet, "package": package, "quantity": quantity, "key": uuid4().hex}
        bought = (await self.ships.gql(BUY, customer.token, **fields))["purchaseCredits"]
        purchase_id: str = bought["purchase"]["id"]
        fate = dice.choices(
            (self.pay, self.pay_by_debit, self.cancel_while_paying, self.lapse_and_renew, self.leave),
            (65, 10, 10, 10, 5),
        )[0]
        self.seen[fate.__name__] += 1
        if await fate(dice, customer, purchase_id):
            await self.afterwards(dice, customer, purchase_id)
        await self.ships.gql(
            SPEND, customer.token, wallet=customer.wallet, quantity=dice.randint(1, 60), key=uuid4().hex
        )

    async def checkout(self, customer: Customer, purchase_id: str) -> str:
        """The session that is to be paid, as soon as there is one."""
        async with asyncio.timeout(90):
            while True:
                found = (await self.ships.gql(PURCHASE, customer.token, id=purchase_id))["purchase"]
                assert found["status"] == "AWAITING_PAYMENT", (purchase_id, found)
                if found["checkoutUrl"]:
                    session: str = found["checkoutUrl"].rsplit("/", 1)[1]
                    return session
                await asyncio.sleep(0.2)

    async def pay(self, dice: random.Random, customer: Customer, purchase_id: str) -> bool:
        """By card; whether the payer comes back, and how its events are delivered, is left to chance."""
        session = await self.checkout(customer, purchase_id)
        paid = await self.at_stripe(f"sessions/{session}/pay", **_delivered(dice))
        if paid and dice.random() < 0.3:
            back = httpx.URL(paid["redirect_url"])
            await self.ships.ask(lambda http: http.get(back.raw_path.decode()))
        return True

    async def pay_by_debit(self, dice: random.Random, customer: Customer, purchase_id: str) -> bool:
        """The bank takes its time, and may not pay."""
        session = await self.checkout(customer, purchase_id)
        await self.at_stripe(f"sessions/{session}/pay_later", **_delivered(dice))
        arrives = dice.random() < 0.7
        await self.at_stripe(f"sessions/{session}/{'settle' if arrives else 'fail'}", **_delivered(dice))
        return arrives

    async def cancel_while_paying(self, dice: random.Random, customer: Customer, purchase_id: str) -> bool:
        """One of the two is first."""
        session = await self.checkout(customer, purchase_id)
        await asyncio.gather(
            self.at_stripe(f"sessions/{session}/pay", **_delivered(dice)),
            self.ships.gql(CANCEL, customer.token, id=purchase_id),
        )
        return False

    async def lapse_and_renew(self, dice: random.Random, customer: Customer, purchase_id: str) -> bool:
        """Nobody paid in time; the second checkout is paid."""
        session = await self.checkout(customer, purchase_id)
        async with asyncio.timeout(90):
            while True:
                await self.at_stripe(f"sessions/{session}/expire", **_delivered(dice))
                await self.ships.gql(RENEW, customer.token, id=purchase_id)
                # Also where the answer that it was renewed was lost.
                found = (await self.ships.gql(PURCHASE, customer.token, id=purchase_id))["purchase"]
                if found["checkoutUrl"] and not found["checkoutUrl"].endswith(session):
                    return await self.pay(dice, customer, purchase_id)
                await asyncio.sleep(0.2)

    async def leave(self, dice: random.Random, customer: Customer, purchase_id: str) -> bool:
        """Nobody pays at all."""
        return False

    async def afterwards(self, dice: random.Random, customer: Customer, purchase_id: str) -> None:
        """What may come after a payment, whether or not we have heard of that."""
        for _ in range(dice.choices((0, 1, 2), (70, 20, 10))[0]):
            await self.refund(dice, purchase_id)
        if dice.random() < 0.15:
            await self.dispute(dice, purchase_id)
        if dice.random() < 0.3:
            await self.at_stripe("redeliver", purchase_id=purchase_id, times=2, order="shuffled")

    async def refund(self, dice: random.Random, purchase_id: str) -> None:
        """Money back, asked for here or in Stripe's dashboard, some of which comes back."""
        amount = dice.choice((None, 5_000, 9_950, 19_900))
        if dice.random() < 0.4:
            await self.ships.gql(REFUND, self.operator, id=purchase_id, amount=amount, key=uuid4().hex)
            return
        wanted = {"purchase_id": purchase_id, "outcome": dice.choice(("succeeded", "succeeded", "pending"))}
        made = await self.at_stripe(
            "refunds", **wanted, **({"amount_minor": amount} if amount else {}), **_delivered(dice)
        )
        if made and dice.random() < 0.4:
            await self.at_stripe(f"refunds/{made['refund']['id']}/fail", **_delivered(dice))

    async def dispute(self, dice: random.Random, purchase_id: str) -> None:
        """The payer's bank asks, or takes the money, and in the end says who was right."""
        for status in dice.choice(
            (("inquiry",), ("open",), ("open", "won"), ("open", "lost"), ("inquiry", "open", "lost"))
        ):
            await self.at_stripe("disputes", purchase_id=purchase_id, status=status, **_delivered(dice))

    async def at_stripe(self, path: str, **fields: Any) -> dict[str, Any] | None:
        """Do it in the sandbox's Stripe, once; None where it cannot be done, or nobody knows if it was."""
        self.seen[path.split("/")[0]] += 1
        try:
            http = random.choice(self.ships.clients)  # noqa: S311 any will do
            answer = await http.post(f"/sandbox/stripe/{path}", json=fields)
        except httpx.TransportError:
            return None
        found: dict[str, Any] | None = answer.json() if answer.status_code == 200 else None
        return found

    async def trouble(self, number: int) -> None:
        """Now and then Stripe answers nonsense for some calls, or a process is killed, and is back before the next."""
        dice = random.Random(f"{SEED}:trouble:{number}")  # noqa: S311 likewise
        if number % PURCHASES_A_FAULT == 0:
            wrong = {"answer": dice.choice(FAULTS), "delay_s": 0.5, "after": dice.random() < 0.5}
            await self.at_stripe("faults", call="*", next=dice.randint(1, 5), **wrong)
        if number % PURCHASES_A_KILL == 0:
            self.seen["kill"] += 1
            name = dice.choice(sorted(self.ships.running))
            async with self.killing:
                await self.ships.kill(name)
                if name.startswith("serve"):
                    await self.ships.running[name].ready()


def _delivered(dice: random.Random) -> dict[str, Any]:
    return {
        "deliveries": dice.choices((0, 1, 2, 3), (10, 60, 20, 10))[0],
        "delay_s": dice.choice((0, 0, 0.5, 2)),
        "order": dice.choice(("shuffled", "reversed")),
    }


@asynccontextmanager
async def storm_at_sea(database_url: str, redis_url: str, folder: Path) -> AsyncIterator[Storm]:
    # Payers come back to one address, whichever web asked for their checkout.
    public = {"PUBLIC_URL": "http://storm.example"}
    async with fleet(environment_of(database_url, redis_url) | public, folder) as ships:
        rules = token_rules(settings_for(ships.ports[0], data_dir=folder))
        hours = timedelta(hours=3)
        storm = Storm(ships, tokens.sign(rules, email="operator@demo.example", valid_for=hours))
        for number in range(ACCOUNTS):
            email = f"storm{number}@test.example"
            made = await ships.gql(
                ACCOUNT, SERVICE_KEY, name=f"Customer {number}", email=email, key=f"account {number}"
            )
            wallet = made["createAccount"]["account"]["wallet"]["id"]
            storm.customers.append(Customer(tokens.sign(rules, email=email, valid_for=hours), wallet))
        yield storm


async def _all(storm: Storm) -> None:
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with turn:
            await asyncio.gather(storm.purchase(number), storm.trouble(number))

    await asyncio.gather(*(one(number) for number in range(PURCHASES)))


@pytest.fixture
async def sea(postgres: str) -> AsyncIterator[str]:
    """A database in which nothing is but the storm."""
    async with servers.database_on(postgres, f"credits_storm_{os.getpid()}") as url:
        yield url


MONEY = """
SELECT (SELECT coalesce(sum(amount_minor), 0) FROM sandbox_payments WHERE state = 'SUCCEEDED') AS paid_at_stripe,
       (SELECT coalesce(sum(total_minor), 0) FROM purchases WHERE status = 'PAID') AS paid_here,
       (SELECT count(*) FROM purchases WHERE status = 'PAID') AS purchases,
       (SELECT count(*) FROM transactions WHERE kind = 'PURCHASE') AS credited,
       (SELECT coalesce(sum(credits - clawed_back), 0)::bigint FROM purchases WHERE status = 'PAID') AS kept,
       (SELECT coalesce(sum(-change), 0)::bigint FROM transactions WHERE kind IN ('DEDUCTION', 'REFUND')) AS spent,
       (SELECT coalesce(sum(balance - debt), 0)::bigint FROM wallets) AS left
"""


async def test_after_a_storm_money_and_credits_agree(sea: str, redis_url: str, tmp_path: Path) -> None:
    environment = environment_of(sea, redis_url)
    assert (await command(("catalogue", "catalogue.toml"), tmp_path, free_port(), **environment)).code == 0
    async with storm_at_sea(sea, redis_url, tmp_path) as storm:
        await _all(storm)
        async with asyncio.timeout(60):
            while await storm.at_stripe("faults", call="*", next=0) is None:
                pass
        port = storm.ships.ports[0]
        await command((*RECONCILE, "--heal"), tmp_path, port, **environment)
        reconciled = await command(RECONCILE, tmp_path, port, **environment)
    verified = await command(("verify",), tmp_path, port, **environment)

    connection = await asyncpg.connect(**credentials(sea))
    sums = await connection.fetchrow(MONEY)
    await connection.close()
    assert (reconciled.code, "No differences" in reconciled.printed) == (0, True), reconciled.printed
    assert verified.code == 0, verified.printed
    assert sums is not None
    assert sums["paid_here"] == sums["paid_at_stripe"] > 0
    assert sums["purchases"] == sums["credited"] > PURCHASES / 3
    assert sums["kept"] - sums["spent"] == sums["left"]
    # A storm, and no calm.
    assert storm.seen["kill"] >= PURCHASES // PURCHASES_A_KILL
    assert min(storm.seen[each] for each in ("pay", "pay_by_debit", "cancel_while_paying", "lapse_and_renew")) > 0
    assert min(storm.seen["refunds"], storm.seen["disputes"], storm.seen["faults"]) > 0
