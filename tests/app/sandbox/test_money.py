"""The sandbox's Stripe as tests drive it: cards, refunds, disputes, events told again, and calls that go wrong."""

import asyncio
from typing import Any

import httpx
import pytest

from app.sandbox.models import Dispute, Payment, Refund, StripeFault
from tests.app.service import KEY, Service, checkout_request, eventually, received

API = "/sandbox/stripe/v1"
HEADERS = {"Authorization": f"Bearer {KEY}"}


def types(answer: dict[str, Any]) -> list[str]:
    return [event["type"] for event in answer["events"]]


async def get(service: Service, path: str, **query: str) -> httpx.Response:
    return await service.http.get(f"{API}/{path}", params=query, headers=HEADERS)


async def post(service: Service, path: str, **form: str) -> httpx.Response:
    return await service.http.post(f"{API}/{path}", data=form, headers=HEADERS)


async def charge(service: Service) -> dict[str, Any]:
    """The latest charge of the one payment."""
    (intent,) = (await get(service, "payment_intents", **{"expand[0]": "data.latest_charge"})).json()["data"]
    found: dict[str, Any] = intent["latest_charge"]
    return found


async def test_a_refund_gives_back_all_that_is_left_where_no_amount_is_named(service: Service) -> None:
    await service.paid()

    part = await service.face("refunds", purchase_id="pur_01", amount_minor=5000)
    rest = await service.face("refunds", purchase_id="pur_01")

    assert (part["refund"]["amount"], rest["refund"]["amount"]) == (5000, 12980)
    assert types(part) == types(rest) == ["refund.created", "charge.refunded"]
    assert part["events"][0]["deliveries"] == [{"status": 200}]
    assert (await charge(service))["amount_refunded"] == 17980
    assert (await charge(service))["refunded"] is True


async def test_a_refund_that_fails_was_pending_first_and_its_money_can_be_refunded_again(service: Service) -> None:
    await service.paid()

    failed = await service.face("refunds", purchase_id="pur_01", outcome="failed")
    again = await service.face("refunds", purchase_id="pur_01")

    assert types(failed) == ["refund.created", "charge.refunded", "refund.updated", "refund.failed"]
    states = [event.refund.state for event in service.received if event.refund]
    assert [state.value for state in states] == ["PENDING", "FAILED", "FAILED", "SUCCEEDED"]
    assert (failed["refund"]["status"], failed["refund"]["failure_reason"]) == ("failed", "lost_or_stolen_card")
    assert again["refund"]["amount"] == 17980


async def test_a_pending_refund_succeeds_and_may_still_fail_once(service: Service) -> None:
    await service.paid()
    refund_id = (await service.face("refunds", purchase_id="pur_01", outcome="pending"))["refund"]["id"]

    succeeded = await service.face(f"refunds/{refund_id}/succeed")
    failed = await service.face(f"refunds/{refund_id}/fail")
    twice = await service.http.post(f"/sandbox/stripe/refunds/{refund_id}/fail")

    assert (succeeded["refund"]["status"], types(succeeded)) == ("succeeded", ["refund.updated"])
    assert (failed["refund"]["status"], types(failed)) == ("failed", ["refund.updated", "refund.failed"])
    assert twice.status_code == 409
    assert (await charge(service))["amount_refunded"] == 0


@pytest.mark.parametrize(
    ("status", "told", "word"),
    [
        ("inquiry", ["created"], "warning_needs_response"),
        ("open", ["created", "funds_withdrawn"], "needs_response"),
        ("won", ["created", "funds_withdrawn", "closed", "funds_reinstated"], "won"),
        ("lost", ["created", "funds_withdrawn", "closed"], "lost"),
    ],
)
async def test_a_dispute_is_opened_and_comes_to_where_it_is_to_be(
    service: Service, status: str, told: list[str], word: str
) -> None:
    await service.paid()

    answer = await service.face("disputes", purchase_id="pur_01", status=status)

    assert types(answer) == [f"charge.dispute.{each}" for each in told]
    assert (answer["dispute"]["status"], answer["dispute"]["amount"]) == (word, 17980)
    assert (await charge(service))["disputed"] is True


@pytest.mark.parametrize(
    ("before", "after", "told", "word"),
    [
        ("inquiry", "open", ["updated", "funds_withdrawn"], "needs_response"),
        ("inquiry", "won", ["closed"], "warning_closed"),
        ("inquiry", "lost", ["updated", "funds_withdrawn", "closed"], "lost"),
        ("open", "won", ["closed", "funds_reinstated"], "won"),
        ("open", "lost", ["closed"], "lost"),
        ("open", "open", [], "needs_response"),
    ],
)
async def test_an_undecided_dispute_moves_on(
    service: Service, before: str, after: str, told: list[str], word: str
) -> None:
    await service.paid()
    first = await service.face("disputes", purchase_id="pur_01", status=before)

    second = await service.face("disputes", purchase_id="pur_01", status=after)

    assert second["dispute"]["id"] == first["dispute"]["id"]
    assert (types(second), second["dispute"]["status"]) == ([f"charge.dispute.{each}" for each in told], word)


async def test_a_dispute_that_was_won_may_be_followed_by_another_and_a_lost_one_not(service: Service) -> None:
    await service.paid()
    won = await service.face("disputes", purchase_id="pur_01", status="won")

    lost = await service.face("disputes", purchase_id="pur_01", status="lost")
    third = await service.http.post("/sandbox/stripe/disputes", json={"purchase_id": "pur_01"})

    assert lost["dispute"]["id"] != won["dispute"]["id"]
    assert third.status_code == 400
    assert await Dispute.all().count() == 2


async def test_only_what_was_not_refunded_is_disputed_unless_more_is_named(service: Service) -> None:
    await service.paid("pur_01")
    await service.paid("pur_02")
    for purchase_id in ("pur_01", "pur_02"):
        await service.face("refunds", purchase_id=purchase_id, amount_minor=5000)

    rest = await service.face("disputes", purchase_id="pur_01")
    all_of_it = await service.face("disputes", purchase_id="pur_02", amount_minor=17980)

    assert (rest["dispute"]["amount"], all_of_it["dispute"]["amount"]) == (12980, 17980)


async def test_of_ten_disputes_at_once_one_is_opened(service: Service) -> None:
    await service.paid()

    answers = await asyncio.gather(*(service.face("disputes", purchase_id="pur_01") for _ in range(10)))

    assert sum(types(answer) != [] for answer in answers) == 1
    assert await Dispute.all().count() == 1


async def test_events_of_one_happening_are_delivered_in_the_order_asked_for(service: Service) -> None:
    checkout = await service.gateway.open_checkout(checkout_request())

    answer = (await service.act(checkout.id, "pay", order="reversed", deliveries=2)).json()

    happened = types(answer)
    assert [event.type for event in service.received] == [kind for kind in reversed(happened) for _ in range(2)]


async def test_later_events_keep_the_order_asked_for(service: Service) -> None:
    await service.paid()
    service.received.clear()

    await service.face("refunds", purchase_id="pur_01", outcome="failed", order="reversed", delay_s=0.2)

    await eventually(lambda: received(service, 4))
    delivered = [event.type for event in service.received]
    assert delivered == ["refund.failed", "refund.updated", "charge.refunded", "refund.created"]


async def test_shuffled_events_are_each_delivered(service: Service) -> None:
    checkout = await service.gateway.open_checkout(checkout_request())

    answer = (await service.act(checkout.id, "pay", order="shuffled")).json()

    assert sorted(event.id for event in service.received) == sorted(event["id"] for event in answer["events"])


async def test_old_events_are_delivered_again_as_they_were(service: Service) -> None:
    checkout = await service.gateway.open_checkout(checkout_request())
    paid = (await service.act(checkout.id, "pay", deliveries=0)).json()
    await service.face("refunds", purchase_id="pur_01")
    service.received.clear()

    one = await service.face("redeliver", event_id=paid["event"], times=3)
    service.received.clear()
    every = await service.face("redeliver", purchase_id="pur_01", order="reversed")

    assert one["events"][0]["deliveries"] == [{"status": 200}] * 3
    assert types(every) == [*types(paid), "refund.created", "charge.refunded"]
    assert [event.type for event in service.received] == list(reversed(types(every)))
    assert service.received[-1].payment is not None
    assert service.received[-1].payment.refunded.amount_minor == 0


async def test_events_since_an_instant_are_delivered_again(service: Service) -> None:
    await service.paid("pur_01")
    now = (await service.http.get("/sandbox/clock")).json()["now"]
    await service.paid("pur_02")
    service.received.clear()

    answer = await service.face("redeliver", since=now)

    assert len(answer["events"]) == len(service.received) == 3
    assert {event.checkout.purchase_id for event in service.checkouts if event.checkout} == {"pur_02"}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("refunds", {"purchase_id": "pur_none"}, 404),
        ("refunds", {"purchase_id": "\0"}, 404),
        ("refunds", {"purchase_id": "x" * 501}, 404),
        ("refunds", {}, 400),
        ("refunds", {"purchase_id": 1}, 400),
        ("refunds", {"purchase_id": "pur_01", "amount_minor": 0}, 400),
        ("refunds", {"purchase_id": "pur_01", "amount_minor": 17981}, 400),
        ("refunds", {"purchase_id": "pur_01", "amount_minor": 1.5}, 400),
        ("refunds", {"purchase_id": "pur_01", "amount_minor": True}, 400),
        ("refunds", {"purchase_id": "pur_01", "outcome": "lost"}, 400),
        ("refunds", {"purchase_id": "pur_01", "order": "backwards"}, 400),
        ("refunds", {"purchase_id": "pur_01", "order": ["reversed"]}, 400),
        ("refunds", {"purchase_id": "pur_01", "amount": 1}, 400),
        ("refunds/re_none/fail", {}, 404),
        ("refunds/re_none/lose", {}, 404),
        ("disputes", {"purchase_id": "pur_none"}, 404),
        ("disputes", {"purchase_id": "pur_01", "status": "maybe"}, 400),
        ("disputes", {"purchase_id": "pur_01", "amount_minor": 17981}, 400),
        ("cards", {"account_id": "acct_none"}, 404),
        ("cards", {"customer_id": "cus_none"}, 404),
        ("cards", {}, 404),
        ("cards", {"account_id": "acct_01", "behaviour": "odd"}, 400),
        ("cards", {"account_id": "acct_01", "new": "yes"}, 400),
        ("redeliver", {}, 400),
        ("redeliver", {"event_id": "evt_none"}, 404),
        ("redeliver", {"since": "yesterday"}, 400),
        ("redeliver", {"purchase_id": "pur_01", "times": 0}, 400),
        ("faults", {}, 400),
        ("faults", {"call": "GET /v1/nothing"}, 404),
        ("faults", {"call": "*", "answer": "shrug"}, 400),
        ("faults", {"call": "*", "status": 200}, 400),
        ("faults", {"call": "*", "next": -1}, 400),
        ("faults", {"call": "*", "delay_s": "long"}, 400),
    ],
)
async def test_what_cannot_be_done_is_told_in_a_sentence_and_changes_nothing(
    service: Service, path: str, body: dict[str, object], status: int
) -> None:
    await service.paid()
    service.received.clear()

    answer = await service.http.post(f"/sandbox/stripe/{path}", json=body)

    assert answer.status_code == status
    assert len(answer.json()["error"]["message"].split()) > 2
    assert service.received == []
    assert await Refund.all().count() + await Dispute.all().count() + await StripeFault.all().count() == 0


@pytest.mark.parametrize(
    ("path", "query", "param"),
    [
        ("events", {"limit": "0"}, "limit"),
        ("events", {"limit": "101"}, "limit"),
        ("events", {"limit": "ten"}, "limit"),
        ("events", {"created[gte]": "now"}, "created[gte]"),
        ("events", {"created[lt]": "9" * 12}, "created[lt]"),
        ("events", {"starting_after": "evt_none"}, "starting_after"),
        ("events", {"colour": "red"}, "colour"),
        ("events", {f"types[{n}]": "charge.refunded" for n in range(21)}, "types"),
        ("payment_intents", {"payment_intent": "pi_1"}, "payment_intent"),
        ("refunds", {"payment_intent": "pi_none"}, "payment_intent"),
        ("disputes", {"payment_intent": "%00"}, "payment_intent"),
    ],
)
async def test_a_wrong_query_is_named(service: Service, path: str, query: dict[str, str], param: str) -> None:
    answer = await get(service, path, **query)

    assert answer.status_code == 400
    assert (answer.json()["error"]["type"], answer.json()["error"]["param"]) == ("invalid_request_error", param)


@pytest.mark.parametrize("path", ["payment_intents/pi_none", "customers/cus_none/payment_methods"])
async def test_what_is_not_there_is_answered_404(service: Service, path: str) -> None:
    answer = await get(service, path)

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "resource_missing")


@pytest.mark.parametrize("path", ["events", "payment_intents", "refunds", "disputes"])
async def test_every_list_wants_a_key(service: Service, path: str) -> None:
    assert (await service.http.get(f"{API}/{path}")).status_code == 401


@pytest.mark.parametrize(
    ("path", "form", "param"),
    [
        ("refunds", {}, "payment_intent"),
        ("refunds", {"payment_intent": "pi_none"}, "payment_intent"),
        ("refunds", {"payment_intent": "pi_none", "amount": "0"}, "amount"),
        ("refunds", {"payment_intent": "pi_none", "reason": "mood"}, "reason"),
        ("refunds", {"payment_intent": "pi_none", "charge": "ch_1"}, "charge"),
        ("payment_intents", {"amount": "1"}, "confirm"),
        ("payment_intents", {"confirm": "true", "off_session": "false"}, "off_session"),
        ("payment_intents", {"confirm": "true", "off_session": "true", "amount": "x"}, "amount"),
        ("payment_intents", {"colour": "red"}, "colour"),
        ("checkout/sessions", {"customer_update[name]": "auto"}, "customer_update"),
        ("checkout/sessions", {"customer": "cus_1", "customer_creation": "always"}, "customer_creation"),
        ("checkout/sessions", {"customer": "cus_1", "tax_id_collection[enabled]": "true"}, "customer_update"),
        ("checkout/sessions", {"customer_creation": "maybe"}, "customer_creation"),
    ],
)
async def test_a_wrong_parameter_is_named_and_makes_nothing(
    service: Service, path: str, form: dict[str, str], param: str
) -> None:
    answer = await post(service, path, **({"mode": "payment"} if "sessions" in path else {}), **form)

    assert answer.status_code == 400
    assert (answer.json()["error"]["type"], answer.json()["error"]["param"]) == ("invalid_request_error", param)
    assert await Payment.all().count() + await Refund.all().count() == 0


async def test_lists_take_instants_by_whole_seconds(service: Service) -> None:
    await service.paid()
    (intent,) = (await get(service, "payment_intents")).json()["data"]
    at = intent["created"]

    counts = {
        name: len((await get(service, "payment_intents", **{f"created[{name}]": str(at)})).json()["data"])
        for name in ("gte", "gt", "lte", "lt")
    }

    assert counts == {"gte": 1, "gt": 0, "lte": 1, "lt": 0}


async def test_a_payer_whose_saved_card_is_declined_pays_with_another(service: Service) -> None:
    customer = (await service.paid("pur_01")).customer_id
    old = await service.gateway.saved_card(str(customer))
    await service.face("cards", customer_id=customer, behaviour="declined")

    await service.paid("pur_02", customer_id=customer)

    assert await service.gateway.saved_card(str(customer)) != old


async def test_a_declined_checkout_is_a_failed_payment_until_it_is_paid_or_over(service: Service) -> None:
    first, second = [
        await service.gateway.open_checkout(checkout_request(purchase_id=each)) for each in ("pur_01", "pur_02")
    ]
    for each in (first, second):
        await service.act(each.id, "decline")
    failed = [intent["status"] for intent in (await get(service, "payment_intents")).json()["data"]]

    await service.act(first.id, "pay")
    await service.act(second.id, "expire")

    over = [intent["status"] for intent in (await get(service, "payment_intents")).json()["data"]]
    assert failed == ["requires_payment_method"] * 2
    assert over == ["canceled", "succeeded"]


async def test_a_fault_holds_for_so_many_calls_and_every_call_may_be_named(service: Service) -> None:
    await service.face("faults", call="GET /v1/events", next=2, status=429, retry_after_s=7)
    await service.face("faults", call="*", next=1, answer="garbage")

    answers = [await get(service, path) for path in ("events", "events", "refunds", "events", "refunds")]

    assert [answer.status_code for answer in answers] == [429, 429, 200, 200, 200]
    assert answers[0].headers["Retry-After"] == "7"
    assert answers[2].text.startswith("<html>")
    assert answers[4].json()["object"] == "list"


async def test_a_slow_call_is_answered_rightly(service: Service) -> None:
    await service.face("faults", call="GET /v1/events", answer="slow", delay_s=0.3)

    answer = await get(service, "events")

    assert answer.json()["object"] == "list"
    assert (await StripeFault.get()).remaining == 0


async def test_a_session_may_be_made_and_its_answer_lost(service: Service) -> None:
    await service.face("faults", call="POST /v1/checkout/sessions", answer="cut", after=True)

    checkout = await service.gateway.open_checkout(checkout_request())

    found = await service.gateway.checkout(checkout.id)
    assert found == checkout
