"""Stripe's checkout in small: sessions, the few moves that one can make, and what is told of each.

A move, its event and the deliveries of it are one commit; the webhook goes out after it.
"""

import json
import re
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Self

from tortoise.expressions import F
from tortoise.transactions import in_transaction

from app.sandbox import clock, webhooks
from app.sandbox.errors import ApiError, WrongState, no_such_session
from app.sandbox.models import CheckoutSession, Delivery, Event, State
from app.sandbox.objects import JsonObject, event_object, session_object
from app.sandbox.parameters import Order

LIFETIME = timedelta(hours=24)
_SESSION_ID = re.compile("cs_test_[0-9a-f]{48}")


@dataclass(frozen=True, slots=True)
class Move:
    """From one state to another; `event` is what Stripe tells about it."""

    source: State
    target: State
    event: str


PAY = Move(State.OPEN, State.PAID, "checkout.session.completed")
PAY_LATER = Move(State.OPEN, State.PROCESSING, "checkout.session.completed")
SETTLE = Move(State.PROCESSING, State.PAID, "checkout.session.async_payment_succeeded")
FAIL = Move(State.PROCESSING, State.FAILED, "checkout.session.async_payment_failed")
EXPIRE = Move(State.OPEN, State.EXPIRED, "checkout.session.expired")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How an event is delivered: so many times, all at once, after so many seconds. None at all is a webhook lost."""

    deliveries: int = 1
    delay_s: float = 0.0


ONCE = Plan()


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What came of a move; `statuses` are what the service answered to the deliveries that were waited for."""

    session: CheckoutSession
    event_id: str | None = None
    statuses: Sequence[int | None] = ()


@dataclass(frozen=True, slots=True)
class _Step:
    session: CheckoutSession
    event: Event
    deliveries: Sequence[Delivery]


class Sandbox:
    """A Stripe of one's own. `url` is where browsers reach the service, `local_url` where its webhooks go to.

    Everything that matters is in the database; between `start` and `aclose` (or within `async with`) it delivers.
    """

    def __init__(
        self, *, url: str, local_url: str, webhook_secret: str, back_off_s: Sequence[float] = webhooks.BACK_OFF_S
    ) -> None:
        self._url = url
        self._courier = webhooks.Courier(
            url=f"{local_url}/webhooks/stripe", secret=webhook_secret, back_off_s=back_off_s
        )

    async def start(self) -> None:
        """Take up the deliveries that an earlier process left. The database must be open."""
        await self.deliver()

    async def aclose(self) -> None:
        """Stop delivering; what is left is taken up by the next start."""
        await self._courier.aclose()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def shown(self, session: CheckoutSession) -> JsonObject:
        """The session as Stripe shows it."""
        return session_object(session, pay_url=f"{self._url}/sandbox/stripe/pay/{session.id}")

    async def create(self, order: Order) -> CheckoutSession:
        """A new session, that can be paid for 24 hours of the service's clock."""
        now = await clock.now()
        return await CheckoutSession.create(
            id=f"cs_test_{secrets.token_hex(24)}",
            state=State.OPEN,
            payment_intent=f"pi_test_{secrets.token_hex(12)}",
            currency=order.currency,
            line_items=order.line_items,
            client_reference_id=order.client_reference_id,
            metadata=order.metadata,
            success_url=order.success_url,
            cancel_url=order.cancel_url,
            created_at=now,
            expires_at=now + LIFETIME,
        )

    async def session(self, session_id: str) -> CheckoutSession:
        """The session as it is now; one that is open past its time is expired here. Refused: an unknown id (404)."""
        session = await _find(session_id)
        if session.state is not State.OPEN or session.expires_at > await clock.now():
            return session
        with suppress(WrongState):  # somebody else was first
            await self._step(session_id, EXPIRE, due_in_s=0)
        await self.deliver()
        return await _find(session_id)

    async def move(self, session_id: str, move: Move, plan: Plan = ONCE) -> Moved:
        """Make the move and deliver its event; without a delay the first attempts have been made on return.
        Refused: an unknown id (404), a session that is not where the move begins (WrongState)."""
        await self.session(session_id)
        return await self._make(session_id, move, plan)

    async def decline(self, session_id: str) -> Moved:
        """A card that is refused: it is counted, and the session stays open. Refused as a move is."""
        session = await self.session(session_id)
        attempted = CheckoutSession.filter(id=session_id, state=State.OPEN)
        if not await attempted.update(declined_attempts=F("declined_attempts") + 1):
            raise WrongState(session.state, State.OPEN)
        return Moved(session=await _find(session_id))

    async def expire(self, session_id: str) -> CheckoutSession:
        """The API's `expire`, which may run inside a database transaction: `deliver` is to be called after it."""
        try:
            return (await self._step(session_id, EXPIRE, due_in_s=0)).session
        except WrongState as error:
            raise ApiError(
                400,
                'Only Checkout Sessions with a status in ["open"] can be expired. '
                f"This Checkout Session is {error.state.lower()}.",
            ) from error

    async def lapse_due(self) -> None:
        """Expire every open session past its time, and deliver that, as Stripe does by itself."""
        for session in await CheckoutSession.filter(state=State.OPEN, expires_at__lte=await clock.now()):
            with suppress(WrongState):
                await self._make(session.id, EXPIRE, ONCE)

    async def deliver(self) -> None:
        """Carry on with what is to be delivered, in the background."""
        await self._courier.take_up()

    async def _make(self, session_id: str, move: Move, plan: Plan) -> Moved:
        due_in_s = plan.delay_s or webhooks.LEASE_S
        step = await self._step(session_id, move, deliveries=plan.deliveries, due_in_s=due_in_s)
        statuses: Sequence[int | None] = ()
        if plan.delay_s:
            await self.deliver()
        else:
            statuses = await self._courier.send(step.deliveries)
        return Moved(session=step.session, event_id=step.event.id, statuses=statuses)

    async def _step(self, session_id: str, move: Move, *, due_in_s: float, deliveries: int = 1) -> _Step:
        """One conditional UPDATE decides: of several at once, one makes the move and the others are refused."""
        async with in_transaction("default"):
            moved = await CheckoutSession.filter(id=session_id, state=move.source).update(state=move.target)
            session = await _find(session_id)
            if not moved:
                raise WrongState(session.state, move.source)
            event = await self._tell(session, move.event)
            return _Step(session, event, await webhooks.plan(event.id, count=deliveries, due_in_s=due_in_s))

    async def _tell(self, session: CheckoutSession, event_type: str) -> Event:
        event = Event(
            id=f"evt_test_{secrets.token_hex(12)}", type=event_type, session=session, created_at=await clock.now()
        )
        event.payload = json.dumps(event_object(event, self.shown(session)), ensure_ascii=False)
        await event.save(force_create=True)
        return event


async def _find(session_id: str) -> CheckoutSession:
    # What is too long, or holds a NUL, is an error to Tortoise or the database instead of an unknown id.
    session = await CheckoutSession.get_or_none(id=session_id) if _SESSION_ID.fullmatch(session_id) else None
    if session is None:
        raise no_such_session(session_id)
    return session
