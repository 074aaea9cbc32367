"""Approval of purchases from the request to the payment: by pressed buttons and by the API, each decided once."""

import asyncio

import pytest
from tortoise.connection import get_connection

from app.sandbox.slack_people import SLACK_IDS
from credits.accounts.models import SlackLink
from credits.approvals.due import expire_due
from credits.approvals.models import Approval, ApprovalDecision
from credits.approvals.queries import latest_by_purchase
from credits.ledger.queries import now
from credits.purchases.models import Purchase
from tests.support.firm import APPROVE, REJECT, Firm, new_firm, policy
from tests.support.service import Service
from tests.support.slack import Slack, buttons, eventually, quotation_in, with_markup


@pytest.fixture
async def firm(service: Service) -> Firm:
    return await new_firm(service)


async def test_a_large_purchase_waits_for_a_pressed_button_and_then_for_payment(service: Service, firm: Firm) -> None:
    slack = Slack(service)
    small = await firm.ask_for("STARTER", by="approver")
    purchase = await firm.ask_for()
    cards = await firm.cards(purchase)
    async with service.live("member") as live:
        await live.subscribe(
            "subscription ($id: ID!) { purchaseUpdated(purchaseId: $id) { status checkoutUrl } }", id=purchase["id"]
        )
        first = await live.next()

        pressed = await slack.press(cards[0], "approve", "approver")
        states = [await live.next(within_s=10)]
        while not states[-1]["purchaseUpdated"]["checkoutUrl"]:
            states.append(await live.next(within_s=10))

    assert (small["status"], small["approval"]) == ("AWAITING_PAYMENT", None)
    assert (purchase["status"], purchase["checkoutUrl"]) == ("PENDING_APPROVAL", None)
    assert {card["channel"] for card in cards} == {"D" + "U0APPROVER"[1:], cards[1]["channel"]}
    assert [buttons(card) for card in cards] == [["approve", "reject", "view"]] * 2
    assert "<!channel>" in quotation_in(cards[0]["blocks"])
    assert not [text for text in with_markup(cards[0]) if "<!channel>" in text]
    assert pressed["status"] == 200
    assert first["purchaseUpdated"]["status"] == "PENDING_APPROVAL"
    assert states[-1]["purchaseUpdated"]["status"] == "AWAITING_PAYMENT"
    edited = await eventually(
        lambda: slack.messages(f"approval:{purchase['approval']['id']}:"),
        lambda seen: all(card["edited"] for card in seen),
    )
    assert [buttons(card) for card in edited] == [[], []]
    assert all("approved by Abel Approver" in card["text"] for card in edited)
    told = await eventually(lambda: slack.messages(f"told:{purchase['approval']['id']}:"), lambda seen: len(seen) == 1)
    assert "approved by Abel Approver" in told[0]["text"]
    await service.pay(states[-1]["purchaseUpdated"]["checkoutUrl"])
    assert (await firm.state_of(purchase))["status"] == "PAID"


async def test_the_api_decides_the_same_way(service: Service, firm: Firm) -> None:
    purchase = await firm.ask_for()
    await firm.cards(purchase)

    waiting = await service.gql("{ viewer { approvalsWaiting { id purchase { credits } } } }", "approver")
    decided = (await service.gql(APPROVE, "approver", id=purchase["id"])).data["approvePurchase"]

    assert purchase["approval"]["id"] in {each["id"] for each in waiting.data["viewer"]["approvalsWaiting"]}
    assert decided["purchase"]["status"] == "AWAITING_PAYMENT"
    assert decided["purchase"]["approval"] == {
        "status": "APPROVED",
        "decisions": [{"approver": {"name": "Abel Approver"}, "verdict": "APPROVE", "via": "API"}],
    }
    edited = await eventually(
        lambda: Slack(service).messages(f"approval:{purchase['approval']['id']}:"),
        lambda seen: all(card["edited"] for card in seen),
    )
    assert len(edited) == 2


async def test_a_rejection_wants_a_reason_and_ends_the_purchase(service: Service, firm: Firm) -> None:
    purchase = await firm.ask_for()

    without = (await service.gql(REJECT, "approver", id=purchase["id"], reason=" ")).data["rejectPurchase"]
    rejected = (await service.gql(REJECT, "approver", id=purchase["id"], reason="Too dear")).data["rejectPurchase"]

    assert without["userErrors"] == [{"code": "INVALID", "field": ["reason"]}]
    assert rejected["purchase"] == {"status": "REJECTED", "failureReason": "Too dear"}
    assert await ApprovalDecision.filter(approval_id=purchase["approval"]["id"]).count() == 1


async def test_nobody_decides_their_own_purchase(service: Service, firm: Firm) -> None:
    purchase = await firm.ask_for(by="approver")
    (card,) = await firm.cards(purchase, 1)

    by_api = (await service.gql(APPROVE, "approver", id=purchase["id"])).data["approvePurchase"]
    await Slack(service).press(card, "approve", "approver")
    whispers = await eventually(lambda: Slack(service).whispers("approver", since=card["ts"]), bool)

    assert card["channel"] == "D0DEPUTY0"  # who asks is not asked
    assert [error["code"] for error in by_api["userErrors"]] == ["SELF_APPROVAL"]
    assert "You asked for this purchase yourself" in whispers[0]
    assert await ApprovalDecision.filter(approval_id=purchase["approval"]["id"]).count() == 0


async def test_an_owner_who_is_not_named_cannot_decide(service: Service, firm: Firm) -> None:
    purchase = await firm.ask_for()

    refused = (await service.gql(APPROVE, firm.owner, id=purchase["id"])).data["approvePurchase"]

    assert [error["code"] for error in refused["userErrors"]] == ["NOT_AN_APPROVER"]
    assert (await Purchase.get(id=purchase["id"])).status == "PENDING_APPROVAL"


async def test_of_many_decisions_at_once_one_stands_and_the_others_are_told_who_decided(
    service: Service, firm: Firm
) -> None:
    purchase = await firm.ask_for()

    answers = await asyncio.gather(
        *(service.gql(APPROVE, name, id=purchase["id"]) for name in ("approver", "deputy") * 5),
        *(service.gql(REJECT, name, id=purchase["id"], reason="No") for name in ("approver", "deputy") * 5),
    )

    payloads = [next(iter(answer.data.values())) for answer in answers]
    assert sum(payload["purchase"] is not None for payload in payloads) == 1
    assert {error["code"] for payload in payloads for error in payload["userErrors"]} == {"ALREADY_DECIDED"}
    assert await ApprovalDecision.filter(approval_id=purchase["approval"]["id"]).count() == 1
    told = [error["message"] for payload in payloads[:10] for error in payload["userErrors"]]
    assert all(message.startswith("This was ") and " by " in message for message in told)


async def test_of_two_required_the_first_approval_changes_nothing_yet(service: Service, firm: Firm) -> None:
    await firm.join("pool_admin")
    await policy(service, firm.account_id, required=2, approvers=("approver", "deputy", "pool_admin"))
    purchase = await firm.ask_for()

    first = (await service.gql(APPROVE, "approver", id=purchase["id"])).data["approvePurchase"]
    again = (await service.gql(APPROVE, "approver", id=purchase["id"])).data["approvePurchase"]
    second = (await service.gql(APPROVE, "deputy", id=purchase["id"])).data["approvePurchase"]

    assert first["purchase"]["status"] == "PENDING_APPROVAL"
    assert [error["code"] for error in again["userErrors"]] == ["ALREADY_DECIDED"]
    assert second["purchase"]["status"] == "AWAITING_PAYMENT"


async def test_what_nobody_decides_expires_with_its_purchase(service: Service, firm: Firm) -> None:
    purchase = await firm.ask_for()
    cards = await firm.cards(purchase)
    await Approval.filter(id=purchase["approval"]["id"]).update(expires_at=await now())

    late = (await service.gql(APPROVE, "approver", id=purchase["id"])).data["approvePurchase"]
    await asyncio.gather(expire_due(service.shared.hub), expire_due(service.shared.hub))
    state = await firm.state_of(purchase)

    assert [error["code"] for error in late["userErrors"]] == ["APPROVAL_EXPIRED"]
    assert (state["status"], state["approval"]["status"]) == ("EXPIRED", "EXPIRED")
    edited = await eventually(
        lambda: Slack(service).messages(f"approval:{purchase['approval']['id']}:"),
        lambda seen: all(card["edited"] for card in seen),
    )
    assert len(edited) == len(cards) == 2
    assert all("nobody decided in time" in card["text"] for card in edited)


async def test_canceling_takes_the_question_back_and_a_stale_button_is_refused(service: Service, firm: Firm) -> None:
    purchase = await firm.ask_for()
    cards = await firm.cards(purchase)
    cancel = "mutation ($id: ID!) { cancelPurchase(input: {purchaseId: $id}) { purchase { status } } }"

    canceled = await service.gql(cancel, "member", id=purchase["id"])
    await Slack(service).press(cards[0], "approve", "approver", force=True)
    whispers = await eventually(lambda: Slack(service).whispers("approver", since=cards[0]["ts"]), bool)

    assert canceled.data["cancelPurchase"]["purchase"]["status"] == "CANCELED"
    assert "This was canceled" in whispers[0]
    assert (await firm.state_of(purchase))["approval"]["status"] == "CANCELED"


async def test_an_ambiguous_post_ends_with_one_card(service: Service, firm: Firm) -> None:
    await Slack(service).fault("chat.postMessage", next=2, status=500, after=True)

    purchase = await firm.ask_for()
    cards = await eventually(lambda: firm.cards(purchase), lambda seen: len(seen) == 2, within_s=60)
    await eventually(lambda: _drained(firm), bool, within_s=60)

    assert len(await firm.cards(purchase)) == len(cards) == 2


async def _drained(firm: Firm) -> bool:
    """Nothing waits to be told of this firm; what others have left is theirs."""
    rows = await get_connection("default").execute_query_dict(
        "SELECT count(*) AS n FROM outbox WHERE account_id = $1 AND queue = 'approvals' AND job <> 'approval.remind'",
        [firm.account_id],
    )
    return bool(rows[0]["n"] == 0)


async def test_policies_are_set_seen_and_deleted_by_owners(service: Service, firm: Firm) -> None:
    set_it = """mutation ($input: SetApprovalPolicyInput!) { setApprovalPolicy(input: $input) {
      approvalPolicy { id minimumCredits approvers { name } } userErrors { code field } } }"""
    wanted = {
        "accountId": firm.account_id,
        "minimumCredits": 200,
        "approverIds": [service.demo.users["approver"], service.demo.users["deputy"]],
    }
    made = (await service.gql(set_it, firm.owner, input=wanted)).data["setApprovalPolicy"]
    one = (await service.gql(set_it, firm.owner, input=wanted | {"approverIds": [service.demo.users["approver"]]})).data
    foreign = [service.demo.users["approver"], service.demo.users["other_owner"]]
    other = (await service.gql(set_it, firm.owner, input=wanted | {"approverIds": foreign})).data
    delete = "mutation ($id: ID!) { deleteApprovalPolicy(input: {id: $id}) { id userErrors { code } } }"
    deleted = (await service.gql(delete, firm.owner, id=made["approvalPolicy"]["id"])).data
    again = await service.gql(delete, firm.owner, id=made["approvalPolicy"]["id"])

    assert [each["name"] for each in made["approvalPolicy"]["approvers"]] == ["Abel Approver", "Dana Deputy"]
    assert one["setApprovalPolicy"]["userErrors"] == [{"code": "INVALID", "field": ["approverIds"]}]
    assert other["setApprovalPolicy"]["userErrors"] == [{"code": "INVALID", "field": ["approverIds"]}]
    assert deleted["deleteApprovalPolicy"]["id"] == made["approvalPolicy"]["id"]
    assert again.codes == ["NOT_FOUND"]


async def test_approval_updated_tells_who_may_decide(service: Service, firm: Firm) -> None:
    async with service.live("approver") as live, service.live("member") as stranger:
        watch = "subscription ($id: ID!) { approvalUpdated(accountId: $id) { id status viewerCanDecide } }"
        await live.subscribe(watch, id=firm.account_id)
        await stranger.subscribe(watch, id=firm.account_id)
        refused = await stranger.receive()
        purchase = await firm.ask_for()
        came = await live.next(within_s=35)
        await service.gql(APPROVE, "deputy", id=purchase["id"])
        ended = await live.next()

    assert refused["payload"][0]["extensions"]["code"] == "FORBIDDEN"
    asked = (await latest_by_purchase([purchase["id"]]))[purchase["id"]]
    assert came["approvalUpdated"] == {"id": asked.id, "status": "PENDING", "viewerCanDecide": True}
    assert ended["approvalUpdated"] == {"id": asked.id, "status": "APPROVED", "viewerCanDecide": False}


async def test_deciding_and_canceling_at_once_leave_one_of_the_two(service: Service, firm: Firm) -> None:
    cancel = (
        "mutation ($id: ID!) { cancelPurchase(input: {purchaseId: $id}) { purchase { status } userErrors { code } } }"
    )
    purchases = [await firm.ask_for() for _ in range(8)]

    answers = await asyncio.gather(
        *(service.gql(cancel, "member", id=purchase["id"]) for purchase in purchases),
        *(service.gql(APPROVE, "deputy", id=purchase["id"]) for purchase in purchases),
    )

    assert not [answer.body for answer in answers if "errors" in answer.body]
    for purchase in purchases:
        state = await firm.state_of(purchase)
        assert (state["status"], state["approval"]["status"]) in {
            ("CANCELED", "CANCELED"),
            ("CANCELED", "APPROVED"),
            ("AWAITING_PAYMENT", "APPROVED"),
        }


async def test_one_who_cannot_be_reached_keeps_nobody_else_from_being_asked(service: Service, firm: Firm) -> None:
    approver = service.demo.users["approver"]
    await SlackLink.filter(user_id=approver).update(slack_user_id="U0GONE00001")
    try:
        purchase = await firm.ask_for()
        cards = await firm.cards(purchase, 1)
        await eventually(lambda: _drained(firm), bool, within_s=30)
    finally:
        await SlackLink.filter(user_id=approver).update(slack_user_id=SLACK_IDS["approver"])

    assert [card["channel"] for card in await firm.cards(purchase, 1)] == ["D0DEPUTY0"]
    assert len(cards) == 1


async def test_who_can_be_asked_in_slack_is_told(service: Service) -> None:
    asked = "{ viewer { user { slackLinked } } }"

    unknown = await service.owner_token((await service.account()).account_id)
    linked = [(await service.gql(asked, who)).data["viewer"]["user"]["slackLinked"] for who in ("approver", unknown)]

    assert linked == [True, False]
