"""What the domain asks of a payment provider: checkouts, saved cards, refunds, and what has become of them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum
from typing import Protocol

from credits.money import Money


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
