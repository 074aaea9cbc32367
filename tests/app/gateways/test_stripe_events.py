"""Webhooks about payments, refunds and disputes, as Stripe shapes them and as we read them."""

import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from app.gateways.stripe import StripeGateway
from app.gateways.stripe_events import KINDS
from credits.gateways.payments import (
    Dispute,
    DisputeState,
    PaymentEvent,
    PaymentEventKind,
    PaymentState,
    Refund,
    RefundState,
)
from credits.money import Money
from tests.app.service import KEY, SECRET

INTENT: dict[str, object] = {
    "id": "pi_1",
    "object": "payment_intent",
    "amount": 17980,
    "created": 1_780_000_000,
    "currency": "usd",
    "last_payment_error": None,
    "latest_charge": "ch_1",
    "livemode": False,
    "metadata": {"purchase_id": "pur_01", "saved_card": "1"},
    "status": "succeeded",
}
CHARGE: dict[str, object] = {"id": "ch_1", "object": "charge", "amount_refunded": 5000, "payment_intent": "pi_1"}
REFUND: dict[str, object] = {
    "id": "re_1",
    "object": "refund",
    "amount": 5000,
    "currency": "usd",
    "metadata": {"refund_id": "rfd_01"},
    "payment_intent": "pi_1",
    "reason": "requested_by_customer",
    "status": "succeeded",
}
DISPUTE: dict[str, object] = {
    "id": "dp_1",
    "object": "dispute",
    "amount": 17980,
    "currency": "usd",
    "payment_intent": "pi_1",
    "reason": "fraudulent",
    "status": "needs_response",
}


@pytest.fixture
async def gateway() -> AsyncIterator[StripeGateway]:
    gateway = StripeGateway(api_key=KEY, webhook_secrets=(SECRET,))
    yield gateway
    await gateway.close()


def read(gateway: StripeGateway, kind: str, about: dict[str, object], **event: object) -> PaymentEvent:
    """The event, signed as Stripe signs it."""
    body = {"id": "evt_1", "object": "event", "type": kind, "created": 1_780_000_000, "livemode": False}
    payload = json.dumps(body | event | {"data": {"object": about}}).encode()
    at = int(time.time())
    digest = hmac.new(SECRET.encode(), f"{at}.".encode() + payload, hashlib.sha256).hexdigest()
    return gateway.read_event(payload, f"t={at},v1={digest}")


def test_all_kinds_that_we_act_on_can_be_listed_at_once() -> None:
    assert len(KINDS) <= 20


async def test_an_event_tells_when_it_happened_and_whose_it_is(gateway: StripeGateway) -> None:
    own = read(gateway, "payment_intent.succeeded", INTENT)
    connected = read(gateway, "payment_intent.succeeded", INTENT, account="acct_1", livemode=True)

    assert own.created_at == datetime.fromtimestamp(1_780_000_000, UTC)
    assert (own.account, own.livemode) == (None, False)
    assert (connected.account, connected.livemode) == ("acct_1", True)


def declined(code: str, **error: object) -> dict[str, object]:
    return {"status": "requires_payment_method", "last_payment_error": {"code": code, "message": "No.", **error}}


@pytest.mark.parametrize(
    ("kind", "changes", "state"),
    [
        ("succeeded", {}, PaymentState.SUCCEEDED),
        ("processing", {"status": "processing"}, PaymentState.PROCESSING),
        ("canceled", {"status": "canceled"}, PaymentState.CANCELED),
        ("requires_action", {"status": "requires_action"}, PaymentState.NEEDS_PAYER),
        ("payment_failed", declined("card_declined", decline_code="lost_card"), PaymentState.DECLINED),
        ("payment_failed", declined("authentication_required"), PaymentState.NEEDS_PAYER),
        (
            "payment_failed",
            declined("card_declined", decline_code="authentication_required"),
            PaymentState.NEEDS_PAYER,
        ),
        ("payment_failed", {"status": "requires_payment_method"}, PaymentState.NEEDS_PAYER),
    ],
)
async def test_a_payment_is_told_as_it_stands(
    gateway: StripeGateway, kind: str, changes: dict[str, object], state: PaymentState
) -> None:
    event = read(gateway, f"payment_intent.{kind}", INTENT | changes)

    assert (event.kind, event.type) == (PaymentEventKind.PAYMENT, f"payment_intent.{kind}")
    assert event.payment is not None
    assert (event.payment.id, event.payment.state, event.payment.total) == ("pi_1", state, Money(17980, "USD"))
    assert (event.payment.purchase_id, event.payment.charged_saved_card) == ("pur_01", True)
    assert event.payment.reason == ("No." if "last_payment_error" in changes else None)


async def test_a_payment_that_is_not_ours_tells_no_purchase(gateway: StripeGateway) -> None:
    event = read(gateway, "payment_intent.succeeded", INTENT | {"metadata": {}})

    assert event.payment is not None
    assert (event.payment.purchase_id, event.payment.charged_saved_card) == (None, False)


@pytest.mark.parametrize(("payment", "kind"), [("pi_1", "PAYMENT_REFUNDED"), (None, "OTHER")])
async def test_a_refunded_charge_tells_its_payment(gateway: StripeGateway, payment: str | None, kind: str) -> None:
    event = read(gateway, "charge.refunded", CHARGE | {"payment_intent": payment})

    assert (event.kind.name, event.payment_id) == (kind, payment)


@pytest.mark.parametrize("kind", ["refund.created", "refund.updated", "refund.failed", "charge.refund.updated"])
@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("pending", RefundState.PENDING),
        ("requires_action", RefundState.PENDING),
        ("succeeded", RefundState.SUCCEEDED),
        ("failed", RefundState.FAILED),
        ("canceled", RefundState.CANCELED),
    ],
)
async def test_a_refund_is_told_as_it_stands(
    gateway: StripeGateway, kind: str, status: str, state: RefundState
) -> None:
    event = read(gateway, kind, REFUND | {"status": status, "failure_reason": "unknown"})

    assert event.kind is PaymentEventKind.REFUND
    assert event.refund == Refund(
        id="re_1",
        payment_id="pi_1",
        amount=Money(5000, "USD"),
        state=state,
        reference="rfd_01",
        reason="requested_by_customer",
        failure_reason="unknown",
    )


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("warning_needs_response", DisputeState.INQUIRY),
        ("warning_under_review", DisputeState.INQUIRY),
        ("warning_closed", DisputeState.INQUIRY),
        ("needs_response", DisputeState.OPEN),
        ("under_review", DisputeState.OPEN),
        ("won", DisputeState.WON),
        ("prevented", DisputeState.WON),
        ("lost", DisputeState.LOST),
        ("appeal_under_review", DisputeState.LOST),
    ],
)
async def test_a_dispute_is_told_as_it_stands(gateway: StripeGateway, status: str, state: DisputeState) -> None:
    event = read(gateway, "charge.dispute.updated", DISPUTE | {"status": status})

    assert event.kind is PaymentEventKind.DISPUTE
    assert event.dispute == Dispute(
        id="dp_1", payment_id="pi_1", amount=Money(17980, "USD"), state=state, reason="fraudulent"
    )


@pytest.mark.parametrize(
    ("kind", "about"),
    [
        ("refund.created", REFUND | {"payment_intent": None}),
        ("charge.dispute.created", DISPUTE | {"payment_intent": None}),
        ("checkout.session.completed", {"id": "cs_1", "object": "checkout.session", "mode": "subscription"}),
        ("customer.created", {"id": "cus_1", "object": "customer"}),
    ],
)
async def test_what_no_payment_of_ours_can_be_is_nothing_to_act_on(
    gateway: StripeGateway, kind: str, about: dict[str, object]
) -> None:
    event = read(gateway, kind, about)

    assert (event.kind, event.type) == (PaymentEventKind.OTHER, kind)


@pytest.mark.parametrize(
    ("kind", "about"),
    [
        ("payment_intent.succeeded", CHARGE),
        ("payment_intent.succeeded", INTENT | {"status": "unheard-of"}),
        ("charge.refunded", INTENT),
        ("refund.created", REFUND | {"status": "unheard-of"}),
        ("charge.dispute.created", DISPUTE | {"status": "unheard-of"}),
    ],
)
async def test_what_is_not_of_stripes_shape_is_no_event(
    gateway: StripeGateway, kind: str, about: dict[str, object]
) -> None:
    with pytest.raises(ValueError, match="no event"):
        read(gateway, kind, about)
