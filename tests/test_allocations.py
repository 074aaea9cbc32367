"""Standing orders, what pools are told of their departments, and requests for more: over HTTP and through time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from tortoise.connection import get_connection
from tortoise.transactions import in_transaction

from app.sandbox.slack_people import person
from credits.accounts.audit_log import AuditEntry
from credits.accounts.closing import delete_department
from credits.accounts.models import Account, AccountKind, AccountRole, Department, Pool, PoolAdministrator
from credits.accounts.queries import account_places, department_places, pool_places
from credits.accounts.rules import Place
from credits.accounts.service import (
    NewAccount,
    add_department_member,
    add_membership,
    add_pool_administrator,
    create_account,
    create_department,
    create_pool,
)
from credits.accounts.zones import Zones
from credits.actors import SYSTEM
from credits.allocations.models import AllocationRequest, AllocationRule, Period, UseNotice
from credits.allocations.notices import look_at_use, look_at_weeks
from credits.allocations.orders import run_due
from credits.allocations.rules import following
from credits.ledger.models import Transaction
from credits.ledger.queries import balances, now
from credits.outbox import OutboxMessage
from tests.support.service import SERVICE_KEY, Service
from tests.support.slack import Posted, Slack, buttons, eventually, quotation_in, with_markup

SET = """mutation ($input: SetAllocationRuleInput!) { setAllocationRule(input: $input) {
  department { allocationRule { credits period rollover nextRun } } userErrors { code field } } }"""
ASK = """mutation ($input: RequestAllocationInput!) { requestAllocation(input: $input) {
  requested userErrors { code field } } }"""
SPEND = """mutation ($input: DeductCreditsInput!) { deductCredits(input: $input) { transaction { id }
  shortfall { missing canRequestAllocation } userErrors { code } } }"""
HOLD = """mutation ($input: PlaceHoldInput!) { placeHold(input: $input) { hold { id } userErrors { code } } }"""
REFUND = """mutation ($input: RefundDeductionInput!) { refundDeduction(input: $input) { userErrors { code } } }"""
ALLOCATE = """mutation ($input: AllocateCreditsInput!) { allocateCredits(input: $input) { userErrors { code } } }"""

Clock = Callable[[datetime], Awaitable[None]]


@pytest.fixture
async def clock(service: Service) -> AsyncIterator[Clock]:
    """Moves the service's clock ahead to an instant; afterwards it shows real time again."""

    async def to(instant: datetime) -> None:
        ahead = (instant - await now()) // timedelta(seconds=1) + 1
        response = await service.http.post("/sandbox/clock", json={"advance_s": ahead})
        assert response.status_code == 200, response.text

    yield to
    await get_connection("default").execute_query("DELETE FROM clock_offset")


@dataclass(frozen=True, slots=True)
class Firm:
    """An enterprise of its own with demo people in it: owner, pool_admin of the one pool, department_member of its
    department Alpha, and member of none. The departments are Alpha and beta."""

    service: Service
    account: Place
    pool: Place
    alpha: Place
    beta: Place

    async def order(self, place: Place, credits_: int | None, *, by: str = "pool_admin", **more: Any) -> dict[str, Any]:
        """Set a standing order; what was answered."""
        wanted = {"departmentId": place.department_id, "credits": credits_, **more}
        answer: dict[str, Any] = (await self.service.gql(SET, by, input=wanted)).data["setAllocationRule"]
        return answer

    async def run(self, runners: int = 1) -> None:
        """Let so many workers run what is due at once."""
        await asyncio.gather(*(run_due(self.service.shared.hub) for _ in range(runners)))

    async def available(self) -> tuple[int, int, int]:
        """Of the pool, of Alpha and of beta."""
        ids = [place.wallet_id or "" for place in (self.pool, self.alpha, self.beta)]
        found = await balances(ids)
        pool, alpha, beta = (found[each].available for each in ids)
        return pool, alpha, beta

    async def kinds(self, place: Place) -> list[tuple[str, int]]:
        """Kind and change of every transaction of a place, oldest first."""
        rows = await Transaction.filter(wallet_id=place.wallet_id).order_by("sequence")
        return [(row.kind.value, row.change) for row in rows]

    async def allocate(self, place: Place, credits_: int) -> None:
        """From the pool, by hand."""
        wanted = {"fromWalletId": self.pool.wallet_id, "toWalletId": place.wallet_id, "credits": credits_}
        answer = await self.service.gql(ALLOCATE, "owner", input={**wanted, "idempotencyKey": uuid4().hex})
        assert answer.data["allocateCredits"]["userErrors"] == []

    async def spend(self, place: Place, credits_: int, *, by: str = SERVICE_KEY) -> dict[str, Any]:
        """Furniture removal costs one credit each."""
        wanted = {"walletId": place.wallet_id, "stagingType": "FURNITURE_REMOVAL", "quantity": credits_}
        answer = await self.service.gql(SPEND, by, input={**wanted, "idempotencyKey": uuid4().hex})
        done: dict[str, Any] = answer.data["deductCredits"]
        return done

    async def ask(self, credits_: int, reason: str, *, by: str = "department_member") -> str:
        """Ask for more for Alpha; the request's id."""
        wanted = {"departmentId": self.alpha.department_id, "credits": credits_, "reason": reason}
        answer = await self.service.gql(ASK, by, input=wanted)
        assert answer.data["requestAllocation"] == {"requested": True, "userErrors": []}
        row = (
            await AllocationRequest.filter(department_id=self.alpha.department_id, reason=reason)
            .order_by("-id")
            .first()
        )
        assert row
        return row.id

    async def listen(self) -> None:
        """Let the pool be told in a channel."""
        await Pool.filter(id=self.pool.pool_id).update(slack_channel="#credits")

    async def cards(self, about: str, count: int = 1) -> list[Posted]:
        """What was posted, once there are so many."""
        return await eventually(lambda: Slack(self.service).messages(about), lambda seen: len(seen) >= count)

    async def quiet(self, about: str) -> list[Posted]:
        """Every card there is once nothing waits to be told."""

        async def told() -> bool:
            return not await OutboxMessage.filter(account_id=self.account.account_id).exists()

        await eventually(told, bool)
        return await Slack(self.service).messages(about)


async def firm_in(service: Service, time_zone: str) -> Firm:
    wanted = NewAccount(
        name="A firm",
        kind=AccountKind.ENTERPRISE,
        time_zone=time_zone,
        owner_email=f"{uuid4().hex}@test.example",
        owner_name="Test owner",
        idempotency_key=uuid4().hex,
    )
    account, _ = await create_account(SYSTEM, wanted)
    at, users = await now(), service.demo.users
    async with in_transaction() as connection:
        for name in ("owner", "pool_admin", "department_member", "member"):
            role = AccountRole.OWNER if name == "owner" else AccountRole.MEMBER
            await add_membership(connection, account_id=account.id, user_id=users[name], role=role, at=at)
        pool = await create_pool(connection, account_id=account.id, name="North", at=at)
        beta, alpha = [await create_department(connection, pool=pool, name=name, at=at) for name in ("beta", "Alpha")]
        await add_pool_administrator(connection, account_id=account.id, pool_id=pool.id, user_id=users["pool_admin"])
        await add_department_member(
            connection, account_id=account.id, department_id=alpha.id, user_id=users["department_member"]
        )
    departments = await department_places([alpha.id, beta.id])
    return Firm(
        service=service,
        account=(await account_places([account.id]))[account.id],
        pool=(await pool_places([pool.id]))[pool.id],
        alpha=departments[alpha.id],
        beta=departments[beta.id],
    )


@pytest.fixture
async def firm(service: Service) -> Firm:
    return await firm_in(service, "UTC")


async def due(firm: Firm, *places: Place) -> None:
    """As if the present period had just begun for these orders, for all at once."""
    at = await now()
    orders = AllocationRule.filter(department_id__in=[place.department_id for place in places])
    await orders.update(last_period=at.date() - timedelta(days=100), next_run=at)


def direct(name: str) -> str:
    """Where a demo person is told alone."""
    found = person(name)
    assert found
    return found.direct_id


async def test_an_order_first_runs_at_the_start_of_the_next_period_and_once_for_it(
    service: Service, firm: Firm, clock: Clock
) -> None:
    await service.give(firm.pool, 1_000)
    made = (await firm.order(firm.alpha, 100, period="WEEKLY"))["department"]["allocationRule"]
    monday = following(Period.WEEKLY, (await now()).date())
    starts = datetime(monday.year, monday.month, monday.day, tzinfo=UTC)

    await firm.run(3)
    before = await firm.available()
    await clock(starts)
    await firm.run(8)
    await firm.run(2)

    assert (made["credits"], made["period"], made["rollover"]) == (100, "WEEKLY", False)
    assert datetime.fromisoformat(made["nextRun"]) == starts
    assert before == (1_000, 0, 0)
    assert await firm.available() == (900, 100, 0)
    assert await firm.kinds(firm.alpha) == [("ALLOCATION", 100)]
    rows = await get_connection("default").execute_query_dict(
        "SELECT x.description, t.actor_kind FROM transactions t JOIN transaction_texts x ON x.transaction_id = t.id"
        " WHERE t.wallet_id = $1",
        [firm.alpha.wallet_id],
    )
    assert rows == [{"description": f"Standing order, week of {monday.day} {monday:%B %Y}", "actor_kind": "SYSTEM"}]
    seen = await service.gql(
        "query ($id: ID!) { department(id: $id) { allocationRule { nextRun } } }",
        "department_member",
        id=firm.alpha.department_id,
    )
    shown = datetime.fromisoformat(seen.data["department"]["allocationRule"]["nextRun"])
    assert shown == starts + timedelta(days=7)


async def test_of_periods_that_were_missed_only_the_present_one_is_run(
    service: Service, firm: Firm, clock: Clock
) -> None:
    await service.give(firm.pool, 1_000)
    made = (await firm.order(firm.alpha, 100, period="WEEKLY", rollover=True))["department"]["allocationRule"]

    async with service.workers.away():
        await clock(datetime.fromisoformat(made["nextRun"]) + timedelta(days=25))
        await firm.run(4)

    assert await firm.kinds(firm.alpha) == [("ALLOCATION", 100)]
    row = await AllocationRule.get(department_id=firm.alpha.department_id)
    assert row.next_run > await now() > row.next_run - timedelta(days=7)


async def test_what_is_left_and_not_held_comes_back_everywhere_before_anything_is_given(
    service: Service, firm: Firm
) -> None:
    await service.give(firm.pool, 100)
    await firm.allocate(firm.alpha, 40)
    await firm.allocate(firm.beta, 50)
    hold = {"walletId": firm.beta.wallet_id, "items": [{"stagingType": "FURNITURE_REMOVAL", "quantity": 5}]}
    await service.gql(HOLD, SERVICE_KEY, input={**hold, "idempotencyKey": uuid4().hex})
    await firm.order(firm.alpha, 80)
    await firm.order(firm.beta, 15)
    await due(firm, firm.alpha, firm.beta)

    await firm.run(2)

    # 10 in the pool, 40 and 45 come back; without beta's there were not 80 for Alpha.
    assert await firm.available() == (0, 80, 15)
    assert await firm.kinds(firm.alpha) == [("ALLOCATION", 40), ("RECLAIM", -40), ("ALLOCATION", 80)]
    assert await firm.kinds(firm.beta) == [("ALLOCATION", 50), ("RECLAIM", -45), ("ALLOCATION", 15)]


async def test_with_rollover_the_credits_are_added(service: Service, firm: Firm) -> None:
    await service.give(firm.pool, 100)
    await firm.allocate(firm.alpha, 40)
    await firm.order(firm.alpha, 30, rollover=True)
    await due(firm, firm.alpha)

    await firm.run()

    assert await firm.available() == (30, 70, 0)


async def test_a_poor_pool_gives_in_the_order_of_names_and_its_administrators_are_told(
    service: Service, firm: Firm
) -> None:
    await service.give(firm.pool, 50)
    await firm.order(firm.alpha, 40)
    await firm.order(firm.beta, 30)
    await due(firm, firm.alpha, firm.beta)

    await firm.run(2)

    assert await firm.available() == (0, 40, 10)
    told = await eventually(lambda: short_cards(firm), lambda seen: len(seen) == 1)
    assert told[0]["channel"] == direct("pool_admin")
    assert "10 of 30 credits" in str(told[0]["blocks"])
    assert "Alpha" not in str(told[0]["blocks"])


async def short_cards(firm: Firm) -> list[Posted]:
    """The cards about what this firm's orders could not give."""
    rows = await get_connection("default").execute_query_dict(
        "SELECT dedupe FROM chat_messages WHERE account_id = $1 AND subject LIKE 'standing-order:%'",
        [firm.account.account_id],
    )
    return [card for row in rows for card in await Slack(firm.service).messages(row["dedupe"])]


async def test_of_a_suspended_account_nothing_moves_and_the_period_counts_as_run(service: Service, firm: Firm) -> None:
    await service.give(firm.pool, 50)
    await firm.order(firm.alpha, 40)
    await due(firm, firm.alpha)
    await Account.filter(id=firm.account.account_id).update(suspended_at=await now())

    await firm.run()
    told = await eventually(lambda: short_cards(firm), lambda seen: len(seen) == 1)
    await Account.filter(id=firm.account.account_id).update(suspended_at=None)
    await firm.run()

    assert "suspended" in str(told[0]["blocks"])
    assert await firm.available() == (50, 0, 0)


async def test_a_month_begins_by_the_clocks_of_the_account(service: Service, clock: Clock) -> None:
    firm = await firm_in(service, "Europe/Berlin")
    await service.give(firm.pool, 100)
    berlin = ZoneInfo("Europe/Berlin")
    year = (await now()).year + 1
    await clock(datetime(year, 3, 15, tzinfo=UTC))
    made = (await firm.order(firm.alpha, 10))["department"]["allocationRule"]
    # The clocks were put forward in between: the first of April begins at 22:00 UTC, not at 23:00.
    starts = datetime(year, 3, 31, 22, tzinfo=UTC)

    await clock(starts - timedelta(seconds=30))
    await firm.run()
    before = await firm.available()
    await clock(starts)
    await firm.run(2)

    assert datetime.fromisoformat(made["nextRun"]) == starts == datetime(year, 4, 1, tzinfo=berlin)
    assert before == (100, 0, 0)
    assert await firm.available() == (90, 10, 0)
    (row,) = await Transaction.filter(wallet_id=firm.alpha.wallet_id)
    assert row.local_day == date(year, 4, 1)


async def test_an_order_follows_the_accounts_time_zone_when_that_changes(
    service: Service, firm: Firm, clock: Clock
) -> None:
    await service.give(firm.pool, 100)
    before = (await firm.order(firm.alpha, 10))["department"]["allocationRule"]
    first = following(Period.MONTHLY, (await now()).date())
    # An hour before the month begins in UTC, it has begun in Berlin.
    zones = Zones(name="Europe/Berlin", former="UTC", since=(await now()) - timedelta(seconds=1))
    await Account.filter(id=firm.account.account_id).update(
        time_zone=zones.name, former_time_zone=zones.former, time_zone_from=zones.since
    )

    await clock(zones.start_of(first))
    await firm.run(2)

    row = await AllocationRule.get(department_id=firm.alpha.department_id)
    assert zones.start_of(first) < datetime.fromisoformat(before["nextRun"])
    assert await firm.available() == (90, 10, 0)
    assert (row.last_period, row.next_run) == (first, zones.start_of(following(Period.MONTHLY, first)))


async def test_orders_are_changed_removed_and_remembered(service: Service, firm: Firm) -> None:
    await service.give(firm.pool, 100)
    await firm.order(firm.alpha, 10)
    changed = await firm.order(firm.alpha, 20, period="QUARTERLY", by="owner")
    refused = [await firm.order(firm.alpha, each) for each in (0, -1, 1_000_000_001)]
    await due(firm, firm.alpha)
    removed = await firm.order(firm.alpha, None)
    again = await firm.order(firm.alpha, None)
    await firm.run()

    assert changed["department"]["allocationRule"]["period"] == "QUARTERLY"
    assert [each["userErrors"] for each in refused] == [[{"code": "INVALID", "field": ["credits"]}]] * 3
    assert removed == again == {"department": {"allocationRule": None}, "userErrors": []}
    assert await firm.available() == (100, 0, 0)
    entries = await AuditEntry.filter(target=firm.alpha.department_id, action="setAllocationRule").order_by("id")
    assert [(entry.before, entry.after) for entry in entries] == [
        (None, {"credits": "10", "period": "MONTHLY", "rollover": "false"}),
        ({"credits": "10", "period": "MONTHLY"}, {"credits": "20", "period": "QUARTERLY"}),
        ({"credits": "20", "period": "QUARTERLY", "rollover": "false"}, None),
    ]


async def looks(times: int = 4) -> None:
    """So many workers look at what was used at once."""
    await asyncio.gather(*(look_at_use() for _ in range(times)))


async def test_use_is_told_once_at_50_80_and_100_percent(service: Service, firm: Firm) -> None:
    await firm.listen()
    await service.give(firm.pool, 200)
    await firm.allocate(firm.alpha, 100)
    about = f"use:{firm.alpha.department_id}:"

    async def after(credits_: int) -> list[str]:
        await firm.spend(firm.alpha, credits_)
        await looks()
        return [card["text"] for card in await firm.quiet(about)]

    assert await after(49) == []
    (half,) = await after(1)
    assert "Alpha has used 50 %" in half
    assert await after(29) == [half]
    assert len(await after(21)) == 2  # 80 % and 100 % at once: the higher one is told
    await firm.allocate(firm.alpha, 100)
    assert len(await after(1)) == 2

    notices = await UseNotice.filter(subject_id=firm.alpha.department_id).order_by("percent")
    assert [notice.percent for notice in notices] == [50, 80, 100]
    assert "Alpha has used 100 %" in (await firm.quiet(about))[1]["text"]


async def test_what_was_refunded_is_not_used_and_a_new_period_counts_anew(
    service: Service, firm: Firm, clock: Clock
) -> None:
    await firm.listen()
    await service.give(firm.pool, 200)
    await firm.order(firm.alpha, 100, period="WEEKLY")
    await firm.allocate(firm.alpha, 20)
    about = f"use:{firm.alpha.department_id}:"
    spent = await firm.spend(firm.alpha, 9)
    undone = {"transactionId": spent["transaction"]["id"], "reason": "OTHER", "idempotencyKey": uuid4().hex}
    await service.gql(REFUND, SERVICE_KEY, input=undone)
    await firm.spend(firm.alpha, 9)
    await looks()
    none = await firm.quiet(about)

    await firm.spend(firm.alpha, 1)
    await looks()
    first = await firm.quiet(about)
    row = await AllocationRule.get(department_id=firm.alpha.department_id)
    await clock(row.next_run)
    await firm.run()
    await firm.spend(firm.alpha, 49)
    await looks()
    still = await firm.quiet(about)
    await firm.spend(firm.alpha, 1)
    await looks()
    second = await firm.quiet(about)

    assert (none, len(first), len(still), len(second)) == ([], 1, 1, 2)
    assert "used 50 of the 100 credits" in str(second[1]["blocks"])


@pytest.mark.parametrize("what", ["no channel", "switched off"])
async def test_a_pool_that_does_not_listen_is_told_nothing(
    service: Service, firm: Firm, clock: Clock, what: str
) -> None:
    if what == "switched off":
        await firm.listen()
        await Pool.filter(id=firm.pool.pool_id).update(tell_allocation_use=False, tell_weekly=False)
    await service.give(firm.pool, 100)
    await firm.allocate(firm.alpha, 10)
    await firm.spend(firm.alpha, 10)
    await looks()
    await clock(next_monday(await now(), hour=9))
    await look_at_weeks()

    assert await firm.quiet(f"use:{firm.alpha.department_id}:") == []
    assert await firm.quiet(f"digest:{firm.pool.pool_id}:") == []
    assert not await UseNotice.filter(account_id=firm.account.account_id).exists()


def next_monday(at: datetime, *, hour: int) -> datetime:
    monday = following(Period.WEEKLY, at.date())
    return datetime(monday.year, monday.month, monday.day, hour, tzinfo=UTC)


async def test_a_week_is_told_once_on_monday_morning_also_hours_late(
    service: Service, firm: Firm, clock: Clock
) -> None:
    await firm.listen()
    await service.give(firm.pool, 100)
    for place, given, used in ((firm.alpha, 30, 12), (firm.beta, 20, 15)):
        await firm.allocate(place, given)
        await firm.spend(place, used)
    about, eight = f"digest:{firm.pool.pool_id}:", next_monday(await now(), hour=8)

    await clock(eight - timedelta(minutes=5))
    await look_at_weeks()
    early = await firm.quiet(about)
    async with service.workers.away():
        await clock(eight + timedelta(hours=5))
        await firm.spend(firm.alpha, 1)
        await asyncio.gather(*(look_at_weeks() for _ in range(4)))
    await look_at_weeks()
    (card,) = await firm.quiet(about)
    await clock(eight + timedelta(days=9))
    await look_at_weeks()

    assert early == []
    text = str(card["blocks"])
    assert "27 credits" in card["text"]
    assert "beta: 15 used, 5 available" in text
    assert "Alpha: 12 used, 17 available" in text
    assert text.index("beta") < text.index("Alpha")
    assert len(await firm.quiet(about)) == 1  # nobody reads on Wednesday of the week before


async def status(request_id: str) -> str:
    return (await AllocationRequest.get(id=request_id)).status.value


async def test_a_request_is_given_by_a_pressed_button_and_the_department_is_told(service: Service, firm: Firm) -> None:
    slack = Slack(service)
    await service.give(firm.pool, 100)
    request_id = await firm.ask(40, "Spring listings <!channel>")
    again = await firm.ask(40, "Spring listings <!channel>")
    (card,) = await firm.cards(f"allocation:{request_id}")

    await slack.press(card, "give", "pool_admin", deliveries=3)
    edited = await eventually(lambda: firm.cards(f"allocation:{request_id}"), lambda seen: seen[0]["edited"])
    told = await firm.cards(f"told:{request_id}")

    assert again == request_id
    assert card["channel"] == direct("pool_admin")
    assert buttons(card) == ["give", "decline"]
    assert quotation_in(card["blocks"]) == "Spring listings <!channel>"
    assert not [text for text in with_markup(card) if "<!" in text]
    assert "Dario Dept asks for 40 credits for Alpha" in card["text"]
    assert "100 credits" in str(card["blocks"])
    assert await firm.available() == (60, 40, 0)
    assert await status(request_id) == "GIVEN"
    assert buttons(edited[0]) == []
    assert "given by Paula Poole" in edited[0]["text"]
    assert [each["channel"] for each in told] == [direct("department_member")]
    rows = await Transaction.filter(wallet_id=firm.alpha.wallet_id)
    assert [(row.kind.value, row.actor_id) for row in rows] == [("ALLOCATION", service.demo.users["pool_admin"])]


async def test_a_request_goes_to_the_pools_channel_and_can_be_declined(service: Service, firm: Firm) -> None:
    await firm.listen()
    await service.give(firm.pool, 100)
    request_id = await firm.ask(40, "For the summer")
    (card,) = await firm.cards(f"allocation:{request_id}")

    await Slack(service).press(card, "decline", "owner")
    (edited,) = await eventually(lambda: firm.cards(f"allocation:{request_id}"), lambda seen: seen[0]["edited"])
    (told,) = await firm.cards(f"told:{request_id}")

    assert card["channel"] == "C0CREDITS1"
    assert "declined by Olivia Owner" in edited["text"]
    assert "declined by Olivia Owner" in told["text"]
    assert await firm.available() == (100, 0, 0)
    repeated = await firm.ask(40, "For the summer")
    assert repeated != request_id  # it was answered: asked again, it is asked


async def test_without_administrators_the_owners_are_asked(service: Service, firm: Firm) -> None:
    await PoolAdministrator.filter(pool_id=firm.pool.pool_id).delete()

    (card,) = await firm.cards(f"allocation:{await firm.ask(5, 'Nobody looks after us')}")

    assert card["channel"] == direct("owner")


async def test_of_two_who_answer_at_once_one_is_told_who_was_first(service: Service, firm: Firm) -> None:
    slack = Slack(service)
    await firm.listen()
    await service.give(firm.pool, 100)
    request_id = await firm.ask(40, "A race")
    (card,) = await firm.cards(f"allocation:{request_id}")

    await asyncio.gather(slack.press(card, "give", "pool_admin"), slack.press(card, "decline", "owner"))

    async def whispers() -> list[str]:
        heard = [await slack.whispers(name, since=card["ts"]) for name in ("pool_admin", "owner")]
        return [each for some in heard for each in some]

    (loser,) = await eventually(whispers, lambda seen: len(seen) == 1)
    decided = await AllocationRequest.get(id=request_id)
    first = "Paula Poole" if decided.status.value == "GIVEN" else "Olivia Owner"
    assert f"This was {decided.status.value.lower()} by {first}" in loser
    assert await firm.available() == ((60, 40, 0) if decided.status.value == "GIVEN" else (100, 0, 0))


@pytest.mark.parametrize(
    ("name", "why"),
    [("department_member", "Only an administrator"), ("member", "nothing with this id"), ("other_owner", "nothing")],
)
async def test_who_may_not_answer_is_told_so(service: Service, firm: Firm, name: str, why: str) -> None:
    await firm.listen()
    await service.give(firm.pool, 100)
    request_id = await firm.ask(40, "For whom?")
    (card,) = await firm.cards(f"allocation:{request_id}")

    await Slack(service).press(card, "give", name)
    whispers = await eventually(lambda: Slack(service).whispers(name, since=card["ts"]), bool)

    assert why in whispers[0]
    assert await status(request_id) == "PENDING"
    assert await firm.available() == (100, 0, 0)


async def test_an_administrator_no_more_cannot_answer(service: Service, firm: Firm) -> None:
    await service.give(firm.pool, 100)
    request_id = await firm.ask(40, "Who is in charge?")
    (card,) = await firm.cards(f"allocation:{request_id}")
    await PoolAdministrator.filter(pool_id=firm.pool.pool_id).delete()

    await Slack(service).press(card, "give", "pool_admin")
    await eventually(lambda: Slack(service).whispers("pool_admin", since=card["ts"]), bool)

    assert await status(request_id) == "PENDING"


async def test_what_the_pool_does_not_have_is_refused_and_stays_asked(service: Service, firm: Firm) -> None:
    slack = Slack(service)
    await service.give(firm.pool, 30)
    request_id = await firm.ask(40, "More than there is")
    (card,) = await firm.cards(f"allocation:{request_id}")

    await slack.press(card, "give", "pool_admin")
    whispers = await eventually(lambda: slack.whispers("pool_admin", since=card["ts"]), bool)
    state = await status(request_id)
    await service.give(firm.pool, 30)
    await slack.press(card, "give", "pool_admin")
    await eventually(lambda: firm.cards(f"allocation:{request_id}"), lambda seen: seen[0]["edited"])

    assert "30 are available" in whispers[0]
    assert state == "PENDING"
    assert await firm.available() == (20, 40, 0)


async def test_a_card_about_a_deleted_department_says_so(service: Service, firm: Firm) -> None:
    slack = Slack(service)
    await service.give(firm.pool, 100)
    request_id = await firm.ask(40, "Too late")
    (card,) = await firm.cards(f"allocation:{request_id}")

    await delete_department(service.shared.hub, SYSTEM, firm.alpha.department_id or "")
    (edited,) = await eventually(lambda: firm.cards(f"allocation:{request_id}"), lambda seen: seen[0]["edited"])
    await slack.press(card, "give", "pool_admin", value=request_id, force=True)
    whispers = await eventually(lambda: slack.whispers("pool_admin", since=card["ts"]), bool)

    assert "the department was deleted" in edited["text"]
    assert "the department was deleted" in whispers[0]
    assert await status(request_id) == "CANCELED"
    assert (await balances([firm.pool.wallet_id or ""]))[firm.pool.wallet_id or ""].available == 100


async def test_a_request_that_came_while_its_department_was_deleted_is_canceled_by_the_press(
    service: Service, firm: Firm
) -> None:
    await service.give(firm.pool, 100)
    request_id = await firm.ask(40, "At the last moment")
    (card,) = await firm.cards(f"allocation:{request_id}")
    await Department.filter(id=firm.alpha.department_id).update(deleted_at=await now())

    await Slack(service).press(card, "give", "pool_admin")
    whispers = await eventually(lambda: Slack(service).whispers("pool_admin", since=card["ts"]), bool)
    (edited,) = await eventually(lambda: firm.cards(f"allocation:{request_id}"), lambda seen: seen[0]["edited"])

    assert "Alpha was deleted" in whispers[0]
    assert "the department was deleted" in edited["text"]
    assert await status(request_id) == "CANCELED"
    assert await firm.available() == (100, 0, 0)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"credits": 0, "reason": "None"}, "credits"),
        ({"credits": 1_000_000_001, "reason": "All"}, "credits"),
        ({"credits": 1, "reason": " \n"}, "reason"),
        ({"credits": 1, "reason": "x" * 501}, "reason"),
        ({"credits": 1, "reason": "a\u202eb"}, "reason"),
    ],
)
async def test_a_request_is_checked(service: Service, firm: Firm, asked: dict[str, Any], field: str) -> None:
    wanted = {"departmentId": firm.alpha.department_id, **asked}

    answer = (await service.gql(ASK, "department_member", input=wanted)).data["requestAllocation"]

    assert answer == {"requested": False, "userErrors": [{"code": "INVALID", "field": [field]}]}
    assert not await AllocationRequest.filter(department_id=firm.alpha.department_id).exists()


async def test_a_shortfall_says_whether_more_can_be_asked_for(service: Service, firm: Firm) -> None:
    asked = {name: (await firm.spend(firm.alpha, 5, by=name))["shortfall"] for name in ("department_member", "owner")}
    by_service = (await firm.spend(firm.alpha, 5))["shortfall"]
    of_the_pool = (await firm.spend(firm.pool, 5, by="owner"))["shortfall"]
    many = """mutation ($d: [DeductCreditsInput!]!) { deductCreditsMany(input: {deductions: $d}) { results {
      shortfall { canRequestAllocation } } } }"""
    deductions = [
        {"walletId": place.wallet_id, "stagingType": "BASIC_ROOM", "idempotencyKey": uuid4().hex}
        for place in (firm.alpha, firm.pool)
    ]
    results = (await service.gql(many, "pool_admin", d=deductions)).data["deductCreditsMany"]["results"]

    assert asked == {name: {"missing": 5, "canRequestAllocation": True} for name in asked}
    assert by_service["canRequestAllocation"] is False
    assert of_the_pool["canRequestAllocation"] is False
    assert [each["shortfall"]["canRequestAllocation"] for each in results] == [True, False]
