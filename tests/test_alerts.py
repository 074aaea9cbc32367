"""Low-balance alerts as people meet them: one card on crossing, edited on recovery, quiet while snoozed."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from tortoise.connection import get_connection

from credits.accounts.models import Account, AccountRole, Pool, SlackLink
from credits.accounts.rules import Place
from credits.accounts.service import add_membership
from credits.alerts.messages import FIRED_JOB
from credits.chat.audiences import of_wallet
from credits.ledger.models import Wallet
from credits.ledger.queries import now
from credits.outbox import OutboxMessage
from tests.support.service import SERVICE_KEY, Service
from tests.support.slack import Posted, Slack, buttons, eventually
from tests.test_allocations import firm_in

SPEND = """mutation ($wallet: ID!, $quantity: Int!, $key: String!) { deductCredits(input:
  {walletId: $wallet, stagingType: "FURNITURE_REMOVAL", quantity: $quantity, idempotencyKey: $key}) {
    balance { available low } userErrors { code } } }"""
SET = """mutation ($input: SetBalanceAlertInput!) { setBalanceAlert(input: $input) {
  wallet { alert { threshold enabled slackChannel firedAt snoozedUntil } balance { low } }
  userErrors { code field } } }"""
SNOOZE = "mutation ($id: ID!) { snoozeAlert(input: {walletId: $id, hours: 1}) { wallet { id } userErrors { code } } }"


@dataclass(frozen=True, slots=True)
class Watched:
    """A wallet of 30 credits whose alert goes to the sandbox's channel; its owner is a demo person."""

    service: Service
    place: Place

    @property
    def wallet(self) -> str:
        return self.place.wallet_id or ""

    async def spend(self, quantity: int) -> dict[str, Any]:
        answer = await self.service.gql(SPEND, SERVICE_KEY, wallet=self.wallet, quantity=quantity, key=uuid4().hex)
        balance: dict[str, Any] = answer.data["deductCredits"]["balance"]
        return balance

    async def cards(self, count: int) -> list[Posted]:
        look = Slack(self.service).messages
        return await eventually(lambda: look(f"alert:{self.wallet}:"), lambda seen: len(seen) >= count)

    async def quiet(self) -> list[Posted]:
        """Every card there is once nothing waits to be told."""

        async def told() -> bool:
            return not await OutboxMessage.filter(account_id=self.place.account_id).exists()

        await eventually(told, bool)
        return await Slack(self.service).messages(f"alert:{self.wallet}:")


@pytest.fixture
async def watched(service: Service) -> Watched:
    place = await service.account(credits_given=30)
    owner = await service.owner_token(place.account_id)
    wanted = {"walletId": place.wallet_id, "threshold": 20, "slackChannel": "#credits"}
    answer = await service.gql(SET, owner, input=wanted)
    assert answer.data["setBalanceAlert"]["wallet"]["alert"]["threshold"] == 20
    return Watched(service, place)


async def test_it_fires_once_on_crossing_is_edited_on_recovery_and_fires_again_after(watched: Watched) -> None:
    at_threshold = await watched.spend(10)
    none = await watched.quiet()
    below = await watched.spend(1)
    await watched.spend(1)
    first = await watched.cards(1)
    still_one = await watched.quiet()
    await watched.service.give(watched.place, 4)
    recovered = await eventually(lambda: watched.cards(1), lambda seen: seen[0]["edited"])
    await watched.spend(5)
    both = await watched.cards(2)

    assert (at_threshold["low"], none) == (False, [])
    assert below == {"available": 19, "low": True}
    assert len(still_one) == 1
    assert "19 credits left" in first[0]["text"]
    assert buttons(first[0]) == ["buy", "snooze"]
    assert "Recovered" in recovered[0]["text"]
    assert buttons(recovered[0]) == []
    assert "17 credits left" in both[1]["text"]


async def test_of_many_deductions_at_once_one_card_comes(service: Service) -> None:
    import asyncio

    place = await service.account(credits_given=100)
    await Wallet.filter(id=place.wallet_id).update(alert_channel="#credits")
    watched = Watched(service, place)

    await asyncio.gather(*(watched.spend(1) for _ in range(100)))
    cards = await watched.cards(1)

    assert await watched.quiet() == cards
    assert len(cards) == 1


async def test_settings_are_checked_and_told_live(service: Service, watched: Watched) -> None:
    owner = await service.owner_token(watched.place.account_id)
    async with service.live(owner) as live:
        await live.subscribe(
            "subscription ($id: ID!) { balanceChanged(walletId: $id) { balance { low version } causes } }",
            id=watched.wallet,
        )
        first = await live.next()
        await service.gql(SET, owner, input={"walletId": watched.wallet, "threshold": 31})
        change = await live.next()
    refused = (await service.gql(SET, owner, input={"walletId": watched.wallet, "threshold": -1})).data

    assert first["balanceChanged"]["balance"]["low"] is False
    assert change["balanceChanged"]["balance"]["low"] is True
    assert change["balanceChanged"]["causes"] == ["SETTINGS"]
    assert change["balanceChanged"]["balance"]["version"] > first["balanceChanged"]["balance"]["version"]
    assert refused["setBalanceAlert"]["userErrors"] == [{"code": "INVALID", "field": ["threshold"]}]
    assert await watched.quiet() == []


async def test_one_that_is_off_tells_nobody(service: Service, watched: Watched) -> None:
    owner = await service.owner_token(watched.place.account_id)
    await service.gql(SET, owner, input={"walletId": watched.wallet, "threshold": 20, "enabled": False})

    await watched.spend(25)

    assert await watched.quiet() == []


async def test_snoozed_by_button_it_comes_again_when_the_snooze_ends_if_still_low(
    service: Service, watched: Watched
) -> None:
    owner = service.demo.users["pool_admin"]
    at = await now()
    await add_membership(
        get_connection("default"), account_id=watched.place.account_id, user_id=owner, role=AccountRole.OWNER, at=at
    )
    await watched.spend(15)
    (card,) = await watched.cards(1)

    await Slack(service).press(card, "snooze", "pool_admin")
    edited = await eventually(lambda: watched.cards(1), lambda seen: seen[0]["edited"])
    waiting = await OutboxMessage.filter(account_id=watched.place.account_id, job=FIRED_JOB)
    await Wallet.filter(id=watched.wallet).update(alert_snoozed_until=await now())
    await OutboxMessage.filter(account_id=watched.place.account_id).update(due_at=await now())
    again = await watched.cards(2)

    assert "snoozed by Paula Poole" in edited[0]["text"]
    assert [(row.due_at - at).total_seconds() > 23 * 3600 for row in waiting] == [True]
    assert "15 credits left" in again[1]["text"]


async def test_a_snooze_that_ends_after_recovery_tells_nothing(service: Service, watched: Watched) -> None:
    token = await service.owner_token(watched.place.account_id)
    await watched.spend(15)
    await watched.cards(1)
    await service.gql(SNOOZE, token, id=watched.wallet)
    (card,) = await eventually(lambda: watched.cards(1), lambda seen: seen[0]["edited"])
    await service.give(watched.place, 100)

    await Wallet.filter(id=watched.wallet).update(alert_snoozed_until=await now())
    await OutboxMessage.filter(account_id=watched.place.account_id).update(due_at=await now())

    assert "snoozed by Test owner" in card["text"]
    assert len(await watched.quiet()) == 1


async def test_who_may_not_snooze_is_told_so(service: Service, watched: Watched) -> None:
    await watched.spend(15)
    (card,) = await watched.cards(1)

    await Slack(service).press(card, "snooze", "member")
    whispers = await eventually(lambda: Slack(service).whispers("member", since=card["ts"]), bool)

    assert "There is nothing with this id here" in whispers[0]
    assert not (await eventually(lambda: watched.cards(1), bool))[0]["edited"]


async def test_a_lost_answer_ends_with_one_card(service: Service, watched: Watched) -> None:
    await Slack(service).fault("chat.postMessage", next=1, status=500, after=True)

    await watched.spend(15)
    await eventually(lambda: watched.cards(1), bool, within_s=40)
    cards = await eventually(watched.quiet, bool, within_s=40)

    assert len(cards) == 1


async def test_without_a_channel_those_who_look_after_the_wallet_are_told(service: Service) -> None:
    place = await service.account(credits_given=30)
    user_id = service.demo.users["owner"]
    at = await now()
    await add_membership(
        get_connection("default"), account_id=place.account_id, user_id=user_id, role=AccountRole.OWNER, at=at
    )
    watched = Watched(service, place)

    await watched.spend(15)
    cards = await watched.cards(1)

    assert [card["channel"] for card in cards] == ["D0OWNER00"]
    assert await SlackLink.filter(user_id=user_id).count() == 1


async def test_an_alert_goes_to_its_own_channel_else_the_pools_else_the_accounts(service: Service) -> None:
    firm = await firm_in(service, "UTC")
    wallet = firm.alpha.wallet_id or ""
    keepers = await of_wallet(wallet, channel=None)
    await Account.filter(id=firm.account.account_id).update(slack_channel="#account")
    accounts = await of_wallet(wallet, channel=None)
    await Pool.filter(id=firm.pool.pool_id).update(slack_channel="#pool")
    pools = await of_wallet(wallet, channel=None)
    own = await of_wallet(wallet, channel="#own")

    assert (keepers.channel, keepers.user_ids) == (None, [service.demo.users["pool_admin"]])
    assert [each.channel for each in (accounts, pools, own)] == ["#account", "#pool", "#own"]
    assert (await of_wallet(firm.account.wallet_id or "", channel=None)).channel == "#account"
