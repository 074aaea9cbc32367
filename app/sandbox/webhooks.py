"""Deliveries of the sandbox's events: signed as Stripe signs them, posted to the service, tried again if they fail.

What is to be delivered is a row first, so a restart loses none: the next process takes up what was left.
"""

import asyncio
import hashlib
import hmac
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import httpx
import structlog
from tortoise.transactions import in_transaction

from app.sandbox.models import Attempt, Delivery, DeliveryState

BACK_OFF_S = (1.0, 5.0, 30.0, 120.0)
# Longer than an attempt can take: whoever has not recorded its outcome by then has died over it.
LEASE_S = 30.0
_TIMEOUT_S = 10.0

_log = structlog.get_logger(__name__)


def signature(payload: str, *, secret: str, at: int) -> str:
    """The `Stripe-Signature` header of a payload sent at that second.

    https://docs.stripe.com/webhooks#verify-manually
    """
    digest = hmac.new(secret.encode(), f"{at}.{payload}".encode(), hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


async def plan(event_id: str, *, count: int, due_in_s: float) -> list[Delivery]:
    """Rows for so many deliveries of the event. Whoever plans them with LEASE_S attempts them at once itself."""
    due_at = datetime.now(UTC) + timedelta(seconds=due_in_s)
    return [await Delivery.create(event_id=event_id, state=DeliveryState.PENDING, due_at=due_at) for _ in range(count)]


class Courier:
    """Carries deliveries to `url`. A failed one is tried again after each of `back_off_s`, then given up."""

    def __init__(self, *, url: str, secret: str, back_off_s: Sequence[float]) -> None:
        self._url = url
        self._secret = secret
        self._back_off_s = back_off_s
        self._carried: dict[int, asyncio.Task[None]] = {}
        # A proxy that the environment names is not for what stays on this machine.
        self._client = httpx.AsyncClient(timeout=_TIMEOUT_S, trust_env=False)

    async def aclose(self) -> None:
        """Stop; what was not delivered stays a row for whoever starts next."""
        tasks = list(self._carried.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.aclose()

    async def send(self, deliveries: Sequence[Delivery]) -> list[int | None]:
        """Attempt the deliveries now, all at once; the statuses answered, null where nobody answered. Those that
        failed are carried on with in the background."""
        statuses = await asyncio.gather(*(self._attempt(delivery) for delivery in deliveries))
        if not all(_taken(status) for status in statuses):
            await self.take_up()
        return statuses

    async def take_up(self) -> None:
        """Carry on with every pending delivery in the background. Not to be called inside a database transaction:
        the tasks would inherit it."""
        for delivery in await Delivery.filter(state=DeliveryState.PENDING):
            if delivery.id not in self._carried:
                task = asyncio.create_task(self._carry(delivery.id))
                self._carried[delivery.id] = task
                task.add_done_callback(partial(self._put_down, delivery.id))

    def _put_down(self, key: int, task: asyncio.Task[None]) -> None:
        del self._carried[key]
        if not task.cancelled() and (error := task.exception()):
            _log.error("sandbox_delivery_failed", delivery=key, exc_info=error)

    async def _carry(self, key: int) -> None:
        while delivery := await Delivery.get_or_none(id=key, state=DeliveryState.PENDING):
            await asyncio.sleep((delivery.due_at - datetime.now(UTC)).total_seconds())
            if await _claim(delivery):
                await self._attempt(delivery)

    async def _attempt(self, delivery: Delivery) -> int | None:
        event = await delivery.event
        status = await self._post(event.payload)
        await self._record(delivery, status)
        return status

    async def _post(self, payload: str) -> int | None:
        headers = {
            "Stripe-Signature": signature(payload, secret=self._secret, at=int(time.time())),
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (sandbox)",
        }
        try:
            return (await self._client.post(self._url, content=payload.encode(), headers=headers)).status_code
        except httpx.HTTPError:
            return None

    async def _record(self, delivery: Delivery, status: int | None) -> None:
        now = datetime.now(UTC)
        row = Delivery.filter(id=delivery.id)
        async with in_transaction("default"):
            await Attempt.create(delivery=delivery, status=status, at=now)
            tried = await Attempt.filter(delivery=delivery).count()
            if _taken(status):
                await row.update(state=DeliveryState.DELIVERED)
            elif tried > len(self._back_off_s):
                await row.update(state=DeliveryState.GIVEN_UP)
            else:
                await row.update(due_at=now + timedelta(seconds=self._back_off_s[tried - 1]))


def _taken(status: int | None) -> bool:
    return status is not None and 200 <= status < 300


async def _claim(delivery: Delivery) -> bool:
    """Of several processes one gets it: the one whose UPDATE finds it due still."""
    now = datetime.now(UTC)
    due = Delivery.filter(id=delivery.id, state=DeliveryState.PENDING, due_at__lte=now)
    return await due.update(due_at=now + timedelta(seconds=LEASE_S)) == 1
