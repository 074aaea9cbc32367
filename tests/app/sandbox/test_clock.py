"""The sandbox's clock: it goes forward only, the service dates by it, and what runs out does."""

from datetime import UTC, datetime, timedelta

import pytest
from tortoise.connection import get_connection

from app.sandbox.models import CheckoutSession, Event
from credits.gateways.payments import CheckoutStatus, PaymentEventKind
from tests.app.service import Service, checkout_request, eventually, received

DAY_S = 24 * 3600
TEN_YEARS_S = 10 * 365 * DAY_S


async def service_time() -> datetime:
    rows = await get_connection("default").execute_query_dict("SELECT credits_now() AS now")
    now: datetime = rows[0]["now"]
    return now


async def test_the_clock_shows_real_time_until_it_is_moved(service: Service) -> None:
    shown = (await service.http.get("/sandbox/clock")).json()

    assert shown["advanced_s"] == 0
    assert shown["now"].endswith("Z")
    assert abs(datetime.fromisoformat(shown["now"]) - datetime.now(UTC)) < timedelta(seconds=5)


async def test_the_clock_goes_forward_by_the_sum_of_its_moves(service: Service) -> None:
    await service.http.post("/sandbox/clock", json={"advance_s": DAY_S})
    moved = await service.http.post("/sandbox/clock", json={"advance_s": 60})

    shown = (await service.http.get("/sandbox/clock")).json()

    assert moved.status_code == 200
    assert moved.json()["advanced_s"] == shown["advanced_s"] == DAY_S + 60
    expected = datetime.now(UTC) + timedelta(seconds=DAY_S + 60)
    assert abs(datetime.fromisoformat(shown["now"]) - expected) < timedelta(seconds=5)
    assert abs(await service_time() - expected) < timedelta(seconds=5)


@pytest.mark.parametrize(
    "body",
    [
        b'{"advance_s": -1}',
        b'{"advance_s": 1.5}',
        b'{"advance_s": 1.0}',
        b'{"advance_s": "60"}',
        b'{"advance_s": true}',
        b'{"advance_s": null}',
        b"{}",
        b"",
        b'{"advance_s": %d}' % (TEN_YEARS_S + 1),
        b'{"advance_s": 99999999999999999999999}',
    ],
)
async def test_what_is_no_step_forward_is_refused_with_what_would_be_right(service: Service, body: bytes) -> None:
    answer = await service.http.post("/sandbox/clock", content=body)

    assert answer.status_code == 400
    assert "a whole number of seconds from 0 to 315360000 (10 years)" in answer.json()["error"]["message"]
    assert (await service.http.get("/sandbox/clock")).json()["advanced_s"] == 0


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"advance_s": 1, "advance_s": 2}', b'{"seconds": 1}'])
async def test_a_malformed_body_does_not_move_the_clock(service: Service, body: bytes) -> None:
    answer = await service.http.post("/sandbox/clock", content=body)

    assert answer.status_code == 400
    assert (await service.http.get("/sandbox/clock")).json()["advanced_s"] == 0


async def test_the_clock_ends_a_hundred_years_ahead(service: Service) -> None:
    moves = [await service.http.post("/sandbox/clock", json={"advance_s": TEN_YEARS_S}) for _ in range(10)]

    one_more = await service.http.post("/sandbox/clock", json={"advance_s": 1})

    assert [move.status_code for move in moves] == [200] * 10
    assert one_more.status_code == 400
    assert (await service.http.get("/sandbox/clock")).json()["advanced_s"] == 10 * TEN_YEARS_S


async def test_a_session_is_dated_by_the_clock(service: Service) -> None:
    await service.http.post("/sandbox/clock", json={"advance_s": 10 * DAY_S})

    opened = await service.gateway.open_checkout(checkout_request())

    session = await CheckoutSession.get(id=opened.id)
    assert abs(session.created_at - (datetime.now(UTC) + timedelta(days=10))) < timedelta(seconds=5)
    assert session.expires_at - session.created_at == timedelta(days=1)


async def test_a_session_past_its_time_has_expired_when_the_clock_was_moved(service: Service) -> None:
    opened = await service.gateway.open_checkout(checkout_request())

    await service.http.post("/sandbox/clock", json={"advance_s": DAY_S})

    assert [event.kind for event in service.received] == [PaymentEventKind.CHECKOUT]
    assert (await service.gateway.checkout(opened.id)).status is CheckoutStatus.EXPIRED
    assert await Event.all().count() == 1


async def test_a_session_just_within_its_time_can_be_paid(service: Service) -> None:
    opened = await service.gateway.open_checkout(checkout_request())

    await service.http.post("/sandbox/clock", json={"advance_s": DAY_S - 60})

    assert (await service.act(opened.id, "pay")).status_code == 200


@pytest.mark.parametrize("action", ["pay", "decline"])
async def test_a_session_past_its_time_is_expired_by_whoever_comes_to_it(service: Service, action: str) -> None:
    opened = await service.gateway.open_checkout(checkout_request())
    advance = "INSERT INTO clock_offset (advance) VALUES (interval '1 day')"
    await get_connection("default").execute_query(advance)

    refused = await service.act(opened.id, action)

    assert refused.status_code == 409
    assert (await service.gateway.checkout(opened.id)).status is CheckoutStatus.EXPIRED
    await eventually(lambda: received(service, 1))
    assert [event.kind for event in service.received] == [PaymentEventKind.CHECKOUT]
