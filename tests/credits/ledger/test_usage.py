"""What is used is added up by day and month in the commit that books it, and can be added up anew."""

import asyncio
from collections import Counter
from itertools import cycle

import pytest
from tortoise.connection import get_connection
from tortoise.transactions import in_transaction

from credits.actors import SYSTEM, Actor, ActorKind
from credits.ids import Kind, make_id
from credits.ledger import rebuilding
from credits.ledger.audit import broken
from credits.ledger.commands import Bulk, Deduction, Refund, RefundReason
from credits.ledger.posting import Posted, Refused
from credits.ledger.rebuilding import rebuild
from credits.ledger.store import post
from credits.ledger.usage import Use, by_month, uses_of
from tests.credits.ledger import states
from tests.credits.ledger.busy import busy_account
from tests.credits.ledger.test_store import posted, rows, spend
from tests.support.service import Service


def _of(person: str, on_behalf_of: str | None = None) -> Actor:
    return Actor(kind=ActorKind.API_KEY, id=person, on_behalf_of=on_behalf_of)


async def _used(wallet_id: str, unit: str = "day") -> dict[tuple[str, str], tuple[int, int, int]]:
    """Credits, refunded and jobs by staging type and person, of a wallet that was used in one day."""
    found = await rows(f"SELECT * FROM usage_{unit}s WHERE wallet_id = $1", wallet_id)
    return {
        (row["staging_type"], row["person_id"]): (row["credits"], row["refunded"], row["operations"]) for row in found
    }


def test_uses_are_added_up_by_who_was_acted_for_and_by_the_types_of_what_refunds_undo() -> None:
    before = states.state(states.lot(100))
    one = states.spend(before, 2, actor=_of("key_a", "usr_a"))
    two = states.spend(before, 1, actor=_of("key_a"))
    three = states.spend(before, 5, actor=_of("key_b", "usr_a"))
    spent = dict(before.spent)
    back = states.posted(before, states.refund(one, 3, actor=SYSTEM)).line

    uses = uses_of([three, one, back, two], spent)

    assert [(use.person_id, use.staging_type, *use.amounts) for use in uses] == [
        ("key_a", "BASIC_ROOM", 2, 0, 1),
        ("usr_a", "BASIC_ROOM", 14, 3, 7),
    ]
    assert [use.since for use in by_month(uses)] == [one.local_day.replace(day=1)] * 2
    assert [use.amounts for use in by_month(uses)] == [use.amounts for use in uses]


async def test_captures_bulk_calls_and_refunds_are_kept_by_day_and_month(service: Service) -> None:
    ids = await busy_account(service, SYSTEM)
    bulk = [
        Deduction(
            id=make_id(Kind.TRANSACTION),
            wallet_id=ids["pool_wallet"],
            actor=_of("key_a", person),
            staging_type=staging_type,
            quantity=quantity,
        )
        for person, staging_type, quantity in (("usr_a", "BASIC_ROOM", 1), ("usr_b", "BASIC_ROOM", 2)) * 2
    ]

    async with in_transaction() as connection:
        await post(connection, [Bulk(commands=tuple(bulk), atomic=True)])

    # 3 rooms deducted of which a credit was refunded, and two captured from holds.
    expected = {("BASIC_ROOM", "system"): (10, 2, 5)}
    assert await _used(ids["wallet"]) == await _used(ids["wallet"], "month") == expected
    expected = {("BASIC_ROOM", "usr_a"): (4, 0, 2), ("BASIC_ROOM", "usr_b"): (8, 0, 4)}
    assert await _used(ids["pool_wallet"]) == await _used(ids["pool_wallet"], "month") == expected


async def test_a_refused_deduction_uses_nothing(service: Service) -> None:
    place = await service.account(credits_given=1)

    (outcome,) = await posted(spend(place, 1))

    assert isinstance(outcome, Refused)
    assert await _used(place.wallet_id or "") == {}


async def test_a_rolled_back_posting_uses_nothing(service: Service) -> None:
    place = await service.account(credits_given=10)

    async with in_transaction() as connection:
        await post(connection, [spend(place, 1)])
        await connection.rollback()

    assert await _used(place.wallet_id or "") == {}


async def test_many_at_once_on_one_wallet_and_on_many_lose_no_use(service: Service) -> None:
    places = [await service.account(credits_given=200) for _ in range(6)]
    hot = places[0]

    async def work(number: int) -> None:
        turns = cycle([hot, places[1 + number % 5]])
        for _ in range(8):
            outcomes = await posted(*(spend(next(turns)) for _ in range(2)))
            deduction = outcomes[0]
            assert isinstance(deduction, Posted)
            back = Refund(
                id=make_id(Kind.TRANSACTION),
                wallet_id=hot.wallet_id or "",
                actor=SYSTEM,
                deduction_id=deduction.line.id,
                credits=1,
                reason=RefundReason.OTHER,
            )
            assert all(isinstance(each, Posted) for each in await posted(back))

    await asyncio.gather(*(work(number) for number in range(10)))

    assert await _used(hot.wallet_id or "") == {("BASIC_ROOM", "system"): (160, 80, 80)}
    others = Counter[str]()
    for place in places[1:]:
        others.update({"credits": (await _used(place.wallet_id or "", "month"))["BASIC_ROOM", "system"][0]})
    assert others["credits"] == 160
    assert await broken() == {}


async def _spoil(wallet_id: str) -> None:
    for statement in (
        "UPDATE usage_days SET person_id = 'x' WHERE wallet_id = $1",
        "UPDATE usage_months SET credits = credits + 1 WHERE wallet_id = $1",
    ):
        await get_connection("default").execute_query(statement, [wallet_id])


@pytest.mark.parametrize("portion", [1, 3, rebuilding.PORTION])
async def test_rebuilding_says_what_differed_and_puts_it_right(service: Service, portion: int) -> None:
    ids = await busy_account(service, SYSTEM)
    (month,) = await rows("SELECT month FROM usage_months WHERE wallet_id = $1", ids["wallet"])
    await _spoil(ids["wallet"])
    spoiled = await broken()

    rebuilt = await rebuild(ids["account"], portion=portion)

    assert set(spoiled) == {"usage"}
    assert (rebuilt.wallets, rebuilt.differed) == (2, 3)
    assert [(each.unit, _amounts(each.kept), _amounts(each.booked)) for each in rebuilt.first] == [
        ("day", None, (10, 2, 5)),
        ("day", (10, 2, 5), None),
        ("month", (11, 2, 5), (10, 2, 5)),
    ]
    assert str(rebuilt.first[2]) == (
        f"{ids['wallet']}: month {month['month']}, BASIC_ROOM, system: kept was 11 credits, 2 refunded, 5 jobs;"
        " booked is 10 credits, 2 refunded, 5 jobs."
    )
    assert await broken() == {}
    assert (await rebuild(ids["account"], portion=portion)).differed == 0


def _amounts(use: Use | None) -> tuple[int, int, int] | None:
    return use.amounts if use else None


async def test_rebuilding_loses_nothing_of_what_is_posted_meanwhile(service: Service) -> None:
    place = await service.account(credits_given=400)
    wallet_id = place.wallet_id or ""
    await posted(*(spend(place) for _ in range(20)))

    async def write() -> None:
        for _ in range(30):
            await posted(spend(place))

    writing = asyncio.gather(write(), write())
    rebuilt = []
    while not writing.done():
        await _spoil(wallet_id)
        rebuilt.append((await rebuild(place.account_id, portion=7)).differed)
    await writing

    assert len(rebuilt) > 1
    assert min(rebuilt) > 0
    assert await _used(wallet_id) == await _used(wallet_id, "month") == {("BASIC_ROOM", "system"): (160, 0, 80)}
    assert await broken() == {}


async def test_rebuilding_tells_how_far_it_is(service: Service) -> None:
    place = await service.account(credits_given=10)
    await posted(spend(place), spend(place))
    told: list[tuple[int, int]] = []

    await rebuild(place.account_id, progress=lambda done, of: told.append((done, of)))

    assert told == [(3, 3)]
