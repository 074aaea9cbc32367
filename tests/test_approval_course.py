"""The course of an approval as people see it: how far it has come, reminders, escalation, its end, and asking again."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from tortoise.connection import get_connection

from app.sandbox.slack_people import SLACK_IDS
from credits.accounts.models import Membership
from credits.approvals.due import escalate_due, expire_due, look_at_open, remind_due
from credits.approvals.models import Approval, ApprovalStatus
from credits.approvals.queries import latest_by_purchase
from credits.chat.models import ChatMessage
from credits.interactions import DONE_JOB
from credits.ledger.queries import now
from credits.outbox import OutboxMessage
from credits.purchases.models import Purchase
from tests.support.firm import APPROVE, REJECT, Firm, new_firm, policy
from tests.support.service import Service
from tests.support.slack import Posted, Slack, buttons, eventually

ASK_AGAIN = """mutation ($id: ID!) { renewApproval(input: {purchaseId: $id}) {
  purchase { id status failureReason approval { id status } } userErrors { code field message } } }"""
CANCEL = "mutation ($id: ID!) { cancelPurchase(input: {purchaseId: $id}) { purchase { status } userErrors { code } } }"
HOUR = timedelta(hours=1)


@pytest.fixture
async def firm(service: Service) -> Firm:
    return await new_firm(service)


def approval_of(purchase: dict[str, Any]) -> str:
    return str(purchase["approval"]["id"])


def fields(card: Posted) -> str:
    return "\n".join(each["text"] for block in card["blocks"] for each in block.get("fields", ()))


async def seen(service: Service, about: str, count: int) -> list[Posted]:
    """The messages about it, once they are so many."""
    return await eventually(lambda: Slack(service).messages(about), lambda found: len(found) >= count)


async def shows(service: Service, about: str, text: str, count: int = 1) -> list[Posted]:
    """The messages about it, once each of so many says that anywhere."""
    return await eventually(
        lambda: Slack(service).messages(about),
        lambda found: len(found) == count and all(text in str(each) for each in found),
    )


async def hours_later(approval_id: str, hours: float, *, told_too: bool = True) -> None:
    """It was asked so many hours ago, and people were told then."""
    row = await Approval.get(id=approval_id)
    await Approval.filter(id=approval_id).update(created_at=row.created_at - hours * HOUR)
    if told_too:
        for told in await ChatMessage.filter(subject=f"approval:{approval_id}", posted_at__not_isnull=True):
            assert told.posted_at is not None
            await ChatMessage.filter(id=told.id).update(posted_at=told.posted_at - hours * HOUR)


async def jobs_done(approval_id: str) -> None:
    """Nothing is left to be done about it now."""

    async def waiting() -> int:
        rows = await OutboxMessage.filter(payload__contains={"approval_id": approval_id}, due_at__lt=await now())
        return len(rows)

    await eventually(waiting, lambda left: left == 0)


async def test_progress_shows_at_once_and_the_end_leaves_one_line_wherever_it_was_asked(
    service: Service, firm: Firm
) -> None:
    await firm.join("pool_admin")
    await policy(
        service, firm.account_id, required=2, approvers=("approver", "deputy", "pool_admin"), slack_channel="#approvals"
    )
    purchase = await firm.ask_for()
    approval_id, slack = approval_of(purchase), Slack(service)
    (asked,) = await firm.cards(purchase, 1)

    await slack.press(asked, "approve", "approver")
    (half,) = await shows(service, f"approval:{approval_id}:", "1 of 2: Abel Approver")
    await service.gql(APPROVE, "deputy", id=purchase["id"])
    (decided,) = await shows(service, f"approval:{approval_id}:", "approved by Abel Approver and Dana Deputy")
    (told,) = await shows(service, f"told:{approval_id}:", "Pay $899.00")
    await service.pay((await firm.state_of(purchase))["checkoutUrl"])
    (paid,) = await shows(service, f"told:{approval_id}:", "500 credits came to")
    trail = await seen(service, f"trail:{approval_id}:", 2)

    assert asked["channel"] == "C0APPROVAL"
    assert "*Approved*\n0 of 2" in fields(asked)
    assert "*Runway*\nno use yet" in fields(asked)
    assert (buttons(half), half["ts"]) == (["approve", "reject", "view"], asked["ts"])
    assert (buttons(decided), decided["ts"], len(decided["blocks"])) == ([], asked["ts"], 1)
    assert (told["channel"], buttons(told)) == ("D" + SLACK_IDS["member"][1:], ["pay", "view"])
    assert buttons(paid) == ["view"]
    assert [each["text"] for each in trail] == ["Abel Approver approved (1 of 2).", "Dana Deputy approved (2 of 2)."]
    assert {each["thread"] for each in trail} == {asked["ts"]}


async def test_a_rejection_is_quoted_to_whoever_asked_and_under_the_card(service: Service, firm: Firm) -> None:
    await policy(service, firm.account_id, required=1, approvers=("approver", "deputy"), slack_channel="#approvals")
    purchase = await firm.ask_for()
    await firm.cards(purchase, 1)

    await service.gql(REJECT, "deputy", id=purchase["id"], reason="Too dear & <late>")

    for about in ("approval", "told", "trail"):
        (card,) = await shows(service, f"{about}:{approval_of(purchase)}:", "Too dear & <late>")
        assert "ejected by Dana Deputy" in card["text"]
        assert buttons(card) == (["view"] if about == "told" else [])


async def test_who_has_not_decided_is_reminded_once_and_never_within_four_hours(service: Service, firm: Firm) -> None:
    await firm.join("pool_admin")
    people = ("approver", "deputy", "pool_admin")
    await policy(service, firm.account_id, required=2, approvers=people, remind_after_hours=1)
    purchase = await firm.ask_for()
    approval_id = approval_of(purchase)
    await firm.cards(purchase, 3)
    await service.gql(APPROVE, "pool_admin", id=purchase["id"])
    await jobs_done(approval_id)

    # One hour later the deputy was told three hours before that, the approver just now.
    await hours_later(approval_id, 1)
    deputy = ChatMessage.filter(subject=f"approval:{approval_id}", user_id=service.demo.users["deputy"])
    await deputy.update(posted_at=await now() - 4 * HOUR)
    await asyncio.gather(remind_due(), remind_due())
    early = await seen(service, f"remind:{approval_id}:", 1)
    await jobs_done(approval_id)
    (later,) = await OutboxMessage.filter(payload__contains={"approval_id": approval_id})
    approver = await ChatMessage.get(subject=f"approval:{approval_id}", user_id=service.demo.users["approver"])
    assert approver.posted_at is not None
    # Three hours on, the approver's four are over, and whoever was reminded is not again.
    await ChatMessage.filter(id=approver.id).update(posted_at=approver.posted_at - 3 * HOUR)
    await OutboxMessage.filter(id=later.id).update(due_at=await now())
    both = await seen(service, f"remind:{approval_id}:", 2)
    await asyncio.gather(remind_due(), remind_due())
    await jobs_done(approval_id)

    assert [each["channel"] for each in early] == ["D" + SLACK_IDS["deputy"][1:]]
    assert later.due_at == approver.posted_at + 4 * HOUR
    assert [each["channel"] for each in both] == ["D" + SLACK_IDS[name][1:] for name in ("deputy", "approver")]
    assert all(each["text"].startswith("Reminder: Milo Member asks") for each in both)
    assert len(await Slack(service).messages(f"remind:{approval_id}:")) == 2
    assert await OutboxMessage.filter(payload__contains={"approval_id": approval_id}).count() == 0


async def test_an_escalation_asks_those_whom_the_request_began_with_and_says_so(service: Service, firm: Firm) -> None:
    pool_admin, auditor = await firm.join("pool_admin"), await firm.join("department_member")
    terms: dict[str, Any] = {"escalate_after_hours": 2, "remind_after_hours": 3, "slack_channel": "#approvals"}
    escalate_to = (pool_admin, service.demo.users["deputy"], service.demo.users["member"], auditor)
    await policy(
        service, firm.account_id, required=1, approvers=("approver", "deputy"), escalate_to_ids=escalate_to, **terms
    )
    purchase = await firm.ask_for()
    approval_id = approval_of(purchase)
    await firm.cards(purchase, 1)
    # A policy that changes does not concern what was asked before.
    await policy(service, firm.account_id, required=1, approvers=("approver", "deputy"))
    await Membership.filter(account_id=firm.account_id, user_id=auditor).delete()
    refused = (await service.gql(APPROVE, "pool_admin", id=purchase["id"])).codes

    await hours_later(approval_id, 2)
    await asyncio.gather(escalate_due(service.shared.hub), escalate_due(service.shared.hub))
    asked = await shows(service, f"approval:{approval_id}:", "Escalated to Paula Poole", 2)
    (said,) = await seen(service, f"trail:{approval_id}:escalated", 1)
    await hours_later(approval_id, 1, told_too=False)
    await remind_due()
    reminded = await seen(service, f"trail:{approval_id}:reminded", 1)
    approved = (await service.gql(APPROVE, "pool_admin", id=purchase["id"])).data["approvePurchase"]

    assert refused == ["NOT_FOUND"]
    assert [each["channel"] for each in asked[:2]] == ["C0APPROVAL", "D" + SLACK_IDS["pool_admin"][1:]]
    assert all("May decide: Abel Approver, Dana Deputy, Paula Poole" in str(each["blocks"]) for each in asked)
    assert said["text"] == "Escalated to Paula Poole."
    # Paula was asked just now; her reminder waits.
    assert [each["text"] for each in reminded] == ["Reminded Abel Approver and Dana Deputy."]
    assert approved["purchase"]["status"] == "AWAITING_PAYMENT"


async def expired(firm: Firm, **terms: Any) -> dict[str, Any]:
    """A purchase that nobody decided in time."""
    if terms:
        await policy(firm.service, firm.account_id, required=1, approvers=("approver", "deputy"), **terms)
    purchase = await firm.ask_for()
    await firm.cards(purchase, 1)
    row = await Approval.get(id=approval_of(purchase))
    past = await now() - (row.expires_at - row.created_at)
    await Approval.filter(id=row.id).update(created_at=past, expires_at=await now())
    await expire_due(firm.service.shared.hub)
    return purchase


async def test_what_expired_is_asked_again_by_a_button_once_and_can_then_be_approved(
    service: Service, firm: Firm
) -> None:
    purchase = await expired(firm)
    old, slack = approval_of(purchase), Slack(service)
    (told,) = await shows(service, f"told:{old}:", "Ask again")
    await policy(service, firm.account_id, required=2, approvers=("approver", "deputy", "member"))

    await slack.press(told, "ask_again", "approver", force=True)
    (not_yours,) = await eventually(lambda: slack.whispers("approver", since=told["ts"]), bool)
    await slack.press(told, "ask_again", "member", deliveries=5)
    (done,) = await shows(service, f"told:{old}:", "It was asked again.")
    new = (await latest_by_purchase([purchase["id"]]))[purchase["id"]]
    await slack.press(told, "ask_again", "member", force=True, value=old)
    await eventually(lambda: OutboxMessage.filter(job=DONE_JOB).count(), lambda left: left == 0)
    cards = await seen(service, f"approval:{new.id}:", 2)
    await slack.press(cards[0], "approve", "approver")
    state = await eventually(lambda: firm.state_of(purchase), lambda found: found["status"] == "AWAITING_PAYMENT")

    assert "Only whoever asked" in not_yours
    assert buttons(done) == ["view"]
    assert new.id != old
    # The policy that it began with: one of two, for as long as then.
    assert (new.required_approvals, len(new.approver_ids), len(cards)) == (1, 2, 2)
    assert state["failureReason"] is None
    assert await Approval.filter(purchase_id=purchase["id"]).count() == 2
    assert await slack.whispers("member", since=told["ts"]) == []


async def test_ten_who_ask_again_at_once_make_one_request_and_a_cancellation_ends_it(
    service: Service, firm: Firm
) -> None:
    purchase = await expired(firm, expires_after_hours=5, remind_after_hours=2)

    answers = await asyncio.gather(*(service.gql(ASK_AGAIN, "member", id=purchase["id"]) for _ in range(10)))
    late = (await service.gql(ASK_AGAIN, "member", id=purchase["id"])).data["renewApproval"]
    race = await asyncio.gather(
        service.gql(CANCEL, "member", id=purchase["id"]), service.gql(ASK_AGAIN, "member", id=purchase["id"])
    )

    payloads = [answer.data["renewApproval"] for answer in answers]
    assert {payload["purchase"]["status"] for payload in payloads if payload["purchase"]} == {"PENDING_APPROVAL"}
    assert {error["code"] for payload in payloads for error in payload["userErrors"]} <= {"WRONG_STATE"}
    assert late["userErrors"] == [
        {"code": "WRONG_STATE", "field": ["purchaseId"], "message": "This purchase waits for approval already."}
    ]
    assert race[0].data["cancelPurchase"]["purchase"] == {"status": "CANCELED"}
    assert race[1].data["renewApproval"]["userErrors"][0]["code"] == "WRONG_STATE"
    first, second = await Approval.filter(purchase_id=purchase["id"]).order_by("created_at")
    assert (first.status, second.status) == (ApprovalStatus.EXPIRED, ApprovalStatus.CANCELED)
    assert (second.expires_at - second.created_at, second.remind_after_hours) == (
        first.expires_at - first.created_at,
        2,
    )


async def test_an_approved_purchase_and_one_whose_deciders_have_left_are_not_asked_again(
    service: Service, firm: Firm
) -> None:
    approved, left = await firm.ask_for(), await expired(firm)
    await service.gql(APPROVE, "deputy", id=approved["id"])
    await Membership.filter(account_id=firm.account_id, user_id=service.demo.users["approver"]).delete()
    await Membership.filter(account_id=firm.account_id, user_id=service.demo.users["deputy"]).delete()

    answers = [
        (await service.gql(ASK_AGAIN, "member", id=each["id"])).data["renewApproval"] for each in (approved, left)
    ]

    assert [each["userErrors"][0]["message"] for each in answers] == [
        "This purchase was approved and can be paid.",
        "Of those who could approve this, 0 are left, and 1 must. Buy again.",
    ]
    assert (await Purchase.get(id=left["id"])).status == "EXPIRED"


async def test_to_split_a_purchase_does_not_help(service: Service, firm: Firm) -> None:
    small = [await firm.ask_for("STARTER") for _ in range(5)]
    await service.gql(CANCEL, "member", id=small[0]["id"])

    again, another = await firm.ask_for("STARTER"), await firm.ask_for("STARTER", by="approver")

    # Five of 100 reach the policy's 500. One that was canceled counts no more, nor does what others buy.
    assert [each["status"] for each in small] == ["AWAITING_PAYMENT"] * 4 + ["PENDING_APPROVAL"]
    assert (again["status"], another["status"]) == ("PENDING_APPROVAL", "AWAITING_PAYMENT")


async def test_the_page_that_view_opens_shows_the_request_and_nothing_to_decide(service: Service, firm: Firm) -> None:
    purchase = await firm.ask_for()
    (card, _) = await firm.cards(purchase)
    (url,) = [
        element["url"]
        for block in card["blocks"]
        if block["type"] == "actions"
        for element in block["elements"]
        if element["action_id"] == "view"
    ]

    page = await service.http.get(url)
    other = await service.http.get(url[:-4] + ("aaaa" if url[-4:] != "aaaa" else "bbbb"))

    assert page.status_code == 200
    assert "Milo Member asks to buy 500 credits for" in page.text
    assert "Open house &lt;!channel&gt;" in page.text
    assert "<form" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert (other.status_code, "not one of ours" in other.text) == (404, True)


async def test_whoever_looks_at_what_is_due_twice_or_by_two_workers_does_it_once(service: Service, firm: Firm) -> None:
    await policy(
        service,
        firm.account_id,
        required=1,
        approvers=("approver", "deputy"),
        remind_after_hours=5,
        escalate_after_hours=5,
        escalate_to_ids=(await firm.join("pool_admin"),),
    )
    purchase = await firm.ask_for()
    approval_id = approval_of(purchase)
    await firm.cards(purchase)
    await hours_later(approval_id, 5)

    await asyncio.gather(*(look_at_open(service.shared.hub) for _ in range(4)))
    await seen(service, f"remind:{approval_id}:", 2)
    await jobs_done(approval_id)

    told = await get_connection("default").execute_query_dict(
        "SELECT user_id, count(*) AS n FROM chat_messages WHERE subject = $1 AND user_id IS NOT NULL GROUP BY 1",
        [f"approval:{approval_id}"],
    )
    names = {user_id: name for name, user_id in service.demo.users.items()}
    assert {names[row["user_id"]]: row["n"] for row in told} == {"approver": 2, "deputy": 2, "pool_admin": 1}
