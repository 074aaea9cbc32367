"""The sandbox's Stripe over real HTTP: its API and the moves of its sessions."""

import asyncio
import json
import time
from collections.abc import AsyncIterator

import pytest

from app.sandbox.models import CheckoutSession, Event
from credits.gateways.payments import PaymentEventKind
from tests.app.sandbox.calls import API, FORM, create, opened, read
from tests.app.service import KEY, Service, eventually, received

PAID = ["payment_intent.succeeded", "charge.succeeded", "checkout.session.completed"]


async def test_a_session_is_made_as_stripe_shapes_it(service: Service) -> None:
    session = (await create(service)).json()

    assert session["id"].startswith("cs_test_")
    assert session["url"] == f"{service.url}/sandbox/stripe/pay/{session['id']}"
    assert session["expires_at"] - session["created"] == 24 * 3600
    assert abs(session["created"] - time.time()) < 5
    expected = {
        "object": "checkout.session",
        "mode": "payment",
        "status": "open",
        "payment_status": "unpaid",
        "payment_intent": None,
        "amount_subtotal": 17980,
        "amount_total": 17980,
        "currency": "usd",
        "client_reference_id": "pur_01",
        "metadata": {"purchase_id": "pur_01"},
        "livemode": False,
        "success_url": FORM["success_url"],
        "cancel_url": FORM["cancel_url"],
    }
    assert {name: session[name] for name in expected} == expected
    kept = await CheckoutSession.get(id=session["id"])
    assert kept.line_items == [{"name": "Team 50", "quantity": 2, "unit_amount": 8990}]


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer sk_live_1", "Bearer pk_test_1", "Basic sk_test_1"])
async def test_no_test_key_is_answered_401_and_makes_nothing(service: Service, header: str | None) -> None:
    answer = await service.http.post(API, data=FORM, headers={"Authorization": header} if header else {})

    assert answer.status_code == 401
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert await CheckoutSession.all().count() == 0


@pytest.mark.parametrize(
    ("param", "value", "code"),
    [
        ("mode", "", "parameter_missing"),
        ("mode", "subscription", None),
        ("success_url", "", "parameter_missing"),
        ("success_url", "javascript:alert(1)", "url_invalid"),
        ("success_url", "https://", "url_invalid"),
        ("success_url", "https://[", "url_invalid"),
        ("cancel_url", "ftp://shop.example", "url_invalid"),
        ("line_items[0][quantity]", "", "parameter_missing"),
        ("line_items[0][quantity]", "0", "parameter_invalid_integer"),
        ("line_items[0][quantity]", "1.5", "parameter_invalid_integer"),
        ("line_items[0][price_data][unit_amount]", "-1", "parameter_invalid_integer"),
        ("line_items[0][price_data][unit_amount]", "0", "parameter_invalid_integer"),
        ("line_items[0][price_data][unit_amount]", "9" * 5000, "parameter_invalid_integer"),
        ("line_items[0][price_data][unit_amount]", "100000000", "amount_too_large"),
        ("line_items[0][price_data][currency]", "dollar", None),
        ("line_items[0][price_data][product_data][name]", "", "parameter_missing"),
        ("allow_promotion_codes", "yes", None),
        ("metadata[purchase_id]", "x" * 501, None),
        ("line_items[0][price_data][unit_ammount]", "1", "parameter_unknown"),
        ("colour", "red", "parameter_unknown"),
    ],
)
async def test_a_wrong_parameter_is_named_and_makes_nothing(
    service: Service, param: str, value: str, code: str | None
) -> None:
    answer = await create(service, **{param: value})

    error = answer.json()["error"]
    assert answer.status_code == 400
    assert (error["type"], error["param"], error.get("code")) == ("invalid_request_error", param, code)
    assert error["message"]
    assert await CheckoutSession.all().count() == 0


async def test_line_items_are_required_and_add_up_in_one_currency(service: Service) -> None:
    second = {
        "line_items[1][price_data][unit_amount]": "20",
        "line_items[1][price_data][product_data][name]": "Extra",
        "line_items[1][quantity]": "1",
    }

    bare = {name: value for name, value in FORM.items() if not name.startswith("line_items")}
    none = await service.http.post(API, data=bare, headers={"Authorization": f"Bearer {KEY}"})
    mixed = await create(service, **second, **{"line_items[1][price_data][currency]": "eur"})
    both = await create(service, **second, **{"line_items[1][price_data][currency]": "USD"})

    assert none.json()["error"]["param"] == "line_items"
    assert mixed.json()["error"]["param"] == "line_items"
    assert both.json()["amount_total"] == 18000


@pytest.mark.parametrize("body", [b"%00=1", b"mode=%FF", b"mode", b"mode=payment&mode=payment", b"\xff", b"a=%00"])
async def test_a_malformed_form_is_answered_400(service: Service, body: bytes) -> None:
    answer = await service.http.post(API, content=body, headers={"Authorization": f"Bearer {KEY}"})

    assert answer.status_code == 400


@pytest.mark.parametrize("session_id", ["cs_test_none", "%00", "x" * 500])
async def test_an_unknown_session_is_answered_404(service: Service, session_id: str) -> None:
    answer = await service.http.get(f"{API}/{session_id}", headers={"Authorization": f"Bearer {KEY}"})

    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "resource_missing"


async def test_an_address_that_stripe_has_not_is_answered_in_its_shape(service: Service) -> None:
    answer = await service.http.get("/sandbox/stripe/v1/customers")

    assert answer.status_code == 404
    assert "Unrecognized request URL" in answer.json()["error"]["message"]


async def test_the_same_key_and_parameters_have_the_same_answer(service: Service) -> None:
    first = await create(service, key="k1")
    await service.act(first.json()["id"], "pay")

    again = await create(service, key="k1")

    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.content == first.content
    assert await CheckoutSession.all().count() == 1


async def test_ten_at_once_with_one_key_make_one_session(service: Service) -> None:
    answers = await asyncio.gather(*(create(service, key="k1") for _ in range(10)))

    assert [answer.status_code for answer in answers] == [200] * 10
    assert len({answer.content for answer in answers}) == 1
    assert sum("Idempotent-Replayed" in answer.headers for answer in answers) == 9
    assert await CheckoutSession.all().count() == 1


async def test_a_key_with_other_parameters_or_for_another_endpoint_is_an_idempotency_error(service: Service) -> None:
    session_id = (await create(service, key="k1")).json()["id"]

    headers = {"Authorization": f"Bearer {KEY}", "Idempotency-Key": "k1"}
    other_quantity = await create(service, key="k1", **{"line_items[0][quantity]": "3"})
    other_endpoint = await service.http.post(f"{API}/{session_id}/expire", headers=headers)

    for answer in (other_quantity, other_endpoint):
        assert answer.status_code == 400
        assert answer.json()["error"]["type"] == "idempotency_error"
    assert (await read(service, session_id))["status"] == "open"


async def test_a_key_is_not_kept_for_what_was_invalid(service: Service) -> None:
    refused = await create(service, key="k1", mode="setup")

    mended = await create(service, key="k1")

    assert (refused.status_code, mended.status_code) == (400, 200)
    assert "Idempotent-Replayed" not in mended.headers


async def test_a_key_is_new_after_a_day(service: Service) -> None:
    first = await create(service, key="k1")
    await service.http.post("/sandbox/clock", json={"advance_s": 24 * 3600})

    later = await create(service, key="k1", **{"line_items[0][quantity]": "3"})

    assert later.status_code == 200
    assert later.json()["id"] != first.json()["id"]


async def test_paying_completes_the_session_and_tells_it_before_it_answers(service: Service) -> None:
    session_id = await opened(service)

    answer = (await service.act(session_id, "pay")).json()

    assert answer["deliveries"] == [{"status": 200}]
    assert answer["redirect_url"] == f"https://shop.example/return?session={session_id}"
    session = answer["session"]
    assert (session["status"], session["payment_status"], session["url"]) == ("complete", "paid", None)
    assert session["payment_intent"].startswith("pi_test_")
    assert [event.id for event in service.checkouts] == [answer["event"]]


async def test_paying_tells_of_the_payment_and_its_charge_first(service: Service) -> None:
    session_id = await opened(service)

    answer = (await service.act(session_id, "pay")).json()

    assert [event["type"] for event in answer["events"]] == PAID
    assert [event.type for event in service.received] == PAID


async def test_the_event_is_kept_as_it_was_delivered(service: Service) -> None:
    session_id = await opened(service)

    answer = (await service.act(session_id, "pay")).json()

    event = json.loads((await Event.get(id=answer["event"])).payload)
    assert (event["object"], event["type"], event["livemode"]) == ("event", "checkout.session.completed", False)
    assert event["data"]["object"] == answer["session"] == await read(service, session_id)


async def test_of_ten_payments_at_once_one_is_made(service: Service) -> None:
    session_id = await opened(service)

    answers = await asyncio.gather(*(service.act(session_id, "pay") for _ in range(10)))

    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 9
    assert [event.type for event in service.received] == PAID
    assert await Event.all().count() == len(PAID)


async def test_a_declined_card_leaves_the_session_open_and_is_counted(service: Service) -> None:
    session_id = await opened(service)

    answer = (await service.act(session_id, "decline")).json()

    assert (answer["session"]["status"], answer["event"], answer["deliveries"]) == ("open", None, [])
    assert [event.type for event in service.received] == ["payment_intent.payment_failed", "charge.failed"]
    assert (await CheckoutSession.get(id=session_id)).declined_attempts == 1
    assert (await service.act(session_id, "pay")).status_code == 200


async def test_cancelling_only_leads_back(service: Service) -> None:
    session_id = await opened(service)

    answer = (await service.act(session_id, "cancel")).json()

    assert (answer["session"]["status"], answer["event"]) == ("open", None)
    assert answer["redirect_url"] == "https://shop.example/cancelled"


async def test_an_expired_session_tells_it_and_can_no_longer_be_paid(service: Service) -> None:
    session_id = await opened(service)

    answer = (await service.act(session_id, "expire")).json()
    refused = await service.act(session_id, "pay")

    assert (answer["session"]["status"], answer["session"]["url"]) == ("expired", None)
    assert [event.kind for event in service.received] == [PaymentEventKind.CHECKOUT]
    assert refused.status_code == 409
    assert "expired" in refused.json()["error"]["message"]


async def test_expiring_by_the_api_tells_it_as_well(service: Service) -> None:
    session_id = await opened(service)
    headers = {"Authorization": f"Bearer {KEY}"}

    expired = await service.http.post(f"{API}/{session_id}/expire", headers=headers)
    again = await service.http.post(f"{API}/{session_id}/expire", headers=headers)

    assert expired.json()["status"] == "expired"
    assert again.status_code == 400
    assert "Only Checkout Sessions" in again.json()["error"]["message"]
    await eventually(lambda: received(service, 1))
    assert service.received[0].kind is PaymentEventKind.CHECKOUT


@pytest.mark.parametrize(
    ("outcome", "payment_status", "kind"),
    [
        ("settle", "paid", PaymentEventKind.CHECKOUT),
        ("fail", "unpaid", PaymentEventKind.CHECKOUT_PAYMENT_FAILED),
    ],
)
async def test_a_bank_debit_is_decided_later_and_once(
    service: Service, outcome: str, payment_status: str, kind: PaymentEventKind
) -> None:
    session_id = await opened(service)

    early = await service.act(session_id, outcome)
    completed = (await service.act(session_id, "pay", payment="delayed")).json()["session"]
    decided = (await service.act(session_id, outcome)).json()["session"]
    late = [await service.act(session_id, action) for action in ("settle", "fail", "pay")]

    assert early.status_code == 409
    assert (completed["status"], completed["payment_status"]) == ("complete", "unpaid")
    assert (decided["status"], decided["payment_status"]) == ("complete", payment_status)
    assert decided["payment_intent"] == completed["payment_intent"]
    assert [event.kind for event in service.checkouts] == [PaymentEventKind.CHECKOUT, kind]
    assert [answer.status_code for answer in late] == [409] * 3


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"null",
        b"1",
        b"[]",
        b"\xff",
        b"[" * 50_000,
        b'{"deliveries": 1, "deliveries": 2}',
        b'{"deliveries": -1}',
        b'{"deliveries": 21}',
        b'{"deliveries": 1.5}',
        b'{"deliveries": true}',
        b'{"deliveries": "2"}',
        b'{"deliveries": ' + b"9" * 5000 + b"}",
        b'{"delay_s": -1}',
        b'{"delay_s": NaN}',
        b'{"delay_s": 1e400}',
        b'{"delay_s": null}',
        b'{"payment": "cash"}',
        b'{"colour": "red"}',
    ],
)
async def test_a_malformed_instruction_is_answered_400_with_a_sentence(service: Service, body: bytes) -> None:
    session_id = await opened(service)

    answer = await service.http.post(f"/sandbox/stripe/sessions/{session_id}/pay", content=body)

    assert answer.status_code == 400
    assert answer.json()["error"]["message"].endswith(".")
    assert (await read(service, session_id))["status"] == "open"


async def test_a_body_that_is_too_long_is_answered_413_whatever_it_announces(service: Service) -> None:
    session_id = await opened(service)

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(9):
            yield b" " * 8192

    url = f"/sandbox/stripe/sessions/{session_id}/pay"
    announced = await service.http.post(url, content=b" " * (64 * 1024 + 1))
    chunked = await service.http.post(url, content=endless())

    assert (announced.status_code, chunked.status_code) == (413, 413)
    assert (await read(service, session_id))["status"] == "open"


async def test_an_unknown_action_or_session_is_answered_404(service: Service) -> None:
    session_id = await opened(service)

    action = await service.act(session_id, "refund")
    session = await service.act("cs_test_none", "pay")

    assert (action.status_code, session.status_code) == (404, 404)
