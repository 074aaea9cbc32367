"""Two enterprises hammered side by side: neither ever sees a byte of the other.

All that one of them writes carries a mark of its own, and all its ids are known: no answer to the other has either. A
call that names something of the other is told only that there is nothing.

CREDITS_TEST_TENANTS_S says for how long.
"""

import asyncio
import json
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from websockets.exceptions import ConnectionClosed

from credits.ids import Kind, kind_of
from credits.ledger.audit import broken
from tests.schema.test_leaks import EVERYWHERE
from tests.schema.test_walk import things_of
from tests.schema.walk import TYPES, every_field_of, ids_in
from tests.schema.world import MUCH, World, make_world
from tests.support.service import Live, Service

SECONDS = float(os.environ.get("CREDITS_TEST_TENANTS_S", "3"))
CALLERS = 4
ROLES = ("owner", "auditor", "member", "pool_admin", "department_member", "approver", "api_key")
# What is asked in turns: by `$id`, with `$mark` in every word and `$key` for once.
SPEND = """mutation ($id: ID!, $mark: String!, $key: String!, $words: Metadata) { deductCredits(input: {walletId: $id,
  stagingType: "BASIC_ROOM", reference: $mark, description: $mark, metadata: $words, idempotencyKey: $key}) {
  transaction { id reference description metadata wallet { id } actor { id name } lots { lot { id } } }
  userErrors { message } } }"""
PROMISE = """mutation ($id: ID!, $mark: String!, $key: String!, $words: Metadata) { placeHold(input: {walletId: $id,
  items: [{stagingType: "BASIC_ROOM"}], reference: $mark, metadata: $words, idempotencyKey: $key,
  expiresInSeconds: 60}) { hold { id reference metadata wallet { id } } userErrors { message } } }"""
CAPTURE = """mutation ($id: ID!, $key: String!) { captureHold(input: {holdId: $id, idempotencyKey: $key}) {
  hold { id } transactions { id reference metadata } userErrors { message } } }"""
REFUND = """mutation ($id: ID!, $mark: String!, $key: String!) { refundDeduction(input: {transactionId: $id,
  reason: OTHER, credits: 1, note: $mark, idempotencyKey: $key}) { transaction { id metadata refunds { id reference } }
  userErrors { message } } }"""
BUY = """mutation ($id: ID!, $mark: String!, $key: String!, $quantity: Int!) { purchaseCredits(input: {walletId: $id,
  packageCode: "STARTER", quantity: $quantity, justification: $mark, idempotencyKey: $key}) {
  purchase { id justification checkoutUrl wallet { id } } userErrors { message } } }"""
RENAME = """mutation ($id: ID!, $mark: String!) { renamePool(input: {id: $id, name: $mark}) {
  pool { id name account { id name } administrators { id name } } userErrors { message } } }"""
MOVE = """mutation ($id: ID!, $other: ID!, $mark: String!, $key: String!) { allocateCredits(input: {fromWalletId: $id,
  toWalletId: $other, credits: 1, note: $mark, idempotencyKey: $key}) { transactions { id metadata description }
  from { id } to { id } userErrors { message } } }"""
MANY = """mutation ($id: ID!, $other: ID!, $mark: String!, $key: String!, $again: String!) {
  deductCreditsMany(input: {deductions: [
    {walletId: $id, stagingType: "BASIC_ROOM", reference: $mark, idempotencyKey: $key}
    {walletId: $other, stagingType: "BASIC_ROOM", reference: $mark, idempotencyKey: $again}]}) {
  posted results { transaction { id reference } balance { credits } userErrors { message } } } }"""
FIND = """query ($id: ID!, $mark: String!, $word: String!, $actor: ID!) { account(id: $id) {
  named: transactions(filter: {reference: $mark}) { nodes { id reference } }
  found: transactions(filter: {search: $word}) { nodes { id reference } }
  done: transactions(filter: {actorId: $actor}) { nodes { id reference } } } }"""
PAGES = """query ($id: ID!) { account(id: $id) { transactions(first: 2) { pageInfo { endCursor } }
  purchases(first: 1) { pageInfo { endCursor } } auditLog(first: 1) { pageInfo { endCursor } }
  members(first: 1) { pageInfo { endCursor } } } }"""
PAGE = "query ($id: ID!, $after: String!) { account(id: $id) { %s(after: $after) { pageInfo { endCursor } } } }"
LISTS = ("transactions", "purchases", "auditLog", "members")
LIVE = {
    "balanceChanged": "subscription ($id: ID!) { balanceChanged(walletId: $id) { walletId lastTransactionId } }",
    "accountBalanceChanged": """subscription ($id: ID!) { accountBalanceChanged(accountId: $id) {
      walletId lastTransactionId } }""",
    "approvalUpdated": """subscription ($id: ID!) { approvalUpdated(accountId: $id) { id
      purchase { id justification wallet { id } } approvers { id name } } }""",
    "purchaseUpdated": """subscription ($id: ID!) { purchaseUpdated(purchaseId: $id) { id justification
      wallet { id } } }""",
}


@dataclass(slots=True)
class Tenant:
    """An enterprise; its world's random name is the mark that all its words carry."""

    world: World
    chance: random.Random
    told: list[str] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    cursors: dict[str, str] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)

    @property
    def mark(self) -> str:
        return self.world.name.rpartition(" ")[2]

    @property
    def account(self) -> str:
        return self.world.id_of("account")

    @property
    def wallet(self) -> str:
        return self.world.wallet_of(self.chance.choice(EVERYWHERE))

    def some(self, *kinds: Kind) -> str:
        """The id of something of these kinds that was told; the account's where there is none yet."""
        found = sorted(each for each in self.known if kind_of(each) in kinds)
        return self.chance.choice(found) if found else self.account

    async def ask(self, document: str, role: str = "owner", **variables: Any) -> dict[str, Any]:
        """What the service answers to somebody of this enterprise."""
        words = {"mark": f"{self.mark} {uuid4().hex}", "words": {"of": self.mark}}
        given = words | {"key": uuid4().hex, "again": uuid4().hex} | variables
        asked = {name: value for name, value in given.items() if f"${name}:" in document}
        answer = await self.world.service.gql(document, self.world.tokens[role], **asked)
        self.hear(answer.body, named=ids_in(variables))
        self.outcomes.update(answer.codes or ["done"])
        return answer.body

    def hear(self, body: Mapping[str, Any], *, named: set[str]) -> None:
        """Keep what was told, and learn the ids in it that nobody named."""
        self.told.append(json.dumps(body))
        self.known |= ids_in(body.get("data")) - named

    async def act(self) -> None:
        """Change something of one's own."""
        todo: list[Callable[[], Awaitable[Any]]] = [
            lambda: self.ask(SPEND, self.chance.choice(["owner", "api_key"]), id=self.wallet),
            lambda: self.ask(PROMISE, self.chance.choice(["owner", "api_key"]), id=self.wallet),
            lambda: self.ask(CAPTURE, id=self.some(Kind.HOLD)),
            lambda: self.ask(REFUND, id=self.some(Kind.TRANSACTION)),
            lambda: self.ask(BUY, id=self.wallet, quantity=self.chance.choice([1, MUCH])),
            lambda: self.ask(RENAME, id=self.world.id_of("pool")),
            lambda: self.ask(MOVE, id=self.world.wallet_of("account"), other=self.world.wallet_of("pool")),
            lambda: self.ask(MANY, id=self.wallet, other=self.wallet),
        ]
        await self.chance.choice(todo)()

    async def look(self) -> None:
        """Follow every edge of something of one's own, as anybody."""
        role, given = self.chance.choice(ROLES), self.some(*TYPES)
        kind = kind_of(given)
        assert kind is not None
        await self.ask(every_field_of(TYPES[kind]), role, id=given)
        await self.ask(every_field_of("Viewer", root="viewer"), role)

    async def turn_pages(self) -> None:
        """Keep cursors of one's own lists."""
        account = (await self.ask(PAGES, id=self.account))["data"]["account"]
        self.cursors |= {name: account[name]["pageInfo"]["endCursor"] for name in LISTS if account[name]}

    async def pry(self, other: "Tenant") -> None:
        """Ask for what is the other's, in every way."""
        role = self.chance.choice(ROLES)
        given = other.some(*TYPES)
        kind = kind_of(given)
        assert kind is not None
        theirs = [
            await self.ask(every_field_of(TYPES[kind]), role, id=given),
            await self.ask(MANY, id=self.wallet, other=other.wallet),
            await self.ask(MANY, id=other.wallet, other=self.wallet),
            await self.ask(MOVE, id=self.wallet, other=other.wallet),
            await self.ask(SPEND, role, id=other.wallet),
            await self.ask(RENAME, role, id=other.world.id_of("pool")),
        ]
        for body in theirs:
            assert not any(body["data"].values()), body
            assert {error["extensions"]["code"] for error in body["errors"]} == {"NOT_FOUND"}, body
        await self._seek(other)

    async def _seek(self, other: "Tenant") -> None:
        """By words, actors and cursors of the other in one's own lists."""
        actor = other.world.actors[self.chance.choice(ROLES)].id
        found = await self.ask(FIND, id=self.account, mark=other.mark, word=other.mark, actor=actor)
        assert [page["nodes"] for page in found["data"]["account"].values()] == [[], [], []]
        for name, cursor in other.cursors.items():
            body = await self.ask(PAGE % name, id=self.account, after=cursor)
            assert [error["extensions"]["code"] for error in body["errors"]] == ["BAD_USER_INPUT"]

    async def run(self, other: "Tenant", *, until: float) -> None:
        """One thing after the other."""
        while asyncio.get_running_loop().time() < until:
            await self.turn_pages()
            await self.act()
            await self.look()
            await self.act()
            await self.pry(other)

    @asynccontextmanager
    async def listening(self, other: "Tenant") -> AsyncIterator[None]:
        """Everybody of the enterprise on everything, of one's own and of the other's."""
        async with AsyncExitStack() as stack:
            sockets = [
                await stack.enter_async_context(self.world.service.live(self.world.tokens[role])) for role in ROLES
            ]
            for socket in sockets:
                await _subscribe(socket, self)
            tasks = [asyncio.create_task(self._listen(socket)) for socket in sockets]
            await self._overhear(other)
            yield
            for socket in sockets:
                await socket.socket.close()
            await asyncio.gather(*tasks)

    async def _listen(self, live: Live) -> None:
        try:
            while True:
                message = await live.receive(within_s=SECONDS + 60)
                self.outcomes[f"live {message['type']}"] += 1
                payload = message.get("payload") or {}
                self.hear(payload if isinstance(payload, dict) else {"errors": payload}, named=set())
        except ConnectionClosed:
            return

    async def _overhear(self, other: "Tenant") -> None:
        for role in ROLES:
            for document, given in _subscriptions(other):
                answer = await self.world.ask(self.world.tokens[role], document, id=given)
                assert answer.codes == ["NOT_FOUND"], answer.body


def _subscriptions(tenant: Tenant) -> list[tuple[str, str]]:
    wallets = [(LIVE["balanceChanged"], tenant.world.wallet_of(place)) for place in EVERYWHERE]
    whole = [(LIVE[name], tenant.account) for name in ("accountBalanceChanged", "approvalUpdated")]
    return [*wallets, *whole, (LIVE["purchaseUpdated"], tenant.some(Kind.PURCHASE))]


async def _subscribe(live: Live, tenant: Tenant) -> None:
    for document, given in _subscriptions(tenant):
        await live.subscribe(document, id=given)


async def _tenant(service: Service, seed: int) -> Tenant:
    world = await make_world(service)
    await world.policy(minimum_credits=MUCH * 100, approvers=("approver",))
    tenant = Tenant(world, random.Random(seed))  # noqa: S311
    await tenant.ask(BUY, id=world.wallet_of("account"), quantity=1)
    await tenant.ask(RENAME, id=world.id_of("pool"))
    await tenant.ask(every_field_of("Account"), id=tenant.account)
    return tenant


async def test_of_two_tenants_neither_sees_a_byte_of_the_other(service: Service) -> None:
    one, two = await _tenant(service, 1), await _tenant(service, 2)

    async with one.listening(two), two.listening(one):
        until = asyncio.get_running_loop().time() + SECONDS
        pairs = [(one, two), (two, one)] * CALLERS
        await asyncio.gather(*(tenant.run(other, until=until) for tenant, other in pairs))

    for tenant, other in ((one, two), (two, one)):
        theirs = {*await things_of(other.world)}
        assert other.known & theirs
        for told in tenant.told:
            assert other.mark not in told
            assert ids_in(told) & theirs == set(), told
        assert {*tenant.outcomes} <= {"done", "NOT_FOUND", "FORBIDDEN", "BAD_USER_INPUT", "live next", "live error"}
        assert tenant.outcomes["done"] > 20
        assert tenant.outcomes["live next"] > 20
    assert await broken() == {}
