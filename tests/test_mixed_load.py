"""Everything at once, from many callers over two processes: what was acknowledged adds up, and every promise holds.

CREDITS_TEST_LOAD_S says for how long; the gate takes 20 seconds.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from credits.accounts.rules import Place
from credits.ledger.audit import broken
from credits.ledger.queries import balances
from tests.support.service import Service
from tests.test_holds import CAPTURE, EXTEND, PLACE, RELEASE, codes, rooms
from tests.test_spending import ADJUST, ALLOCATE, DEDUCT, MANY, REFUND, jobs, tree

__all__ = ["tree"]
SECONDS = float(os.environ.get("CREDITS_TEST_LOAD_S", "5"))
# By then every way of being refused has been met.
LONG = 30
CALLERS = 24
GRANT = """mutation ($input: GrantCreditsInput!) { done: grantCredits(input: $input) { transaction { change }
  userErrors { code } } }"""


@dataclass(slots=True)
class Load:
    """A caller that does this and that to the wallets of one account, and keeps count of what was acknowledged."""

    service: Service
    owner: str
    places: list[Place]
    chance: random.Random
    deductions: list[str] = field(default_factory=list)
    holds: list[str] = field(default_factory=list)
    came_in: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)

    async def run(self, *, until: float) -> None:
        """Do one thing after the other."""
        todo: list[Callable[[], Awaitable[None]]] = [
            self.spend, self.spend, self.spend, self.spend_many, self.give, self.adjust, self.allocate, self.allocate,
            self.refund, self.place, self.place, self.capture, self.release, self.extend,
        ]  # fmt: skip
        while asyncio.get_running_loop().time() < until:
            await self.chance.choice(todo)()

    async def call(self, document: str, token: str = "service", **fields: Any) -> dict[str, Any]:
        """What is answered; now and then the same call is sent twice at once, and answers the same."""
        wanted = {"idempotencyKey": uuid4().hex} | fields
        times = 2 if self.chance.random() < 0.1 else 1
        answers = await asyncio.gather(*(self.service.gql(document, token, input=wanted) for _ in range(times)))
        done = [answer.data["done"] for answer in answers]
        if not any(map(codes, done)):
            names = [each.get("transaction") or each.get("hold") or each.get("transactions", [{}])[0] for each in done]
            assert len({each.get("id") for each in names}) == 1, done
        best: dict[str, Any] = min(done, key=lambda each: len(codes(each)))
        self.outcomes.update(codes(best) or ["done"])
        return best

    @property
    def place_of_chance(self) -> Place:
        return self.chance.choice(self.places)

    async def spend(self) -> None:
        """One deduction."""
        (wanted,) = jobs(self.place_of_chance, self.chance.randint(1, 3))
        self._spent(await self.call(DEDUCT, **wanted))

    def _spent(self, done: dict[str, Any]) -> None:
        if transaction := done["transaction"]:
            self.deductions.append(transaction["id"])
            self.came_in += transaction["change"]

    async def spend_many(self) -> None:
        """Deductions from several wallets in one call."""
        sent = [each for place in self.places for each in jobs(place, *[1] * self.chance.randint(0, 4))] or jobs(
            self.places[0], 1
        )
        wanted = {"deductions": sent, "atomic": self.chance.random() < 0.5}
        answer = await self.service.gql(MANY, "service", input=wanted)
        for each in answer.data["done"]["results"]:
            self._spent(each)

    async def give(self) -> None:
        """A grant."""
        given = {"walletId": self.place_of_chance.wallet_id, "credits": self.chance.randint(1, 40), "reason": "Load"}
        self._moved(await self.call(GRANT, "operator", priority=self.chance.choice([10, 50]), **given))

    async def adjust(self) -> None:
        """An adjustment either way."""
        change = self.chance.choice([-3, -1, 2])
        wanted = {"walletId": self.place_of_chance.wallet_id, "change": change, "reason": "Load"}
        self._moved(await self.call(ADJUST, "operator", **wanted))

    async def refund(self) -> None:
        """A refund of what was spent before, wholly or in part."""
        if self.deductions:
            wanted: dict[str, Any] = {"transactionId": self.chance.choice(self.deductions), "reason": "QUALITY"}
            if self.chance.random() < 0.5:
                wanted["credits"] = 1
            self._moved(await self.call(REFUND, **wanted))

    def _moved(self, done: dict[str, Any]) -> None:
        if done["transaction"]:
            self.came_in += done["transaction"]["change"]

    async def allocate(self) -> None:
        """A movement up, down or across."""
        account, pool, one, two = (place.wallet_id for place in self.places)
        source, target = self.chance.choice(
            [(account, pool), (pool, account), (pool, one), (one, pool), (pool, two), (two, pool), (one, two)]
        )
        wanted = {"fromWalletId": source, "toWalletId": target, "credits": self.chance.randint(1, 15)}
        await self.call(ALLOCATE, self.owner, **wanted)

    async def place(self) -> None:
        """A hold, some of them so short that they end under way."""
        items = [rooms(self.chance.randint(1, 3)), rooms(1, "OUTDOOR")]
        ends = self.chance.choice([1, 2, 60])
        wallet_id = self.place_of_chance.wallet_id
        done = await self.call(PLACE, walletId=wallet_id, items=items, expiresInSeconds=ends)
        if done["hold"]:
            self.holds.append(done["hold"]["id"])

    async def capture(self) -> None:
        """A capture of all that is open, with or without the rest."""
        if self.holds:
            rest = self.chance.random() < 0.5
            done = await self.call(CAPTURE, holdId=self.chance.choice(self.holds), releaseRest=rest)
            for transaction in done["transactions"]:
                self.deductions.append(transaction["id"])
                self.came_in += transaction["change"]

    async def release(self) -> None:
        """A release."""
        if self.holds:
            await self.call(RELEASE, holdId=self.chance.choice(self.holds))

    async def extend(self) -> None:
        """A little more time."""
        if self.holds:
            await self.call(EXTEND, holdId=self.chance.choice(self.holds), expiresInSeconds=2)


async def test_everything_at_once_adds_up(service: Service, tree: dict[str, Place]) -> None:
    owner = await service.owner_token(tree["account"].account_id)
    places = list(tree.values())
    for place in places:
        await service.give(place, 300)
    until = asyncio.get_running_loop().time() + SECONDS
    shared_holds: list[str] = []
    shared_deductions: list[str] = []
    loads = [
        Load(service, owner, places, random.Random(number), holds=shared_holds, deductions=shared_deductions)  # noqa: S311
        for number in range(CALLERS)
    ]

    await asyncio.gather(*(load.run(until=until) for load in loads))
    await service.give(places[0], 1)

    outcomes = sum((load.outcomes for load in loads), Counter[str]())
    views = await balances([place.wallet_id or "" for place in places])
    assert sum(view.credits for view in views.values()) == 100 + 4 * 300 + 1 + sum(load.came_in for load in loads)
    assert outcomes["done"] > CALLERS
    if SECONDS >= LONG:
        assert {"INSUFFICIENT_CREDITS", "HOLD_CAPTURED", "HOLD_RELEASED", "ALREADY_REFUNDED"} <= set(outcomes)
    assert await broken() == {}
