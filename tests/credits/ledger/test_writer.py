"""The writer over the real database: many callers at once, and one that goes wrong."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import asyncpg
import pytest
from tortoise.connection import get_connection

from app.database import credentials
from credits.accounts.rules import Place
from credits.errors import Unavailable
from credits.ledger.audit import broken
from credits.ledger.posting import Posted, Refused
from credits.ledger.store import Busy, Outcome, Replayed
from credits.ledger.writer import Writer
from tests.credits.ledger.test_store import available, spend
from tests.support.service import Service
from tests.support.slack import eventually


async def submit(writer: Writer, place: Place, quantity: int = 1, *, key: str | None = None) -> Outcome:
    return await writer.post(spend(place, quantity, key=key), account_id=place.account_id)


@pytest.fixture
async def writer(service: Service) -> AsyncIterator[Writer]:
    writer = Writer(service.shared.hub)
    yield writer
    await writer.close()


@asynccontextmanager
async def locked(place: Place, database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """The wallet held by somebody outside the service, as an administrator's idle session would."""
    outside = await asyncpg.connect(**credentials(database_url))
    try:
        async with outside.transaction():
            await outside.execute("SELECT 1 FROM wallets WHERE id = $1 FOR UPDATE", place.wallet_id)
            yield outside
    finally:
        await outside.close()


async def test_of_200_deductions_of_3_on_500_credits_166_stand(service: Service, writer: Writer) -> None:
    place = await service.account(credits_given=500)
    commands = [replace(spend(place), staging_type="ADVANCED") for _ in range(200)]

    outcomes = await asyncio.gather(*(writer.post(each, account_id=place.account_id) for each in commands))

    assert Counter(type(each) for each in outcomes) == {Posted: 166, Refused: 34}
    assert await available(place) == 2
    assert sorted(each.line.sequence for each in outcomes if isinstance(each, Posted)) == list(range(2, 168))
    assert await broken() == {}


async def test_twenty_calls_with_one_key_are_one_transaction(service: Service, writer: Writer) -> None:
    place = await service.account(credits_given=100)

    outcomes = await asyncio.gather(*(submit(writer, place, key="k") for _ in range(20)))

    (posted,) = [each for each in outcomes if isinstance(each, Posted)]
    assert [each for each in outcomes if each is not posted] == [Replayed(result_id=posted.line.id)] * 19
    assert await available(place) == 98


async def test_two_writers_with_one_key_make_one_transaction(service: Service, writer: Writer) -> None:
    place = await service.account(credits_given=100)
    other = Writer(service.shared.hub)

    outcomes = await asyncio.gather(*(submit(each, place, key="k") for each in (writer, other) * 10))
    await other.close()

    assert Counter(type(each) for each in outcomes) == {Posted: 1, Replayed: 19}
    assert await available(place) == 98


async def test_a_wallet_locked_from_outside_delays_no_other(
    service: Service, writer: Writer, database_url: str
) -> None:
    busy = await service.account(credits_given=10)
    free = await service.account(credits_given=100)

    async with locked(busy, database_url):
        waiting = asyncio.create_task(submit(writer, busy))
        outcomes = [await submit(writer, free) for _ in range(20)]
        assert not waiting.done()
    held_up = await waiting

    assert all(isinstance(each, Posted) for each in outcomes)
    assert isinstance(held_up, Posted)
    assert await available(busy) == 8


async def test_a_wallet_locked_for_long_is_unavailable_and_nothing_is_done(
    service: Service, database_url: str, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = await service.account(credits_given=10)
    monkeypatch.setattr("credits.faults._PAUSES_S", (0.01,))

    async with locked(busy, database_url):
        with pytest.raises(Unavailable):
            await submit(writer, busy, key="k")

    assert await available(busy) == 10
    assert isinstance(await submit(writer, busy, key="k"), Posted)


async def test_a_poisonous_command_harms_no_other(service: Service, writer: Writer) -> None:
    place = await service.account(credits_given=100)
    good = [spend(place) for _ in range(10)]
    # Its id is taken already: the database refuses it, and with it the whole batch that it came in.
    taken = await submit(writer, place)
    assert isinstance(taken, Posted)
    poison = replace(spend(place), id=taken.line.id)

    outcomes: list[Any] = await asyncio.gather(
        *(writer.post(each, account_id=place.account_id) for each in [*good[:5], poison, *good[5:]]),
        return_exceptions=True,
    )

    assert [type(each) for each in outcomes if isinstance(each, Posted)] == [Posted] * 10
    assert isinstance(outcomes[5], Exception)
    assert not isinstance(outcomes[5], Unavailable)
    assert await available(place) == 78
    assert await broken() == {}


async def test_a_caller_that_goes_away_does_not_undo_what_it_handed_in(
    service: Service, writer: Writer, database_url: str
) -> None:
    place = await service.account(credits_given=10)

    async with locked(place, database_url):
        caller = asyncio.create_task(submit(writer, place, key="k"))
        await asyncio.sleep(0)
        caller.cancel()
        await asyncio.wait([caller])
    await eventually(lambda: available(place), lambda left: left == 8)
    again = await submit(writer, place, key="k")

    assert caller.cancelled()
    assert isinstance(again, Replayed)
    assert await available(place) == 8


async def test_faults_that_pass_are_not_felt(service: Service, writer: Writer) -> None:
    place = await service.account(credits_given=100)
    connection = get_connection("default")
    # A fault that PostgreSQL itself raises now and then: here for every third line, once.
    await connection.execute_script("""
        CREATE SEQUENCE test_faults;
        CREATE FUNCTION test_fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF nextval('test_faults') % 3 = 1 THEN RAISE EXCEPTION 'made up' USING ERRCODE = '40001'; END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER test_fault BEFORE INSERT ON transactions FOR EACH STATEMENT EXECUTE FUNCTION test_fault();
    """)
    try:
        outcomes = [await submit(writer, place) for _ in range(10)]
    finally:
        await connection.execute_script(
            "DROP TRIGGER test_fault ON transactions; DROP FUNCTION test_fault; DROP SEQUENCE test_faults;"
        )

    assert all(isinstance(each, Posted) for each in outcomes)
    assert await available(place) == 80


async def test_connections_that_the_server_ends_are_not_felt(service: Service, writer: Writer) -> None:
    place = await service.account(credits_given=100)

    outcomes = []
    for _ in range(5):
        await _end_all_connections()
        outcomes.append(await submit(writer, place))

    assert [type(each) for each in outcomes] == [Posted] * 5
    assert await available(place) == 90


async def _end_all_connections() -> None:
    await get_connection("default").execute_query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'staging-credits'"
    )


async def test_batches_keep_to_one_account_when_told_to(service: Service, database_url: str) -> None:
    writer = Writer(service.shared.hub, one_account_per_commit=True)
    places = [await service.account(credits_given=10) for _ in range(3)]

    outcomes = await asyncio.gather(*(submit(writer, place) for place in places * 4))
    await writer.close()

    lines = [each.line for each in outcomes if isinstance(each, Posted)]
    assert len(lines) == 12
    commits = await get_connection("default").execute_query_dict(
        "SELECT xmin::text AS xid, count(DISTINCT account_id) AS accounts FROM transactions"
        " WHERE id = ANY($1) GROUP BY 1",
        [[line.id for line in lines]],
    )
    assert {row["accounts"] for row in commits} == {1}


async def test_many_wallets_share_a_commit_otherwise(service: Service, writer: Writer) -> None:
    places = [await service.account(credits_given=10) for _ in range(10)]

    outcomes = await asyncio.gather(*(submit(writer, place) for place in places))

    ids = [each.line.id for each in outcomes if isinstance(each, Posted)]
    commits = await get_connection("default").execute_query_dict(
        "SELECT DISTINCT xmin::text AS xid FROM transactions WHERE id = ANY($1)", [ids]
    )
    assert len(ids) == 10
    assert len(commits) == 1


async def test_a_wallet_that_does_not_exist_is_busy_for_ever_and_holds_up_nobody(
    service: Service, writer: Writer
) -> None:
    place = await service.account(credits_given=10)
    nowhere = replace(place, wallet_id="wal_00000000000000000000000000")

    missing, posted = await asyncio.gather(submit(writer, nowhere), submit(writer, place))

    assert isinstance(missing, Busy)
    assert isinstance(posted, Posted)


async def test_a_closed_writer_finishes_what_it_was_given_and_takes_no_more(service: Service) -> None:
    writer = Writer(service.shared.hub)
    place = await service.account(credits_given=100)
    under_way = [asyncio.create_task(submit(writer, place)) for _ in range(10)]
    await asyncio.sleep(0)

    await writer.close()

    assert all(isinstance(each.result(), Posted) for each in under_way)
    with pytest.raises(Unavailable):
        await submit(writer, place)
