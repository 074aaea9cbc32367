"""What the domain asks of the outside, a protocol of three to five verbs each.

The adapters stand in `app/gateways` and `app/pubsub.py`. No verb is ever called inside a database transaction.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from credits.money import Money


class GatewayUnavailable(Exception):
    """The provider did not answer, or answered that it cannot now. Whether it acted is unknown: ask again with the
    same idempotency key."""


class GatewayRefused(Exception):
    """The provider answered, definitely, that it will not do this; the message is the provider's own."""


class BadSignature(Exception):
    """A message from outside whose signature is missing, wrong or too old."""


class CheckoutStatus(StrEnum):
    """Where a checkout stands at the provider."""

    OPEN = "open"
    COMPLETE = "complete"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutRequest:
    """What is to be paid: `quantity` times `unit_minor`, shown to the payer as `description`.

    `attempt` goes into the provider's idempotency key (`<purchase id>:checkout:<attempt>`): the same attempt sent
    twice makes one checkout. `success_url` and `cancel_url` are where the payer's browser is sent afterwards.
    """

    purchase_id: str
    account_id: str
    wallet_id: str
    attempt: int
    description: str
    quantity: int
    unit: Money
    success_url: str
    cancel_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """A checkout as the provider tells it. `total` is what the payer pays before tax; `paid` says that money has
    arrived (a bank debit completes a checkout unpaid); `purchase_id` is what we gave it as reference."""

    id: str
    url: str | None
    status: CheckoutStatus
    paid: bool
    total: Money
    purchase_id: str | None
    payment_id: str | None
    livemode: bool


class PaymentEventKind(StrEnum):
    """What a webhook can tell that we act on; everything else is OTHER."""

    CHECKOUT_COMPLETED = "checkout.session.completed"
    CHECKOUT_PAYMENT_SUCCEEDED = "checkout.session.async_payment_succeeded"
    CHECKOUT_PAYMENT_FAILED = "checkout.session.async_payment_failed"
    CHECKOUT_EXPIRED = "checkout.session.expired"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentEvent:
    """A webhook whose signature was right. `checkout` is set for the kinds that concern one. `type` is the
    provider's own word for it."""

    id: str
    kind: PaymentEventKind
    type: str
    checkout: Checkout | None
    livemode: bool


class PaymentGateway(Protocol):
    """A hosted checkout."""

    async def open_checkout(self, request: CheckoutRequest) -> Checkout:
        """Make the checkout (or find the one already made for this attempt)."""

    async def checkout(self, checkout_id: str) -> Checkout:
        """The checkout as it is now."""

    async def expire_checkout(self, checkout_id: str) -> Checkout:
        """Close it, so that nobody can pay it any more; returns it as it is then. One that is already complete or
        expired is returned as it is."""

    def read_event(self, payload: bytes, signature: str) -> PaymentEvent:
        """Verify the signature over the raw body and read the event. Raises BadSignature, and ValueError for a
        body that is no event."""


class Publisher(Protocol):
    """Tells every process that something changed; best effort, the latest wins."""

    async def publish(self, channel: str, payload: str) -> None:
        """Hand `payload` (JSON) to whoever listens on `channel`. Never raises for want of listeners."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """A button on a card. Pressing it tells us `action` and `value`; with `confirm` the reader is asked that first.
    With `url` it opens that address instead."""

    action: str
    label: str
    value: str
    style: str | None = None
    confirm: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A message to people, without markup: whoever shows it escapes it. `summary` is what a notification shows, and
    all there is where cards cannot be drawn; `quote` are somebody's own words; `notes` are small print."""

    summary: str
    title: str | None = None
    text: str | None = None
    quote: str | None = None
    fields: tuple[tuple[str, str], ...] = ()
    buttons: tuple[Button, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MessageRef:
    """Where a message is, so that it can be edited: the conversation and the message's own time stamp."""

    channel: str
    ts: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """A pressed button, as the chat's own servers signed it. `key` is unique to the press; `reason` what was typed
    beside it."""

    key: str
    team_id: str
    user_id: str
    action: str
    value: str
    message: MessageRef
    reason: str | None = None


class ChatGateway(Protocol):
    """A chat with channels, people and buttons."""

    async def post(self, to: str, card: Card, *, dedupe: str, again: bool) -> MessageRef:
        """Show the card in a channel, or to a person directly (`to` is the id of either). With `again` it may have
        been posted before by a process that did not live to tell: a message that carries the same `dedupe` is looked
        for first and taken for it. Raises GatewayUnavailable, GatewayRefused."""

    async def update(self, message: MessageRef, card: Card) -> None:
        """Show another card in its place. Raises GatewayUnavailable, GatewayRefused."""

    async def whisper(self, channel: str, user_id: str, text: str) -> None:
        """Tell one person in a channel something that the others do not see. Raises as `post` does."""

    def read_interaction(self, body: bytes, *, timestamp: str, signature: str) -> Interaction | None:
        """Verify the signature over the raw body and read the press; None for what needs no answer. Raises
        BadSignature, and ValueError for a body that is none."""
