"""Spending in bulk, undoing it, moving credits and putting them right, over HTTP."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from tortoise.transactions import in_transaction

from credits.accounts.queries import department_places, pool_places
from credits.accounts.rules import Place
from credits.accounts.service import create_department, create_pool
from credits.ledger.queries import balances, now
from tests.support.service import Service
from tests.test_holds import codes

LINE = "id kind change balanceAfter reference transferId metadata refunded refunds { id } counterpart { id }"
MANY = f"""mutation ($input: DeductCreditsManyInput!) {{ done: deductCreditsMany(input: $input) {{ posted refused
  results {{ transaction {{ {LINE} }} balance {{ available }} shortfall {{ missing }} replayed
  userErrors {{ code message field }} }} userErrors {{ code field }} }} }}"""
DEDUCT = f"""mutation ($input: DeductCreditsInput!) {{ done: deductCredits(input: $input) {{
  transaction {{ {LINE} lots {{ credits lot {{ id remaining expiresAt }} }} }} userErrors {{ code }} }} }}"""
REFUND = f"""mutation ($input: RefundDeductionInput!) {{ done: refundDeduction(input: $input) {{
  transaction {{ {LINE} lots {{ credits lot {{ id remaining expiresAt }} }} }} balance {{ credits available }} replayed
  userErrors {{ code field }} }} }}"""
ADJUST = f"""mutation ($input: AdjustCreditsInput!) {{ done: adjustCredits(input: $input) {{
  transaction {{ {LINE} description }} balance {{ credits }} replayed userErrors {{ code field }} }} }}"""
ALLOCATE = f"""mutation ($input: AllocateCreditsInput!) {{ done: allocateCredits(input: $input) {{
  transactions {{ {LINE} }} from {{ id balance {{ credits }} }} to {{ id balance {{ credits }} }} replayed
  userErrors {{ code field }} }} }}"""
ESTIMATE = """query ($id: ID!, $items: [StagingItemInput!]!) { done: estimate(walletId: $id, items: $items) {
  estimate { credits sufficient missing } userErrors { code field } } }"""


async def call(service: Service, document: str, token: str = "service", **fields: Any) -> dict[str, Any]:
    """What is answered; a key of its own where none is given."""
    answer = await service.gql(document, token, input={"idempotencyKey": uuid4().hex} | fields)
    done: dict[str, Any] = answer.data["done"]
    return done


def jobs(place: Place, *quantities: int, **fields: Any) -> list[dict[str, Any]]:
    """Basic rooms, a deduction for each number."""
    wallet = {"walletId": place.wallet_id, "stagingType": "BASIC_ROOM"}
    return [wallet | {"quantity": each, "idempotencyKey": uuid4().hex} | fields for each in quantities]


async def many(service: Service, deductions: list[dict[str, Any]], *, atomic: bool = False) -> dict[str, Any]:
    answer = await service.gql(MANY, "service", input={"deductions": deductions, "atomic": atomic})
    done: dict[str, Any] = answer.data["done"]
    return done


async def credits_in(place: Place) -> int:
    wallet_id = place.wallet_id or ""
    return (await balances([wallet_id]))[wallet_id].credits


async def test_each_of_many_stands_or_falls_alone_and_in_order(service: Service) -> None:
    place, other = await service.account(credits_given=10), await service.account(credits_given=100)
    sent = [*jobs(place, 3), *jobs(other, 1), *jobs(place, 3, 2, 0), *jobs(place, 1, stagingType="NONE")]

    done = await many(service, sent)

    assert (done["posted"], done["refused"]) == (3, 3)
    assert [codes(each) for each in done["results"]] == [
        [],
        [],
        ["INSUFFICIENT_CREDITS"],
        [],
        ["INVALID"],
        ["UNKNOWN_STAGING_TYPE"],
    ]
    assert [each["transaction"] and each["transaction"]["change"] for each in done["results"]] == [
        -6,
        -2,
        None,
        -4,
        None,
        None,
    ]
    assert done["results"][2]["shortfall"] == {"missing": 2}
    assert (await credits_in(place), await credits_in(other)) == (0, 98)


async def test_many_again_are_all_answered_as_before(service: Service) -> None:
    place = await service.account(credits_given=10)
    sent = jobs(place, 1, 1)
    first = await many(service, sent)

    again = await many(service, [*sent, *jobs(place, 1)])
    other = await many(service, [sent[0] | {"quantity": 2}])

    assert [each["replayed"] for each in again["results"]] == [True, True, False]
    assert [each["transaction"]["id"] for each in again["results"][:2]] == [
        each["transaction"]["id"] for each in first["results"]
    ]
    assert (again["posted"], other["posted"]) == (3, 0)
    assert codes(other["results"][0]) == ["IDEMPOTENCY_KEY_REUSED"]
    assert await credits_in(place) == 4


async def test_one_key_twice_in_a_call_is_done_once(service: Service) -> None:
    place = await service.account(credits_given=10)
    (one,) = jobs(place, 1)

    done = await many(service, [one, one, one | {"quantity": 2}])

    assert [each["replayed"] for each in done["results"]] == [False, True, False]
    assert [codes(each) for each in done["results"]] == [[], [], ["IDEMPOTENCY_KEY_REUSED"]]
    assert await credits_in(place) == 8


async def test_atomic_is_all_or_nothing_and_says_why(service: Service) -> None:
    place, other = await service.account(credits_given=10), await service.account(credits_given=10)
    sent = jobs(place, 2, 3, 1)

    refused = await many(service, sent, atomic=True)
    wrong = await many(service, [*jobs(place, 1), *jobs(place, 0)], atomic=True)
    mixed = await many(service, [*jobs(place, 1), *jobs(other, 1)], atomic=True)

    assert (refused["posted"], refused["refused"]) == (0, 3)
    assert all(codes(each) == ["INSUFFICIENT_CREDITS"] for each in refused["results"])
    assert refused["results"][0]["userErrors"][0]["message"].startswith("Not posted, because another")
    assert [codes(each) for each in wrong["results"]] == [["INVALID"], ["INVALID"]]
    assert (codes(mixed), mixed["results"]) == (["INVALID"], [])
    assert await credits_in(place) == 10
    await service.give(place, 2)
    assert (await many(service, sent, atomic=True))["posted"] == 3
    assert (await many(service, sent, atomic=True))["posted"] == 3
    clash = await many(service, [*jobs(place, 0), sent[0] | {"quantity": 1}], atomic=True)
    assert clash["posted"] == 0
    assert await credits_in(place) == 0


async def test_a_thousand_at_once_and_not_one_more(service: Service) -> None:
    place = await service.account(credits_given=2_000)
    sent = jobs(place, *[1] * 1_001)

    refused = await many(service, sent)
    none = await many(service, [])
    done = await many(service, sent[:1_000])

    assert [codes(each) for each in (refused, none)] == [["INVALID"], ["INVALID"]]
    assert (done["posted"], done["refused"], await credits_in(place)) == (1_000, 0, 0)
    assert [each["transaction"]["balanceAfter"] for each in done["results"]] == list(range(1_998, -1, -2))


async def test_a_deduction_is_undone_once_in_all(service: Service) -> None:
    place = await service.account(credits_given=10)
    deduction = (await call(service, DEDUCT, **jobs(place, 4)[0]))["transaction"]

    part = await call(service, REFUND, transactionId=deduction["id"], credits=3, reason="QUALITY", note="Blurred")
    too_much = await call(service, REFUND, transactionId=deduction["id"], credits=6, reason="OTHER")
    rest = await asyncio.gather(
        *(call(service, REFUND, transactionId=deduction["id"], reason="OTHER") for _ in range(8))
    )
    of_refund = await call(service, REFUND, transactionId=part["transaction"]["id"], reason="OTHER")

    assert (part["transaction"]["change"], part["transaction"]["metadata"]) == (3, {"reason": "QUALITY"})
    assert part["transaction"]["refunds"] == {"id": deduction["id"]}
    assert part["transaction"]["lots"][0]["lot"]["id"] == deduction["lots"][0]["lot"]["id"]
    assert codes(too_much) == ["ALREADY_REFUNDED"]
    assert sorted(map(codes, rest)) == [[], *[["ALREADY_REFUNDED"]] * 7]
    assert codes(of_refund) == ["INVALID"]
    read = await service.gql("query ($id: ID!) { transaction(id: $id) { refunded } }", "service", id=deduction["id"])
    assert read.data == {"transaction": {"refunded": 8}}
    assert await credits_in(place) == 10


async def test_the_same_refund_again_is_answered_and_not_done(service: Service) -> None:
    place = await service.account(credits_given=10)
    deduction = (await call(service, DEDUCT, **jobs(place, 4)[0]))["transaction"]
    wanted = {"transactionId": deduction["id"], "credits": 2, "reason": "DUPLICATE", "idempotencyKey": "once"}

    first, again = await call(service, REFUND, **wanted), await call(service, REFUND, **wanted)

    assert again["transaction"]["id"] == first["transaction"]["id"]
    assert (first["replayed"], again["replayed"], await credits_in(place)) == (False, True, 4)


async def test_an_operator_puts_a_balance_right_either_way(service: Service) -> None:
    place = await service.account(credits_given=10)
    wallet = {"walletId": place.wallet_id}

    up = await call(service, ADJUST, "operator", change=5, reason="Lost in the move", **wallet)
    down = await call(service, ADJUST, "operator", change=-15, reason="Counted twice", **wallet)
    refused = [
        await call(service, ADJUST, "operator", change=change, reason=reason, **wallet)
        for change, reason in ((-1, "More"), (0, "Nothing"), (5, "  "), (1_000_000_001, "Much"))
    ]

    assert (up["transaction"]["change"], up["transaction"]["description"]) == (5, "Lost in the move")
    assert down["balance"] == {"credits": 0}
    assert [(codes(each), each["userErrors"][0]["field"]) for each in refused] == [
        (["INSUFFICIENT_CREDITS"], ["change"]),
        (["INVALID"], ["change"]),
        (["INVALID"], ["reason"]),
        (["INVALID"], ["change"]),
    ]


async def test_what_work_would_cost_is_told_before(service: Service) -> None:
    place = await service.account(credits_given=10)

    async def estimate(*items: tuple[str, int]) -> dict[str, Any]:
        wanted = [{"stagingType": code, "quantity": quantity} for code, quantity in items]
        answer = await service.gql(ESTIMATE, "service", id=place.wallet_id, items=wanted)
        done: dict[str, Any] = answer.data["done"]
        return done

    assert (await estimate(("BASIC_ROOM", 2), ("OUTDOOR", 2)))["estimate"] == {
        "credits": 10,
        "sufficient": True,
        "missing": 0,
    }
    assert (await estimate(("ADVANCED", 4)))["estimate"] == {"credits": 12, "sufficient": False, "missing": 2}
    assert codes(await estimate(("NONE", 1))) == ["UNKNOWN_STAGING_TYPE"]
    assert codes(await estimate(("ADVANCED", 0))) == ["INVALID"]
    assert codes(await estimate()) == ["INVALID"]


@pytest.fixture
async def tree(service: Service) -> dict[str, Place]:
    """The account, a pool of it and two departments; 100 credits in the account."""
    account = await service.account(credits_given=100)
    at = await now()
    async with in_transaction() as connection:
        pool = await create_pool(connection, account_id=account.account_id, name="North", at=at)
        rows = [await create_department(connection, pool=pool, name=name, at=at) for name in ("One", "Two")]
    departments = await department_places([row.id for row in rows])
    return {
        "account": account,
        "pool": (await pool_places([pool.id]))[pool.id],
        "one": departments[rows[0].id],
        "two": departments[rows[1].id],
    }


async def test_credits_go_down_across_and_back_up(service: Service, tree: dict[str, Place]) -> None:
    owner = await service.owner_token(tree["account"].account_id)

    async def move(source: str, target: str, credits_moved: int, **fields: Any) -> dict[str, Any]:
        ends = {"fromWalletId": tree[source].wallet_id, "toWalletId": tree[target].wallet_id}
        return await call(service, ALLOCATE, owner, credits=credits_moved, **(ends | fields))

    down = await move("account", "pool", 60, note="April")
    steps = [
        down,
        await move("pool", "one", 40),
        await move("one", "two", 15),
        await move("two", "pool", 5),
        await move("pool", "account", 25),
    ]

    assert [step["transactions"][0]["kind"] for step in steps] == [
        "ALLOCATION",
        "ALLOCATION",
        "TRANSFER",
        "RECLAIM",
        "RECLAIM",
    ]
    for step in steps:
        giving, receiving = step["transactions"]
        assert giving["change"] == -receiving["change"] < 0
        assert giving["transferId"] == receiving["transferId"] is not None
        assert (giving["counterpart"]["id"], receiving["counterpart"]["id"]) == (step["to"]["id"], step["from"]["id"])
    assert {name: await credits_in(place) for name, place in tree.items()} == {
        "account": 65,
        "pool": 0,
        "one": 25,
        "two": 10,
    }
    again = [await move("one", "pool", 1, idempotencyKey="once") for _ in range(2)]
    assert [each["replayed"] for each in again] == [False, True]
    assert again[0]["transactions"] == again[1]["transactions"]
    refused = [
        await move("account", "account", 1),
        await move("account", "one", 1),
        await move("pool", "one", 2),
        await move("pool", "one", 0),
    ]
    assert [(codes(each), each["userErrors"][0]["field"]) for each in refused] == [
        (["INVALID"], ["toWalletId"]),
        (["INVALID"], ["toWalletId"]),
        (["INSUFFICIENT_CREDITS"], ["credits"]),
        (["INVALID"], ["credits"]),
    ]


async def test_movements_against_each_other_at_once_lose_nothing(service: Service, tree: dict[str, Place]) -> None:
    owner = await service.owner_token(tree["account"].account_id)
    ways = [("account", "pool"), ("pool", "account"), ("pool", "one"), ("one", "pool"), ("one", "two"), ("two", "one")]

    done = await asyncio.gather(
        *(
            call(
                service,
                ALLOCATE,
                owner,
                fromWalletId=tree[source].wallet_id,
                toWalletId=tree[target].wallet_id,
                credits=1 + number % 7,
            )
            for number in range(20)
            for source, target in ways
        )
    )

    assert {tuple(codes(each)) for each in done} <= {(), ("INSUFFICIENT_CREDITS",)}
    assert sum([await credits_in(place) for place in tree.values()]) == 100
