"""`/webhooks/stripe` and `/checkout/return`: two ways in which we learn of a payment, one fulfilment."""

from dataclasses import dataclass
from typing import Any

import structlog
from graphql import GraphQLError
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from app.requests import body_of, parse_json
from app.routes.page import page
from credits.errors import CreditsError, NotFound
from credits.gateways.errors import BadSignature, GatewayRefused, GatewayUnavailable
from credits.purchases import queries
from credits.purchases.checkouts import Checkouts
from credits.purchases.fulfilment import fulfil, handle_event
from credits.purchases.models import PurchaseStatus

MAX_WEBHOOK_BYTES = 512 * 1024
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class StripeWebhook:
    """Stripe tells of an event. Anything but a 2xx makes it tell again, for days."""

    checkouts: Checkouts

    async def receive(self, request: Request) -> Response:
        """Verify the signature over the raw body, then act on the event once."""
        try:
            payload = await body_of(request, MAX_WEBHOOK_BYTES)
            event = self.checkouts.gateway.read_event(payload, request.headers.get("stripe-signature", ""))
            body: dict[str, Any] = parse_json(payload)
        except BadSignature:
            return PlainTextResponse("The signature is missing, wrong or too old.", status_code=401)
        except (GraphQLError, ValueError) as error:
            return PlainTextResponse(f"This is no event: {error}", status_code=400)
        if event.livemode != self.checkouts.live:
            return PlainTextResponse("This event is of the other mode (live or test).", status_code=400)
        if event.account is not None:
            return PlainTextResponse("This event is of a connected account, and we have none.", status_code=400)
        try:
            outcome = await handle_event(self.checkouts, event, body)
        except CreditsError as error:
            return PlainTextResponse(str(error), status_code=503)
        _log.info("stripe_event", event_id=event.id, type=event.type, outcome=outcome)
        return PlainTextResponse(outcome)


@dataclass(frozen=True, slots=True)
class CheckoutReturn:
    """Where the payer's browser comes back to: fulfils at once, so that a slow webhook is not felt."""

    checkouts: Checkouts

    async def show(self, request: Request) -> Response:
        """Say how the purchase stands, without telling a stranger whose it is."""
        session_id = request.query_params.get("session_id", "")
        if session_id:
            try:
                await fulfil(self.checkouts, await self.checkouts.gateway.checkout(session_id))
            except (GatewayRefused, GatewayUnavailable, CreditsError) as error:
                _log.warning("return_not_fulfilled", checkout=session_id, reason=str(error))
        try:
            purchase = await queries.purchase(request.query_params.get("purchase_id", ""))
        except NotFound:
            return page("There is no such purchase.", "Check the address, or open your purchases.", status=404)
        return page(*_told(purchase.status, purchase.credits))


def _told(status: PurchaseStatus, credits_bought: int) -> tuple[str, str]:
    if status is PurchaseStatus.PAID:
        return "Thank you.", f"{credits_bought:,} credits are in your wallet. You can close this page."
    if status is PurchaseStatus.PROCESSING:
        return "Your bank is at work.", "The credits come as soon as it has paid. You can close this page."
    if status is PurchaseStatus.AWAITING_PAYMENT:
        return "Not paid yet.", "Nothing was charged. The purchase stays open until its checkout ends."
    return f"This purchase is {status.value.lower()}.", "Nothing was charged. You can buy again at any time."
