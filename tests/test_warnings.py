"""Warnings as people meet them: of credits that will soon be used up, and of credits that lapse; one card for each, the
gravest first, edited when it is over, quiet while snoozed.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from tortoise.connection import get_connection

from credits.accounts.audit_log import AuditEntry
from credits.accounts.rules import Place
from credits.alerts.models import WalletWarning, WalletWatch
from credits.alerts.watching import look_at_wallets
from credits.allocations.models import AllocationRequest
from credits.ledger.models import Wallet
from credits.ledger.queries import now
from credits.outbox import OutboxMessage
from tests.credits.reports.past import do, given, spent, stage
from tests.support.service import SERVICE_KEY, Service
from tests.support.slack import Posted, Slack, buttons, eventually
from tests.test_alerts import SPEND
from tests.test_allocations import Firm, firm_in

SET = """mutation ($input: SetBalanceAlertInput!) { setBalanceAlert(input: $input) {
  wallet { alert { threshold enabled slackChannel runwayDays expiryDays } } userErrors { code field } } }"""
DELETE = "mutation ($id: ID!) { deleteDepartment(input: {id: $id}) { userErrors { code } } }"


@dataclass(frozen=True, slots=True)
class Watched:
    """Alpha of a firm, ten days old, which used 8 credits a day and has 100 left. Its alert goes to #credits."""

    service: Service
    firm: Firm

    @property
    def place(self) -> Place:
        return self.firm.alpha

    @property
    def wallet(self) -> str:
        return self.place.wallet_id or ""

    async def set(self, **wanted: Any) -> dict[str, Any]:
        """Other settings; what was answered."""
        settings = {"walletId": self.wallet, "threshold": 5, "slackChannel": "#credits", **wanted}
        answer: dict[str, Any] = (await self.service.gql(SET, "pool_admin", input=settings)).data["setBalanceAlert"]
        return answer

    async def spend(self, credits_: int) -> None:
        """Today, so that it does not count for the pace."""
        answer = await self.service.gql(SPEND, SERVICE_KEY, wallet=self.wallet, quantity=credits_, key=uuid4().hex)
        assert answer.data["deductCredits"]["userErrors"] == []

    async def give(self, credits_: int, *, lapses_at: datetime | None = None) -> None:
        """More of them."""
        await self.service.give(self.place, credits_, expires_at=lapses_at)

    async def look(self) -> list[Posted]:
        """Let two workers look at once; every card there is once nothing waits to be told."""
        await asyncio.gather(look_at_wallets(), look_at_wallets())

        async def told() -> bool:
            # What waits for the end of a snooze waits on.
            return not await OutboxMessage.filter(account_id=self.place.account_id, due_at__lte=await now()).exists()

        await eventually(told, bool)
        return await Slack(self.service).messages(f"alert:{self.wallet}:")


@pytest.fixture
async def watched(service: Service) -> Watched:
    firm = await firm_in(service, "UTC")
    wallet = firm.alpha.wallet_id or ""
    at = await now()
    await Wallet.filter(id=wallet).update(created_at=at - timedelta(days=10))
    async with stage():
        await do(at - timedelta(days=9), given(wallet, 180))
        await do(at - timedelta(days=5), spent(wallet, 40))
    return Watched(service, firm)


@pytest.fixture
async def clock(service: Service) -> AsyncIterator[Any]:
    async def to(instant: datetime) -> None:
        ahead = (instant - await now()) // timedelta(seconds=1) + 1
        await service.http.post("/sandbox/clock", json={"advance_s": ahead})

    yield to
    await get_connection("default").execute_query("DELETE FROM clock_offset")


async def test_a_short_runway_is_told_once_edited_when_it_is_over_and_told_again_after(watched: Watched) -> None:
    await watched.set(runwayDays=7)
    long = await watched.look()
    await watched.spend(48)
    (card,) = await watched.look()
    await watched.spend(2)
    (same,) = await watched.look()
    await watched.give(14)
    (over,) = await watched.look()
    await watched.spend(30)
    both = await watched.look()

    empty_on = (await now() + timedelta(days=6.5)).date()
    day = f"{empty_on.day} {empty_on:%B %Y}"
    assert long == []
    assert card["text"] == "Running out: Alpha has credits for about 6 days"
    assert f"Alpha has 52 credits: about 6 days left at 8 a day; empty on {day}." in str(card["blocks"])
    assert buttons(card) == ["ask_more", "buy", "snooze"]
    assert (same["ts"], same["edited"]) == (card["ts"], False)
    assert over["text"] == "Recovered: Alpha has credits for about 8 days"
    assert buttons(over) == []
    assert [each["text"] for each in both] == [over["text"], "Running out: Alpha has credits for about 4 days"]


async def test_of_several_at_once_only_the_gravest_is_told_and_the_lesser_when_that_is_over(watched: Watched) -> None:
    async with watched.service.workers.away():  # who looks meanwhile is told of what is not meant
        await watched.set(runwayDays=7, expiryDays=14)
        await watched.spend(100)
        await watched.give(30, lapses_at=await now() + timedelta(days=3))
        await watched.set(threshold=20, runwayDays=7, expiryDays=14)
        await watched.spend(15)
    low = await watched.look()
    await watched.give(7)
    runway = await watched.look()
    await watched.give(100)
    all_ = await watched.look()

    # 15 of those that lapse and 7 others: above 22 the low balance is over, and 22 / 8 days are left.
    assert ["Low balance" in each["text"] for each in low] == [True]
    assert [each["text"].partition(":")[0] for each in runway] == ["Recovered", "Running out"]
    assert [each["text"].partition(":")[0] for each in all_] == ["Recovered", "Recovered", "About to lapse"]
    assert all_[2]["text"].startswith("About to lapse: 15 credits of Alpha")


async def test_each_day_on_which_credits_lapse_is_told_with_what_goes_unused(watched: Watched, clock: Any) -> None:
    await watched.spend(100)
    soon, later = await now() + timedelta(days=2, hours=1), await now() + timedelta(days=6)
    await watched.give(40, lapses_at=soon)
    await watched.give(30, lapses_at=later)
    await watched.set(threshold=0, expiryDays=4)
    (first,) = await watched.look()
    await watched.spend(40)
    (used,) = await watched.look()
    await clock(later - timedelta(days=3))
    both = await watched.look()
    await clock(later)
    lapsed = await watched.look()

    assert first["text"] == f"About to lapse: 40 credits of Alpha, on {soon.day} {soon:%B %Y}"
    # 16 are used until then, and a part of one more.
    assert "At the present pace 24 of them stay unused." in str(first["blocks"])
    assert f"<!date^{int(soon.timestamp())}^" in str(first["blocks"])
    assert buttons(first) == ["snooze"]
    assert used["text"] == f"Recovered: no credits of Alpha are left that lapse on {soon.day} {soon:%B %Y}"
    assert both[1]["text"] == f"About to lapse: 30 credits of Alpha, on {later.day} {later:%B %Y}"
    assert lapsed[1]["text"].endswith("what was left of them has lapsed")


async def test_what_is_short_when_it_is_set_stays_quiet_until_it_has_once_not_been(watched: Watched) -> None:
    set_ = await watched.set(runwayDays=20, expiryDays=3)
    quiet = await watched.look()
    await watched.give(100)
    fine = await watched.look()
    await watched.spend(100)
    told = await watched.look()
    off = await watched.set(runwayDays=20, enabled=False)
    ended = await watched.look()

    entries = await AuditEntry.filter(target=watched.wallet).order_by("id")
    assert set_["wallet"]["alert"] == {
        "threshold": 5,
        "enabled": True,
        "slackChannel": "#credits",
        "runwayDays": 20,
        "expiryDays": 3,
    }
    assert (quiet, fine, len(told)) == ([], [], 1)
    assert off["wallet"]["alert"]["expiryDays"] is None
    assert ended[0]["text"].endswith("the alert was changed or switched off")
    assert [(entry.after or {}).get("runwayDays") for entry in entries] == ["20", None]
    assert (entries[1].before, entries[1].after) == ({"enabled": "true", "expiryDays": "3"}, {"enabled": "false"})


@pytest.mark.parametrize(
    ("wrong", "field"),
    [({"runwayDays": 0}, "runwayDays"), ({"runwayDays": 366}, "runwayDays"), ({"expiryDays": -1}, "expiryDays")],
)
async def test_other_days_than_one_to_a_year_are_refused(watched: Watched, wrong: dict[str, int], field: str) -> None:
    refused = await watched.set(**wrong)

    assert refused["userErrors"] == [{"code": "INVALID", "field": [field]}]
    assert not await WalletWatch.exists(wallet_id=watched.wallet)


async def test_snoozed_it_comes_again_when_the_snooze_ends_if_it_is_still_so(watched: Watched, clock: Any) -> None:
    await watched.set(runwayDays=7)
    await watched.spend(60)
    (card,) = await watched.look()

    await Slack(watched.service).press(card, "snooze", "pool_admin")
    (edited,) = await eventually(watched.look, lambda seen: seen[0]["edited"])
    await watched.spend(1)
    quiet = await watched.look()
    await clock(await now() + timedelta(hours=24))
    again = await watched.look()

    assert edited["text"].startswith("Alert of Alpha: snoozed by Paula Poole until ")
    assert quiet == [edited]
    # A day on, what was used today counts too: 141 in 11 days.
    assert [each["text"] for each in again] == [edited["text"], "Running out: Alpha has credits for about 3 days"]


async def test_a_deleted_department_is_watched_no_more(watched: Watched) -> None:
    await watched.set(runwayDays=7)
    await watched.spend(60)
    await watched.look()
    await watched.service.gql(DELETE, "owner", id=watched.place.department_id)
    (card,) = await watched.look()

    assert card["text"].endswith("the alert was changed or switched off")
    assert not await WalletWatch.exists(wallet_id=watched.wallet)
    assert not await WalletWarning.exists(wallet_id=watched.wallet, ended_at=None)


async def ask(slack: Slack, card: Posted, by: str, text: str) -> None:
    """Press *Ask for more*, and type this into the form."""
    await slack.press(card, "ask_more", by)

    async def open_() -> bool:
        return any(not view["home"] for view in await slack.views(by))

    await eventually(open_, bool)
    await slack.submit(by, text)


async def test_more_is_asked_for_from_the_card_by_who_may(watched: Watched) -> None:
    slack = Slack(watched.service)
    await watched.set()
    await watched.spend(98)
    (card,) = await watched.look()

    await ask(slack, card, "department_member", "1,050 for the open house")
    (asked,) = await eventually(
        lambda: AllocationRequest.filter(department_id=watched.place.department_id).all(), lambda seen: len(seen) == 1
    )
    told = await eventually(lambda: slack.whispers("department_member", since=card["ts"]), bool)
    await ask(slack, card, "department_member", "many")
    unread = await eventually(lambda: slack.whispers("department_member", since=card["ts"]), lambda seen: len(seen) > 1)
    await ask(slack, card, "member", "5 for me")
    stranger = await eventually(lambda: slack.whispers("member", since=card["ts"]), bool)

    assert buttons(card) == ["ask_more", "buy", "snooze"]
    assert (asked.credits, asked.reason) == (1_050, "1,050 for the open house")
    assert asked.requested_by_id == watched.service.demo.users["department_member"]
    assert "Asked for 1,050 credits" in told[0]
    assert "Begin with how many credits" in unread[1]
    assert "There is nothing with this id here" in stranger[0]
    assert await AllocationRequest.filter(department_id=watched.place.department_id).count() == 1
