"""Refunds and disputes over HTTP, the real SDK and the sandbox: the credits follow the money, once, in any order."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from itertools import permutations
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from tortoise.transactions import in_transaction

from credits.accounts.audit_log import entries_of
from credits.accounts.models import Account
from credits.accounts.queries import pool_places
from credits.accounts.service import create_pool
from credits.actors import SYSTEM
from credits.chat.models import ChatMessage
from credits.faults import trying_again
from credits.gateways.payments import Checkout, CheckoutStatus, Dispute, DisputeState, Refund, RefundState
from credits.ledger.audit import broken
from credits.ledger.models import Clawback, Transaction, TransactionKind
from credits.ledger.queries import balances, now
from credits.money import Money
from credits.purchases import queries
from credits.purchases.fulfilment import fulfil
from credits.purchases.models import DisputeStatus, PaymentRefund, RefundStatus
from credits.purchases.queries import PurchaseView
from credits.purchases.refunds import RefundInput, finish_refund, request_refund
from credits.purchases.returns import record_dispute, record_refund
from tests.support.service import Service
from tests.support.slack import Slack, eventually
from tests.test_purchases import Buyer, new_buyer, provider_at, session_of
from tests.test_spending import DEDUCT

REFUND = """mutation ($input: RefundPurchaseInput!) { refundPurchase(input: $input) {
  purchase { id refundedTotal { formatted amountMinor } clawedBack dispute wallet { balance { available debt } } }
  userErrors { code message field } } }"""
SHOWN = """query ($id: ID!) { purchase(id: $id) { refundedTotal { amountMinor } clawedBack dispute receiptUrl invoiceUrl
  wallet { balance { credits available frozen debt } } } }"""
MOVE = """mutation ($input: AllocateCreditsInput!) { allocateCredits(input: $input) { userErrors { code } } }"""


@dataclass(frozen=True, slots=True)
class Paid:
    """A purchase of 100 credits for $199.00, paid, in a wallet of its own that has nothing else."""

    service: Service
    buyer: Buyer
    id: str

    async def view(self) -> PurchaseView:
        return await queries.purchase(self.id)

    async def balance(self) -> tuple[int, int, int, int]:
        """Credits, frozen, available and debt."""
        view = (await balances([self.buyer.wallet]))[self.buyer.wallet]
        return view.credits, view.frozen, view.available, view.debt

    async def returned(self) -> tuple[int, int, DisputeStatus | None]:
        """The money that went back, the credits that followed, and the dispute."""
        view = await self.view()
        return view.refunded.amount_minor, view.clawed_back, view.dispute

    async def act(self, what: str, **body: Any) -> dict[str, Any]:
        """What happens at the provider, as its own dashboard or the payer's bank has it."""
        response = await self.service.http.post(f"/sandbox/stripe/{what}", json=body)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def refunded(self, amount_minor: int | None = None, **options: Any) -> dict[str, Any]:
        return await self.act("refunds", purchase_id=self.id, amount_minor=amount_minor, **options)

    async def disputed(self, status: str, **options: Any) -> dict[str, Any]:
        return await self.act("disputes", purchase_id=self.id, status=status, **options)

    async def spend(self, rooms: int) -> list[str]:
        """Deduct basic rooms of 2 credits; the codes of what was refused."""
        wanted = {"walletId": self.buyer.wallet, "stagingType": "BASIC_ROOM", "quantity": rooms}
        answer = await self.service.gql(DEDUCT, "service", input={**wanted, "idempotencyKey": uuid4().hex})
        return [error["code"] for error in next(iter(answer.data.values()))["userErrors"]]

    async def give_money_back(self, token: str = "operator", **changes: Any) -> dict[str, Any]:
        """`refundPurchase` as an operator would."""
        wanted = {"purchaseId": self.id, "reason": "Not needed", "idempotencyKey": uuid4().hex}
        answer = await self.service.gql(REFUND, token, input=wanted | changes)
        found: dict[str, Any] = answer.data["refundPurchase"]
        return found


@pytest.fixture
async def paid(service: Service) -> AsyncIterator[Paid]:
    buyer = await new_buyer(service)
    purchase = await buyer.buy()
    await service.pay(purchase["checkoutUrl"])
    yield Paid(service, buyer, purchase["id"])
    assert await broken() == {}


def codes(answer: dict[str, Any]) -> list[tuple[str, str | None]]:
    return [(error["code"], (error["field"] or [None])[0]) for error in answer["userErrors"]]


# Refunds


async def test_partial_refunds_take_credits_by_all_that_went_back_so_far(paid: Paid) -> None:
    await paid.refunded(198)
    first = await paid.returned()
    await paid.refunded(200)
    second = await paid.returned()
    await paid.refunded(19_502)

    assert (first, second) == ((198, 0, None), (398, 2, None))
    assert await paid.returned() == (19_900, 100, None)
    assert await paid.balance() == (0, 0, 0, 0)
    assert sum(each.credits for each in await Clawback.filter(purchase_id=paid.id)) == 100


async def test_the_same_events_five_times_at_once_take_credits_once(paid: Paid) -> None:
    told = await paid.refunded(9_950, deliveries=5, order="shuffled")

    assert {each["status"] for event in told["events"] for each in event["deliveries"]} == {200}
    assert await paid.returned() == (9_950, 50, None)
    assert await paid.balance() == (50, 0, 50, 0)
    assert await Clawback.filter(purchase_id=paid.id).count() == 1
    assert await PaymentRefund.filter(purchase_id=paid.id).count() == 1


async def test_a_refund_that_fails_gives_the_credits_back(paid: Paid) -> None:
    refund = (await paid.refunded(9_950, outcome="pending"))["refund"]["id"]
    under_way = await paid.balance()
    await paid.act(f"refunds/{refund}/fail", deliveries=3)

    assert under_way == (50, 0, 50, 0)
    assert await paid.returned() == (0, 0, None)
    assert await paid.balance() == (100, 0, 100, 0)
    lines = await Transaction.filter(purchase_id=paid.id).order_by("sequence")
    assert [(line.kind, line.change) for line in lines[1:]] == [
        (TransactionKind.CLAWBACK, -50),
        (TransactionKind.ADJUSTMENT, 50),
    ]
    told = await eventually(lambda: ChatMessage.filter(subject=f"operators:refund-failed:{refund}"), bool)
    assert [message.recipient for message in told] == ["#operators"]


async def test_what_was_spent_is_owed_and_the_next_purchase_repays_it(paid: Paid) -> None:
    assert await paid.spend(40) == []

    await paid.refunded()
    owing = await paid.balance()
    refused = await paid.spend(1)
    again = await paid.buyer.buy()
    await paid.service.pay(again["checkoutUrl"])

    assert (owing, refused) == ((0, 0, 0, 80), ["IN_DEBT"])
    assert await paid.balance() == (20, 0, 20, 0)
    assert await paid.spend(10) == []


async def test_a_refund_that_fails_after_the_credits_were_spent_ends_the_debt(paid: Paid) -> None:
    await paid.spend(40)
    refund = (await paid.refunded())["refund"]["id"]

    await paid.act(f"refunds/{refund}/fail")

    assert await paid.balance() == (20, 0, 20, 0)
    assert await paid.returned() == (0, 0, None)
    assert await paid.spend(10) == []


async def test_credits_that_were_allocated_are_found_and_taken_where_they_lie(paid: Paid) -> None:
    account_id = (await paid.view()).account_id
    await Account.filter(id=account_id).update(kind="ENTERPRISE")
    async with in_transaction() as connection:
        pool = await create_pool(connection, account_id=account_id, name="North", at=await now())
    place = (await pool_places([pool.id]))[pool.id]
    ends = {"fromWalletId": paid.buyer.wallet, "toWalletId": place.wallet_id}
    moved = await paid.buyer.ask(MOVE, input=ends | {"credits": 60, "idempotencyKey": uuid4().hex})
    assert moved["allocateCredits"]["userErrors"] == []

    await paid.disputed("open")
    frozen = (await balances([place.wallet_id or ""]))[place.wallet_id or ""].frozen
    await paid.disputed("lost")

    assert frozen == 60
    assert (await balances([place.wallet_id or ""]))[place.wallet_id or ""].credits == 0
    assert await paid.balance() == (0, 0, 0, 0)


async def test_a_refund_that_was_told_only_of_the_charge_is_read_at_the_provider(paid: Paid) -> None:
    told = await paid.refunded(9_950, deliveries=0)
    (event,) = [each["id"] for each in told["events"] if each["type"] == "charge.refunded"]

    await paid.act("redeliver", event_id=event, times=2)

    assert await eventually(paid.returned, lambda found: found[0] > 0) == (9_950, 50, None)


# Disputes


async def test_an_inquiry_takes_nothing(paid: Paid) -> None:
    await paid.disputed("inquiry")

    assert await paid.balance() == (100, 0, 100, 0)
    assert await paid.returned() == (0, 0, DisputeStatus.INQUIRY)
    assert await paid.spend(1) == []


async def test_a_dispute_freezes_what_is_left_and_once_it_is_won_thaws_it(paid: Paid) -> None:
    await paid.spend(10)

    await paid.disputed("open", deliveries=3, order="reversed")
    open_one, refused = await paid.balance(), await paid.spend(1)
    await paid.disputed("won", deliveries=3, order="shuffled")

    assert (open_one, refused) == ((80, 80, 0, 0), ["INSUFFICIENT_CREDITS"])
    assert await paid.balance() == (80, 0, 80, 0)
    assert await paid.returned() == (0, 0, DisputeStatus.WON)
    assert await Clawback.filter(purchase_id=paid.id).count() == 0


async def test_a_dispute_that_is_lost_takes_what_was_frozen_and_the_rest_is_owed(paid: Paid) -> None:
    await paid.spend(10)
    await paid.disputed("open")

    await paid.disputed("lost", deliveries=3)

    assert await paid.balance() == (0, 0, 0, 20)
    assert await paid.returned() == (19_900, 100, DisputeStatus.LOST)
    (taken,) = await Clawback.filter(purchase_id=paid.id)
    assert (taken.credits, taken.debt) == (100, 20)


async def test_a_part_that_is_disputed_and_lost_takes_the_part_only(paid: Paid) -> None:
    await paid.disputed("open", amount_minor=9_950)
    frozen = await paid.balance()

    await paid.disputed("lost")

    assert frozen == (100, 100, 0, 0)
    assert await paid.balance() == (50, 0, 50, 0)


async def test_what_was_refunded_before_a_dispute_is_not_taken_twice(paid: Paid) -> None:
    await paid.refunded(9_950)

    await paid.disputed("lost")

    assert await paid.returned() == (19_900, 100, DisputeStatus.LOST)
    assert await paid.balance() == (0, 0, 0, 0)


async def test_as_long_as_one_of_two_disputes_is_open_nothing_thaws(paid: Paid) -> None:
    view = await paid.view()
    one, two = (dispute_of(view.payment_id, amount_minor=5_000) for _ in range(2))
    for each in (one(DisputeState.OPEN), two(DisputeState.OPEN), one(DisputeState.WON)):
        await record(each)
    still = await paid.balance()

    await record(two(DisputeState.LOST))

    assert still == (100, 100, 0, 0)
    assert await paid.balance() == (75, 0, 75, 0)
    assert await paid.returned() == (5_000, 25, DisputeStatus.LOST)


async def test_a_dispute_that_was_lost_and_is_won_on_appeal_gives_the_credits_back(paid: Paid) -> None:
    dispute = dispute_of((await paid.view()).payment_id)
    await record(dispute(DisputeState.LOST))
    lost = await paid.balance()

    await record(dispute(DisputeState.WON))
    await record(dispute(DisputeState.LOST))

    assert lost == (0, 0, 0, 0)
    assert await paid.balance() == (100, 0, 100, 0)
    assert await paid.returned() == (0, 0, DisputeStatus.WON)


# In any order


def dispute_of(payment_id: str | None, *, amount_minor: int = 19_900) -> Callable[[DisputeState], Dispute]:
    """A dispute of the payment as the provider tells it in each state."""
    dispute_id, amount = f"dp_{uuid4().hex}", Money(amount_minor, "USD")

    def told(state: DisputeState) -> Dispute:
        return Dispute(id=dispute_id, payment_id=payment_id or "", amount=amount, state=state, reason="fraudulent")

    return told


def refund_of(payment_id: str, *, amount_minor: int) -> Callable[[RefundState], Refund]:
    """A refund of the payment as the provider tells it in each state."""
    refund_id = f"re_{uuid4().hex}"

    def told(state: RefundState) -> Refund:
        return Refund(
            id=refund_id,
            payment_id=payment_id,
            amount=Money(amount_minor, "USD"),
            state=state,
            reference=None,
            reason=None,
            failure_reason=None,
        )

    return told


async def record(news: Refund | Dispute) -> str:
    """As its webhook does, in a database transaction of its own."""

    async def work() -> str:
        async with in_transaction() as connection:
            if isinstance(news, Refund):
                return (await record_refund(connection, news)).outcome
            return (await record_dispute(connection, news)).outcome

    return await trying_again(work)


async def unpaid(service: Service) -> tuple[Paid, Checkout]:
    """A purchase that nobody has told of its payment yet, and that payment."""
    buyer = await new_buyer(service)
    purchase = await buyer.buy()
    payment = Checkout(
        id=session_of(purchase),
        url=None,
        status=CheckoutStatus.COMPLETE,
        paid=True,
        total=Money(19_900, "USD"),
        purchase_id=purchase["id"],
        payment_id=f"pi_{uuid4().hex}",
        customer_id=None,
        livemode=False,
    )
    return Paid(service, buyer, purchase["id"]), payment


async def test_refund_and_dispute_that_come_before_the_payment_wait_for_it(service: Service) -> None:
    paid, payment = await unpaid(service)
    payment_id = payment.payment_id or ""
    refund, dispute = refund_of(payment_id, amount_minor=1_990), dispute_of(payment_id)
    before = [await record(refund(RefundState.SUCCEEDED)), await record(dispute(DisputeState.OPEN))]

    await fulfil(service.shared.checkouts, payment)

    assert before == ["waits for its payment"] * 2
    assert await paid.balance() == (90, 90, 0, 0)
    assert await paid.returned() == (1_990, 10, DisputeStatus.OPEN)
    assert await PaymentRefund.filter(payment_id=payment_id, purchase_id=paid.id).count() == 1
    assert await broken() == {}


async def test_a_dispute_that_stripe_tells_before_the_payment_freezes_in_the_end(service: Service) -> None:
    buyer = await new_buyer(service)
    purchase = await buyer.buy()
    await service.pay(purchase["checkoutUrl"], deliveries=0)
    paid = Paid(service, buyer, purchase["id"])
    await paid.disputed("open")
    nothing_yet = await paid.balance()

    await paid.act("redeliver", purchase_id=paid.id, order="reversed")

    assert nothing_yet == (0, 0, 0, 0)
    assert await paid.balance() == (100, 100, 0, 0)
    assert await broken() == {}


async def test_every_order_of_a_payment_and_what_goes_back_of_it_ends_in_the_same_place(service: Service) -> None:
    ends = set()
    for order in permutations(range(4)):
        paid, payment = await unpaid(service)
        refund = refund_of(payment.payment_id or "", amount_minor=4_975)
        lost = dispute_of(payment.payment_id, amount_minor=4_975)(DisputeState.LOST)
        news: list[Checkout | Refund | Dispute] = [
            payment,
            refund(RefundState.PENDING),
            refund(RefundState.FAILED),
            lost,
        ]
        for number in order:
            await _happen(service, news[number])
        ends.add((await paid.returned(), await paid.balance()))

    assert ends == {((4_975, 25, DisputeStatus.LOST), (75, 0, 75, 0))}
    assert await broken() == {}


@pytest.mark.parametrize("seed", range(12))
async def test_repeated_and_shuffled_news_at_once_end_in_the_same_place(service: Service, seed: int) -> None:
    paid, payment = await unpaid(service)
    payment_id = payment.payment_id or ""
    gone, failed = refund_of(payment_id, amount_minor=1_990), refund_of(payment_id, amount_minor=3_980)
    lost, won, left = (dispute_of(payment_id, amount_minor=1_990) for _ in range(3))
    news: list[Any] = [
        payment,
        gone(RefundState.PENDING),
        gone(RefundState.SUCCEEDED),
        failed(RefundState.PENDING),
        failed(RefundState.FAILED),
        lost(DisputeState.OPEN),
        lost(DisputeState.LOST),
        won(DisputeState.INQUIRY),
        won(DisputeState.OPEN),
        won(DisputeState.WON),
        left(DisputeState.OPEN),
    ] * 2
    Random(seed).shuffle(news)  # noqa: S311 to be had again is what it is for

    for first in range(0, len(news), 4):
        await asyncio.gather(*(_happen(service, each) for each in news[first : first + 4]))

    assert await paid.returned() == (3_980, 20, DisputeStatus.OPEN)
    assert await paid.balance() == (80, 80, 0, 0)
    await record(left(DisputeState.WON))
    assert await paid.balance() == (80, 0, 80, 0)
    assert await broken() == {}


async def _happen(service: Service, news: Checkout | Refund | Dispute) -> None:
    if isinstance(news, Checkout):
        await fulfil(service.shared.checkouts, news)
    else:
        await record(news)


# refundPurchase


async def test_an_operator_gives_a_part_back_and_then_the_rest(paid: Paid) -> None:
    part = await paid.give_money_back(amountMinor=9_950)
    rest = await paid.give_money_back()
    more = await paid.give_money_back()

    assert codes(part) == codes(rest) == []
    assert part["purchase"]["refundedTotal"] == {"formatted": "$99.50", "amountMinor": 9_950}
    assert (part["purchase"]["clawedBack"], rest["purchase"]["clawedBack"]) == (50, 100)
    assert rest["purchase"]["wallet"]["balance"] == {"available": 0, "debt": 0}
    assert codes(more) == [("ALREADY_REFUNDED", "purchaseId")]
    rows = await PaymentRefund.filter(purchase_id=paid.id)
    assert {(row.status, row.requested_by_kind) for row in rows} == {(RefundStatus.SUCCEEDED, "USER")}
    entries = await entries_of((await paid.view()).account_id, limit=2)
    assert [each.action for each in entries] == ["refundPurchase"] * 2
    assert (entries[1].after or {})["amount"] == "$99.50"


async def test_the_same_call_again_gives_nothing_more_back(paid: Paid) -> None:
    key = uuid4().hex

    answers = await asyncio.gather(*(paid.give_money_back(amountMinor=1_990, idempotencyKey=key) for _ in range(5)))
    other = await paid.give_money_back(amountMinor=1_991, idempotencyKey=key)

    assert [codes(each) for each in answers] == [[]] * 5
    assert codes(other) == [("IDEMPOTENCY_KEY_REUSED", "idempotencyKey")]
    assert await paid.returned() == (1_990, 10, None)
    assert await PaymentRefund.filter(purchase_id=paid.id).count() == 1


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"amountMinor": 0}, "INVALID", "amountMinor"),
        ({"amountMinor": -1}, "INVALID", "amountMinor"),
        ({"amountMinor": 19_901}, "INVALID", "amountMinor"),
        ({"reason": ""}, "INVALID", "reason"),
        ({"reason": "x" * 501}, "INVALID", "reason"),
        ({"idempotencyKey": ""}, "INVALID", "idempotencyKey"),
        ({"purchaseId": "wal_1"}, "INVALID", "purchaseId"),
    ],
)
async def test_what_cannot_be_given_back_is_refused_and_leaves_nothing(
    paid: Paid, changes: dict[str, Any], code: str, field: str
) -> None:
    answer = await paid.give_money_back(**changes)

    assert codes(answer) == [(code, field)]
    assert await PaymentRefund.filter(purchase_id=paid.id).count() == 0
    assert await paid.returned() == (0, 0, None)


async def test_nobody_but_the_platforms_staff_gives_money_back(paid: Paid) -> None:
    wanted = {"purchaseId": paid.id, "reason": "Not needed", "idempotencyKey": uuid4().hex}

    answers = [await paid.service.gql(REFUND, token, input=wanted) for token in (paid.buyer.token, "service", None)]

    assert [answer.codes for answer in answers] == [["FORBIDDEN"], ["FORBIDDEN"], ["UNAUTHENTICATED"]]
    assert await PaymentRefund.filter(purchase_id=paid.id).count() == 0


async def test_what_nobody_has_paid_is_not_refunded(service: Service) -> None:
    paid, _ = await unpaid(service)

    answer = await paid.give_money_back()

    assert codes(answer) == [("WRONG_STATE", "purchaseId")]
    assert "AWAITING_PAYMENT" in answer["userErrors"][0]["message"]


async def test_what_the_bank_has_taken_is_not_refunded_too(paid: Paid) -> None:
    await paid.disputed("open", amount_minor=9_950)
    open_one = await paid.give_money_back()
    await record_lost_elsewhere(paid)
    too_much = await paid.give_money_back(amountMinor=9_951)

    assert codes(open_one) == [("WRONG_STATE", "purchaseId")]
    assert codes(too_much) == [("INVALID", "amountMinor")]
    assert await PaymentRefund.filter(purchase_id=paid.id).count() == 0


async def record_lost_elsewhere(paid: Paid) -> None:
    """The bank has decided, and takes the part that was disputed."""
    await paid.disputed("lost")
    assert await paid.returned() == (9_950, 50, DisputeStatus.LOST)


async def test_what_the_provider_refuses_is_said_and_the_same_call_says_it_again(paid: Paid) -> None:
    await paid.refunded(deliveries=0)
    key = uuid4().hex

    answers = [await paid.give_money_back(amountMinor=100, idempotencyKey=key) for _ in range(2)]

    assert [codes(each) for each in answers] == [[("PAYMENT_FAILED", None)]] * 2
    assert "already been refunded" in answers[0]["userErrors"][0]["message"]
    (row,) = await PaymentRefund.filter(purchase_id=paid.id)
    assert row.status is RefundStatus.FAILED
    assert await paid.balance() == (100, 0, 100, 0)


def wanted(amount_minor: int | None = None) -> RefundInput:
    return RefundInput(amount_minor=amount_minor, reason="Not needed", idempotency_key=uuid4().hex)


async def test_a_provider_that_does_not_answer_in_time_is_asked_again_by_a_job(paid: Paid) -> None:
    shared = paid.service.shared
    async with provider_at(paid.service, "http://127.0.0.1:9", wait_s=0.2) as out_of_reach:
        await request_refund(out_of_reach, SYSTEM, await paid.view(), wanted(9_950))
    (asked,) = await PaymentRefund.filter(purchase_id=paid.id)
    nothing_yet = await paid.balance()

    await finish_refund(shared.checkouts, shared.payments, asked.id)
    await finish_refund(shared.checkouts, shared.payments, asked.id)

    assert (asked.status, nothing_yet) == (RefundStatus.REQUESTED, (100, 0, 100, 0))
    assert await paid.returned() == (9_950, 50, None)
    assert len(await shared.payments.refunds_of(asked.payment_id)) == 1


async def test_a_refund_that_was_made_and_not_heard_of_is_made_once(paid: Paid) -> None:
    shared = paid.service.shared
    await paid.act("faults", call="POST /v1/refunds", answer="cut", after=True, next=3)
    async with provider_at(paid.service, f"{paid.service.settings.local_url}/sandbox/stripe", wait_s=3) as cut_off:
        await request_refund(cut_off, SYSTEM, await paid.view(), wanted())
    await paid.act("faults", call="POST /v1/refunds", next=0)
    (asked,) = await PaymentRefund.filter(purchase_id=paid.id)

    await finish_refund(shared.checkouts, shared.payments, asked.id)

    (kept,) = await PaymentRefund.filter(purchase_id=paid.id)
    assert kept.status is RefundStatus.SUCCEEDED
    assert len(await shared.payments.refunds_of(kept.payment_id)) == 1
    assert await paid.returned() == (19_900, 100, None)


# What people are told


async def test_those_who_pay_are_told_what_is_frozen_and_what_is_owed(paid: Paid) -> None:
    slack = Slack(paid.service)
    await Account.filter(id=(await paid.view()).account_id).update(slack_channel="#credits")
    await paid.spend(10)

    dispute = (await paid.disputed("open", deliveries=2))["dispute"]["id"]
    await _told(slack, f"returns:{dispute}:DISPUTED")
    await paid.disputed("lost", deliveries=2)
    (lost,) = await _told(slack, f"returns:{dispute}:LOST")

    (opened,) = await slack.messages(f"returns:{dispute}:DISPUTED")
    assert opened["text"] == "A payment of $199.00 was disputed: 80 credits are frozen."
    assert lost["text"].startswith("The dispute about a payment of $199.00 was lost: 100 credits are gone. 20 credits")
    assert opened["channel"] == lost["channel"]
    (operators,) = await ChatMessage.filter(subject=f"operators:dispute:{dispute}")
    assert operators.recipient == "#operators"


async def _told(slack: Slack, about: str) -> list[dict[str, Any]]:
    return await eventually(lambda: slack.messages(about), bool)


async def test_a_purchase_shows_what_went_back_and_its_papers(paid: Paid) -> None:
    await paid.refunded(9_950)
    await paid.disputed("open", amount_minor=1_990)

    shown = (await paid.buyer.ask(SHOWN, id=paid.id))["purchase"]

    assert (shown["refundedTotal"], shown["clawedBack"], shown["dispute"]) == ({"amountMinor": 9_950}, 50, "OPEN")
    assert shown["wallet"]["balance"] == {"credits": 50, "available": 0, "frozen": 50, "debt": 0}
