"""Money that moves at Stripe: saved cards, refunds and what is on record, through the real SDK over real HTTP."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from credits.gateways.errors import GatewayRefused, GatewayUnavailable
from credits.gateways.payments import ChargeRequest, DisputeState, PaymentState, RefundRequest, RefundState
from credits.money import Money
from tests.app.service import Service, checkout_request

TOTAL = Money(17980, "USD")


def refund_request(payment_id: str | None, **changes: object) -> RefundRequest:
    """$50 back, with the changes."""
    fields: dict[str, object] = {
        "reference": "rfd_01",
        "purchase_id": "pur_01",
        "payment_id": payment_id,
        "amount": Money(5000, "USD"),
    }
    return RefundRequest(**(fields | changes))  # type: ignore[arg-type]


def charge_request(customer_id: str | None, card_id: str | None, **changes: object) -> ChargeRequest:
    """$20 of the saved card, with the changes."""
    fields: dict[str, object] = {
        "purchase_id": "pur_02",
        "account_id": "acct_01",
        "wallet_id": "wal_01",
        "attempt": 1,
        "description": "Team 50, topped up",
        "total": Money(2000, "USD"),
        "customer_id": customer_id,
        "card_id": card_id,
    }
    return ChargeRequest(**(fields | changes))  # type: ignore[arg-type]


async def beginning(service: Service) -> datetime:
    """Before anything that the test does, by the service's clock."""
    reading = (await service.http.get("/sandbox/clock")).json()
    return datetime.fromisoformat(reading["now"]) - timedelta(seconds=5)


async def test_a_paid_checkout_leaves_a_customer_with_a_saved_card(service: Service) -> None:
    checkout = await service.paid()

    assert checkout.customer_id is not None
    assert checkout.customer_id.startswith("cus_test_")
    card = await service.gateway.saved_card(checkout.customer_id)
    assert card is not None
    assert card.startswith("pm_test_")


async def test_the_next_checkout_of_a_customer_is_theirs(service: Service) -> None:
    first = await service.paid("pur_01")

    second = await service.paid("pur_02", customer_id=first.customer_id)

    assert second.customer_id == first.customer_id


async def test_a_checkout_of_an_unknown_customer_is_refused(service: Service) -> None:
    with pytest.raises(GatewayRefused, match="No such customer"):
        await service.gateway.open_checkout(checkout_request(customer_id="cus_gone"))


async def test_a_customer_without_a_card_or_who_is_gone_has_none(service: Service) -> None:
    checkout = await service.gateway.open_checkout(checkout_request())
    await service.act(checkout.id, "pay", payment="delayed")
    by_debit = (await service.gateway.checkout(checkout.id)).customer_id
    assert by_debit is not None

    assert await service.gateway.saved_card(by_debit) is None
    assert await service.gateway.saved_card("cus_gone") is None


async def test_a_saved_card_is_charged_and_tells_whose_purchase_it_was_for(service: Service) -> None:
    customer = (await service.paid()).customer_id
    card = await service.gateway.saved_card(str(customer))

    payment = await service.gateway.charge(charge_request(customer, card))

    assert payment.id.startswith("pi_test_")
    assert (payment.state, payment.total, payment.refunded) == (
        PaymentState.SUCCEEDED,
        Money(2000, "USD"),
        Money(0, "USD"),
    )
    assert (payment.purchase_id, payment.charged_saved_card, payment.reason) == ("pur_02", True, None)
    assert not payment.livemode


@pytest.mark.parametrize(
    ("behaviour", "state", "reason"),
    [
        ("declined", PaymentState.DECLINED, "Your card was declined."),
        ("needs_payer", PaymentState.NEEDS_PAYER, "requires authentication"),
    ],
)
async def test_what_the_bank_says_to_a_charge_is_an_answer_and_stays_it(
    service: Service, behaviour: str, state: PaymentState, reason: str
) -> None:
    customer = (await service.paid()).customer_id
    card = await service.gateway.saved_card(str(customer))
    await service.face("cards", customer_id=customer, behaviour=behaviour)

    payment = await service.gateway.charge(charge_request(customer, card))
    await service.face("cards", customer_id=customer, behaviour="ok")
    again = await service.gateway.charge(charge_request(customer, card))
    next_one = await service.gateway.charge(charge_request(customer, card, attempt=2))

    assert payment.state is state
    assert payment.charged_saved_card
    assert reason in str(payment.reason)
    assert again == payment
    assert (next_one.state, next_one.id == payment.id) == (PaymentState.SUCCEEDED, False)


async def test_ten_charges_at_once_with_one_attempt_make_one_payment(service: Service) -> None:
    customer = (await service.paid()).customer_id
    request = charge_request(customer, await service.gateway.saved_card(str(customer)))

    payments = await asyncio.gather(*(service.gateway.charge(request) for _ in range(10)))

    assert len({payment.id for payment in payments}) == 1


async def test_a_card_that_was_replaced_is_another_and_the_old_one_is_refused(service: Service) -> None:
    customer = (await service.paid()).customer_id
    old = await service.gateway.saved_card(str(customer))

    await service.face("cards", account_id="acct_01", new=True)

    new = await service.gateway.saved_card(str(customer))
    assert new is not None
    assert new != old
    with pytest.raises(GatewayRefused, match="does not have a payment method"):
        await service.gateway.charge(charge_request(customer, old))
    assert (await service.gateway.charge(charge_request(customer, new))).state is PaymentState.SUCCEEDED


@pytest.mark.parametrize("card", ["pm_gone", "pm_test_" + "0" * 24])
async def test_an_unknown_card_or_customer_is_refused(service: Service, card: str) -> None:
    customer = (await service.paid()).customer_id

    with pytest.raises(GatewayRefused, match="No such PaymentMethod"):
        await service.gateway.charge(charge_request(customer, card))
    with pytest.raises(GatewayRefused, match="No such customer"):
        await service.gateway.charge(charge_request("cus_gone", card))


async def test_a_refund_gives_back_so_much_and_carries_our_reference(service: Service) -> None:
    payment_id = (await service.paid()).payment_id

    refund = await service.gateway.refund(refund_request(payment_id))

    assert refund.id.startswith("re_test_")
    assert (refund.payment_id, refund.amount, refund.state) == (payment_id, Money(5000, "USD"), RefundState.SUCCEEDED)
    assert (refund.reference, refund.failure_reason) == ("rfd_01", None)
    assert await service.gateway.refunds_of(str(payment_id)) == [refund]


async def test_the_same_reference_finds_its_refund_and_another_one_makes_another(service: Service) -> None:
    payment_id = (await service.paid()).payment_id
    request = refund_request(payment_id)

    same = await asyncio.gather(*(service.gateway.refund(request) for _ in range(5)))
    other = await service.gateway.refund(refund_request(payment_id, reference="rfd_02"))

    assert len({refund.id for refund in same}) == 1
    assert [refund.reference for refund in await service.gateway.refunds_of(str(payment_id))] == ["rfd_02", "rfd_01"]
    assert other.id != same[0].id


async def test_never_more_is_refunded_than_was_paid(service: Service) -> None:
    payment_id = (await service.paid()).payment_id
    half = Money(10000, "USD")

    outcomes = await asyncio.gather(
        *(service.gateway.refund(refund_request(payment_id, reference=f"rfd_{n}", amount=half)) for n in range(4)),
        return_exceptions=True,
    )

    refusals = [outcome for outcome in outcomes if isinstance(outcome, GatewayRefused)]
    assert len(refusals) == 3
    assert all("greater than unrefunded amount on charge ($79.80)" in str(refusal) for refusal in refusals)
    assert [refund.amount for refund in await service.gateway.refunds_of(str(payment_id))] == [half]


async def test_a_refund_is_refused_for_what_cannot_be_refunded(service: Service) -> None:
    whole = (await service.paid("pur_01")).payment_id
    disputed = (await service.paid("pur_02")).payment_id
    open_one = await service.gateway.open_checkout(checkout_request(purchase_id="pur_03"))
    await service.act(open_one.id, "decline")
    (declined,) = [event.payment for event in service.received if event.type == "payment_intent.payment_failed"]
    await service.gateway.refund(refund_request(whole, amount=TOTAL))
    await service.face("disputes", purchase_id="pur_02")
    assert declined is not None

    for payment_id, words in (
        ("pi_gone", "No such payment_intent"),
        (whole, "has already been refunded"),
        (disputed, "has been charged back"),
        (declined.id, "does not have a successful charge"),
    ):
        with pytest.raises(GatewayRefused, match=words):
            await service.gateway.refund(refund_request(payment_id, reference=f"rfd_{words}"))


async def test_payments_are_listed_page_by_page_newest_first(service: Service) -> None:
    since = await beginning(service)
    customer = (await service.paid()).customer_id
    card = await service.gateway.saved_card(str(customer))
    for number in range(104):
        await service.gateway.charge(charge_request(customer, card, purchase_id=f"pur_{number:03}"))

    payments = [payment async for payment in service.gateway.payments_since(since)]

    expected = [f"pur_{number:03}" for number in reversed(range(104))]
    assert [payment.purchase_id for payment in payments] == [*expected, "pur_01"]
    assert [payment.charged_saved_card for payment in payments[-2:]] == [True, False]


async def test_a_listed_payment_tells_what_of_it_went_back(service: Service) -> None:
    since = await beginning(service)
    payment_id = (await service.paid()).payment_id
    await service.gateway.refund(refund_request(payment_id))

    (payment,) = [payment async for payment in service.gateway.payments_since(since)]

    assert (payment.id, payment.total, payment.refunded) == (payment_id, TOTAL, Money(5000, "USD"))
    assert since <= payment.created_at <= datetime.now(UTC)


async def test_nothing_is_listed_from_later_on(service: Service) -> None:
    await service.paid()
    later = await beginning(service) + timedelta(seconds=60)

    assert [payment async for payment in service.gateway.payments_since(later)] == []
    assert [event async for event in service.gateway.events_since(later)] == []


async def test_events_are_listed_as_they_were_delivered(service: Service) -> None:
    since = await beginning(service)
    await service.paid()
    await service.face("refunds", purchase_id="pur_01", amount_minor=100)
    await service.face("disputes", purchase_id="pur_01", status="won")

    events = [event async for event in service.gateway.events_since(since)]

    delivered = [event for event in service.received if event.type != "charge.succeeded"]
    assert events == list(reversed(delivered))
    assert [event.type for event in reversed(events)] == [
        "payment_intent.succeeded",
        "checkout.session.completed",
        "refund.created",
        "charge.refunded",
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.closed",
        "charge.dispute.funds_reinstated",
    ]


async def test_disputes_of_a_payment_are_told_as_they_stand(service: Service) -> None:
    payment_id = str((await service.paid()).payment_id)
    before = await service.gateway.disputes_of(payment_id)
    await service.face("disputes", purchase_id="pur_01", status="inquiry", amount_minor=700)
    (inquiry,) = await service.gateway.disputes_of(payment_id)
    await service.face("disputes", purchase_id="pur_01", status="lost")

    (lost,) = await service.gateway.disputes_of(payment_id)

    assert before == []
    assert (inquiry.state, inquiry.amount, inquiry.reason) == (
        DisputeState.INQUIRY,
        Money(700, "USD"),
        "fraudulent",
    )
    assert (lost.id, lost.payment_id, lost.state) == (inquiry.id, payment_id, DisputeState.LOST)


async def test_an_unknown_payment_has_no_record(service: Service) -> None:
    for asked in (service.gateway.refunds_of("pi_gone"), service.gateway.disputes_of("pi_gone")):
        with pytest.raises(GatewayRefused, match="No such payment_intent"):
            await asked
    with pytest.raises(GatewayRefused, match="No such payment_intent"):
        await service.gateway.papers("pi_gone", None)


async def test_the_papers_of_a_payment_are_pages_that_show_it(service: Service) -> None:
    checkout = await service.paid()

    papers = await service.gateway.papers(str(checkout.payment_id), checkout.id)

    for url in (papers.receipt_url, papers.invoice_url):
        assert url is not None
        page = await service.http.get(url)
        assert page.status_code == 200
        assert "$179.80" in page.text


async def test_a_charge_without_a_checkout_has_a_receipt_and_no_invoice(service: Service) -> None:
    customer = (await service.paid()).customer_id
    card = await service.gateway.saved_card(str(customer))
    payment = await service.gateway.charge(charge_request(customer, card))

    papers = await service.gateway.papers(payment.id, None)

    assert papers.receipt_url is not None
    assert papers.invoice_url is None


async def test_a_list_that_breaks_off_is_unavailable_and_not_short(service: Service) -> None:
    since = await beginning(service)
    customer = (await service.paid()).customer_id
    card = await service.gateway.saved_card(str(customer))
    for number in range(101):
        await service.gateway.charge(charge_request(customer, card, purchase_id=f"pur_{number:03}"))
    listed = service.gateway.payments_since(since)
    read = [await anext(listed) for _ in range(100)]
    await service.face("faults", call="GET /v1/payment_intents", next=3)

    with pytest.raises(GatewayUnavailable):
        await anext(listed)

    assert len({payment.id for payment in read}) == 100


@pytest.mark.parametrize(
    "fault",
    [
        {"answer": "error", "status": 500, "next": 3},
        {"answer": "error", "status": 429, "next": 3},
        {"answer": "garbage", "next": 3},
        {"answer": "cut", "next": 3},
        {"answer": "cut", "next": 3, "after": True},
        {"answer": "error", "status": 503, "next": 3, "after": True},
    ],
)
async def test_a_refund_that_nobody_answers_is_asked_for_again_and_made_once(
    service: Service, fault: dict[str, object]
) -> None:
    payment_id = str((await service.paid()).payment_id)
    await service.face("faults", call="POST /v1/refunds", **fault)

    with pytest.raises(GatewayUnavailable):
        await service.gateway.refund(refund_request(payment_id))
    await service.face("faults", call="POST /v1/refunds", next=0)
    refund = await service.gateway.refund(refund_request(payment_id))

    assert await service.gateway.refunds_of(payment_id) == [refund]


async def test_a_provider_that_is_silent_is_unavailable_and_may_have_acted(service: Service) -> None:
    payment_id = str((await service.paid()).payment_id)
    await service.face("faults", call="POST /v1/refunds", answer="silence", after=True)

    with pytest.raises(GatewayUnavailable, match="within 5 s"):
        await service.gateway.refund(refund_request(payment_id))

    (refund,) = await service.gateway.refunds_of(payment_id)
    assert refund == await service.gateway.refund(refund_request(payment_id))
