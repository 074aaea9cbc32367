"""The same workloads against the real store: one call after the other beside the model, and many at once."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.connection import get_connection
from tortoise.transactions import in_transaction

from app.sandbox import clock
from credits.accounts.models import Account
from credits.accounts.queries import department_places, pool_places
from credits.accounts.service import create_department, create_pool
from credits.actors import SYSTEM, ActorKind
from credits.faults import trying_again
from credits.idempotency import Identity
from credits.ids import Kind, make_id
from credits.ledger import queries, rows
from credits.ledger.commands import AboutPayment, Bulk, Command, PurchaseCredit, Thaw, Unit, commands_of
from credits.ledger.models import TransactionKind, Wallet
from credits.ledger.posting import Posted
from credits.ledger.store import Outcome, Result, post
from credits.ledger.wallet import MAX_BALANCE, MAX_OPERATION
from credits.ledger.writer import Writer
from credits.purchases.models import Purchase, PurchaseStatus
from tests.simulation.model import Model
from tests.simulation.names import Layout, Step, refers_to
from tests.simulation.run import answer_of, hold_shown, lots_shown, same, same_each, shown
from tests.simulation.workload import possible
from tests.support.service import Service


async def open_account(service: Service) -> Layout:
    """A fresh account with the wallets of a simulation, which can hold no more than it says. It alerts nobody."""
    place = await service.account(time_zone="Europe/Berlin")
    account_id = place.account_id
    async with in_transaction() as connection:
        at = await queries.now()
        pools = [await create_pool(connection, account_id=account_id, name=name, at=at) for name in "AB"]
        departments = [
            await create_department(connection, pool=pool, name=name, at=at)
            for pool, name in ((pools[0], "A"), (pools[0], "B"), (pools[1], "C"))
        ]
        await Wallet.filter(account_id=account_id).using_db(connection).update(alert_enabled=False)
    of_pools = await pool_places([pool.id for pool in pools])
    of_departments = await department_places([department.id for department in departments])
    one, two = (of_pools[pool.id].wallet_id or "" for pool in pools)
    first, second, third = (of_departments[each.id].wallet_id or "" for each in departments)
    layout = Layout(
        account_id=account_id, account=place.wallet_id or "", pools=(one, two), departments=(first, second, third)
    )
    for wallet_id, room in layout.rooms.items():
        await _promise(layout, wallet_id, MAX_BALANCE - room)
    return layout


async def _promise(layout: Layout, wallet_id: str, promised: int) -> None:
    """Open purchases of so many credits."""
    while promised:
        amount = min(promised, MAX_OPERATION)
        await _purchase(layout, make_id(Kind.PURCHASE), wallet_id, amount, 1, PurchaseStatus.AWAITING_PAYMENT)
        promised -= amount


async def _purchase(
    layout: Layout, purchase_id: str, wallet_id: str, amount: int, total_minor: int, status: PurchaseStatus, **paid: Any
) -> None:
    await Purchase.create(
        id=purchase_id,
        account_id=layout.account_id,
        wallet_id=wallet_id,
        package_code="STARTER",
        package_name="Starter",
        quantity=1,
        credits=amount,
        total_minor=total_minor,
        currency="USD",
        status=status,
        requested_by_kind=ActorKind.SYSTEM,
        requested_by_id=SYSTEM.id,
        checkout_attempt=1,
        created_at=await queries.now(),
        **paid,
    )


async def _pay(layout: Layout, command: PurchaseCredit) -> None:
    """The purchase that the payment is for, paid; in the caller's database transaction."""
    await _purchase(
        layout,
        command.purchase_id,
        command.wallet_id,
        command.credits,
        command.paid.amount_minor,
        PurchaseStatus.PAID,
        payment_id=command.payment_id,
        transaction_id=command.id,
        paid_at=await queries.now(),
    )


# One call after the other: the clock and the prices of the plan stand before the real ones in the search path, in the
# database transactions of the simulation only.
_STAGE = """
CREATE SCHEMA simulation;
CREATE FUNCTION simulation.credits_now() RETURNS timestamptz LANGUAGE sql STABLE AS
    $$ SELECT current_setting('simulation.now')::timestamptz $$;
CREATE TABLE simulation.staging_types AS SELECT * FROM public.staging_types;
"""


@asynccontextmanager
async def stage() -> AsyncIterator[None]:
    """What the plan's clock and prices need of the database, until the block ends."""
    await get_connection("default").execute_script(_STAGE)
    try:
        yield
    finally:
        await get_connection("default").execute_script("DROP SCHEMA simulation CASCADE")


async def beside_the_model(steps: Sequence[Step], layout: Layout) -> None:
    """Run these steps against the store and the model; each must come to the same. The clock goes only forward here:
    read is what counts by the clock, also where that was set back behind the last transaction."""
    model = Model(layout.rooms)
    for step in _forward(steps):
        asked = replace(step, units=possible(step.units, model.knows))
        answers = model.call(asked.units, now=step.at, suspended=step.suspended, prices=step.prices)
        async with in_transaction() as connection:
            await _set_stage(connection, layout, step)
            # All wallets are looked at in each call: so what holds that are over give back repays at once.
            await post(connection, [_look_at(wallet_id, layout) for wallet_id in layout.wallets])
            for command in asked.commands:
                if isinstance(command, PurchaseCredit):
                    await _pay(layout, command)
            result = await post(connection, asked.units)
            outcomes = [[answer_of(each) for each in outcomes] for outcomes in result.outcomes]
            same(f"the answers of step {step.number}", outcomes, answers)
            await _compare(connection, model, layout)


def together(steps: Sequence[Step], number: int) -> list[Step]:
    """The same, so many steps in one call: what the writer makes of callers that come at once. A key comes once."""
    calls = []
    for first in range(0, len(steps), number):
        seen: set[Identity] = set()
        units: list[Unit] = []
        for unit in (unit for step in steps[first : first + number] for unit in step.units):
            keys = {command.key.identity for command in commands_of(unit) if command.key}
            if seen.isdisjoint(keys):
                units.append(unit)
                seen |= keys
        calls.append(replace(steps[min(first + number, len(steps)) - 1], units=tuple(units)))
    return calls


def _forward(steps: Sequence[Step]) -> Iterator[Step]:
    latest = steps[0].at
    for step in steps:
        latest = max(latest, step.at)
        yield replace(step, at=latest)


async def _set_stage(connection: BaseDBAsyncClient, layout: Layout, step: Step) -> None:
    await connection.execute_query("SET LOCAL search_path = simulation, public")
    await connection.execute_query("SELECT set_config('simulation.now', $1, true)", [step.at.isoformat()])
    for code, price in step.prices.items():
        await connection.execute_query(
            "UPDATE staging_types SET credits = $2, active = $3 WHERE code = $1", [code, price or 1, price is not None]
        )
    suspended_at = step.at if step.suspended else None
    await Account.filter(id=layout.account_id).using_db(connection).update(suspended_at=suspended_at)


def _look_at(wallet_id: str, layout: Layout) -> Thaw:
    """Changes nothing."""
    return Thaw(
        id=make_id(Kind.CLAWBACK),
        wallet_id=wallet_id,
        actor=SYSTEM,
        account_id=layout.account_id,
        purchase_id="pur_of_nothing",
    )


async def _compare(connection: BaseDBAsyncClient, model: Model, layout: Layout) -> None:
    """Everything that can be read, as the API reads it."""
    wallets = {wallet_id: shown(view) for wallet_id, view in (await queries.balances(layout.wallets)).items()}
    same_each("wallets", wallets, {wallet_id: model.shown(each) for wallet_id, each in model.wallets.items()})
    holds = {hold_id: hold_shown(each) for hold_id, each in (await queries.holds_by_id(model.holds)).items()}
    same_each("holds", holds, {hold_id: model.hold_shown(each) for hold_id, each in model.holds.items()})
    lots = await connection.execute_query_dict("SELECT * FROM lots WHERE account_id = $1", [layout.account_id])
    same_each("what lies where", lots_shown(map(rows.lot_state, lots)), model.lots())
    same_each("what is booked", await booked(layout), model.booked)


async def booked(layout: Layout) -> Counter[tuple[str, TransactionKind]]:
    """What the transactions of each kind add up to in each wallet."""
    found = await get_connection("default").execute_query_dict(
        "SELECT wallet_id, kind, sum(change)::bigint AS change FROM transactions WHERE account_id = $1 GROUP BY 1, 2",
        [layout.account_id],
    )
    return Counter({(row["wallet_id"], TransactionKind(row["kind"])): row["change"] for row in found})


# Many at once

CALLERS = 8


@dataclass(slots=True, kw_only=True)
class Crowd:
    """Callers who take the steps of a plan off one pile and post them through two writers and as webhooks do, none
    waiting for another; the service's clock goes ahead with the plan. `told`: what they were answered."""

    service: Service
    layout: Layout
    steps: deque[Step]
    told: list[tuple[Command, Outcome]] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    ahead_s: int = 0

    async def run(self) -> None:
        """Until the pile is empty."""
        began = self.steps[0].at
        writers = [Writer(self.service.shared.hub) for _ in range(2)]
        async with asyncio.TaskGroup() as callers:
            for number in range(CALLERS):
                callers.create_task(self._call(writers[number % 2], began))
        for writer in writers:
            await writer.close()

    async def _call(self, writer: Writer, began: datetime) -> None:
        while self.steps:
            step = self.steps.popleft()
            await self._set_stage(step, began)
            for unit in possible(step.units, self._knows):
                outcomes = await self._post(writer, unit)
                self.told += zip(commands_of(unit), outcomes, strict=True)
                self.known |= {each for outcome in outcomes for each in _made(outcome)}

    def _knows(self, command: Command) -> bool:
        about = refers_to(command)
        return about is None or about in self.known

    async def _set_stage(self, step: Step, began: datetime) -> None:
        ahead_s = int((step.at - began).total_seconds())
        if (more_s := ahead_s - self.ahead_s) > 0:
            self.ahead_s = ahead_s
            await clock.advance(more_s)
        await Account.filter(id=self.layout.account_id).update(suspended_at=step.at if step.suspended else None)

    async def _post(self, writer: Writer, unit: Unit) -> list[Outcome]:
        if isinstance(unit, Bulk):
            return await writer.post_bulk(unit, account_id=self.layout.account_id)
        if isinstance(unit, PurchaseCredit | AboutPayment):
            return (await trying_again(lambda: self._as_a_webhook(unit))).outcomes[0]
        return [await writer.post(unit, account_id=self.layout.account_id)]

    async def _as_a_webhook(self, command: Command) -> Result:
        async with in_transaction() as connection:
            if isinstance(command, PurchaseCredit):
                await _pay(self.layout, command)
            return await post(connection, [command])


def _made(outcome: Outcome) -> Iterator[str]:
    """The ids that later commands may refer to."""
    if isinstance(outcome, Posted):
        yield from (each for line in outcome.lines for each in (line.id, line.purchase_id) if each)
        if outcome.hold:
            yield outcome.hold.id
