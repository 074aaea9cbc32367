"""Automatic top-ups over HTTP, the real SDK and the sandbox: a balance falls, the saved card is charged, once."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from tortoise.connection import get_connection

from app.sandbox.models import Payment
from credits.accounts.audit_log import entries_of
from credits.accounts.models import Account, AccountRole
from credits.accounts.rules import Place
from credits.accounts.service import add_membership
from credits.gateways.payments import ChargeRequest, PaymentState
from credits.gateways.payments import Payment as GatewayPayment
from credits.ids import Kind, make_id
from credits.ledger.audit import broken
from credits.ledger.models import Wallet
from credits.ledger.queries import now
from credits.money import Money
from credits.outbox import OutboxMessage
from credits.purchases import service as purchases
from credits.purchases.charges import charge, finish_charges
from credits.purchases.fulfilment import fulfil_charge
from credits.purchases.models import PaymentMethod, Purchase, PurchaseStatus
from credits.purchases.queries import PurchaseView
from credits.purchases.queries import purchase as purchase_of
from credits.top_ups.looking import look
from credits.top_ups.models import AutoTopUp, TopUpAttempt, TopUpOutcome
from credits.top_ups.rules import NO_CARD, Why
from credits.top_ups.service import resume_with_other_cards
from tests.support.firm import APPROVE, REJECT, policy
from tests.support.service import SERVICE_KEY, Service
from tests.support.slack import Slack, buttons, eventually
from tests.test_alerts import SPEND
from tests.test_journey import BUY
from tests.test_purchases import CANCEL, provider_at

SET = """mutation ($input: SetAutoTopUpInput!) { setAutoTopUp(input: $input) {
  wallet { autoTopUp { threshold packageCode quantity monthlyLimit { formatted } enabled suspendedReason } }
  userErrors { code field } } }"""
READ = """query ($id: ID!) { wallet(id: $id) { balance { available }
  autoTopUp { threshold enabled suspendedReason } } }"""
ASKED, SKIPPED = TopUpOutcome.ASKED, TopUpOutcome.SKIPPED
PAID, FAILED, CONFIRM = TopUpOutcome.PAID, TopUpOutcome.FAILED, TopUpOutcome.CONFIRM


@dataclass(frozen=True, slots=True)
class Owner:
    """The owner of an account of their own, whose wallet is topped up."""

    service: Service
    place: Place
    token: str

    @property
    def wallet(self) -> str:
        return self.place.wallet_id or ""

    async def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        return (await self.service.gql(query, self.token, **variables)).data

    async def set(self, **changes: Any) -> dict[str, Any]:
        wanted = {"walletId": self.wallet, "threshold": 50, "packageCode": "STARTER", **changes}
        payload: dict[str, Any] = (await self.ask(SET, input=wanted))["setAutoTopUp"]
        return payload

    async def buy(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.ask(BUY, wallet=self.wallet, key=uuid4().hex))["purchaseCredits"]
        purchase: dict[str, Any] = found["purchase"]
        return purchase

    async def pay(self, purchase: dict[str, Any]) -> None:
        await self.service.pay(purchase["checkoutUrl"])
        assert (await Purchase.get(id=purchase["id"])).status is PurchaseStatus.PAID

    async def spend(self, quantity: int) -> None:
        answer = await self.service.gql(SPEND, SERVICE_KEY, wallet=self.wallet, quantity=quantity, key=uuid4().hex)
        assert answer.data["deductCredits"]["userErrors"] == []

    async def read(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.ask(READ, id=self.wallet))["wallet"]
        return found

    async def available(self) -> int:
        found: int = (await self.read())["balance"]["available"]
        return found

    async def suspended_reason(self) -> str | None:
        found: str | None = (await self.read())["autoTopUp"]["suspendedReason"]
        return found

    async def attempts(self) -> list[TopUpAttempt]:
        """Every look at the wallet once nothing waits to be done now, oldest first."""

        async def waiting() -> bool:
            due = OutboxMessage.filter(account_id=self.place.account_id, due_at__lte=await now())
            return await due.exists()

        await eventually(waiting, lambda some: not some, within_s=20)
        return await TopUpAttempt.filter(wallet_id=self.wallet).order_by("id")

    async def outcomes(self) -> list[TopUpOutcome]:
        return [each.outcome for each in await self.attempts()]

    async def bought(self) -> list[Purchase]:
        """Every purchase that was made by itself, oldest first."""
        ids = [each.purchase_id for each in await self.attempts() if each.purchase_id]
        return await Purchase.filter(id__in=ids).order_by("id")

    async def asked(self) -> str:
        """The id of the purchase that a look makes while nobody works, who have nothing more to do for it."""
        await self.spend(60)
        await look(self.service.shared.hub, self.wallet, planned_for=None)
        await OutboxMessage.filter(account_id=self.place.account_id, due_at__lte=await now()).delete()
        (attempt,) = await TopUpAttempt.filter(wallet_id=self.wallet)
        assert attempt.outcome is ASKED
        return attempt.purchase_id or ""

    async def charged(self) -> PurchaseView:
        """As `asked`, and somebody has begun to charge the card."""
        purchase_id = await self.asked()
        await Purchase.filter(id=purchase_id).update(charged_card="pm_1", charge_began_at=await now())
        return await purchase_of(purchase_id)

    async def look(self) -> None:
        """What is planned for later, now."""
        row = await AutoTopUp.get(wallet_id=self.wallet)
        assert row.look_at is not None
        await look(self.service.shared.hub, self.wallet, planned_for=row.look_at)

    async def card(self, behaviour: str, *, new: bool = False) -> None:
        """Let the saved card behave so from now on, or have another one that does."""
        body = {"account_id": self.place.account_id, "behaviour": behaviour, "new": new}
        response = await self.service.http.post("/sandbox/stripe/cards", json=body)
        assert response.status_code == 200, response.text

    async def failed_long_ago(self) -> None:
        """What has happened so far was two hours earlier."""
        await get_connection("default").execute_query(
            "UPDATE top_up_attempts SET created_at = created_at - interval '2 hours',"
            " ended_at = ended_at - interval '2 hours' WHERE wallet_id = $1",
            [self.wallet],
        )

    async def suspended_by_its_card(self) -> None:
        """Three times the card was declined."""
        await self.card("declined")
        await self.spend(60)
        for _ in range(2):
            await self.attempts()
            await self.failed_long_ago()
            await self.look()
        assert await self.outcomes() == [FAILED] * 3


async def owner_of(service: Service, credits_given: int = 0) -> Owner:
    place = await service.account(credits_given=credits_given)
    return Owner(service, place, await service.owner_token(place.account_id))


@pytest.fixture
async def owner(service: Service) -> Owner:
    """With 100 credits bought, the card saved, and a top-up below 50."""
    owner = await owner_of(service)
    await owner.pay(await owner.buy())
    payload = await owner.set()
    assert payload["wallet"]["autoTopUp"] == {
        "threshold": 50,
        "packageCode": "STARTER",
        "quantity": 1,
        "monthlyLimit": None,
        "enabled": True,
        "suspendedReason": None,
    }
    return owner


async def test_a_balance_that_falls_below_the_threshold_is_topped_up_with_the_saved_card_once(owner: Owner) -> None:
    await owner.spend(50)
    at_threshold = await owner.attempts()
    await owner.spend(1)
    attempts = await owner.attempts()

    assert at_threshold == []
    (attempt,) = attempts
    assert (attempt.outcome, attempt.available) == (PAID, 49)
    (purchase,) = await owner.bought()
    assert (purchase.status, purchase.method, purchase.quantity) == (PurchaseStatus.PAID, PaymentMethod.SAVED_CARD, 1)
    assert await owner.available() == 149
    assert await Payment.filter(purchase_id=purchase.id).count() == 1
    assert await broken() == {}


async def test_of_twenty_deductions_that_cross_at_once_one_purchase_comes(owner: Owner) -> None:
    await asyncio.gather(*(owner.spend(3) for _ in range(20)))

    assert len(await owner.bought()) == 1
    assert await owner.available() == 140


async def test_a_setting_or_a_rise_that_stays_below_buys_nothing_and_the_next_fall_does(owner: Owner) -> None:
    await owner.set(threshold=120)
    after_setting = await owner.attempts()
    await owner.service.give(owner.place, 5)
    after_rise = await owner.attempts()
    await owner.spend(1)

    assert (after_setting, after_rise) == ([], [])
    assert await owner.outcomes() == [PAID]
    assert await owner.available() == 204


async def test_as_many_packages_as_bring_it_strictly_above(owner: Owner) -> None:
    await owner.set(threshold=100)

    await owner.spend(100)

    assert [purchase.quantity for purchase in await owner.bought()] == [2]
    assert await owner.available() == 200


async def test_what_lapses_is_a_fall_too(service: Service, owner: Owner) -> None:
    await owner.service.give(owner.place, 30, expires_at=await now() + timedelta(hours=1))
    await owner.set(threshold=120)

    await service.http.post("/sandbox/clock", json={"advance_s": 3601})

    assert await eventually(owner.outcomes, lambda seen: len(seen) == 1, within_s=30) == [PAID]
    assert await owner.available() == 200


async def test_what_is_under_way_counts_and_many_more_deductions_ask_for_no_further_look(owner: Owner) -> None:
    by_hand = await owner.buy()

    await owner.spend(60)
    await owner.attempts()
    for _ in range(5):
        await owner.spend(1)
    before_payment = await owner.attempts()
    await owner.pay(by_hand)
    await owner.spend(90)

    assert [(each.outcome, each.reason) for each in before_payment] == [(SKIPPED, Why.UNDER_WAY)]
    assert await owner.outcomes() == [SKIPPED, PAID]


async def test_a_planned_look_counts_only_when_no_other_came_after_it(owner: Owner) -> None:
    by_hand = await owner.buy()
    await owner.spend(60)
    await owner.attempts()
    planned = (await AutoTopUp.get(wallet_id=owner.wallet)).look_at
    await owner.pay(by_hand)

    await look(owner.service.shared.hub, owner.wallet, planned_for=planned)

    assert planned is not None
    assert await owner.outcomes() == [SKIPPED]


async def test_two_in_ten_minutes_and_then_one_when_they_are_over(service: Service, owner: Owner) -> None:
    for _ in range(2):
        await owner.spend(await owner.available() - 40)
        await eventually(owner.available, lambda left: left == 140)
    await owner.spend(100)
    third = (await owner.attempts())[-1]
    shown = await owner.suspended_reason()
    planned = (await AutoTopUp.get(wallet_id=owner.wallet)).look_at

    await service.http.post("/sandbox/clock", json={"advance_s": 601})

    assert (third.outcome, third.reason) == (SKIPPED, Why.TOO_OFTEN)
    assert shown == Why.TOO_OFTEN
    assert planned is not None
    assert await eventually(owner.outcomes, lambda seen: len(seen) == 4) == [PAID, PAID, SKIPPED, PAID]
    assert await owner.available() == 140
    assert await owner.suspended_reason() is None


async def test_after_a_failure_nothing_is_tried_for_an_hour(service: Service, owner: Owner) -> None:
    await owner.card("declined")
    await owner.spend(60)
    first = await owner.attempts()
    await service.http.post("/sandbox/clock", json={"advance_s": 601})
    second = await eventually(owner.attempts, lambda seen: len(seen) == 2)
    shown = await owner.suspended_reason()
    await owner.card("ok")

    await service.http.post("/sandbox/clock", json={"advance_s": 3600})

    (failed, *_) = await owner.bought()
    assert [each.outcome for each in first] == [FAILED]
    assert (failed.status, failed.failure_reason) == (PurchaseStatus.FAILED, first[0].reason)
    assert [(each.outcome, each.reason) for each in second[1:]] == [(SKIPPED, Why.FAILED_LATELY)]
    assert shown == Why.FAILED_LATELY
    assert await eventually(owner.outcomes, lambda seen: len(seen) == 3) == [FAILED, SKIPPED, PAID]
    assert (await AutoTopUp.get(wallet_id=owner.wallet)).failures == 0


async def test_three_failures_suspend_it_and_the_owners_are_told_once(service: Service, owner: Owner) -> None:
    await Account.filter(id=owner.place.account_id).update(slack_channel="#credits")

    await owner.suspended_by_its_card()
    await owner.spend(1)

    last = (await owner.bought())[-1]
    shown = await owner.suspended_reason()
    assert shown is not None
    assert "3 automatic purchases in a row failed" in shown
    assert (await Wallet.get(id=owner.wallet)).top_up_below is None
    assert await owner.outcomes() == [FAILED] * 3
    (card,) = await Slack(service).messages(f"top-up:{last.id}:suspended")
    assert "suspended" in card["text"]


async def test_another_card_gets_it_going_again_and_buys_what_was_missing(service: Service, owner: Owner) -> None:
    await owner.suspended_by_its_card()
    await owner.card("ok")
    await resume_with_other_cards(service.shared.payments)
    with_the_same = await owner.suspended_reason()
    await owner.failed_long_ago()
    await owner.card("ok", new=True)

    await resume_with_other_cards(service.shared.payments)

    assert with_the_same is not None
    assert await owner.outcomes() == [FAILED] * 3 + [PAID]
    assert await owner.suspended_reason() is None
    assert await owner.available() == 140


async def test_a_purchase_that_is_paid_gets_it_going_again_from_the_next_fall_on(owner: Owner) -> None:
    await owner.suspended_by_its_card()
    await owner.failed_long_ago()

    await owner.pay(await owner.buy())

    assert await owner.outcomes() == [FAILED] * 3
    assert await owner.suspended_reason() is None
    await owner.spend(100)
    assert await owner.outcomes() == [FAILED] * 3 + [PAID]


async def test_setting_it_again_ends_a_suspension(owner: Owner) -> None:
    await owner.suspended_by_its_card()

    await owner.set()

    assert await owner.suspended_reason() is None
    assert (await Wallet.get(id=owner.wallet)).top_up_below == 50
    assert await owner.outcomes() == [FAILED] * 3


async def test_without_a_saved_card_it_waits_for_the_first_purchase_through_the_checkout(service: Service) -> None:
    owner = await owner_of(service, credits_given=60)
    payload = await owner.set()
    await owner.spend(20)
    without = await owner.attempts()

    await owner.pay(await owner.buy())

    assert payload["wallet"]["autoTopUp"]["suspendedReason"] == NO_CARD
    assert without == []
    assert await owner.attempts() == []
    assert await owner.suspended_reason() is None
    await owner.spend(100)
    assert await owner.outcomes() == [PAID]


async def test_a_customer_without_a_card_fails_once_and_is_suspended(owner: Owner) -> None:
    nobody = f"cus_{uuid4().hex}"
    await Account.filter(id=owner.place.account_id).update(payment_customer_id=nobody)

    await owner.spend(60)

    assert await owner.outcomes() == [FAILED]
    assert await owner.suspended_reason() == NO_CARD


async def test_no_more_than_the_months_limit_and_again_in_the_next_month(owner: Owner) -> None:
    await owner.set(monthlyLimitMinor=39_799)
    await owner.spend(60)
    first = await owner.outcomes()
    await owner.spend(100)
    second = (await owner.attempts())[-1]
    shown = await owner.suspended_reason()
    planned = (await AutoTopUp.get(wallet_id=owner.wallet)).look_at
    at = await now()

    await Purchase.filter(wallet_id=owner.wallet).update(created_at=at - timedelta(days=32))
    await owner.look()

    assert first == [PAID]
    assert (second.outcome, second.reason, shown) == (SKIPPED, Why.MONTHLY_LIMIT, Why.MONTHLY_LIMIT)
    assert planned == _next_month(at)
    assert await owner.outcomes() == [PAID, SKIPPED, PAID]


def _next_month(at: datetime) -> datetime:
    first = at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=32)).replace(day=1)


async def consented_to(service: Service, owner: Owner) -> None:
    """From now on the demo's approver or deputy has to consent to what the account buys."""
    account_id, at = owner.place.account_id, await now()
    for name in ("approver", "deputy"):
        user_id = service.demo.users[name]
        await add_membership(
            get_connection("default"), account_id=account_id, user_id=user_id, role=AccountRole.MEMBER, at=at
        )
    await policy(service, account_id, required=1, approvers=("approver", "deputy"))


async def test_it_goes_through_the_approval_policy_and_is_charged_once_approved(service: Service, owner: Owner) -> None:
    await owner.set(quantity=5)
    await consented_to(service, owner)

    await owner.spend(60)
    (waiting,) = await owner.bought()
    (asked,) = await owner.attempts()
    await service.gql(APPROVE, "approver", id=waiting.id)

    assert (waiting.status, asked.outcome) == (PurchaseStatus.PENDING_APPROVAL, ASKED)
    assert waiting.justification == "Automatic top-up: 40 credits are available, fewer than 50."
    assert await owner.outcomes() == [PAID]
    assert await owner.available() == 540


async def test_one_that_is_rejected_counts_as_a_failure_at_the_next_look(service: Service, owner: Owner) -> None:
    await owner.set(quantity=5)
    await consented_to(service, owner)
    await owner.spend(60)
    (waiting,) = await owner.bought()
    await service.gql(REJECT, "approver", id=waiting.id, reason="Not this month")

    await owner.look()

    attempts = await owner.attempts()
    assert [(each.outcome, each.reason) for each in attempts] == [
        (FAILED, "Not this month"),
        (SKIPPED, Why.FAILED_LATELY),
    ]
    assert (await AutoTopUp.get(wallet_id=owner.wallet)).failures == 1


async def test_a_bank_that_wants_the_payer_gets_a_checkout_whose_address_is_sent(
    service: Service, owner: Owner
) -> None:
    await Account.filter(id=owner.place.account_id).update(slack_channel="#credits")
    await owner.card("needs_payer")

    await owner.spend(60)
    (attempt,) = await owner.attempts()
    (purchase,) = await owner.bought()
    (card,) = await Slack(service).messages(f"top-up:{purchase.id}:confirm")
    await service.pay(purchase.checkout_url or "")

    assert attempt.outcome is CONFIRM
    assert (purchase.status, purchase.method) == (PurchaseStatus.AWAITING_PAYMENT, PaymentMethod.CHECKOUT)
    assert "Your bank wants you to confirm" in card["text"]
    assert buttons(card) == ["confirm_payment"]
    assert purchase.checkout_url in str(card["blocks"])
    assert await owner.outcomes() == [PAID]
    assert await owner.available() == 140


async def test_killed_after_the_look_or_in_the_middle_of_the_charge_the_card_is_charged_once(
    service: Service, owner: Owner
) -> None:
    async with service.workers.away():
        purchase_id = await owner.asked()
        async with provider_at(service, "http://127.0.0.1:9") as out_of_reach:
            await finish_charges(out_of_reach, older_than_s=0)
        untouched = await purchase_of(purchase_id)
        await charge_as_if_killed(owner, purchase_id)

        await asyncio.gather(*(charge(service.shared.checkouts, purchase_id) for _ in range(3)))

    assert (untouched.status, untouched.charged_card) == (PurchaseStatus.AWAITING_PAYMENT, None)
    assert (await purchase_of(purchase_id)).status is PurchaseStatus.PAID
    assert await Payment.filter(purchase_id=purchase_id).count() == 1
    assert await owner.outcomes() == [PAID]
    assert await owner.available() == 140


async def test_a_look_that_is_done_twice_buys_once(service: Service, owner: Owner) -> None:
    async with service.workers.away():
        await owner.asked()

        await look(service.shared.hub, owner.wallet, planned_for=None)

    attempts = await owner.attempts()
    assert [(each.outcome, each.reason) for each in attempts] == [(ASKED, None), (SKIPPED, Why.UNDER_WAY)]


async def charge_as_if_killed(owner: Owner, purchase_id: str) -> None:
    """The card is chosen and charged, and whoever did it did not live to write that down."""
    gateway = owner.service.shared.checkouts.gateway
    found = await purchase_of(purchase_id)
    assert found.customer_id
    card_id = await gateway.saved_card(found.customer_id)
    assert card_id
    await Purchase.filter(id=purchase_id).update(charged_card=card_id, charge_began_at=await now())
    await gateway.charge(
        ChargeRequest(
            purchase_id=purchase_id,
            account_id=found.account_id,
            wallet_id=found.wallet_id,
            attempt=found.checkout_attempt,
            description=f"{found.package_name}: {found.credits:,} staging credits",
            total=found.total,
            customer_id=found.customer_id,
            card_id=card_id,
        )
    )


async def test_what_nobody_charged_is_charged_by_a_job(service: Service, owner: Owner) -> None:
    async with service.workers.away():
        await owner.asked()

        await finish_charges(service.shared.checkouts, older_than_s=0)

    assert await owner.outcomes() == [PAID]
    assert await owner.available() == 140


async def test_after_a_day_without_an_answer_nothing_more_is_charged(service: Service, owner: Owner) -> None:
    async with service.workers.away():
        purchase_id = await owner.asked()
        began = await now() - timedelta(hours=24)
        await Purchase.filter(id=purchase_id).update(charged_card="pm_1", charge_began_at=began)

        await charge(service.shared.checkouts, purchase_id)

    assert await owner.outcomes() == [FAILED]
    assert await Payment.filter(purchase_id=purchase_id).count() == 0


async def test_one_that_is_being_charged_cannot_be_canceled_and_one_that_waits_can(
    service: Service, owner: Owner
) -> None:
    async with service.workers.away():
        purchase_id = await owner.asked()
        charged = Purchase.filter(id=purchase_id)
        await charged.update(charged_card="pm_1", charge_began_at=await now())
        while_charged = await owner.ask(CANCEL, id=purchase_id)
        await charged.update(charged_card=None, charge_began_at=None)

        canceled = await purchases.cancel_purchase(service.shared.checkouts, purchase_id)
        await charge(service.shared.checkouts, purchase_id)

    assert while_charged["cancelPurchase"]["userErrors"] == [{"code": "WRONG_STATE"}]
    assert canceled.status is PurchaseStatus.CANCELED
    assert await Payment.filter(purchase_id=purchase_id).count() == 0


def told(purchase: PurchaseView, state: PaymentState = PaymentState.SUCCEEDED, **changes: Any) -> GatewayPayment:
    """What the provider says of the charge."""
    fields: dict[str, Any] = {
        "id": f"pi_{purchase.id}",
        "state": state,
        "total": purchase.total,
        "refunded": Money(0, purchase.total.currency),
        "purchase_id": purchase.id,
        "charged_saved_card": True,
        "reason": None,
        "livemode": False,
        "created_at": purchase.created_at,
    }
    return GatewayPayment(**(fields | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"total": Money(19_899, "USD")},
        {"total": Money(19_900, "EUR")},
        {"livemode": True},
        {"purchase_id": None},
        {"purchase_id": make_id(Kind.PURCHASE)},
    ],
)
async def test_a_charge_that_is_not_the_purchases_credits_nothing(
    service: Service, owner: Owner, changes: dict[str, Any]
) -> None:
    async with service.workers.away():
        purchase = await owner.charged()

        outcome = await fulfil_charge(service.shared.checkouts, told(purchase, **changes))

        assert outcome.startswith("quarantined")
        assert (await purchase_of(purchase.id)).status is PurchaseStatus.AWAITING_PAYMENT
        assert await owner.available() == 40


@pytest.mark.parametrize(
    ("said", "status", "available", "failures"),
    [
        (["PROCESSING"], "PROCESSING", 40, 0),
        (["PROCESSING", "SUCCEEDED", "SUCCEEDED"], "PAID", 140, 0),
        (["PROCESSING", "DECLINED"], "FAILED", 40, 1),
        (["DECLINED", "DECLINED"], "FAILED", 40, 1),
        (["CANCELED"], "FAILED", 40, 1),
        (["DECLINED", "SUCCEEDED"], "PAID", 140, 1),
        (["SUCCEEDED", "DECLINED", "PROCESSING", "NEEDS_PAYER"], "PAID", 140, 0),
        (["NEEDS_PAYER", "DECLINED", "PROCESSING"], "AWAITING_PAYMENT", 40, 0),
        (["NEEDS_PAYER", "SUCCEEDED"], "PAID", 140, 0),
    ],
)
async def test_whatever_is_said_of_a_charge_in_whatever_order_it_counts_once(
    service: Service, owner: Owner, said: list[str], status: str, available: int, failures: int
) -> None:
    async with service.workers.away():
        purchase = await owner.charged()

        for state in said:
            await fulfil_charge(service.shared.checkouts, told(purchase, PaymentState(state)))

        assert (await purchase_of(purchase.id)).status == status
        assert await owner.available() == available
        assert (await AutoTopUp.get(wallet_id=owner.wallet)).failures == failures


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"threshold": 0}, "INVALID", ["threshold"]),
        ({"threshold": 1_000_000_001}, "INVALID", ["threshold"]),
        ({"packageCode": "NONE"}, "UNKNOWN_PACKAGE", ["packageCode"]),
        ({"packageCode": "ENTERPRISE"}, "CUSTOM_PRICE_REQUIRED", ["packageCode"]),
        ({"quantity": 0}, "INVALID", ["quantity"]),
        ({"quantity": 10_001}, "INVALID", ["quantity"]),
        ({"monthlyLimitMinor": 19_899}, "INVALID", ["monthlyLimitMinor"]),
    ],
)
async def test_a_setting_that_could_buy_nothing_is_refused_and_changes_nothing(
    service: Service, changes: dict[str, Any], code: str, field: list[str]
) -> None:
    owner = await owner_of(service)

    payload = await owner.set(**changes)

    assert payload == {"wallet": None, "userErrors": [{"code": code, "field": field}]}
    assert (await owner.read())["autoTopUp"] is None
    assert (await Wallet.get(id=owner.wallet)).top_up_below is None


async def test_what_changes_a_setting_is_in_the_audit_log_and_one_that_is_off_buys_nothing(owner: Owner) -> None:
    await owner.set(enabled=False, monthlyLimitMinor=100_000)
    await owner.set(enabled=False, monthlyLimitMinor=100_000)

    await owner.spend(60)

    entries = [each for each in await entries_of(owner.place.account_id, limit=10) if each.action == "setAutoTopUp"]
    assert entries[0].after == {"enabled": "false", "monthlyLimitMinor": "100000"}
    assert len(entries) == 2
    assert await owner.attempts() == []
