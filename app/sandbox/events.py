"""What the sandbox's Stripe tells of: events that are kept and delivered, each happening in one commit with its own.

An event is told as it was when it happened, however late or often; the delivering itself is in webhooks.py.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Generic, TypeVar

from app.sandbox import clock, webhooks
from app.sandbox.ids import make_id
from app.sandbox.models import Delivery, Event
from app.sandbox.objects import JsonObject, event_object

Thing = TypeVar("Thing")

# Between two events of one happening that are delivered later, so that they arrive in the order that was asked for.
_APART_S = 0.05


class DeliveryOrder(StrEnum):
    """In which order several events are delivered: AS_IT_WAS, or as Stripe, which promises none, may as well."""

    AS_IT_WAS = "as_it_was"
    REVERSED = "reversed"
    SHUFFLED = "shuffled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How events are delivered: each so many times, all at once, after so many seconds. None at all is a webhook
    lost."""

    deliveries: int = 1
    delay_s: float = 0.0
    order: DeliveryOrder = DeliveryOrder.AS_IT_WAS


ONCE = Plan()


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """One thing to be told: the object as it is now, and which purchase and session it concerns."""

    type: str
    about: JsonObject
    purchase_id: str | None
    session_id: str | None = None


@dataclass(frozen=True, slots=True)
class Happening(Generic[Thing]):
    """What has become of something, and what is to be told of it, oldest first."""

    thing: Thing
    news: Sequence[News] = ()


@dataclass(frozen=True, slots=True)
class Planned:
    """An event with the deliveries planned of it."""

    event: Event
    deliveries: Sequence[Delivery]


async def record(news: Sequence[News]) -> list[Event]:
    """Keep the news as events, in the caller's commit."""
    now = await clock.now()
    events = []
    for place, each in enumerate(news):
        event = Event(
            id=make_id("evt"),
            type=each.type,
            session_id=each.session_id,
            purchase_id=each.purchase_id,
            created_at=now + timedelta(microseconds=place),
        )
        event.payload = json.dumps(event_object(event, each.about), ensure_ascii=False)
        await event.save(force_create=True)
        events.append(event)
    return events


async def plan(events: Sequence[Event], how: Plan, *, in_background: bool) -> list[Planned]:
    """Deliveries of the events, in the order in which they are to be made. Without a delay, and not in the background,
    the caller makes them at once."""
    planned = []
    for place, event in enumerate(_ordered(events, how.order)):
        later = how.delay_s or in_background
        due_in_s = how.delay_s + place * _APART_S if later else webhooks.LEASE_S * (place + 1)
        planned.append(Planned(event, await webhooks.plan(event.id, count=how.deliveries, due_in_s=due_in_s)))
    return planned


def _ordered(events: Sequence[Event], order: DeliveryOrder) -> list[Event]:
    if order is DeliveryOrder.REVERSED:
        return list(reversed(events))
    if order is DeliveryOrder.SHUFFLED:
        return random.sample(events, len(events))
    return list(events)
