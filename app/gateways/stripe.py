"""Stripe as our payment provider: checkouts, saved cards, money that goes back, and what is on record there.

Only the files `stripe*.py` of this folder know Stripe's SDK. The sandbox is reached through here as well, by another
address, so no code path is skipped when it is in use.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import TypeVar

import stripe

from app.gateways.stripe_calls import MISSHAPEN, HttpClient, NoSuchThing, ask, or_declined
from app.gateways.stripe_events import KINDS, read_event
from app.gateways.stripe_params import charge_params, refund_params, session_params
from app.gateways.stripe_shapes import (
    invoice_url,
    read_checkout,
    read_dispute,
    read_payment,
    read_refund,
    receipt_url,
)
from credits.gateways.errors import BadSignature, GatewayRefused
from credits.gateways.payments import (
    ChargeRequest,
    Checkout,
    CheckoutRequest,
    CheckoutStatus,
    Dispute,
    Papers,
    Payment,
    PaymentEvent,
    PaymentEventKind,
    Refund,
    RefundRequest,
)

# The SDK would write a telemetry id into the home folder and send Stripe this machine's platform.
stripe.enable_telemetry = False

SIGNATURE_TOLERANCE_S = 300
_RETRIES = 2
# The most that Stripe lists at once.
_PAGE = 100

Answer = TypeVar("Answer")
Item = TypeVar("Item", bound=stripe.StripeObject)
Read = TypeVar("Read")


class StripeGateway:
    """`Payments` at Stripe, or at whatever answers as Stripe does under `api_base`.

    `webhook_secrets` are all that may sign, so that one can be rolled; `timeout_s` bounds a whole call (of a list, each
    page), the SDK's own retries included. Every verb but `read_event` raises GatewayUnavailable and GatewayRefused.
    Refused (ValueError): no secret, or an empty one, which anybody could sign with.
    """

    def __init__(
        self, *, api_key: str, webhook_secrets: tuple[str, ...], api_base: str | None = None, timeout_s: float = 10.0
    ) -> None:
        if not webhook_secrets or not all(secret.strip() for secret in webhook_secrets):
            raise ValueError("Stripe's webhook secret is empty: anybody could sign with it. It begins with whsec_.")
        self._secrets = webhook_secrets
        self._timeout_s = timeout_s
        self._http = HttpClient(timeout=timeout_s)
        self._client = stripe.StripeClient(
            api_key,
            base_addresses={"api": api_base} if api_base else None,
            http_client=self._http,
            max_network_retries=_RETRIES,
        )
        self._api = self._client.v1

    async def close(self) -> None:
        """Give back the connections; the gateway cannot be used any more."""
        await self._http.close_async()  # type: ignore[no-untyped-call]

    async def open_checkout(self, request: CheckoutRequest) -> Checkout:
        """Make the checkout session, or find the one already made for this attempt."""
        key = f"{request.purchase_id}:checkout:{request.attempt}"
        made = self._api.checkout.sessions.create_async(session_params(request), {"idempotency_key": key})
        return await self._ask(made, read_checkout)

    async def checkout(self, checkout_id: str) -> Checkout:
        """The session as it is now."""
        return await self._ask(self._api.checkout.sessions.retrieve_async(checkout_id), read_checkout)

    async def expire_checkout(self, checkout_id: str) -> Checkout:
        """Close the session; one that is complete or expired already is returned as it is.

        The key is the SDK's own, fresh for each call: Stripe would repeat a 500 under a fixed key for a day, and to
        expire twice does no harm.
        """
        try:
            return await self._ask(self._api.checkout.sessions.expire_async(checkout_id), read_checkout)
        except GatewayRefused:
            present = await self.checkout(checkout_id)
            if present.status is CheckoutStatus.OPEN:
                raise
            return present

    async def refund(self, request: RefundRequest) -> Refund:
        """Give money back, or find the refund already made for this reference."""
        key = f"{request.reference}:refund"
        made = self._api.refunds.create_async(refund_params(request), {"idempotency_key": key})
        return await self._ask(made, _of_a_payment(read_refund))

    async def saved_card(self, customer_id: str) -> str | None:
        """The customer's latest card; None where there is none, or the customer was deleted at Stripe."""
        cards = self._api.customers.payment_methods.list_async(customer_id, {"type": "card", "limit": 1})
        try:
            return await self._ask(cards, lambda page: page.data[0].id if page.data else None)
        except NoSuchThing:
            return None

    async def charge(self, request: ChargeRequest) -> Payment:
        """Charge the card, or find the payment already made for this attempt, as it was answered then. A card that is
        declined, or a bank that wants the payer to confirm, is an answer and not an error."""
        key = f"{request.purchase_id}:charge:{request.attempt}"
        made = self._api.payment_intents.create_async(charge_params(request), {"idempotency_key": key})
        return await self._ask(or_declined(made), read_payment)

    async def payments_since(self, since: datetime) -> AsyncIterator[Payment]:
        """Payments made from then on (Stripe counts whole seconds), newest first."""
        first = self._api.payment_intents.list_async(
            {"created": {"gte": int(since.timestamp())}, "limit": _PAGE, "expand": ["data.latest_charge"]}
        )
        async for payment in self._each(first, read_payment):
            yield payment

    async def events_since(self, since: datetime) -> AsyncIterator[PaymentEvent]:
        """Events of kinds that we act on, from then on, newest first."""
        first = self._api.events.list_async(
            {"created": {"gte": int(since.timestamp())}, "limit": _PAGE, "types": list(KINDS)}
        )
        async for event in self._each(first, read_event):
            if event.kind is not PaymentEventKind.OTHER:
                yield event

    async def refunds_of(self, payment_id: str) -> list[Refund]:
        """All refunds of a payment, newest first."""
        first = self._api.refunds.list_async({"payment_intent": payment_id, "limit": _PAGE})
        return [refund async for refund in self._each(first, _of_a_payment(read_refund))]

    async def disputes_of(self, payment_id: str) -> list[Dispute]:
        """All disputes of a payment, newest first."""
        first = self._api.disputes.list_async({"payment_intent": payment_id, "limit": _PAGE})
        return [dispute async for dispute in self._each(first, _of_a_payment(read_dispute))]

    async def papers(self, payment_id: str, checkout_id: str | None) -> Papers:
        """The receipt of the payment's latest charge, and the invoice of its checkout."""
        intent = self._api.payment_intents.retrieve_async(payment_id, {"expand": ["latest_charge"]})
        receipt = await self._ask(intent, receipt_url)
        if checkout_id is None:
            return Papers(receipt_url=receipt, invoice_url=None)
        session = self._api.checkout.sessions.retrieve_async(checkout_id, {"expand": ["invoice"]})
        return Papers(receipt_url=receipt, invoice_url=await self._ask(session, invoice_url))

    def read_event(self, payload: bytes, signature: str) -> PaymentEvent:
        """Verify the signature over the raw body, not older than 300 s, and read the event. Raises BadSignature, and
        ValueError for a body that is no event."""
        secret = self._signing_secret(payload, signature)
        try:
            return read_event(self._client.construct_event(payload, signature, secret, SIGNATURE_TOLERANCE_S))
        except MISSHAPEN as error:
            raise ValueError("The body is no event of Stripe's.") from error

    def _signing_secret(self, payload: bytes, signature: str) -> str:
        # The SDK compares strings, and fails on what is not ASCII instead of refusing it.
        if not signature.isascii():
            raise BadSignature("The Stripe-Signature header is no signature.")
        reason = ""
        for secret in self._secrets:
            try:
                stripe.WebhookSignature.verify_header(payload, signature, secret, SIGNATURE_TOLERANCE_S)
            except stripe.SignatureVerificationError as error:
                reason = error.user_message or ""
            except UnicodeDecodeError as error:
                raise BadSignature("The body is not UTF-8, so Stripe did not sign it.") from error
            else:
                return secret
        raise BadSignature(reason)

    async def _ask(self, call: Awaitable[Answer], read: Callable[[Answer], Read]) -> Read:
        return await ask(call, read, within_s=self._timeout_s)

    async def _each(
        self, first: Awaitable[stripe.ListObject[Item]], read: Callable[[Item], Read]
    ) -> AsyncIterator[Read]:
        """Every item of a list, each page asked for when the one before is used up."""

        def whole(page: stripe.ListObject[Item]) -> tuple[list[Read], stripe.ListObject[Item] | None]:
            return [read(item) for item in page.data], page if page.has_more and page.data else None

        call = first
        while True:
            found, more = await self._ask(call, whole)
            for each in found:
                yield each
            if more is None:
                return
            call = more.next_page_async()


def _of_a_payment(read: Callable[[Item], Read | None]) -> Callable[[Item], Read]:
    """For what was asked for by its payment: one that tells none is not of Stripe's shape."""

    def found(item: Item) -> Read:
        thing = read(item)
        if thing is None:
            raise ValueError("no payment is told")
        return thing

    return found
