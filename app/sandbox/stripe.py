"""The sandbox's Stripe: checkout sessions and the few moves that one can make, and how all that happens is told.

What happens, its events and the deliveries of them are one commit; the webhooks go out after it.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Generic, Self, TypeVar

from tortoise.expressions import F
from tortoise.transactions import in_transaction

from app.sandbox import cards, clock, events, payments, webhooks
from app.sandbox.errors import ApiError, WrongState, no_such
from app.sandbox.events import ONCE, Happening, News, Plan, Planned
from app.sandbox.ids import make_id
from app.sandbox.models import CheckoutSession, Event, PaymentState, State
from app.sandbox.objects import JsonObject, session_object
from app.sandbox.parameters import Order

Thing = TypeVar("Thing")

LIFETIME = timedelta(hours=24)
_SESSION_ID = re.compile("cs_test_[0-9a-f]{48}")


@dataclass(frozen=True, slots=True)
class Move:
    """From one state to another; `event` is what Stripe tells about the session, `payment` where its payment is then
    (None: there is none, or none any more)."""

    source: State
    target: State
    event: str
    payment: PaymentState | None


PAY = Move(State.OPEN, State.PAID, "checkout.session.completed", PaymentState.SUCCEEDED)
PAY_LATER = Move(State.OPEN, State.PROCESSING, "checkout.session.completed", PaymentState.PROCESSING)
SETTLE = Move(State.PROCESSING, State.PAID, "checkout.session.async_payment_succeeded", PaymentState.SUCCEEDED)
FAIL = Move(State.PROCESSING, State.FAILED, "checkout.session.async_payment_failed", PaymentState.FAILED)
EXPIRE = Move(State.OPEN, State.EXPIRED, "checkout.session.expired", None)


@dataclass(frozen=True, slots=True)
class Told:
    """An event, and what the service answered to the deliveries of it that were waited for."""

    event: Event
    statuses: Sequence[int | None]


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Thing]):
    """What came of something: the thing as it is then, and its events as they happened."""

    thing: Thing
    told: Sequence[Told] = ()


class Sandbox:
    """A Stripe of one's own. `url` is where browsers reach the service, `local_url` where its webhooks go to.

    Everything that matters is in the database; between `start` and `aclose` (or within `async with`) it delivers.
    """

    def __init__(
        self, *, url: str, local_url: str, webhook_secret: str, back_off_s: Sequence[float] = webhooks.BACK_OFF_S
    ) -> None:
        self.url = url
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

    async def happen(self, work: Callable[[], Awaitable[Happening[Thing]]], plan: Plan = ONCE) -> Outcome[Thing]:
        """Do the work and tell of it, in one commit. Without a delay the first attempts at delivering have been made
        on return, one event after the other."""
        async with in_transaction("default"):
            happening = await work()
            told = await events.record(happening.news)
            planned = await events.plan(told, plan, in_background=False)
        return Outcome(happening.thing, await self._carried(told, planned, plan))

    async def happen_within(self, work: Callable[[], Awaitable[Happening[Thing]]]) -> Thing:
        """The same within the caller's commit, as the API does; `deliver` is to be called after it."""
        happening = await work()
        await events.plan(await events.record(happening.news), ONCE, in_background=True)
        return happening.thing

    async def tell_again(self, told: Sequence[Event], plan: Plan) -> Sequence[Told]:
        """Deliver old events again, as they were."""
        async with in_transaction("default"):
            planned = await events.plan(told, plan, in_background=False)
        return await self._carried(told, planned, plan)

    async def deliver(self) -> None:
        """Carry on with what is to be delivered, in the background."""
        await self._courier.take_up()

    async def _carried(self, told: Sequence[Event], planned: Sequence[Planned], plan: Plan) -> Sequence[Told]:
        statuses: dict[str, Sequence[int | None]] = {}
        if plan.delay_s:
            await self.deliver()
        else:
            for each in planned:
                statuses[each.event.id] = await self._courier.send(each.deliveries)
        return [Told(event, statuses.get(event.id, ())) for event in told]

    def shown(self, session: CheckoutSession) -> JsonObject:
        """The session as Stripe shows it."""
        return session_object(session, url=self.url)

    async def create(self, order: Order) -> CheckoutSession:
        """A new session, that can be paid for 24 hours of the service's clock. Refused: an unknown customer."""
        if order.customer is not None:
            await cards.customer(order.customer, status=400)
        now = await clock.now()
        return await CheckoutSession.create(
            id=make_id("cs", size=24),
            state=State.OPEN,
            payment_intent=make_id("pi"),
            currency=order.currency,
            line_items=order.line_items,
            client_reference_id=order.client_reference_id,
            metadata=order.metadata,
            success_url=order.success_url,
            cancel_url=order.cancel_url,
            created_at=now,
            expires_at=now + LIFETIME,
            customer=order.customer,
            makes_customer=order.makes_customer,
            saves_card=order.saves_card,
            makes_invoice=order.makes_invoice,
            payment_metadata=order.payment_metadata,
        )

    async def session(self, session_id: str) -> CheckoutSession:
        """The session as it is now; one that is open past its time is expired here. Refused: an unknown id (404)."""
        session = await _find(session_id)
        if session.state is not State.OPEN or session.expires_at > await clock.now():
            return session
        with suppress(WrongState):  # somebody else was first
            async with in_transaction("default"):
                await self.happen_within(partial(self._moved, session_id, EXPIRE))
        await self.deliver()
        return await _find(session_id)

    async def move(self, session_id: str, move: Move, plan: Plan = ONCE) -> Outcome[CheckoutSession]:
        """Make the move and tell of it; the event of the session is the last one. Refused: an unknown id (404), a
        session that is not where the move begins (WrongState)."""
        await self.session(session_id)
        return await self.happen(partial(self._moved, session_id, move), plan)

    async def decline(self, session_id: str, plan: Plan = ONCE) -> Outcome[CheckoutSession]:
        """A card that is refused: it is counted, and the session stays open. Refused as a move is."""
        await self.session(session_id)
        return await self.happen(partial(self._declined, session_id), plan)

    async def expire(self, session_id: str) -> CheckoutSession:
        """The API's `expire`, within the caller's commit: `deliver` is to be called after it."""
        try:
            return await self.happen_within(partial(self._moved, session_id, EXPIRE))
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
                await self.happen(partial(self._moved, session.id, EXPIRE))

    async def _moved(self, session_id: str, move: Move) -> Happening[CheckoutSession]:
        """One conditional UPDATE decides: of several at once, one makes the move and the others are refused."""
        moved = await CheckoutSession.filter(id=session_id, state=move.source).update(state=move.target)
        session = await _find(session_id)
        if not moved:
            raise WrongState("session", session.state, move.source)
        if move.payment is None:
            news = await payments.cancel(session, url=self.url)
        else:
            code = payments.UNPAID if move.payment is PaymentState.FAILED else None
            news = await payments.at_checkout(session, move.payment, url=self.url, failure_code=code)
        return Happening(session, [*news, self._news(session, move.event)])

    async def _declined(self, session_id: str) -> Happening[CheckoutSession]:
        attempted = CheckoutSession.filter(id=session_id, state=State.OPEN)
        tried = await attempted.update(declined_attempts=F("declined_attempts") + 1)
        session = await _find(session_id)
        if not tried:
            raise WrongState("session", session.state, State.OPEN)
        code = payments.DECLINED
        news = await payments.at_checkout(session, PaymentState.FAILED, url=self.url, failure_code=code)
        return Happening(session, news)

    def _news(self, session: CheckoutSession, kind: str) -> News:
        purchase_id = session.client_reference_id
        return News(type=kind, about=self.shown(session), purchase_id=purchase_id, session_id=session.id)


async def _find(session_id: str) -> CheckoutSession:
    session = await CheckoutSession.get_or_none(id=session_id) if _SESSION_ID.fullmatch(session_id) else None
    if session is None:
        raise no_such("checkout.session", session_id, param="session")
    return session
