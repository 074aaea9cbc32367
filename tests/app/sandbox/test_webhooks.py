"""The sandbox's webhooks: how often, how late, and what becomes of those that fail or are left behind."""

import hashlib
import hmac

from app.sandbox.events import Plan
from app.sandbox.models import Attempt, Delivery, DeliveryState, Event
from app.sandbox.stripe import EXPIRE, Sandbox
from app.sandbox.webhooks import signature
from tests.app.sandbox.calls import opened
from tests.app.service import SECRET, Service, eventually, received


async def test_five_deliveries_are_made_at_once_of_one_event(service: Service) -> None:
    session_id = await opened(service)

    answer = (await service.act(session_id, "pay", deliveries=5)).json()

    assert answer["deliveries"] == [{"status": 200}] * 5
    assert [event.id for event in service.checkouts] == [answer["event"]] * 5
    assert service.most_at_once >= 2


async def test_a_delivery_is_signed_in_real_time_whatever_the_clock_shows(service: Service) -> None:
    await service.http.post("/sandbox/clock", json={"advance_s": 3600})
    session_id = await opened(service)

    answer = (await service.act(session_id, "pay")).json()

    assert answer["deliveries"] == [{"status": 200}]


def test_a_signature_is_stripes() -> None:
    expected = hmac.new(SECRET.encode(), b"1700000000.{}", hashlib.sha256).hexdigest()

    assert signature("{}", secret=SECRET, at=1_700_000_000) == f"t=1700000000,v1={expected}"


async def test_a_lost_webhook_is_an_event_that_nobody_is_told(service: Service) -> None:
    session_id = await opened(service)

    answer = (await service.act(session_id, "pay", deliveries=0)).json()

    assert answer["deliveries"] == []
    assert (await Event.get(id=answer["event"])).type == "checkout.session.completed"
    assert await Delivery.all().count() == 0


async def test_a_delayed_delivery_comes_after_the_answer(service: Service) -> None:
    session_id = await opened(service)

    answer = (await service.act(session_id, "pay", deliveries=2, delay_s=0.3)).json()

    assert answer["session"]["status"] == "complete"
    assert answer["deliveries"] == []
    assert service.received == []
    await eventually(lambda: received(service, 6))
    assert [event.id for event in service.checkouts] == [answer["event"]] * 2


async def test_a_delivery_that_is_refused_is_tried_again_and_every_outcome_kept(service: Service) -> None:
    session_id = await opened(service)
    service.refusals.append(503)

    answer = (await service.act(session_id, "expire")).json()

    assert answer["deliveries"] == [{"status": 503}]
    await eventually(lambda: Delivery.filter(state=DeliveryState.DELIVERED).exists())
    attempts = await Attempt.all().order_by("at")
    assert [attempt.status for attempt in attempts] == [503, 200]
    assert [event.id for event in service.received] == [answer["event"]]


async def test_a_delivery_is_given_up_after_the_last_back_off(service: Service) -> None:
    session_id = await opened(service)
    service.refusals.extend([500] * 3)

    await service.act(session_id, "expire")

    await eventually(lambda: Delivery.filter(state=DeliveryState.GIVEN_UP).exists())
    assert await Attempt.filter(status=500).count() == 3
    assert service.received == []


async def test_nobody_answering_is_an_attempt_without_status(service: Service) -> None:
    session_id = await opened(service)
    deaf = Sandbox(url=service.url, local_url="http://127.0.0.1:1", webhook_secret=SECRET, back_off_s=())

    async with deaf:
        outcome = await deaf.move(session_id, EXPIRE)

    assert [list(told.statuses) for told in outcome.told] == [[None]]
    assert (await Delivery.get()).state is DeliveryState.GIVEN_UP


async def test_a_delivery_left_by_a_process_is_taken_up_by_the_next_one(service: Service) -> None:
    session_id = await opened(service)
    await service.sandbox.aclose()
    gone = Sandbox(url=service.url, local_url=service.url, webhook_secret=SECRET)
    async with gone:
        outcome = await gone.move(session_id, EXPIRE, Plan(delay_s=0.2))
    assert service.received == []

    async with Sandbox(url=service.url, local_url=service.url, webhook_secret=SECRET):
        await eventually(lambda: received(service, 1))

    assert service.received[0].id == outcome.told[0].event.id


async def test_of_two_processes_one_delivers(service: Service) -> None:
    session_id = await opened(service)
    async with Sandbox(url=service.url, local_url=service.url, webhook_secret=SECRET) as other:
        await service.act(session_id, "expire", delay_s=0.2)
        await other.deliver()

        await eventually(lambda: Delivery.filter(state=DeliveryState.DELIVERED).exists())

    assert len(service.received) == await Attempt.all().count() == 1
