"""Stripe's hosted checkout: the one file that knows Stripe's SDK.

The sandbox is reached through here as well, by another address, so no code path is skipped when it is in use.
"""

import asyncio
from collections.abc import Awaitable, Mapping
from datetime import UTC, datetime
from typing import Any

import stripe
from stripe.checkout import Session

from credits.gateways import (
    BadSignature,
    Checkout,
    CheckoutRequest,
    CheckoutStatus,
    GatewayRefused,
    GatewayUnavailable,
    PaymentEvent,
    PaymentEventKind,
)
from credits.money import Money

# The SDK would write a telemetry id into the home folder and send Stripe this machine's platform.
stripe.enable_telemetry = False

SIGNATURE_TOLERANCE_S = 300
_RETRIES = 2
_PAID = ("paid", "no_payment_required")
# Another request holds the same key or object (409), or there were too many (429): neither is a definite no.
_PASSING = (409, 429)
_KINDS = {
    "checkout.session.completed": PaymentEventKind.CHECKOUT,
    "checkout.session.async_payment_succeeded": PaymentEventKind.CHECKOUT,
    "checkout.session.expired": PaymentEventKind.CHECKOUT,
    "checkout.session.async_payment_failed": PaymentEventKind.CHECKOUT_PAYMENT_FAILED,
}
# What reading an answer raises that is not shaped as Stripe's are.
_MISSHAPEN = (AttributeError, KeyError, TypeError, ValueError)


class _HttpClient(stripe.HTTPXClient):
    """The SDK's, but for a body given to httpx as `content`: given as `data`, httpx warns of each call."""

    def _get_request_args_kwargs(
        self, method: str, url: str, headers: Mapping[str, str], post_data: str | None
    ) -> list[Any]:
        args, options = super()._get_request_args_kwargs(method, url, headers, post_data)
        return [args, {**options, "data": None, "content": post_data}]


class StripeGateway:
    """A `PaymentGateway` at Stripe, or at whatever answers as Stripe does under `api_base`.

    `webhook_secrets` are all that may sign, so that one can be rolled; `timeout_s` bounds a whole call, the SDK's
    own retries included. Refused (ValueError): no secret, or an empty one, which anybody could sign with.
    """

    def __init__(
        self, *, api_key: str, webhook_secrets: tuple[str, ...], api_base: str | None = None, timeout_s: float = 10.0
    ) -> None:
        if not webhook_secrets or not all(secret.strip() for secret in webhook_secrets):
            raise ValueError("Stripe's webhook secret is empty: anybody could sign with it. It begins with whsec_.")
        self._secrets = webhook_secrets
        self._timeout_s = timeout_s
        self._http = _HttpClient(timeout=timeout_s)
        self._client = stripe.StripeClient(
            api_key,
            base_addresses={"api": api_base} if api_base else None,
            http_client=self._http,
            max_network_retries=_RETRIES,
        )
        self._sessions = self._client.v1.checkout.sessions

    async def close(self) -> None:
        """Give back the connections; the gateway cannot be used any more."""
        await self._http.close_async()  # type: ignore[no-untyped-call]

    async def open_checkout(self, request: CheckoutRequest) -> Checkout:
        """Make the checkout session, or find the one already made for this attempt. Raises GatewayUnavailable and
        GatewayRefused, as the other two do."""
        return await self._ask(
            self._sessions.create_async(
                _session_params(request),
                {"idempotency_key": f"{request.purchase_id}:checkout:{request.attempt}"},
            )
        )

    async def checkout(self, checkout_id: str) -> Checkout:
        """The session as it is now."""
        return await self._ask(self._sessions.retrieve_async(checkout_id))

    async def expire_checkout(self, checkout_id: str) -> Checkout:
        """Close the session; one that is complete or expired already is returned as it is.

        The key is the SDK's own, fresh for each call: Stripe would repeat a 500 under a fixed key for a day, and to
        expire twice does no harm.
        """
        try:
            return await self._ask(self._sessions.expire_async(checkout_id))
        except GatewayRefused:
            present = await self.checkout(checkout_id)
            if present.status is CheckoutStatus.OPEN:
                raise
            return present

    def read_event(self, payload: bytes, signature: str) -> PaymentEvent:
        """Verify the signature over the raw body, not older than 300 s, and read the event. Raises BadSignature, and
        ValueError for a body that is no event."""
        secret = self._signing_secret(payload, signature)
        try:
            return _payment_event(self._client.construct_event(payload, signature, secret, SIGNATURE_TOLERANCE_S))
        except _MISSHAPEN as error:
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

    async def _ask(self, call: Awaitable[Session]) -> Checkout:
        try:
            async with asyncio.timeout(self._timeout_s):
                return _checkout(await call)
        except stripe.StripeError as error:
            raise _translated(error) from error
        except TimeoutError as error:
            raise GatewayUnavailable(f"Stripe did not answer within {self._timeout_s:g} s.") from error
        except _MISSHAPEN as error:
            raise GatewayUnavailable("Stripe answered with something that is no checkout session.") from error


def _session_params(request: CheckoutRequest) -> stripe.params.checkout.SessionCreateParams:
    metadata = {
        "purchase_id": request.purchase_id,
        "account_id": request.account_id,
        "wallet_id": request.wallet_id,
    }
    return {
        "mode": "payment",
        "line_items": [
            {
                "price_data": {
                    "currency": request.unit.currency.lower(),
                    "unit_amount": request.unit.amount_minor,
                    "product_data": {"name": request.description},
                },
                "quantity": request.quantity,
            }
        ],
        "client_reference_id": request.purchase_id,
        "metadata": metadata,
        "payment_intent_data": {"metadata": metadata},
        "success_url": request.success_url,
        "cancel_url": request.cancel_url,
        "allow_promotion_codes": False,
        "invoice_creation": {"enabled": True},
        "tax_id_collection": {"enabled": True},
    }


def _checkout(session: Session) -> Checkout:
    """With automatic tax the total includes what is not ours, so the subtotal is what was asked for."""
    total = session.amount_subtotal if session.automatic_tax.enabled else session.amount_total
    if total is None or session.currency is None or session.status is None:
        raise ValueError("a session without an amount or a status")
    return Checkout(
        id=session.id,
        url=session.url,
        status=CheckoutStatus(session.status),
        paid=session.payment_status in _PAID,
        total=Money(total, session.currency.upper()),
        purchase_id=session.client_reference_id,
        payment_id=_payment_id(session),
        customer_id=session.customer if isinstance(session.customer, str) else None,
        livemode=session.livemode,
    )


def _payment_id(session: Session) -> str:
    """The payment intent; a session that took no payment has none and stands for it itself."""
    intent = session.payment_intent
    if intent is None:
        return session.id
    return intent if isinstance(intent, str) else intent.id


def _payment_event(event: stripe.Event) -> PaymentEvent:
    kind = _KINDS.get(event.type, PaymentEventKind.OTHER)
    return PaymentEvent(
        id=event.id,
        kind=kind,
        type=event.type,
        created_at=datetime.fromtimestamp(event.created, UTC),
        checkout=None if kind is PaymentEventKind.OTHER else _checkout(_session_of(event)),
        livemode=event.livemode,
        account=event.account if "account" in event else None,
    )


def _session_of(event: stripe.Event) -> Session:
    session: object = event.data.object
    if not isinstance(session, Session):
        raise TypeError("an event of a checkout session that holds none")
    return session


def _translated(error: stripe.StripeError) -> GatewayRefused | GatewayUnavailable:
    """Only a 4xx is a definite no; after anything else nobody knows whether Stripe acted."""
    status = error.http_status or 0
    passing = status in _PASSING or isinstance(error, stripe.RateLimitError)
    if 400 <= status < 500 and not passing:
        return GatewayRefused(error.user_message or f"Stripe refused with status {status}.")
    return GatewayUnavailable(f"Stripe did not answer, or cannot now (status {status or 'none'}).")
