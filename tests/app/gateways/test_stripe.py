"""The gateway to Stripe, through the real SDK over real HTTP against the sandbox, and against servers that fail."""

import asyncio
import hashlib
import hmac
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.gateways.stripe import StripeGateway
from credits.gateways.errors import BadSignature, GatewayRefused, GatewayUnavailable
from credits.gateways.payments import CheckoutStatus, PaymentEventKind
from credits.money import Money
from tests.app.service import KEY, SECRET, Service, checkout_request, event_body, free_port, served


def signed(payload: bytes, secret: str = SECRET, *, age_s: int = 0, scheme: str = "v1") -> str:
    sent_at = int(time.time()) - age_s
    digest = hmac.new(secret.encode(), f"{sent_at}.".encode() + payload, hashlib.sha256).hexdigest()
    return f"t={sent_at},{scheme}={digest}"


@pytest.fixture
async def gateway() -> AsyncIterator[StripeGateway]:
    gateway = StripeGateway(api_key=KEY, webhook_secrets=(SECRET,))
    yield gateway
    await gateway.close()


@asynccontextmanager
async def gateway_to(status: int, body: bytes, *, delay_s: float = 0) -> AsyncIterator[StripeGateway]:
    async def answer(request: Request) -> Response:
        await asyncio.sleep(delay_s)
        return Response(body, status, media_type="application/json")

    listener, url = free_port()
    gateway = StripeGateway(api_key=KEY, webhook_secrets=(SECRET,), api_base=url, timeout_s=1.5)
    app = Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])
    async with served(app, listener):
        yield gateway
    await gateway.close()


async def test_a_checkout_is_opened_for_what_was_asked(service: Service) -> None:
    checkout = await service.gateway.open_checkout(checkout_request())

    assert checkout.id.startswith("cs_test_")
    assert checkout.url == f"{service.url}/sandbox/stripe/pay/{checkout.id}"
    assert (checkout.status, checkout.paid, checkout.livemode) == (CheckoutStatus.OPEN, False, False)
    assert checkout.total == Money(17980, "USD")
    assert (checkout.purchase_id, checkout.payment_id) == ("pur_01", checkout.id)
    assert await service.gateway.checkout(checkout.id) == checkout


async def test_the_same_attempt_finds_its_checkout_and_the_next_one_makes_another(service: Service) -> None:
    first = await service.gateway.open_checkout(checkout_request(attempt=1))

    again = await service.gateway.open_checkout(checkout_request(attempt=1))
    next_one = await service.gateway.open_checkout(checkout_request(attempt=2))

    assert again == first
    assert next_one.id != first.id


async def test_ten_at_once_with_one_attempt_make_one_checkout(service: Service) -> None:
    checkouts = await asyncio.gather(*(service.gateway.open_checkout(checkout_request()) for _ in range(10)))

    assert len({checkout.id for checkout in checkouts}) == 1


async def test_the_same_attempt_with_another_price_is_refused(service: Service) -> None:
    await service.gateway.open_checkout(checkout_request())

    with pytest.raises(GatewayRefused, match="same parameters") as refusal:
        await service.gateway.open_checkout(checkout_request(unit=Money(1, "USD")))

    assert "pur_01:checkout:1" in str(refusal.value)


async def test_a_refusal_has_the_words_of_the_provider(service: Service) -> None:
    with pytest.raises(GatewayRefused, match="Invalid positive integer: 0"):
        await service.gateway.open_checkout(checkout_request(quantity=0))


async def test_a_paid_checkout_tells_its_payment(service: Service) -> None:
    opened = await service.gateway.open_checkout(checkout_request())
    await service.act(opened.id, "pay")

    paid = await service.gateway.checkout(opened.id)

    assert (paid.status, paid.paid, paid.url) == (CheckoutStatus.COMPLETE, True, None)
    assert paid.payment_id is not None
    assert paid.payment_id.startswith("pi_test_")


async def test_a_webhook_of_the_sandbox_is_read_as_the_event_it_is(service: Service) -> None:
    opened = await service.gateway.open_checkout(checkout_request())

    answer = await service.act(opened.id, "pay")

    (event,) = service.checkouts
    assert (event.id, event.kind) == (answer.json()["event"], PaymentEventKind.CHECKOUT)
    assert event.checkout == await service.gateway.checkout(opened.id)


async def test_an_open_checkout_is_expired_and_tells_it(service: Service) -> None:
    opened = await service.gateway.open_checkout(checkout_request())

    expired = await service.gateway.expire_checkout(opened.id)

    assert (expired.status, expired.paid) == (CheckoutStatus.EXPIRED, False)


async def test_a_checkout_that_is_not_open_is_returned_as_it_is_instead_of_expired(service: Service) -> None:
    paid = await service.gateway.open_checkout(checkout_request(attempt=1))
    expired = await service.gateway.open_checkout(checkout_request(attempt=2))
    await service.act(paid.id, "pay")
    await service.gateway.expire_checkout(expired.id)

    after_paid = await service.gateway.expire_checkout(paid.id)
    after_expired = await service.gateway.expire_checkout(expired.id)

    assert (after_paid.status, after_paid.paid) == (CheckoutStatus.COMPLETE, True)
    assert after_expired.status is CheckoutStatus.EXPIRED


async def test_a_bank_debit_completes_a_checkout_unpaid(service: Service) -> None:
    opened = await service.gateway.open_checkout(checkout_request())

    await service.act(opened.id, "pay", payment="delayed")
    completed = await service.gateway.checkout(opened.id)
    await service.act(opened.id, "settle")
    settled = await service.gateway.checkout(opened.id)

    assert (completed.status, completed.paid) == (CheckoutStatus.COMPLETE, False)
    assert (settled.status, settled.paid) == (CheckoutStatus.COMPLETE, True)
    assert [event.type for event in service.checkouts] == [
        "checkout.session.completed",
        "checkout.session.async_payment_succeeded",
    ]


async def test_an_unknown_checkout_is_refused(service: Service) -> None:
    with pytest.raises(GatewayRefused, match="No such checkout"):
        await service.gateway.checkout("cs_test_unknown")
    with pytest.raises(GatewayRefused, match="No such checkout"):
        await service.gateway.expire_checkout("cs_test_unknown")


async def test_a_key_that_is_not_taken_is_refused_and_not_repeated(service: Service) -> None:
    key = "sk_live_secret"
    gateway = StripeGateway(api_key=key, webhook_secrets=(SECRET,), api_base=f"{service.url}/sandbox/stripe")

    with pytest.raises(GatewayRefused) as refusal:
        await gateway.open_checkout(checkout_request())
    await gateway.close()

    assert key not in str(refusal.value)


async def test_the_key_is_never_logged(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    await service.gateway.open_checkout(checkout_request())

    assert "checkout/sessions" in caplog.text
    assert KEY not in caplog.text


async def test_a_provider_that_is_down_is_unavailable() -> None:
    listener, url = free_port()
    listener.close()
    gateway = StripeGateway(api_key=KEY, webhook_secrets=(SECRET,), api_base=url, timeout_s=5.0)

    with pytest.raises(GatewayUnavailable):
        await gateway.open_checkout(checkout_request())

    await gateway.close()


async def test_a_provider_that_is_slow_is_unavailable_after_the_timeout() -> None:
    async with gateway_to(200, event_body(), delay_s=60) as gateway:
        with pytest.raises(GatewayUnavailable):
            await gateway.checkout("cs_test_1")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b'{"error": {"message": "broken", "type": "api_error"}}'),
        (502, b"<html>bad gateway</html>"),
        (503, b""),
        (429, b'{"error": {"message": "too many", "type": "invalid_request_error"}}'),
        (409, b'{"error": {"message": "in use", "code": "idempotency_key_in_use"}}'),
        (200, b"garbage"),
        (200, b"[]"),
        (200, b"{}"),
        (200, b'{"object": "checkout.session", "id": "cs_test_1"}'),
    ],
)
async def test_an_answer_that_is_no_definite_no_is_unavailable(status: int, body: bytes) -> None:
    async with gateway_to(status, body) as gateway:
        with pytest.raises(GatewayUnavailable):
            await gateway.open_checkout(checkout_request())


async def test_a_definite_no_is_refused_whatever_its_shape() -> None:
    async with gateway_to(403, b'{"error": {"message": "not for you"}}') as gateway:
        with pytest.raises(GatewayRefused, match="not for you"):
            await gateway.open_checkout(checkout_request())


@pytest.mark.parametrize("secrets", [(), ("",), ("  ",), (SECRET, "")])
def test_an_empty_webhook_secret_is_refused_at_construction(secrets: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="webhook secret is empty"):
        StripeGateway(api_key=KEY, webhook_secrets=secrets)


PAYLOAD = event_body()
WRONG = "0" * 64


# Made when the test runs: collecting a large suite may take longer than a signature is good for.
@pytest.mark.parametrize(
    "signature",
    [
        pytest.param(lambda: "", id="missing"),
        pytest.param(lambda: f"t={int(time.time())},v1={WRONG}", id="wrong"),
        pytest.param(lambda: signed(PAYLOAD, age_s=301), id="301 s old"),
        pytest.param(lambda: signed(PAYLOAD, "whsec_of_another_endpoint"), id="other secret"),
        pytest.param(lambda: signed(PAYLOAD, scheme="v0"), id="v0 only"),
        pytest.param(lambda: signed(PAYLOAD + b" "), id="other body"),
        pytest.param(lambda: signed(PAYLOAD).partition(",")[2], id="no time"),
        pytest.param(lambda: signed(PAYLOAD).replace("t=", "t=x"), id="time that is no number"),
        pytest.param(lambda: signed(PAYLOAD) + "é", id="not ASCII"),
        pytest.param(lambda: "v1", id="nothing of the shape"),
    ],
)
async def test_an_event_without_a_right_and_fresh_signature_is_refused(
    gateway: StripeGateway, signature: Callable[[], str]
) -> None:
    with pytest.raises(BadSignature):
        gateway.read_event(PAYLOAD, signature())


@pytest.mark.parametrize(
    "signature",
    [
        pytest.param(lambda: signed(PAYLOAD), id="fresh"),
        pytest.param(lambda: signed(PAYLOAD, age_s=295), id="295 s old"),
        pytest.param(lambda: f"{signed(PAYLOAD)},v1={WRONG}", id="two v1, the first is right"),
        pytest.param(lambda: signed(PAYLOAD).replace(",v1=", f",v1={WRONG},v1="), id="two v1, the second is right"),
    ],
)
async def test_an_event_with_a_right_signature_is_read(gateway: StripeGateway, signature: Callable[[], str]) -> None:
    event = gateway.read_event(PAYLOAD, signature())

    assert (event.id, event.kind) == ("evt_1", PaymentEventKind.CHECKOUT)
    assert event.type == "checkout.session.completed"
    assert event.checkout is not None
    assert (event.checkout.id, event.checkout.paid, event.checkout.payment_id) == ("cs_test_1", True, "pi_1")


async def test_a_body_that_is_not_utf8_has_no_right_signature(gateway: StripeGateway) -> None:
    with pytest.raises(BadSignature):
        gateway.read_event(b"\xff", signed(b"\xff"))


async def test_both_secrets_sign_while_one_is_rolled() -> None:
    gateway = StripeGateway(api_key=KEY, webhook_secrets=("whsec_new", "whsec_old"))

    by_new = gateway.read_event(PAYLOAD, signed(PAYLOAD, "whsec_new"))
    by_old = gateway.read_event(PAYLOAD, signed(PAYLOAD, "whsec_old"))
    await gateway.close()

    assert by_new == by_old


async def test_an_event_of_another_kind_concerns_no_checkout(gateway: StripeGateway) -> None:
    body = event_body("charge.succeeded", object="charge")

    event = gateway.read_event(body, signed(body))

    assert (event.kind, event.type, event.checkout) == (PaymentEventKind.OTHER, "charge.succeeded", None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"1",
        b"{}",
        b"{",
        b'{"object": "v2.core.event"}',
        event_body(object="charge"),
        event_body(currency=None),
        event_body(status="unheard-of"),
    ],
)
async def test_a_signed_body_that_is_no_event_is_an_error_of_its_own(gateway: StripeGateway, body: bytes) -> None:
    with pytest.raises(ValueError, match="no event"):
        gateway.read_event(body, signed(body))


@pytest.mark.parametrize(
    ("automatic_tax", "total"), [({"enabled": True}, Money(17980, "USD")), ({"enabled": False}, Money(21576, "USD"))]
)
async def test_with_automatic_tax_the_total_is_what_we_asked_for(
    gateway: StripeGateway, automatic_tax: dict[str, bool], total: Money
) -> None:
    body = event_body(amount_subtotal=17980, amount_total=21576, automatic_tax=automatic_tax)

    event = gateway.read_event(body, signed(body))

    assert event.checkout is not None
    assert event.checkout.total == total


@pytest.mark.parametrize(("word", "paid"), [("paid", True), ("no_payment_required", True), ("unpaid", False)])
async def test_money_has_arrived_or_was_not_needed(gateway: StripeGateway, word: str, *, paid: bool) -> None:
    body = event_body(payment_status=word, payment_intent=None)

    event = gateway.read_event(body, signed(body))

    assert event.checkout is not None
    assert (event.checkout.paid, event.checkout.payment_id) == (paid, "cs_test_1")
