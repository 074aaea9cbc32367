"""How fast a channel takes messages: one in each pace, whoever posts, and none while Slack asks us to wait."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from credits.chat import pace
from credits.chat.messenger import About, Audience, Messenger
from credits.chat.models import ChatPace
from credits.gateways.cards import Card
from credits.gateways.errors import GatewayUnavailable
from credits.ledger.queries import now
from credits.outbox import OutboxMessage
from tests.credits.test_outbox import written
from tests.support.service import Service
from tests.support.slack import Slack
from workers.delivery import attempt

PACE_S = 0.2


async def tell(messenger: Messenger, about: str, number: int, channel: str = "#approvals") -> None:
    card = Card(summary=f"News {number}")
    subject = About(account_id="acct", subject=about, occasion=f"{about}:{number}")
    await messenger.tell(Audience(channel=channel), card, subject)


async def test_of_many_who_post_at_once_each_waits_for_its_turn(service: Service) -> None:
    about = f"pace:{uuid4().hex}"
    # Two of them, as in two processes: what they share is the database.
    messengers = [replace(service.shared.messenger, pace_s=PACE_S) for _ in range(2)]
    began = time.time()

    await asyncio.gather(
        *(tell(messengers[number % 2], about, number) for number in range(4)),
        tell(messengers[0], about, 4, "#operators"),
    )

    posted = await Slack(service).messages(about)
    times = [float(message["ts"]) for message in posted if message["channel"] == "C0APPROVAL"]
    elsewhere = next(float(message["ts"]) for message in posted if message["channel"] == "C0OPERATOR")
    assert len(times) == 4
    # Later than its turn a post may always be, and so nothing is said of the time between two.
    assert times[-1] >= began + 3 * PACE_S - 0.01
    assert elsewhere < times[-1]


async def test_who_would_wait_long_is_told_when_to_come_again(service: Service) -> None:
    channel = uuid4().hex
    await pace.turn("T1", channel, every_s=PACE_S)
    await pace.hold("T1", channel, 30)
    await pace.hold("T1", channel, 1)  # waits no less for having been asked again

    with pytest.raises(GatewayUnavailable) as unavailable:
        await pace.turn("T1", channel, every_s=PACE_S)
    await asyncio.wait_for(pace.turn("T2", channel, every_s=PACE_S), 1)  # another workspace's channel

    assert 29 < (unavailable.value.retry_after_s or 0) <= 30


async def test_work_that_slack_asks_to_wait_comes_again_after_that_time(service: Service) -> None:
    about, messenger = f"pace:{uuid4().hex}", service.shared.messenger
    message = await written(job="tell")
    await Slack(service).fault("chat.postMessage", next=1, status=429, retry_after_s=7)

    async def handle(payload: Mapping[str, Any]) -> None:
        await tell(messenger, about, 1, "#credits")

    await attempt({"tell": handle}, message.id, 0)
    at = await now()
    kept = await OutboxMessage.get(id=message.id)
    # Before its time nobody asks Slack.
    await attempt({"tell": handle}, message.id, 1)
    again = await OutboxMessage.get(id=message.id)

    assert 6 < (kept.due_at - at).total_seconds() <= 7
    assert 5 < (again.due_at - at).total_seconds() <= 8
    assert (again.attempts, "Others post there" in (again.last_error or "")) == (2, True)
    assert await Slack(service).messages(about) == []
    await ChatPace.filter(channel="#credits").delete()
    await again.delete()
