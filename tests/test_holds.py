"""Holds as a staging engine uses them: over HTTP, many at once, and through time."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from tortoise.connection import get_connection

from credits.accounts.rules import Place
from credits.ledger.audit import broken
from credits.ledger.loading import MOST_OVER
from credits.ledger.queries import balances, hold, now
from credits.ledger.sweeping import sweep_all
from tests.support.service import Answer, Service
from tests.support.slack import eventually

HOLD = "hold { id status credits open captured released expiresAt items { id quantity captured released credits } }"
ANSWER = f"{HOLD} balance {{ credits held available version }} replayed userErrors {{ code message field }}"
PLACE = f"""mutation ($input: PlaceHoldInput!) {{ done: placeHold(input: $input) {{ {ANSWER}
  shortfall {{ required available missing held }} }} }}"""
CAPTURE = f"""mutation ($input: CaptureHoldInput!) {{ done: captureHold(input: $input) {{ {ANSWER}
  transactions {{ id kind change quantity reference metadata stagingType {{ code }} hold {{ id }} }} }} }}"""
RELEASE = f"mutation ($input: ReleaseHoldInput!) {{ done: releaseHold(input: $input) {{ {ANSWER} }} }}"
EXTEND = f"mutation ($input: ExtendHoldInput!) {{ done: extendHold(input: $input) {{ {ANSWER} }} }}"


def rooms(quantity: int, code: str = "BASIC_ROOM") -> dict[str, Any]:
    return {"stagingType": code, "quantity": quantity}


async def call(service: Service, document: str, **fields: Any) -> dict[str, Any]:
    """What the staging engine is answered; a key of its own where none is given."""
    answer: Answer = await service.gql(document, "service", input={"idempotencyKey": uuid4().hex} | fields)
    done: dict[str, Any] = answer.data["done"]
    return done


async def placed(service: Service, place: Place, *items: dict[str, Any], **fields: Any) -> dict[str, Any]:
    done = await call(service, PLACE, walletId=place.wallet_id, items=list(items), **fields)
    assert done["userErrors"] == []
    found: dict[str, Any] = done["hold"]
    return found


def codes(done: dict[str, Any]) -> list[str]:
    return [error["code"] for error in done["userErrors"]]


@pytest.fixture
async def moved_clock(service: Service) -> AsyncIterator[Any]:
    """Moves the service's clock ahead; afterwards it shows real time again."""

    async def ahead(seconds: int) -> None:
        response = await service.http.post("/sandbox/clock", json={"advance_s": seconds})
        assert response.status_code == 200, response.text

    yield ahead
    await get_connection("default").execute_query("DELETE FROM clock_offset")


async def test_what_is_promised_is_spent_once_and_the_rest_comes_back(service: Service) -> None:
    place = await service.account(credits_given=100)

    promised = await placed(service, place, rooms(10), rooms(5, "ADVANCED"), reference="MLS-7", metadata={"job": "1"})
    basic, advanced = promised["items"]
    done = await call(
        service, CAPTURE, holdId=promised["id"], items=[{"itemId": basic["id"], "quantity": 4}], releaseRest=False
    )

    assert (promised["status"], promised["credits"], promised["open"]) == ("OPEN", 35, 35)
    (transaction,) = done["transactions"]
    assert transaction == {
        "id": transaction["id"],
        "kind": "DEDUCTION",
        "change": -8,
        "quantity": 4,
        "reference": "MLS-7",
        "metadata": {"job": "1"},
        "stagingType": {"code": "BASIC_ROOM"},
        "hold": {"id": promised["id"]},
    }
    assert {**done["balance"], "version": 0} == {"credits": 92, "held": 27, "available": 65, "version": 0}
    rest = await call(
        service, CAPTURE, holdId=promised["id"], items=[{"itemId": advanced["id"], "quantity": 2}], releaseRest=True
    )
    assert rest["hold"]["status"] == "CAPTURED"
    assert [rest["hold"][each] for each in ("open", "captured", "released")] == [0, 14, 21]
    assert {**rest["balance"], "version": 0} == {"credits": 86, "held": 0, "available": 86, "version": 0}
    assert codes(await call(service, RELEASE, holdId=promised["id"])) == ["HOLD_CAPTURED"]


async def test_a_second_step_that_is_wrong_says_what_was_first(service: Service) -> None:
    place = await service.account(credits_given=100)
    released = await placed(service, place, rooms(2))
    await call(service, RELEASE, holdId=released["id"])
    open_ = await placed(service, place, rooms(2))
    item = open_["items"][0]["id"]

    assert codes(await call(service, CAPTURE, holdId=released["id"])) == ["HOLD_RELEASED"]
    assert codes(await call(service, EXTEND, holdId=released["id"], expiresInSeconds=60)) == ["HOLD_RELEASED"]
    assert codes(await call(service, CAPTURE, holdId=open_["id"], items=[{"itemId": item, "quantity": 3}])) == [
        "EXCEEDS_HOLD"
    ]
    other = released["items"][0]["id"]
    assert codes(await call(service, CAPTURE, holdId=open_["id"], items=[{"itemId": other}])) == ["INVALID"]
    assert codes(await call(service, CAPTURE, holdId=open_["id"], items=[])) == ["INVALID"]
    assert codes(await call(service, EXTEND, holdId=open_["id"], expiresInSeconds=604_801)) == ["INVALID"]
    short = await call(service, PLACE, walletId=place.wallet_id, items=[rooms(49)])
    assert (codes(short), short["shortfall"]["missing"], short["shortfall"]["held"]) == (["INSUFFICIENT_CREDITS"], 2, 4)


async def test_the_same_call_again_answers_the_same_and_other_input_is_refused(service: Service) -> None:
    place = await service.account(credits_given=100)
    wanted = {"walletId": place.wallet_id, "items": [rooms(2), rooms(1, "OUTDOOR")], "idempotencyKey": "place"}
    first = await call(service, PLACE, **wanted)
    again = await call(service, PLACE, **wanted)
    other = await call(service, PLACE, **{**wanted, "items": [rooms(3)]})
    hold_id = first["hold"]["id"]
    captured = await call(service, CAPTURE, holdId=hold_id, idempotencyKey="capture")
    captured_again = await call(service, CAPTURE, holdId=hold_id, idempotencyKey="capture")

    assert (again["replayed"], again["hold"]["id"], codes(other)) == (True, hold_id, ["IDEMPOTENCY_KEY_REUSED"])
    assert len(captured["transactions"]) == 2
    assert captured_again["transactions"] == captured["transactions"]
    assert captured_again["replayed"]
    released = await placed(service, place, rooms(2))
    steps = [await call(service, RELEASE, holdId=released["id"], idempotencyKey="release") for _ in range(2)]
    assert [step["replayed"] for step in steps] == [False, True]
    assert [step["hold"]["status"] for step in steps] == ["RELEASED", "RELEASED"]
    extended = await placed(service, place, rooms(2))
    steps = [
        await call(service, EXTEND, holdId=extended["id"], expiresInSeconds=7200, idempotencyKey="extend")
        for _ in range(2)
    ]
    assert [step["replayed"] for step in steps] == [False, True]
    assert steps[0]["hold"]["expiresAt"] == steps[1]["hold"]["expiresAt"] > extended["expiresAt"]


async def test_of_20_holds_of_75_at_once_on_500_credits_6_stand(service: Service) -> None:
    place = await service.account(credits_given=500)
    work = [rooms(36), rooms(1, "OUTDOOR")]

    done = await asyncio.gather(*(call(service, PLACE, walletId=place.wallet_id, items=work) for _ in range(20)))

    assert Counter(tuple(codes(each)) for each in done) == {(): 6, ("INSUFFICIENT_CREDITS",): 14}
    view = (await balances([place.wallet_id or ""]))[place.wallet_id or ""]
    assert (view.credits, view.held, view.available) == (500, 450, 50)


@pytest.mark.parametrize("rivals", [(CAPTURE, RELEASE), (CAPTURE, CAPTURE), (RELEASE, RELEASE)])
async def test_two_at_the_same_instant_have_one_winner(service: Service, rivals: tuple[str, str]) -> None:
    place = await service.account(credits_given=200)
    holds = [await placed(service, place, rooms(1)) for _ in range(20)]

    async def rush(hold_id: str) -> list[list[str]]:
        return list(map(codes, await asyncio.gather(*(call(service, each, holdId=hold_id) for each in rivals))))

    outcomes = await asyncio.gather(*(rush(each["id"]) for each in holds))

    lost = {"HOLD_CAPTURED", "HOLD_RELEASED"}
    assert all(sorted(map(len, each)) == [0, 1] and {*each[0], *each[1]} <= lost for each in outcomes)
    view = (await balances([place.wallet_id or ""]))[place.wallet_id or ""]
    captured = [await _captured(each["id"]) for each in holds]
    assert (view.credits, view.held) == (200 - 2 * captured.count(True), 0)


async def _captured(hold_id: str) -> bool:
    found = await hold(hold_id)
    assert found is not None
    assert found.captured + found.released == found.credits
    return found.captured > 0


async def test_a_hold_ends_at_its_instant_whether_or_not_it_was_swept(service: Service, moved_clock: Any) -> None:
    place = await service.account(credits_given=10)
    async with service.workers.away():
        promised = await placed(service, place, rooms(5), expiresInSeconds=60)
        part = await placed_and_part_captured(service, await service.account(credits_given=10))
        await moved_clock(61)

        balance = (await service.gql(BALANCE, "service", id=place.wallet_id)).data["wallet"]
        assert (balance["balance"]["held"], balance["balance"]["available"]) == (0, 10)
        assert balance["holds"]["nodes"] == []
        assert balance["all"]["nodes"] == [{"status": "EXPIRED"}]
        assert balance["lots"]["nodes"] == [{"held": 0}]
        assert codes(await call(service, CAPTURE, holdId=promised["id"])) == ["HOLD_EXPIRED"]
        assert codes(await call(service, CAPTURE, holdId=part)) == ["HOLD_EXPIRED"]
        assert codes(await call(service, EXTEND, holdId=promised["id"], expiresInSeconds=60)) == ["HOLD_EXPIRED"]
        # All ten can be spent although nobody has swept.
        assert (await placed(service, place, rooms(5)))["credits"] == 10
    assert (await service.gql("query ($id: ID!) { hold(id: $id) { status } }", "service", id=part)).data == {
        "hold": {"status": "CAPTURED"}
    }


BALANCE = """query ($id: ID!) { wallet(id: $id) { balance { held available } holds { nodes { id } }
  all: holds(open: false) { nodes { status } } lots { nodes { held } } } }"""


async def placed_and_part_captured(service: Service, place: Place) -> str:
    promised = await placed(service, place, rooms(5), expiresInSeconds=60)
    item = promised["items"][0]["id"]
    await call(service, CAPTURE, holdId=promised["id"], items=[{"itemId": item, "quantity": 1}])
    return str(promised["id"])


async def test_the_sweep_tells_listeners_and_may_run_twice_at_once(service: Service, moved_clock: Any) -> None:
    places = [await service.account(credits_given=100) for _ in range(3)]
    async with service.workers.away(), service.live("service") as live:
        # The first to be promised, and lapsed when they come back.
        await service.give(places[0], 7, expires_at=await now() + timedelta(seconds=30))
        for place in places:
            for _ in range(5):
                await placed(service, place, rooms(2), expiresInSeconds=60)
        await live.subscribe(
            "subscription ($id: ID!) { balanceChanged(walletId: $id) { causes balance { credits held } } }",
            id=places[0].wallet_id,
        )
        assert (await live.next())["balanceChanged"]["balance"]["held"] == 20
        await moved_clock(61)
        await asyncio.gather(*(sweep_all(service.shared.hub) for _ in range(4)))
        told = (await live.next())["balanceChanged"]

    assert told == {"causes": ["HOLD_EXPIRED", "EXPIRY"], "balance": {"credits": 100, "held": 0}}
    assert await _open_reservations(places) == 0
    assert await broken() == {}


async def _open_reservations(places: list[Place]) -> int:
    sql = "SELECT count(*)::int AS count FROM reservations WHERE account_id = ANY($1)"
    (row,) = await get_connection("default").execute_query_dict(sql, [[place.account_id for place in places]])
    return int(row["count"])


async def test_workers_sweep_what_is_over(service: Service, moved_clock: Any) -> None:
    place = await service.account(credits_given=100)
    await placed(service, place, rooms(2), expiresInSeconds=60)
    await moved_clock(61)

    await eventually(lambda: _open_reservations([place]), lambda left: left == 0, within_s=20)


async def test_capture_and_timeout_at_the_same_instant_have_one_winner(service: Service, moved_clock: Any) -> None:
    place = await service.account(credits_given=200)
    holds = [await placed(service, place, rooms(1), expiresInSeconds=60) for _ in range(20)]

    async def captures() -> list[list[str]]:
        return list(map(codes, await asyncio.gather(*(call(service, CAPTURE, holdId=each["id"]) for each in holds))))

    outcomes, *_ = await asyncio.gather(captures(), moved_clock(60), *(sweep_all(service.shared.hub) for _ in range(3)))

    for promised, outcome in zip(holds, outcomes, strict=True):
        assert await _captured(promised["id"]) == (outcome == [])
        assert outcome in ([], ["HOLD_EXPIRED"])
    view = (await balances([place.wallet_id or ""]))[place.wallet_id or ""]
    assert (view.credits, view.held) == (200 - 2 * outcomes.count([]), 0)


async def test_of_very_many_that_are_over_all_can_be_spent_again_at_once(service: Service, moved_clock: Any) -> None:
    place, other = await service.account(credits_given=4_000), await service.account(credits_given=10)
    async with service.workers.away():
        for _ in range(0, MOST_OVER + 100, 30):
            await asyncio.gather(*(placed(service, place, rooms(1), expiresInSeconds=60) for _ in range(30)))
        await moved_clock(61)

        first, *_ = await asyncio.gather(
            call(service, PLACE, walletId=place.wallet_id, items=[rooms(2_000)]),
            *(call(service, PLACE, walletId=other.wallet_id, items=[rooms(1)]) for _ in range(5)),
        )

    assert (first["hold"]["credits"], first["balance"]["available"]) == (4_000, 0)
    assert await broken() == {}
