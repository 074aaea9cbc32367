"""What the domain asks of the outside, a protocol of three to five verbs each.

The adapters stand in `app/gateways` and `app/pubsub.py`. No verb is ever called inside a database transaction.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, StrEnum
from typing import Protocol

from credits.money import Money


class GatewayUnavailable(Exception):
    """The provider did not answer, or answered that it cannot now. Whether it acted is unknown: ask again with the
    same idempotency key, after `retry_after_s` seconds where the provider said so."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class GatewayRefused(Exception):
    """The provider answered, definitely, that it will not do this; the message is the provider's own."""


class AccessRevoked(GatewayRefused):
    """The provider no longer takes anything from us with this token: it was revoked, or the app was taken out."""


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
    twice makes one checkout. `customer_id` is the account's customer at the provider, once there is one; the card is
    saved with it for later. `success_url` and `cancel_url` are where the payer's browser is sent afterwards.
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
    customer_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """A checkout as the provider tells it. `total` is what the payer pays before tax; `paid` says that money has
    arrived (a bank debit completes a checkout unpaid); `purchase_id` is what we gave it as reference, `customer_id` the
    provider's customer whose card was saved."""

    id: str
    url: str | None
    status: CheckoutStatus
    paid: bool
    total: Money
    purchase_id: str | None
    payment_id: str | None
    customer_id: str | None
    livemode: bool


class RefundState(StrEnum):
    """Where a refund stands at the provider. One that SUCCEEDED may still come back as FAILED."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """Money of a payment that goes back. `reference` is our own id of it, where it was asked for here."""

    id: str
    payment_id: str
    amount: Money
    state: RefundState
    reference: str | None
    reason: str | None
    failure_reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundRequest:
    """So much of a payment is to go back. `reference` is our own id of it, and makes the idempotency key
    (`<reference>:refund`)."""

    reference: str
    purchase_id: str
    payment_id: str
    amount: Money


class DisputeState(StrEnum):
    """Where a dispute stands. INQUIRY: the bank only asks, and takes nothing."""

    INQUIRY = "INQUIRY"
    OPEN = "OPEN"
    WON = "WON"
    LOST = "LOST"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """A payer's bank disputes a payment, or so much of it."""

    id: str
    payment_id: str
    amount: Money
    state: DisputeState
    reason: str | None


class PaymentState(StrEnum):
    """Where a payment stands. NEEDS_PAYER: the bank wants whoever pays to confirm it, so no money has moved."""

    PROCESSING = "PROCESSING"
    SUCCEEDED = "SUCCEEDED"
    NEEDS_PAYER = "NEEDS_PAYER"
    DECLINED = "DECLINED"
    CANCELED = "CANCELED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """A payment as the provider tells it: `total` is what it is for, `refunded` what of it went back. `purchase_id` is
    what we gave it as reference, `charged_saved_card` whether it was made without the payer being there; `reason` is
    the bank's, for a person to read, where it was declined."""

    id: str
    state: PaymentState
    total: Money
    refunded: Money
    purchase_id: str | None
    charged_saved_card: bool
    reason: str | None
    livemode: bool
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeRequest:
    """Charge the saved card for a purchase, without the payer being there. `attempt` goes into the idempotency key
    (`<purchase id>:charge:<attempt>`)."""

    purchase_id: str
    account_id: str
    wallet_id: str
    attempt: int
    description: str
    total: Money
    customer_id: str
    card_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Papers:
    """Where the payer finds the receipt and the invoice of a payment, as far as there are any."""

    receipt_url: str | None
    invoice_url: str | None


class PaymentEventKind(Enum):
    """What a webhook is about; OTHER is nothing that we act on. PAYMENT_REFUNDED says that refunds of a payment have
    changed and not which: they are read at the provider."""

    CHECKOUT = "checkout"
    CHECKOUT_PAYMENT_FAILED = "checkout payment failed"
    PAYMENT = "payment"
    PAYMENT_REFUNDED = "payment refunded"
    REFUND = "refund"
    DISPUTE = "dispute"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentEvent:
    """A webhook whose signature was right. What it is about is set as its kind says: `checkout` for both kinds that
    concern one, `payment_id` for PAYMENT_REFUNDED. `type` is the provider's own word for it, `account` the connected
    account that it is of (None: our own)."""

    id: str
    kind: PaymentEventKind
    type: str
    created_at: datetime
    livemode: bool
    account: str | None = None
    checkout: Checkout | None = None
    payment: Payment | None = None
    payment_id: str | None = None
    refund: Refund | None = None
    dispute: Dispute | None = None


class PaymentGateway(Protocol):
    """A hosted checkout, and the way back. Each verb but the last raises GatewayUnavailable and GatewayRefused."""

    async def open_checkout(self, request: CheckoutRequest) -> Checkout:
        """Make the checkout (or find the one already made for this attempt)."""

    async def checkout(self, checkout_id: str) -> Checkout:
        """The checkout as it is now."""

    async def expire_checkout(self, checkout_id: str) -> Checkout:
        """Close it, so that nobody can pay it any more; returns it as it is then. One that is already complete or
        expired is returned as it is."""

    async def refund(self, request: RefundRequest) -> Refund:
        """Give money back (or find the refund already made for this reference)."""

    def read_event(self, payload: bytes, signature: str) -> PaymentEvent:
        """Verify the signature over the raw body and read the event. Raises BadSignature, and ValueError for a
        body that is no event."""


class SavedCards(Protocol):
    """Cards of earlier payments. Both verbs raise GatewayUnavailable and GatewayRefused."""

    async def saved_card(self, customer_id: str) -> str | None:
        """The customer's latest card, if there is one; another id is another card."""

    async def charge(self, request: ChargeRequest) -> Payment:
        """Charge the card (or find the payment already made for this attempt). A card that is declined, or a bank that
        wants the payer to confirm, is an answer and not an error."""


class PaymentRecords(Protocol):
    """What the provider has on record, for comparing. Lists are read page by page as they are iterated, newest first.
    Every verb raises GatewayUnavailable and GatewayRefused."""

    def payments_since(self, since: datetime) -> AsyncIterator[Payment]:
        """Payments made from then on, whoever they are for."""

    def events_since(self, since: datetime) -> AsyncIterator[PaymentEvent]:
        """Events that happened from then on (the provider keeps them for 30 days), of kinds that we act on."""

    async def refunds_of(self, payment_id: str) -> list[Refund]:
        """All refunds of a payment."""

    async def disputes_of(self, payment_id: str) -> list[Dispute]:
        """All disputes of a payment."""

    async def papers(self, payment_id: str, checkout_id: str | None) -> Papers:
        """Receipt and invoice of a payment."""


class Payments(PaymentGateway, SavedCards, PaymentRecords, Protocol):
    """All that a payment provider does for us; whoever needs one face of it asks for that one."""


class Publisher(Protocol):
    """Tells every process that something changed; best effort, the latest wins."""

    async def publish(self, channel: str, payload: str) -> None:
        """Hand `payload` (JSON) to whoever listens on `channel`. Never raises for want of listeners."""


# Words for people; a time among them is shown as the reader's own clock has it, where the chat knows it.
Words = str | tuple[str | datetime, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """A button on a card. Pressing it tells us `action` and `value`; with `confirm` the reader is asked that first.
    Buttons of one card have actions that differ: what stands behind a dot is there for that alone. With `url` it opens
    that address instead. `style` is `primary` or `danger`, or none."""

    action: str
    label: str
    value: str
    style: str | None = None
    confirm: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture on a card, which the chat fetches itself; `alt` says what is to be seen on it."""

    url: str
    alt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A message to people, without markup: whoever shows it escapes it. `summary` is what a notification shows, and
    all there is where cards cannot be drawn; `quote` are somebody's own words; `notes` are small print."""

    summary: str
    title: str | None = None
    text: Words | None = None
    quote: str | None = None
    fields: tuple[tuple[str, str], ...] = ()
    picture: Picture | None = None
    buttons: tuple[Button, ...] = ()
    notes: tuple[Words, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A window that asks for something to be typed. What was typed comes back as a SUBMITTED interaction with `action`
    and `value`, and as done in `channel`. `label` names the text that is asked for, which may not be empty and has at
    most `longest` characters."""

    action: str
    value: str
    channel: str | None
    title: str
    text: Words
    label: str
    submit: str
    longest: int


@dataclass(frozen=True, slots=True)
class MessageRef:
    """Where a message is, so that it can be edited: the conversation and the message's own time stamp."""

    channel: str
    ts: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """A workspace of the chat that takes messages from us, or a whole enterprise, where the app is installed for one:
    its id and the token that is good for it. `org` is where its people's ids are from: its enterprise's id, else its
    own."""

    id: str
    org: str
    token: str = field(repr=False)


class InteractionKind(StrEnum):
    """PRESSED a button; SUBMITTED a form; COMMAND typed; HOME opened. REMOVED: the app was taken out of the workspace,
    or its token was revoked; nobody in particular did that."""

    PRESSED = "PRESSED"
    SUBMITTED = "SUBMITTED"
    COMMAND = "COMMAND"
    HOME = "HOME"
    REMOVED = "REMOVED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """What somebody did in the chat, as the chat's own servers signed it. `team_id` is the workspace's id, or the
    enterprise's, as the app is installed there; `org` is where `user_id` is from. `key` is unique to it. `channel` is
    where it was done, if anywhere; `message` the card whose button was pressed. `text` is what was typed: into a form,
    or after the command. `trigger` lets a form be opened within three seconds; `reply_to` is an address at which this
    person can be answered without a token."""

    key: str
    kind: InteractionKind
    team_id: str
    org: str
    user_id: str
    action: str = ""
    value: str = ""
    channel: str | None = None
    message: MessageRef | None = None
    text: str | None = None
    trigger: str | None = None
    reply_to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatPerson:
    """A person as the chat knows them; `email` only where the chat has verified that it is theirs."""

    id: str
    email: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """The app was installed in a workspace by somebody there. `name` is the workspace's."""

    workspace: Workspace
    name: str
    by: str


class ChatGateway(Protocol):
    """A workspace with channels, people and buttons. Every verb raises GatewayUnavailable and GatewayRefused."""

    async def post(
        self, to: str, card: Card, *, dedupe: str, again: bool, thread: MessageRef | None = None
    ) -> MessageRef:
        """Show the card in a channel, or to a person directly (`to` is the id of either), or as an answer in a thread
        (`to` is then its channel). With `again` it may have been posted before by a process that did not live to tell:
        a message that carries the same `dedupe` is looked for first and taken for it."""

    async def update(self, message: MessageRef, card: Card) -> None:
        """Show another card in its place."""

    async def whisper(self, channel: str, user_id: str, *cards: Card) -> None:
        """Tell one person in a channel something that the others do not see: the cards below each other."""

    async def ask(self, trigger: str, form: Form) -> None:
        """Open a form before whoever did what the trigger is of."""

    async def show_home(self, user_id: str, cards: Sequence[Card]) -> None:
        """What this person sees when they open the app by itself."""

    async def person(self, user_id: str) -> ChatPerson:
        """Who this is."""


class Chat(Protocol):
    """A chat of many workspaces."""

    def at(self, workspace: Workspace) -> ChatGateway:
        """One of them."""

    def read_interaction(self, body: bytes, *, timestamp: str, signature: str) -> Interaction | None:
        """Verify the signature over the raw body and read what was done; None for what needs no answer. Raises
        BadSignature, and ValueError for a body that is nothing that the chat sends."""

    async def answer(self, reply_to: str, *cards: Card) -> None:
        """Answer whoever did something, at the address that came with it; nobody else sees it. Raises
        GatewayUnavailable and GatewayRefused, as the next does."""

    def install_url(self, *, state: str) -> str:
        """Where somebody installs the app in their workspace; they come back with `state` and a code."""

    async def installed(self, code: str) -> Installed:
        """What the code of somebody who came back stands for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A card for somebody without a chat. `id` makes the Message-ID: the same mail sent twice has the same."""

    to: str
    name: str
    card: Card
    id: str


class MailGateway(Protocol):
    """E-mail."""

    async def send(self, mail: Mail) -> None:
        """Hand it to the mail server. Raises GatewayUnavailable (ask again) and GatewayRefused (this address, or this
        mail, never)."""
