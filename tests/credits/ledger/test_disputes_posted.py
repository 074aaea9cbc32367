"""Disputed and refunded payments against the real database: credits are followed wherever in the account they lie."""

import asyncio
import contextvars
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from tortoise.exceptions import IntegrityError
from tortoise.transactions import in_transaction

from credits.accounts.queries import department_places, pool_places
from credits.accounts.rules import Place
from credits.accounts.service import create_department, create_pool
from credits.actors import SYSTEM
from credits.faults import trying_again
from credits.ids import Kind, make_id
from credits.ledger.audit import broken
from credits.ledger.commands import Clawback, Command, Freeze, Thaw, Transfer
from credits.ledger.models import TransactionKind
from credits.ledger.queries import balances, now
from credits.ledger.store import Outcome, post
from credits.ledger.wallet import BalanceView
from tests.support.service import Service
from tests.test_holds import CAPTURE, RELEASE, call, codes, placed, rooms
from tests.test_spending import DEDUCT, jobs


@dataclass(frozen=True, slots=True, kw_only=True)
class Bought:
    """An account with a paid purchase of 100 credits in its own wallet, a pool and a department."""

    service: Service
    purchase_id: str
    account: Place
    pool: Place
    department: Place

    def about(self, kind: type[Any], **fields: Any) -> Any:
        """A command about the purchase."""
        return kind(
            id=make_id(Kind.CLAWBACK),
            wallet_id=self.account.wallet_id or "",
            actor=SYSTEM,
            account_id=self.account.account_id,
            purchase_id=self.purchase_id,
            **fields,
        )

    async def move(self, source: Place, target: Place, credits_moved: int) -> None:
        """Allocate."""
        await do(
            Transfer(
                id=make_id(Kind.TRANSFER),
                wallet_id=source.wallet_id or "",
                actor=SYSTEM,
                to_wallet_id=target.wallet_id or "",
                kind=TransactionKind.ALLOCATION,
                credits=credits_moved,
            )
        )

    async def view(self, place: Place) -> tuple[int, int, int, int]:
        """Credits, frozen, available and debt of a wallet."""
        view = await view_of(place)
        return view.credits, view.frozen, view.available, view.debt


async def view_of(place: Place) -> BalanceView:
    """The balance of a wallet."""
    wallet_id = place.wallet_id or ""
    return (await balances([wallet_id]))[wallet_id]


async def do(command: Command) -> Outcome:
    """Post it as a webhook would: in a database transaction of its own, tried again where the database gave way."""

    async def work() -> Outcome:
        async with in_transaction() as connection:
            ((outcome,),) = (await post(connection, [command])).outcomes
            return outcome

    return await trying_again(work)


@pytest.fixture
async def bought(service: Service) -> Bought:
    account = await service.account()
    at = await now()
    async with in_transaction() as connection:
        pool = await create_pool(connection, account_id=account.account_id, name="North", at=at)
        department = await create_department(connection, pool=pool, name="One", at=at)
    owner = await service.owner_token(account.account_id)
    wanted = {"walletId": account.wallet_id, "packageCode": "STARTER", "idempotencyKey": "buy"}
    answer = await service.gql(
        """mutation ($input: PurchaseCreditsInput!) {
        done: purchaseCredits(input: $input) { purchase { id checkoutUrl } } }""",
        owner,
        input=wanted,
    )
    purchase = answer.data["done"]["purchase"]
    await service.pay(purchase["checkoutUrl"])
    assert (await view_of(account)).credits == 100
    return Bought(
        service=service,
        purchase_id=purchase["id"],
        account=account,
        pool=(await pool_places([pool.id]))[pool.id],
        department=(await department_places([department.id]))[department.id],
    )


async def test_a_dispute_freezes_what_is_left_wherever_it_lies(bought: Bought) -> None:
    await bought.move(bought.account, bought.pool, 60)
    await bought.move(bought.pool, bought.department, 40)
    promised = await placed(bought.service, bought.department, rooms(5))
    await bought.service.give(bought.pool, 3)

    await do(bought.about(Freeze))

    assert await bought.view(bought.account) == (40, 40, 0, 0)
    assert await bought.view(bought.pool) == (23, 20, 3, 0)
    assert await bought.view(bought.department) == (40, 30, 0, 0)
    captured = await call(
        bought.service, CAPTURE, holdId=promised["id"], items=[{"itemId": promised["items"][0]["id"], "quantity": 2}]
    )
    released = await call(bought.service, RELEASE, holdId=promised["id"])
    assert codes(captured) == codes(released) == []
    assert await bought.view(bought.department) == (36, 36, 0, 0)
    await do(bought.about(Thaw))
    assert [await bought.view(each) for each in (bought.account, bought.pool, bought.department)] == [
        (40, 0, 40, 0),
        (23, 0, 23, 0),
        (36, 0, 36, 0),
    ]
    assert await broken() == {}


async def test_what_was_spent_becomes_a_debt_that_stops_the_whole_account(bought: Bought) -> None:
    service = bought.service
    await bought.move(bought.account, bought.pool, 90)
    await service.give(bought.department, 10)
    assert codes(await call(service, DEDUCT, **jobs(bought.pool, 40)[0])) == []

    await do(bought.about(Clawback, source_id=f"re_{uuid4().hex}", credits=100))

    assert await bought.view(bought.account) == (0, 0, 0, 80)
    assert await bought.view(bought.pool) == (0, 0, 0, 0)
    assert await bought.view(bought.department) == (10, 0, 10, 0)
    assert codes(await call(service, DEDUCT, **jobs(bought.department, 1)[0])) == ["IN_DEBT"]
    await service.give(bought.account, 50)
    assert await bought.view(bought.account) == (0, 0, 0, 30)
    await bought.service.give(bought.account, 35)
    assert await bought.view(bought.account) == (5, 0, 5, 0)
    assert codes(await call(service, DEDUCT, **jobs(bought.department, 1)[0])) == []
    assert await broken() == {}


async def test_a_refund_of_money_takes_credits_once(bought: Bought) -> None:
    refund = f"re_{uuid4().hex}"
    await do(bought.about(Clawback, source_id=refund, credits=30))

    with pytest.raises((IntegrityError, asyncpg.UniqueViolationError)):
        await do(bought.about(Clawback, source_id=refund, credits=30))

    assert await bought.view(bought.account) == (70, 0, 70, 0)


async def test_credits_that_are_on_the_move_are_found_all_the_same(bought: Bought) -> None:
    async def back_and_forth() -> None:
        for _ in range(10):
            await bought.move(bought.account, bought.pool, 5)
            await bought.move(bought.pool, bought.department, 5)

    async def take_back() -> None:
        for _ in range(5):
            await do(bought.about(Clawback, source_id=f"re_{uuid4().hex}", credits=10))

    async def freeze_and_thaw() -> None:
        for _ in range(5):
            await do(bought.about(Freeze))
            await do(bought.about(Thaw))

    # In contexts of their own: a task made here shares nothing that is open.
    works = (back_and_forth, take_back, freeze_and_thaw)
    await asyncio.gather(*(asyncio.create_task(work(), context=contextvars.Context()) for work in works))

    places = (bought.account, bought.pool, bought.department)
    views = [await bought.view(place) for place in places]
    assert sum(view[0] for view in views) == 50
    assert all(view[1] == 0 == view[3] for view in views)
    assert await broken() == {}
