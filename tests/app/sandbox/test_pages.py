"""The sandbox's pages, as a browser without scripts meets them."""

import base64
import hashlib

import pytest

from app.sandbox.models import Delivery, DeliveryState
from tests.app.sandbox.calls import opened, read
from tests.app.service import Service, eventually

PAY_PAGE = "/sandbox/stripe/pay"


async def test_the_pay_page_shows_what_is_bought_and_escapes_it(service: Service) -> None:
    name = "line_items[0][price_data][product_data][name]"
    session_id = await opened(service, **{name: "<script>alert('x')</script>"})

    page = await service.http.get(f"{PAY_PAGE}/{session_id}")

    assert page.status_code == 200
    assert "$179.80" in page.text
    assert "No money moves" in page.text
    assert "&lt;script&gt;" in page.text
    assert "<script" not in page.text
    for action in ("pay", "decline", "cancel"):
        assert f'value="{action}"' in page.text


async def test_the_pages_need_nothing_from_elsewhere(service: Service) -> None:
    page = await service.http.get(f"{PAY_PAGE}/{await opened(service)}")

    policy = page.headers["Content-Security-Policy"]
    style = page.text.partition("<style>")[2].partition("</style>")[0]
    assert "default-src 'none'" in policy
    assert base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() in policy
    assert "style=" not in page.text


async def test_paying_on_the_page_leads_to_the_shop(service: Service) -> None:
    session_id = await opened(service)

    answer = await service.http.post(
        f"{PAY_PAGE}/{session_id}", data={"action": "pay", "deliveries": "5", "delay_s": "0"}
    )

    assert answer.status_code == 303
    assert answer.headers["Location"] == f"https://shop.example/return?session={session_id}"
    assert len(service.checkouts) == 5


async def test_cancelling_on_the_page_leads_back_to_the_shop(service: Service) -> None:
    session_id = await opened(service)

    answer = await service.http.post(f"{PAY_PAGE}/{session_id}", data={"action": "cancel"})

    assert (answer.status_code, answer.headers["Location"]) == (303, "https://shop.example/cancelled")
    assert (await read(service, session_id))["status"] == "open"


async def test_declining_on_the_page_leads_back_to_it_with_a_notice(service: Service) -> None:
    session_id = await opened(service)

    answer = await service.http.post(f"{PAY_PAGE}/{session_id}", data={"action": "decline"})
    page = await service.http.get(answer.headers["Location"])

    assert answer.status_code == 303
    assert "The card was declined" in page.text
    assert 'value="pay"' in page.text


@pytest.mark.parametrize(("action", "told"), [("pay", "is paid"), ("expire", "has expired")])
async def test_a_session_that_is_over_says_so_and_cannot_be_paid_on_the_page(
    service: Service, action: str, told: str
) -> None:
    session_id = await opened(service)
    await service.act(session_id, action)

    page = await service.http.get(f"{PAY_PAGE}/{session_id}")
    pressed = await service.http.post(f"{PAY_PAGE}/{session_id}", data={"action": "pay"})

    assert told in page.text
    assert "<form" not in page.text
    assert (pressed.status_code, pressed.headers["Location"]) == (303, f"{PAY_PAGE}/{session_id}")
    assert len(service.checkouts) == 1


@pytest.mark.parametrize(
    ("session_id", "form", "status"),
    [
        ("cs_test_none", {"action": "pay"}, 404),
        (None, {"action": "refund"}, 404),
        (None, {"action": "pay", "deliveries": "many"}, 400),
        (None, {"action": "pay", "delay_s": "²"}, 400),
    ],
)
async def test_what_does_not_work_on_the_page_is_told_on_a_page(
    service: Service, session_id: str | None, form: dict[str, str], status: int
) -> None:
    answer = await service.http.post(f"{PAY_PAGE}/{session_id or await opened(service)}", data=form)

    assert answer.status_code == status
    assert "That did not work" in answer.text
    assert service.received == []


async def test_the_index_lists_sessions_events_and_attempts(service: Service) -> None:
    session_id = await opened(service)
    service.refusals.append(503)
    await service.act(session_id, "pay")
    await eventually(lambda: Delivery.filter(state=DeliveryState.DELIVERED).exists())

    page = await service.http.get("/sandbox/")

    assert page.status_code == 200
    assert f"{PAY_PAGE}/{session_id}" in page.text
    assert "checkout.session.completed" in page.text
    assert "503 at" in page.text
    assert "200 at" in page.text
    assert "real time" in page.text
