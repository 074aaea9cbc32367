"""Webs and workers killed, and Redis emptied, again and again while approvals and alerts are under way: nothing is
lost, nothing comes twice."""

import asyncio
import random
from collections import Counter
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from redis.asyncio import Redis
from tortoise.connection import get_connection

from credits.accounts.rules import Place
from credits.approvals.models import Approval, ApprovalDecision
from credits.ledger.audit import broken
from credits.ledger.models import Wallet
from tests.support.firm import BUY
from tests.support.fleet import fleet
from tests.support.service import SERVICE_KEY, Service, environment_of
from tests.support.slack import eventually
from tests.test_alerts import SPEND
from tests.test_approvals import firm

T = TypeVar("T")
PURCHASES = 6
WALLETS = 6
KILLINGS = 14

__all__ = ["firm"]


async def test_a_storm_of_kills_ends_with_one_card_each_and_one_decision(
    service: Service, firm: Any, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    dice = random.Random(20261122)  # noqa: S311 a storm that can be had again
    wallets = [await service.account(credits_given=30) for _ in range(WALLETS)]
    await Wallet.filter(id__in=[place.wallet_id for place in wallets]).update(alert_channel="#credits")
    mailed = {await _owner_of(service, place): place for place in [await service.account(credits_given=30)]}
    async with service.workers.away(), fleet(environment_of(database_url, redis_url), tmp_path) as ships:

        async def kill_all_the_time() -> None:
            for _ in range(KILLINGS):
                await asyncio.sleep(dice.uniform(0.2, 0.8))
                await ships.kill(dice.choice(sorted(ships.running)))
                if dice.random() < 0.3:
                    await _empty(redis_url)

        async def buy() -> str:
            variables = {"wallet": firm.wallet, "package": "PROFESSIONAL", "key": uuid4().hex}
            data = await ships.gql(BUY, service.demo.tokens["member"], **variables)
            approval_id: str = data["purchaseCredits"]["purchase"]["approval"]["id"]
            cards = await eventually(
                lambda: ships.messages(f"approval:{approval_id}:"), lambda seen: len(seen) >= 2, within_s=90
            )
            while not await _decided(approval_id):
                # A web that could not write it down in time asks whoever pressed to press again.
                await ships.press(cards[0], "approver")
                with suppress(AssertionError):
                    await eventually(partial(_decided, approval_id), bool, within_s=10)
            return approval_id

        async def spend(wallet: str | None) -> None:
            await ships.gql(SPEND, SERVICE_KEY, wallet=wallet, quantity=15, key=uuid4().hex)

        storm = asyncio.create_task(kill_all_the_time())
        asked = await asyncio.gather(
            *(buy() for _ in range(PURCHASES)), *(spend(place.wallet_id) for place in [*wallets, *mailed.values()])
        )
        await storm
        approvals = [each for each in asked if each]
        await eventually(_drained, bool, within_s=90)
        cards = {about: await ships.messages(f"approval:{about}:") for about in approvals}
        told = {about: await ships.messages(f"told:{about}:") for about in approvals}
        mails = {to: await ships.mails(to) for to in mailed}
        alerts = {place.wallet_id: await ships.messages(f"alert:{place.wallet_id}:") for place in wallets}

    assert {about: len(found) for about, found in cards.items()} == dict.fromkeys(approvals, 2)
    assert {about: len(found) for about, found in told.items()} == dict.fromkeys(approvals, 1)
    assert {wallet: len(found) for wallet, found in alerts.items()} == {place.wallet_id: 1 for place in wallets}
    assert {to: [mail["subject"][:12] for mail in found] for to, found in mails.items()} == {
        to: ["Low balance:"] for to in mailed
    }
    assert all(card["edited"] for found in cards.values() for card in found)
    rows = await Approval.filter(id__in=approvals)
    assert Counter(row.status.value for row in rows) == {"APPROVED": PURCHASES}
    assert await ApprovalDecision.filter(approval_id__in=approvals).count() == PURCHASES
    assert await broken() == {}


async def _owner_of(service: Service, place: Place) -> str:
    """The address of the account's owner, whom Slack does not know."""
    owner = await service.owner_token(place.account_id)
    email: str = (await service.gql("{ viewer { user { email } } }", owner)).data["viewer"]["user"]["email"]
    return email


async def _decided(approval_id: str) -> bool:
    return not await Approval.exists(id=approval_id, status="PENDING")


async def _empty(redis_url: str) -> None:
    """Redis came back with nothing in it."""
    async with Redis.from_url(redis_url) as redis:
        await redis.flushdb()


async def _drained() -> bool:
    # Other tests moved the clock ahead: what they wrote then is due when it gets there; their top-ups look again.
    soon = "due_at < credits_now() + interval '10 minutes' AND job <> 'top_up.look'"
    sql = f"SELECT count(*) AS n FROM outbox WHERE {soon}"
    (row,) = await get_connection("default").execute_query_dict(sql)
    return bool(row["n"] == 0)
