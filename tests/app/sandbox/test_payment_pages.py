"""The sandbox's payments as people meet them: rows, and buttons for what payers and their banks may do."""

import httpx
import pytest

from app.sandbox.models import Card, Dispute, Payment, Refund
from tests.app.service import Service, checkout_request


async def press(service: Service, **form: str) -> httpx.Response:
    """A button of the one payment's row."""
    payment = await Payment.get()
    return await service.http.post(f"/sandbox/stripe/payments/{payment.id}", data=form)


async def index(service: Service) -> str:
    return (await service.http.get("/sandbox/")).text


async def test_a_payment_is_shown_with_its_refunds_and_disputes(service: Service) -> None:
    await service.paid()
    await service.face("refunds", purchase_id="pur_01", amount_minor=5000)
    await service.face("refunds", purchase_id="pur_01", amount_minor=700, outcome="pending")
    await service.face("disputes", purchase_id="pur_01", status="won", amount_minor=900)

    page = await index(service)

    for shown in ("pur_01", "$50.00 refund succeeded", "$7.00 refund pending", "$9.00 dispute won", "all 12280"):
        assert shown in page


async def test_refund_gives_back_so_much_or_all_that_is_left(service: Service) -> None:
    await service.paid()

    part = await press(service, action="refund", amount_minor="5000")
    await press(service, action="refund", amount_minor="")

    assert (part.status_code, part.headers["Location"]) == (303, "/sandbox/#payments")
    assert [refund.amount_minor for refund in await Refund.all().order_by("created_at")] == [5000, 12980]
    assert 'value="refund"' not in await index(service)


async def test_a_refund_that_fails_can_be_made_again(service: Service) -> None:
    await service.paid()
    await press(service, action="refund")

    await press(service, fail=(await Refund.get()).id)

    page = await index(service)
    assert "$179.80 refund failed" in page
    assert 'value="refund"' in page


@pytest.mark.parametrize(("decision", "state"), [("win", "dispute won"), ("lose", "dispute lost")])
async def test_a_dispute_is_opened_and_decided(service: Service, decision: str, state: str) -> None:
    await service.paid()

    await press(service, action="dispute")
    undecided = await index(service)
    await press(service, action=decision)

    assert "$179.80 disputed" in undecided
    assert 'value="win"' in undecided
    assert 'value="lose"' in undecided
    assert 'value="refund"' not in undecided
    decided = await index(service)
    assert f"$179.80 {state}" in decided
    assert 'value="win"' not in decided
    assert (await Dispute.get()).amount_minor == 17980


async def test_a_saved_card_is_told_how_to_behave_and_replaced(service: Service) -> None:
    customer = (await service.paid()).customer_id
    first = await Card.get()

    await service.http.post(f"/sandbox/stripe/customers/{customer}", data={"action": "declined"})
    declined = await index(service)
    answer = await service.http.post(f"/sandbox/stripe/customers/{customer}", data={"action": "new"})

    assert '<span class="pill bad">declined</span>' in declined
    assert (answer.status_code, answer.headers["Location"]) == (303, "/sandbox/#cards")
    assert '<span class="pill good">accepted</span>' in await index(service)
    assert await service.gateway.saved_card(str(customer)) != first.id


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"action": "steal"}, 404),
        ({"fail": "re_none"}, 404),
        ({"action": "refund", "amount_minor": "17981"}, 400),
        ({"action": "refund", "amount_minor": "-1"}, 400),
        ({"action": "dispute", "amount_minor": "many"}, 400),
    ],
)
async def test_what_cannot_be_done_to_a_payment_is_told_on_a_page(
    service: Service, form: dict[str, str], status: int
) -> None:
    await service.paid()

    answer = await press(service, **form)

    assert answer.status_code == status
    assert "That did not work" in answer.text
    assert await Refund.all().count() + await Dispute.all().count() == 0


async def test_only_what_is_there_has_papers(service: Service) -> None:
    checkout = await service.gateway.open_checkout(checkout_request())
    await service.act(checkout.id, "decline")
    payment = await Payment.get()

    receipt = await service.http.get(f"/sandbox/stripe/receipts/{payment.charge_id}")
    invoice = await service.http.get(f"/sandbox/stripe/invoices/{payment.id.replace('pi_', 'in_')}")
    none = await service.http.get("/sandbox/stripe/invoices/%00")

    assert [page.status_code for page in (receipt, invoice, none)] == [404] * 3
