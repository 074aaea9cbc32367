"""What the provider's records and our books must agree in, and what to do where they do not. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from credits.gateways.payments import Payment, PaymentState
from credits.ledger.disputing import clawback_due
from credits.money import Money
from credits.purchases.models import PurchaseStatus
from credits.purchases.rules import wrong_money


class DifferenceKind(StrEnum):
    """What does not agree."""

    UNCREDITED = "payment without credits"
    UNPAID = "credits without payment"
    AMOUNT = "amount"
    REFUNDS = "refunds"
    CLAWBACK = "clawed back"
    QUARANTINED = "quarantined"
    POSTED = "posted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that does not agree: the id of what it is about, and what it is and what to do, for a person."""

    kind: DifferenceKind
    reference: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Booked:
    """A purchase as our books have it: what its refunds that stand add up to, what of disputes was lost, and what the
    ledger has posted for it."""

    purchase_id: str
    status: PurchaseStatus
    payment_id: str | None
    total: Money
    credits: int
    refunds_minor: int
    lost_minor: int
    refunded_minor: int
    clawed_back: int
    posted: int
    posted_credits: int
    taken_back: int


def of_payment(payment: Payment, booked: Booked | None, *, put_aside: bool) -> Iterator[Difference]:
    """A payment against the purchase that it was credited for (None: there is none). `put_aside`: it is quarantined,
    or was, and is somebody's work already."""
    if booked is None:
        yield from _uncredited(payment, put_aside=put_aside)
        return
    if payment.state is not PaymentState.SUCCEEDED:
        yield Difference(
            kind=DifferenceKind.UNPAID,
            reference=booked.purchase_id,
            text=f"It is {booked.status}, and its payment {payment.id} is {payment.state} at the provider. Look there "
            "whether money came; if none did, take the credits back with adjustCredits.",
        )
    elif differs := wrong_money(booked.total, payment.total):
        yield Difference(
            kind=DifferenceKind.AMOUNT,
            reference=booked.purchase_id,
            text=f"Its payment {payment.id} is of {differs}. Refund what is too much in the provider's dashboard, or "
            "ask the customer for what is missing.",
        )
    if payment.refunded.amount_minor != booked.refunds_minor:
        ours = Money(booked.refunds_minor, booked.total.currency)
        yield Difference(
            kind=DifferenceKind.REFUNDS,
            reference=booked.purchase_id,
            text=f"{payment.refunded.formatted} of payment {payment.id} went back at the provider, and here "
            f"{ours.formatted}. Run: credits reconcile --heal",
        )


def _uncredited(payment: Payment, *, put_aside: bool) -> Iterator[Difference]:
    everything_back = payment.refunded.amount_minor >= payment.total.amount_minor
    if payment.state is PaymentState.SUCCEEDED and not put_aside and not everything_back:
        yield Difference(
            kind=DifferenceKind.UNCREDITED,
            reference=payment.id,
            text=f"{payment.total.formatted} {payment.total.currency} came for {payment.purchase_id or 'no purchase'} "
            "and credited nothing. Run: credits reconcile --heal. If it stays, refund it in the provider's dashboard.",
        )


def of_purchase(booked: Booked) -> Iterator[Difference]:
    """A paid purchase against what the ledger has of it."""
    if booked.posted != 1 or booked.posted_credits != booked.credits:
        yield Difference(
            kind=DifferenceKind.POSTED,
            reference=booked.purchase_id,
            text=f"It is PAID for {booked.credits:,} credits, and the ledger has {booked.posted} PURCHASE of "
            f"{booked.posted_credits:,} for it. Run: credits verify",
        )
    returned = min(booked.refunds_minor + booked.lost_minor, booked.total.amount_minor)
    if booked.refunded_minor != returned:
        yield Difference(
            kind=DifferenceKind.REFUNDS,
            reference=booked.purchase_id,
            text=f"Its refunds and lost disputes come to {Money(returned, booked.total.currency).formatted}, and it "
            f"says {Money(booked.refunded_minor, booked.total.currency).formatted}. Run: credits reconcile --heal",
        )
    due = clawback_due(booked.credits, refunded_minor=booked.refunded_minor, total_minor=booked.total.amount_minor)
    if not due == booked.clawed_back == booked.taken_back:
        yield Difference(
            kind=DifferenceKind.CLAWBACK,
            reference=booked.purchase_id,
            text=f"{due:,} credits are to be taken back for its refunds; it says {booked.clawed_back:,}, and the "
            f"ledger took {booked.taken_back:,}. Put it right with adjustCredits, once it is known why.",
        )


def without_payment(booked: Booked) -> Difference:
    """A paid purchase whose payment the provider does not list."""
    return Difference(
        kind=DifferenceKind.UNPAID,
        reference=booked.purchase_id,
        text=f"It is PAID, and the provider has no payment {booked.payment_id}. Was the key of another account or mode "
        "in use? If no money came, take the credits back with adjustCredits.",
    )


def quarantined(reference: str, *, row_id: str, reason: str, amount: Money) -> Difference:
    """A payment that nobody has settled yet."""
    return Difference(
        kind=DifferenceKind.QUARANTINED,
        reference=reference,
        text=f"{amount.formatted} {amount.currency} fit no purchase: {reason}. Give the money or the credits by hand, "
        f"then: credits payments settle {row_id} --note …",
    )
