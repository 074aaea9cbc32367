"""Calls of Stripe's SDK: bounded in time, and what goes wrong with one told in the domain's words.

Only a definite no is a refusal; after anything else nobody knows whether Stripe acted, and the same key is asked again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import stripe

from credits.gateways.errors import GatewayRefused, GatewayUnavailable

Answer = TypeVar("Answer")
Read = TypeVar("Read")

# What reading an answer raises that is not shaped as Stripe's are.
MISSHAPEN = (AttributeError, KeyError, TypeError, ValueError)
# Another request holds the same key or object (409), or there were too many (429): neither is a definite no.
_PASSING = (409, 429)


class HttpClient(stripe.HTTPXClient):
    """The SDK's, but for a body given to httpx as `content`: given as `data`, httpx warns of each call."""

    def _get_request_args_kwargs(
        self, method: str, url: str, headers: Mapping[str, str], post_data: str | None
    ) -> list[Any]:
        args, options = super()._get_request_args_kwargs(method, url, headers, post_data)
        return [args, {**options, "data": None, "content": post_data}]


class NoSuchThing(GatewayRefused):
    """Stripe knows no object of that id."""


async def ask(call: Awaitable[Answer], read: Callable[[Answer], Read], *, within_s: float) -> Read:
    """What the call is answered, as `read` reads it. Raises GatewayUnavailable and GatewayRefused; the time bounds the
    whole call, the SDK's own retries included."""
    try:
        async with asyncio.timeout(within_s):
            return read(await call)
    except stripe.StripeError as error:
        raise _translated(error) from error
    except TimeoutError as error:
        raise GatewayUnavailable(f"Stripe did not answer within {within_s:g} s.") from error
    except MISSHAPEN as error:
        raise GatewayUnavailable("Stripe answered with something that is not of its shape.") from error


async def or_declined(call: Awaitable[stripe.PaymentIntent]) -> stripe.PaymentIntent:
    """The payment intent made, also where its card was declined: Stripe answers that with 402 and the intent in it."""
    try:
        return await call
    except stripe.CardError as error:
        intent = error.error.payment_intent if error.error else None
        if intent is None:
            raise
        return intent


def _translated(error: stripe.StripeError) -> GatewayRefused | GatewayUnavailable:
    status = error.http_status or 0
    passing = status in _PASSING or isinstance(error, stripe.RateLimitError)
    if 400 <= status < 500 and not passing:
        refused = NoSuchThing if error.code == "resource_missing" else GatewayRefused
        return refused(error.user_message or f"Stripe refused with status {status}.")
    return GatewayUnavailable(f"Stripe did not answer, or cannot now (status {status or 'none'}).")
