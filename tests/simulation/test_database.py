"""The workloads against the real store: step by step beside the model, and in a crowd, judged by the audit."""

from collections import Counter, deque
from collections.abc import AsyncIterator

import pytest
from tortoise.connection import get_connection

from credits.ledger import queries
from credits.ledger.audit import broken
from credits.ledger.models import TransactionKind, Wallet
from credits.ledger.posting import Posted
from credits.ledger.store import Replayed
from tests.simulation.database import Crowd, beside_the_model, booked, open_account, stage, together
from tests.simulation.run import STEPS
from tests.simulation.workload import plan
from tests.support.service import Service

# Ids are made of the seed, and are there once in a database.
BESIDE_THE_MODEL = range(10_000, 10_006)
TOGETHER = range(15_000, 15_004)
IN_A_CROWD = range(20_000, 20_006)


@pytest.fixture
async def on_stage(service: Service) -> AsyncIterator[None]:
    async with stage():
        yield


@pytest.mark.parametrize("seed", BESIDE_THE_MODEL)
async def test_the_store_and_the_model_agree(service: Service, on_stage: None, seed: int) -> None:
    layout = await open_account(service)

    await beside_the_model(plan(seed, STEPS, layout=layout), layout)

    assert await broken() == {}


@pytest.mark.parametrize("seed", TOGETHER)
async def test_they_agree_on_many_commands_in_one_commit(service: Service, on_stage: None, seed: int) -> None:
    layout = await open_account(service)

    await beside_the_model(together(plan(seed, 2 * STEPS, layout=layout), 4), layout)

    assert await broken() == {}


@pytest.fixture
async def own_time(service: Service) -> AsyncIterator[None]:
    """A clock that can be moved without anybody acting on it; afterwards it shows real time again."""
    async with service.workers.away():
        yield
        await get_connection("default").execute_query("DELETE FROM clock_offset")


# What comes of no command by itself, or together with others.
BY_THE_WAY = {TransactionKind.EXPIRY, TransactionKind.CLAWBACK}


@pytest.mark.parametrize("seed", IN_A_CROWD)
async def test_a_crowd_leaves_a_ledger_that_holds_together(service: Service, own_time: None, seed: int) -> None:
    layout = await open_account(service)
    steps = plan(seed, 3 * STEPS, layout=layout, start=await queries.now())
    crowd = Crowd(service=service, layout=layout, steps=deque(steps))

    await crowd.run()

    assert await broken() == {}
    stood = await booked(layout)
    told: Counter[tuple[str, TransactionKind]] = Counter()
    for _, outcome in crowd.told:
        for line in outcome.lines if isinstance(outcome, Posted) else ():
            told[line.wallet_id, line.kind] += line.change
    assert {each: change for each, change in stood.items() if each[1] not in BY_THE_WAY} == {
        each: change for each, change in told.items() if each[1] not in BY_THE_WAY
    }
    assert sum(stood.values()) == sum(wallet.balance for wallet in await Wallet.filter(account_id=layout.account_id))
    answers = Counter(type(outcome) for _, outcome in crowd.told)
    assert answers[Posted] > STEPS
    assert answers[Replayed]
